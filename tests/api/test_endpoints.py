import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook
from tests.support.admin import Admin, pointers, problem_of
from tests.support.receivers import Received, answering, status

from leadhub.domain.ids import EventId
from leadhub.domain.signature import parse_secret
from leadhub.resources import Ids, Resources
from leadhub.store import driver
from leadhub.store.events import NewEvent, append

A_CRM = {"url": "https://crm.example.com/hooks", "description": "CRM", "event_types": ["lead.routed"]}
new_id = Ids()


async def created(client: httpx2.AsyncClient, **parts: Any) -> dict[str, Any]:
    response = await client.post("/v1/endpoints", json={**A_CRM, **parts})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def happened(admin: Admin, kind: str = "lead.routed") -> UUID:
    now = datetime.now(UTC)
    event = NewEvent(
        id=EventId(new_id()),
        type=kind,
        lead_id=None,
        sequence=1,
        occurred_at=now,
        received_at=now,
        is_test=False,
        body=b"{}",
    )
    async with driver.transaction(admin.resources.engine) as connection:
        await append(connection, [event])
    return event.id


async def states(admin: Admin) -> list[str]:
    async with admin.resources.engine.connect() as connection:
        return list((await connection.execute(text("SELECT state FROM delivery ORDER BY id"))).scalars())


async def test_a_new_endpoint_has_a_secret_a_lane_and_an_etag(client: httpx2.AsyncClient, admin: Admin) -> None:
    made = await client.post("/v1/endpoints", json=A_CRM)

    shown = await client.get(f"/v1/endpoints/{made.json()['id']}/secret")
    read = await client.get(f"/v1/endpoints/{made.json()['id']}")
    secret = made.json()["secret"]
    assert len(parse_secret(secret)) == 32
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert [one["secret"] for one in shown.json()["secrets"]] == [secret]
    assert "secret" not in read.json()
    assert read.headers["etag"] == '"v1"'
    async with admin.resources.engine.connect() as connection:
        caps = (await connection.execute(text("SELECT cap FROM lane"))).scalars().all()
    assert caps == [admin.resources.settings.delivery_lane_cap]


async def test_secrets_are_sealed_at_rest(client: httpx2.AsyncClient, admin: Admin) -> None:
    secret = (await created(client))["secret"]

    async with admin.resources.engine.connect() as connection:
        [sealed] = (await connection.execute(text("SELECT sealed FROM endpoint_secret"))).scalars()
    assert secret.encode() not in sealed


async def test_a_wrong_endpoint_is_refused_by_field(client: httpx2.AsyncClient) -> None:
    expected: list[tuple[dict[str, Any], str]] = [
        ({"url": "http://169.254.169.254/latest"}, "#/url"),
        ({"url": "https://10.0.0.1/"}, "#/url"),
        ({"url": "https://user@crm.example.com/"}, "#/url"),
        ({"url": "ftp://crm.example.com/"}, "#/url"),
        ({"url": "jsonl:warehouse"}, "#/url"),
        ({"url": "https://crm.example.com/\u0000"}, "#/url"),
        ({"url": ""}, "#/url"),
        ({"event_types": ["lead.exploded"]}, "#/event_types/0"),
        ({"include_test": "true"}, "#/include_test"),
        ({"state": "gone"}, "#/state"),
    ]

    for parts, pointer in expected:
        problem = problem_of(await client.post("/v1/endpoints", json={**A_CRM, **parts}), 422)
        assert pointers(problem) == [pointer], parts


async def test_a_file_is_subscribed_where_the_operator_set_a_folder(resources: Resources, tmp_path: Path) -> None:
    settings = resources.settings.model_copy(update={"sink_directory": tmp_path})
    admin = Admin(replace(resources, settings=settings))
    async with admin.client("admin") as client:
        made = await created(client, url="jsonl:warehouse")
        for url in ("jsonl:", "jsonl:../up", "jsonl:/etc/passwd", "jsonl:a\u0000"):
            refused = problem_of(await client.post("/v1/endpoints", json={**A_CRM, "url": url}), 422)
            assert pointers(refused) == ["#/url"]
        path = f"/v1/endpoints/{made['id']}"
        verified = await client.post(f"{path}/verify")
        problem_of(await client.patch(path, json={"url": "jsonl:.."}, headers={"If-Match": "*"}), 422)
        moved = await client.patch(path, json={"url": A_CRM["url"]}, headers={"If-Match": "*"})

    assert (made["url"], made["state"]) == ("jsonl:warehouse", "active")
    assert verified.json()["is_verified"] is False
    assert moved.json()["url"] == A_CRM["url"]


async def test_a_repeated_create_is_one_endpoint_with_one_secret(client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "crm"}

    several = await asyncio.gather(*(client.post("/v1/endpoints", json=A_CRM, headers=headers) for _ in range(4)))

    assert len({response.text for response in several}) == 1
    assert len((await client.get("/v1/endpoints")).json()["items"]) == 1


