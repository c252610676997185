"""Behaviour over HTTP: the API, and a real analytics library that was only given another address."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import Admin, problem_of
from tests.support.gateway import Gateway, client_of, own_database, running

from leadhub.channels.registry import CHANNELS
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline import sources
from leadhub.resources import clock
from leadhub.store.sources import Source

OPENED = {"event_id": "e-1", "type": "email_opened", "email": "ada@example.org"}
VISITOR = "5f0c6a1e-9d1b-4c53-8a53-3f4a7f0f1d22"


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "activities") as settings, running(settings, CHANNELS) as opened:
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        opened.headers["authorization"] = f"Bearer {await Admin(gateway.resources).token('leads:write')}"
        yield opened


async def rows(gateway: Gateway, sql: str, **values: Any) -> list[dict[str, Any]]:
    async with gateway.resources.engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]


async def a_source(gateway: Gateway, channel: str, *given: str, **options: Any) -> Source:
    return await sources.create_source(
        gateway.resources.sessions,
        gateway.resources.vault,
        channel=channel,
        name=channel,
        options=options,
        secrets=given,
        now=clock(),
        entropy=secrets.token_bytes,
    )


async def test_an_event_id_counts_once(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    first = await client.post("/v1/activities", json=OPENED)
    again = await client.post("/v1/activities", json={"activities": [OPENED, OPENED | {"attributes": {"a": "b"}}]})

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["replayed"] == 2
    assert {one["id"] for one in again.json()["submissions"]} == {first.json()["id"]}
    [source] = await rows(gateway, "SELECT * FROM source WHERE key = 'activities'")
    assert (source["channel"], source["enabled"]) == ("activities", True)


async def test_external_ids_are_those_of_the_source_that_is_named(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    crm = await a_source(gateway, "api")
    await client.post(f"/in/api/{crm.key}", json={"email": "grace@example.org", "external_id": "7"})
    tried = {"type": "webinar_attended", "external_id": "7"}

    await client.post(f"/v1/activities?source={crm.key}", json=tried)
    await client.post("/v1/activities", json=tried)
    await Admin(gateway.resources).process()

    found = await rows(gateway, "SELECT count FROM fact WHERE type = 'webinar_attended'")
    assert found == [{"count": 1}]


@pytest.mark.parametrize(
    ("query", "status"),
    [("?source=unknown-one", 404), ("?source=a&source=b", 422), ("?from=a", 422), ("?source=", 404)],
)
async def test_a_source_that_there_is_not_is_refused(client: httpx2.AsyncClient, query: str, status: int) -> None:
    problem_of(await client.post(f"/v1/activities{query}", json=OPENED), status)


async def test_the_door_is_closed_to_others(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    problem_of(await client.get("/v1/activities"), 405)
    problem_of(await client.post("/v1/activities", json={"type": "page_viewed"}), 422)
    problem_of(await client.post("/v1/activities", content=b"x"), 415)
    client.headers["authorization"] = f"Bearer {await Admin(gateway.resources).token('leads:read')}"
    problem_of(await client.post("/v1/activities", json=OPENED), 403)
    del client.headers["authorization"]
    problem_of(await client.post("/v1/activities", json=OPENED), 401)


async def test_the_python_library_works_with_another_address_only(gateway: Gateway) -> None:
    analytics = pytest.importorskip("segment.analytics", reason="segment-analytics-python is in the group `dev`")
    source = await a_source(gateway, "segment", "a-write-key-1")
    library = analytics.Client("a-write-key-1", host=f"{gateway.url}/in/segment/{source.key}", sync_mode=True)

    def use() -> None:
        library.page(anonymous_id=VISITOR, name="Pricing", properties={"path": "/pricing"})
        library.track(anonymous_id=VISITOR, event="Content Downloaded", properties={"asset_id": "guide-1"})
        library.identify("u-1", {"email": "alan@example.net", "firstName": "Alan"}, anonymous_id=VISITOR)
        library.track("u-1", "Webinar Attended", {"webinar_id": "w-1"})
        library.group("u-1", "g-1", {"name": "Bletchley Ltd"})
        library.alias("5f0c6a1e-0000-4c53-8a53-3f4a7f0f1d22", "u-1")
        library.screen("u-1", None, "Home")

    await asyncio.to_thread(use)
    await Admin(gateway.resources).process()

    [lead] = await rows(gateway, "SELECT * FROM lead WHERE golden -> 'email' ->> 'value' = 'alan@example.net'")
    found = await rows(gateway, "SELECT type FROM fact WHERE lead_id = :id", id=lead["id"])
    assert {row["type"] for row in found} == {
        "pricing_page_viewed",
        "content_downloaded",
        "identified",
        "webinar_attended",
        "group_joined",
        "screen_viewed",
    }
    assert lead["golden"]["company"]["value"] == "Bletchley Ltd"
    assert lead["score_engagement"] == 25 + 5 + 15


async def test_a_wrong_write_key_is_refused_and_a_call_that_there_is_not_unknown(
    gateway: Gateway, client: httpx2.AsyncClient
) -> None:
    source = await a_source(gateway, "segment", "a-write-key-2", allowed_origins=["https://www.example.org"])
    path, event = f"/in/segment/{source.key}", {"type": "track", "userId": "u", "event": "X"}
    del client.headers["authorization"]

    problem_of(await client.post(f"{path}/v1/track", json=event), 401)
    problem_of(await client.post(f"{path}/v1/t", json=event | {"writeKey": "another"}), 401)
    problem_of(await client.post(f"{path}/v2/track", json=event | {"writeKey": "a-write-key-2"}), 404)

    origin = {"origin": "https://www.example.org", "content-type": "text/plain"}
    answer = await client.post(
        f"{path}/v1/t", content=b'{"userId":"u","event":"X","writeKey":"a-write-key-2"}', headers=origin
    )
    assert answer.json() == {"success": True}
    assert answer.headers["access-control-allow-origin"] == "https://www.example.org"
    [stored] = await rows(gateway, "SELECT raw, content FROM submission WHERE source_id = :id", id=source.id)
    assert b"a-write-key-2" not in stored["raw"]
    assert stored["content"]["activities"] == [{"type": "x"}]
