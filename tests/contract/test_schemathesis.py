"""The description against the service: requests made from the schemas, right ones and wrong ones, on a real gateway.

Bounded and seeded: what failed once fails again. Every answer must be one that the description names, in form too.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import schemathesis
import uvicorn
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks
from sqlalchemy import text
from tests.support.admin import Admin
from tests.support.deployment import free_port
from tests.support.waiting import a_held_delivery, a_source, content, received

from leadhub.api.openapi import document
from leadhub.api.server import server_config
from leadhub.app import create_app
from leadhub.resources import Resources
from leadhub.settings import Settings

EXAMPLES = 5
"""Requests for each operation, of each kind."""
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
    checks.negative_data_rejection,
]


@contextmanager
def gateway(settings: Settings) -> Iterator[str]:
    """A gateway in a thread with a loop of its own: schemathesis waits for its answers where it stands."""
    port = free_port()
    config = server_config(create_app(settings), settings.model_copy(update={"port": port}))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            thread.join(0.02)
            assert thread.is_alive()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


async def what_there_is(admin: Admin) -> dict[str, str]:
    """One of everything, so that not every id is unknown."""
    async with admin.client("admin") as client:
        endpoint = (await client.post("/v1/endpoints", json={"url": "https://crm.example.com/"})).json()
        form = (
            await client.post(
                "/v1/sources",
                json={"channel": "form", "name": "f", "secrets": ["secret one"], "options": {"form_token": "review"}},
            )
        ).json()
        api = (await client.post("/v1/sources", json={"channel": "api", "name": "a"})).json()
        doings = (await client.post("/v1/sources", json={"channel": "activities", "name": "d"})).json()
        webhook = (await client.post("/v1/sources", json={"channel": "json", "name": "w"})).json()
        tracking = (await client.post("/v1/sources", json={"channel": "segment", "name": "t"})).json()
        other = (await client.post("/v1/keys", json={"name": "k", "scopes": ["leads:read"]})).json()
        source = await a_source(admin.resources.engine)
        [submission] = await received(admin.resources.engine, source, content({"email": "ana@acme.example"}))
        await admin.process()
        delivery = (await client.get("/v1/deliveries")).json()["items"][0]
        past = {"endpoint_id": endpoint["id"], "since": "2026-01-15T09:30:00Z"}
        replay = (await client.post("/v1/replays", json=past)).json()
        await received(admin.resources.engine, source, *(content({"email": f"{n}@acme.example"}) for n in "bc"))
        for first in ("Kim", "Robert"):
            person = {"email": "kim@acme.example", "first_name": first, "last_name": "Berg", "company": "Acme"}
            await received(admin.resources.engine, source, content(person))
            await admin.process()
        review = (await client.get("/v1/reviews")).json()["items"][0]
        winner, loser = [one["id"] for one in (await client.get("/v1/leads")).json()["items"]][:2]
        wish = {"lead_id": loser, "because": "She said so."}
        merge = (await client.post(f"/v1/leads/{winner}/merge", json=wish, headers={"If-Match": "*"})).json()
        files = (await client.post("/v1/sources", json={"channel": "import", "name": "i"})).json()
        imported = (await client.post("/v1/imports", json={"source_id": files["id"], "name": "a.csv"})).json()
        held = await a_held_delivery(admin.resources.engine, source)
    async with admin.resources.engine.connect() as connection:
        item = (await connection.execute(text("SELECT id FROM nurture_item LIMIT 1"))).scalar_one()
    return {
        "track": "awareness",
        "item_id": str(item),
        "lead_id": delivery["lead_id"],
        "submission_id": str(submission),
        "delivery_id": delivery["id"],
        "replay_id": replay["id"],
        "merge_id": merge["id"],
        "review_id": review["id"],
        "event_type": "lead.routed",
        "version": "1",
        "source_id": form["id"],
        "held_id": str(held),
        "import_id": imported["id"],
        "part": "1",
        "secret_id": form["secrets"][0]["id"],
        "endpoint_id": endpoint["id"],
        "key_id": other["id"],
        "/in/form/{key}": form["key"],
        "/in/api/{key}": api["key"],
        "/in/activities/{key}": doings["key"],
        "channel": "json",
        "/in/{channel}/{key}": webhook["key"],
        "/in/segment/{key}/v1/{call}": tracking["key"],
        "call": "track",
    }


def complaints(url: str, token: str, known: dict[str, str]) -> Iterator[str]:
    """What is wrong with the answers, operation by operation; those that delete come last."""
    schema = schemathesis.openapi.from_dict(without_security(document()))
    found = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    headers = {"Authorization": f"Bearer {token}"}
    for operation in sorted(found, key=lambda one: one.method == "delete"):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @hypothesis.seed(1)
            @hypothesis.settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
            def request(case: Case[Any], *, is_known: bool) -> None:
                if is_known and not is_wrong(case, ParameterLocation.PATH):
                    for name in case.path_parameters or {}:
                        case.path_parameters[name] = known.get(name) or known[case.path]
                if isinstance(case.body, dict) and case.body.get("wait_seconds") in range(1, 31):
                    case.body["wait_seconds"] = 0  # nothing is due, and a long poll would only wait
                case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

            try:
                request()
            except hypothesis.errors.Unsatisfiable:
                continue  # nothing can be wrong in a request without parameters
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - whatever it is, this operation has it
                yield f"{operation.label} ({mode.value}): {describe(error)}"


def is_wrong(case: Case[Any], place: ParameterLocation) -> bool:
    """Whether a part of a request was made to be refused."""
    found = case.meta.components.get(place) if case.meta else None
    return found is not None and found.mode is GenerationMode.NEGATIVE


def without_security(described: dict[str, Any]) -> dict[str, Any]:
    """The document without its keys: else half of the wrong requests are wrong in their key, and get no further."""
    for methods in described["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return described


def describe(error: BaseException) -> str:
    inner: Any = getattr(error, "exceptions", None)
    return "\n".join(describe(one) for one in inner) if inner else f"{type(error).__name__}: {error}"


async def test_every_answer_is_one_that_the_description_names(settings: Settings, resources: Resources) -> None:
    admin = Admin(resources)
    known = await what_there_is(admin)
    token = await admin.token("admin")

    with gateway(settings) as url:
        found = await asyncio.to_thread(lambda: list(complaints(url, token, known)))

    assert not found, "\n\n".join(found)