async def test_a_change_needs_the_etag_and_a_url_that_is_allowed(client: httpx2.AsyncClient) -> None:
    path = f"/v1/endpoints/{(await created(client))['id']}"
    match = {"If-Match": '"v1"'}

    problem_of(await client.patch(path, json={"description": "x"}), 428)
    problem_of(await client.patch(path, json={"url": "https://10.0.0.1/"}, headers=match), 422)
    changed = await client.patch(path, json={"event_types": []}, headers=match)
    problem_of(await client.patch(path, json={"description": "x"}, headers=match), 412)

    assert changed.json()["event_types"] == []
    assert changed.json()["url"] == A_CRM["url"]
    assert changed.headers["etag"] == '"v2"'


async def test_nothing_is_lost_while_an_endpoint_is_paused(client: httpx2.AsyncClient, admin: Admin) -> None:
    path = f"/v1/endpoints/{(await created(client))['id']}"
    await happened(admin)

    paused = await client.post(f"{path}/pause")
    again = await client.post(f"{path}/pause")
    await happened(admin)

    assert paused.json()["state"] == "paused"
    assert again.json() == paused.json()
    assert await states(admin) == ["held", "held"]

    resumed = await client.post(f"{path}/resume")

    assert (resumed.json()["state"], resumed.json()["state_because"]) == ("active", None)
    assert await states(admin) == ["pending", "pending"]
    assert (await client.post(f"{path}/resume")).json() == resumed.json()


async def test_a_new_url_brings_a_misconfigured_endpoint_back(client: httpx2.AsyncClient, admin: Admin) -> None:
    path = f"/v1/endpoints/{(await created(client))['id']}"
    async with admin.resources.engine.begin() as connection:
        await connection.execute(
            text("UPDATE endpoint SET state = 'misconfigured', state_because = 'a private address'")
        )
    await happened(admin)

    described = await client.patch(path, json={"description": "same url"}, headers={"If-Match": "*"})
    moved = await client.patch(path, json={"url": "https://crm.example.com/new"}, headers={"If-Match": "*"})

    assert described.json()["state"] == "misconfigured"
    assert moved.json()["state"] == "active"
    assert await states(admin) == ["pending"]


async def test_a_deleted_endpoint_gets_nothing_more_and_its_log_stays(client: httpx2.AsyncClient, admin: Admin) -> None:
    made = await created(client)
    await happened(admin)

    gone = await client.delete(f"/v1/endpoints/{made['id']}")

    assert (gone.status_code, gone.content) == (204, b"")
    assert await states(admin) == ["cancelled"]
    problem_of(await client.get(f"/v1/endpoints/{made['id']}"), 404)
    problem_of(await client.delete(f"/v1/endpoints/{made['id']}"), 404)
    assert len((await client.get("/v1/deliveries")).json()["items"]) == 1


