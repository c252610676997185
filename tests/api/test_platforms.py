"""A platform's webhook over HTTP, down to the rows."""

import base64
import hmac
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import problem_of
from tests.support.gateway import Gateway, client_of, own_database, running
from tests.support.posting import an_inbound

from leadhub import telemetry
from leadhub.channels.platform import NOBODY
from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline import sources
from leadhub.pipeline.quarantine import replay
from leadhub.resources import Ids, clock, open_inbox
from leadhub.store import quarantine
from leadhub.store import sources as kept

LEAD = {
    "lead_id": "L-17",
    "google_key": "",
    "user_column_data": [{"column_id": "EMAIL", "string_value": "ada@example.org"}],
}


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "platforms") as settings, running(settings, CHANNELS) as opened:
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


async def a_source(gateway: Gateway, channel: str, *given: str, **options: Any) -> str:
    made = await sources.create_source(
        gateway.resources.sessions,
        gateway.resources.vault,
        channel=channel,
        name=channel,
        options=options,
        secrets=given,
        now=clock(),
        entropy=secrets.token_bytes,
    )
    return f"/in/{channel}/{made.key}"


async def stored(gateway: Gateway, path: str) -> list[Any]:
    query = text(
        "SELECT u.content, u.raw FROM submission u JOIN source s ON s.id = u.source_id WHERE s.key = :key ORDER BY u.id"
    )
    async with gateway.resources.engine.connect() as connection:
        return list((await connection.execute(query, {"key": path.rpartition("/")[2]})).all())


def refusals(channel: str) -> float:
    return float(telemetry.FORGED.labels(channel)._value.get())


async def test_a_lead_is_taken_once_however_often_it_comes(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_source(gateway, "google-ads", "the older secret", "the newer secret")

    first = await client.post(path, json={**LEAD, "google_key": "the newer secret"})
    again = await client.post(path, json={**LEAD, "google_key": "the older secret", "lead_stage": "new"})

    assert [answer.status_code for answer in (first, again)] == [200, 200]
    [(content, raw)] = await stored(gateway, path)
    assert content["fields"] == {"email": "ada@example.org"}
    assert b"secret" not in raw


async def test_a_forged_lead_is_refused_counted_and_not_stored(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_source(gateway, "google-ads", "the only secret")
    before = refusals("google-ads")

    wrong = await client.post(path, json={**LEAD, "google_key": "another secret"})
    missing = await client.post(path, json={**LEAD, "google_key": None})

    assert problem_of(wrong, 401)["detail"] == problem_of(missing, 401)["detail"]
    assert refusals("google-ads") == before + 2
    assert await stored(gateway, path) == []


async def test_a_source_without_its_secret_believes_nobody(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_source(gateway, "typeform")

    problem_of(await client.post(path, json={}, headers={"typeform-signature": "sha256=" + "A" * 43 + "="}), 401)


async def test_the_bytes_signed_are_the_bytes_that_count(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_source(gateway, "tally", "a secret of tally")
    document = {
        "eventType": "FORM_RESPONSE",
        "data": {
            "submissionId": "s",
            "fields": [{"label": "Email", "value": "zoë@example.org"}, {"label": "😀", "value": "\u2028"}],
        },
    }
    proof = PLATFORMS["tally"].proof

    for body in (json.dumps(document).encode(), json.dumps(document, ensure_ascii=False, indent=1).encode()):
        headers = proof.sign(an_inbound(body, None), b"a secret of tally")
        answer = await client.post(path, content=body, headers={**headers, "content-type": "application/json"})
        assert answer.status_code == 200, answer.text

    assert len(await stored(gateway, path)) == 1


async def test_a_handshake_is_answered(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_source(gateway, "cloudevents", "a secret of events")

    allowed = await client.options(path, headers={"webhook-request-origin": "events.example.com"})
    is_there = await client.head(path)

    assert allowed.headers["webhook-allowed-origin"] == "events.example.com"
    assert is_there.status_code == 200


async def test_what_nobody_can_be_found_in_is_kept_and_read_again_once_it_is_mapped(
    gateway: Gateway, client: httpx2.AsyncClient
) -> None:
    path = await a_source(gateway, "google-ads", "a secret of google")
    columns = [{"column_id": "WHERE_TO?", "string_value": "ada@example.org"}]
    body = {"lead_id": "L-18", "google_key": "a secret of google", "user_column_data": columns}

    answers = [
        await client.post(path, json=body),
        await client.post(path, json={**body, "lead_id": "L-19", "deep": json.loads("[" * 40 + "]" * 40)}),
    ]

    resources = gateway.resources
    assert [answer.status_code for answer in answers] == [200, 200]
    assert await stored(gateway, path) == []
    async with resources.sessions() as session:
        [source] = [one for one in await kept.list_sources(session, limit=100, now=clock()) if path.endswith(one.key)]
        held = await quarantine.of_source(session, source.id, limit=10)
    assert [one.because for one in held] == [NOBODY, "At most 32 levels of nesting are accepted."]
    assert all(b"a secret of google" not in one.body for one in held)

    changes = sources.SourceChanges(options={"field_map": {"WHERE_TO?": "email"}})
    await sources.update_source(resources.sessions, source.id, changes, expected_version=None, now=clock())
    inbox = open_inbox(resources)
    replayed = await replay(resources.sessions, inbox, source.id, new_id=Ids(), now=clock())
    await inbox.close()

    assert replayed == (1, 1)
    [(content, _)] = await stored(gateway, path)
    assert content["fields"] == {"email": "ada@example.org"}


async def test_a_forgery_is_not_kept(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_source(gateway, "typeform", "a secret of typeform")

    problem_of(await client.post(path, content=b"{", headers={"typeform-signature": "sha256=x"}), 401)

    async with gateway.resources.engine.connect() as connection:
        query = text("SELECT count(*) FROM quarantine q JOIN source s ON s.id = q.source_id WHERE s.key = :key")
        assert (await connection.execute(query, {"key": path.rpartition("/")[2]})).scalar_one() == 0


async def test_a_crm_says_what_became_of_its_leads(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    path = await a_source(gateway, "feedback", secret)
    body = json.dumps({"email": "ada@example.org", "outcome": "contacted"}).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = str(int(clock().timestamp()))
    digest = hmac.digest(key, f"msg_1.{stamp}.".encode() + body, "sha256")
    headers = {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }

    answers = [await client.post(path, content=body, headers=headers) for _ in range(2)]
    forged = await client.post(path, content=body, headers=headers | {"webhook-signature": "v1,AAAA"})

    async with gateway.resources.sessions() as session:
        kept_words = (await session.execute(text("SELECT named, outcome, applied_at FROM feedback"))).all()
    assert [answer.status_code for answer in answers] == [202, 202]
    assert [tuple(row) for row in kept_words] == [({"email": "ada@example.org"}, "contacted", None)]
    problem_of(forged, 401)