async def test_after_a_rotation_both_secrets_sign_for_a_day(client: httpx2.AsyncClient) -> None:
    made = await created(client)
    path = f"/v1/endpoints/{made['id']}/secret"

    rotated = (await client.post(f"{path}/rotate")).json()
    [new, old] = (await client.get(path)).json()["secrets"]

    assert new["secret"] == rotated["secret"] != made["secret"]
    assert new["valid_until"] is None
    assert old["secret"] == made["secret"]
    left = datetime.fromisoformat(old["valid_until"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


async def test_of_many_rotations_two_old_secrets_remain(client: httpx2.AsyncClient) -> None:
    path = f"/v1/endpoints/{(await created(client))['id']}/secret"

    made = [(await client.post(f"{path}/rotate")).json()["secret"] for _ in range(4)]

    shown = (await client.get(path)).json()["secrets"]
    assert [one["secret"] for one in shown] == made[:0:-1]


async def test_a_repeated_rotation_is_one(client: httpx2.AsyncClient) -> None:
    path = f"/v1/endpoints/{(await created(client))['id']}/secret"
    headers = {"Idempotency-Key": "rotate-in-may"}

    first = await client.post(f"{path}/rotate", headers=headers)
    second = await client.post(f"{path}/rotate", headers=headers)

    assert first.json() == second.json()
    assert len((await client.get(path)).json()["secrets"]) == 2


SECRET_HEADER, PASSWORD = "tenant-key-1", "a password"
WANTED = {
    "payload": "thin",
    "filter": [{"path": "/data/stage", "one_of": ["SQL"]}],
    "headers": {"X-Tenant": SECRET_HEADER},
    "authorization": {"kind": "basic", "username": "leadhub", "password": PASSWORD},
    "cap": 8,
    "per_minute": 600,
}


async def test_what_an_owner_asks_for_is_kept_and_its_secrets_never_shown(
    client: httpx2.AsyncClient, admin: Admin
) -> None:
    made = await created(client, **WANTED)

    read = (await client.get(f"/v1/endpoints/{made['id']}")).json()
    assert (read["payload"], read["header_names"], read["authorization"]) == ("thin", ["X-Tenant"], "basic")
    assert read["filter"][0]["one_of"] == ["SQL"]
    assert SECRET_HEADER not in str(made) + str(read)
    assert PASSWORD not in str(made) + str(read)
    async with admin.resources.engine.connect() as connection:
        [(extras,)] = (await connection.execute(text("SELECT extras FROM endpoint"))).all()
        [lane] = (await connection.execute(text("SELECT cap, width, per_minute FROM lane"))).all()
    assert SECRET_HEADER.encode() not in extras
    assert tuple(lane) == (8, 8, 600)


async def test_a_change_leaves_what_it_does_not_name_and_takes_away_what_is_null(client: httpx2.AsyncClient) -> None:
    made = await created(client, **WANTED)
    path = f"/v1/endpoints/{made['id']}"

    first = await client.patch(path, json={"headers": {"X-Other": "1"}}, headers={"If-Match": '"v1"'})
    second = await client.patch(path, json={"authorization": None, "filter": []}, headers={"If-Match": '"v2"'})

    assert (first.json()["header_names"], first.json()["authorization"]) == (["X-Other"], "basic")
    assert (second.json()["header_names"], second.json()["authorization"]) == (["X-Other"], None)
    assert (second.json()["filter"], second.json()["payload"]) == ([], "thin")


async def test_what_cannot_be_asked_for_is_refused_by_field(client: httpx2.AsyncClient) -> None:
    oauth2 = {"kind": "oauth2", "token_url": "https://10.0.0.1/token", "client_id": "a", "client_secret": "b"}
    for parts, pointer in (
        ({"headers": {"Host": "x"}}, "#/headers"),
        ({"authorization": oauth2}, "#/authorization/token_url"),
        ({"cap": 33}, "#/cap"),
        ({"per_minute": -1}, "#/per_minute"),
        ({"payload": "tiny"}, "#/payload"),
        ({"signature": "v2"}, "#/signature"),
    ):
        problem = problem_of(await client.post("/v1/endpoints", json=A_CRM | parts), 422)
        assert pointer in pointers(problem)


async def test_of_a_key_pair_only_the_public_half_is_shown(client: httpx2.AsyncClient) -> None:
    made = await created(client, signature="v1a")
    path = f"/v1/endpoints/{made['id']}/secret"
    rotated = (await client.post(f"{path}/rotate", json={"overlap_hours": 1})).json()
    back = (await client.post(f"{path}/rotate", json={"signature": "v1", "overlap_hours": 0})).json()

    shown = (await client.get(path)).json()["secrets"]
    assert [one["secret"] for one in shown] == [back["secret"]]
    assert (made["secret"][:5], rotated["secret"][:5], back["secret"][:6]) == ("whpk_", "whpk_", "whsec_")


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (lambda challenge: status(200, body=challenge), "the receiver sent the challenge back"),
        (
            lambda challenge: status(200, body=b'{"challenge": "%b"}' % challenge),
            "the receiver sent the challenge back",
        ),
        (lambda _: status(204), "the receiver answered, but did not send the challenge back"),
        (lambda _: status(200, body=b"[" * 9_999), "the receiver answered, but did not send the challenge back"),
        (lambda challenge: status(404, body=challenge), "the receiver answered 404: the path of the URL is wrong"),
    ],
)
async def test_a_receiver_proves_that_it_wants_the_events(
    client: httpx2.AsyncClient, answer: Callable[[bytes], bytes], because: str
) -> None:
    async def echo(request: Received) -> bytes:
        return answer(json.loads(request.body)["data"]["challenge"].encode())

    async with answering(echo) as receiver:
        made = await created(client, url=receiver.url, headers={"X-Tenant": "7"})
        ended = (await client.post(f"/v1/endpoints/{made['id']}/verify")).json()

    is_verified = because == "the receiver sent the challenge back"
    assert ended == {"is_verified": is_verified, "because": because}
    read = (await client.get(f"/v1/endpoints/{made['id']}")).json()
    assert (read["verified_at"] is not None) == is_verified
    [request] = receiver.requests
    Webhook(made["secret"]).verify(request.body, request.headers)
    assert request.headers["x-tenant"] == "7"


async def test_a_new_url_is_asked_for_its_proof_if_the_old_one_gave_it(client: httpx2.AsyncClient) -> None:
    async def echo(request: Received) -> bytes:
        return status(200, body=json.loads(request.body)["data"]["challenge"].encode())

    async def silence(_: Received) -> bytes:
        return status(204)

    async with answering(echo) as first, answering(echo) as second, answering(silence) as third:
        made = await created(client, url=first.url)
        path = f"/v1/endpoints/{made['id']}"

        async def moved(url: str) -> bool:
            version = (await client.get(path)).headers["etag"]
            answer = (await client.patch(path, json={"url": url}, headers={"If-Match": version})).json()
            assert answer["verified_at"] == (await client.get(path)).json()["verified_at"]
            return answer["verified_at"] is not None

        assert not await moved(second.url)
        assert (await client.post(f"{path}/verify")).json()["is_verified"]
        assert await moved(first.url)
        assert not await moved(third.url)

    assert [len(receiver.requests) for receiver in (first, second, third)] == [1, 1, 1]
