"""A source's health, its token, and reading its platform's lists again, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from tests.support.admin import pointers, problem_of

from leadhub.domain.ids import SourceId
from leadhub.pipeline.tallying import Tally
from leadhub.resources import Resources

TOKEN = {"token": "a token in one word".replace(" ", "-")}
META = {"channel": "meta", "name": "Facebook page", "options": {"page_id": "153125381133"}}


async def a_source(client: httpx2.AsyncClient, **parts: Any) -> str:
    made = await client.post("/v1/sources", json=META | parts)
    assert made.status_code == 201, made.text
    return f"/v1/sources/{made.json()['id']}"


async def test_a_source_says_how_it_does(client: httpx2.AsyncClient, resources: Resources) -> None:
    path = await a_source(client)
    source_id = SourceId(UUID(path.rpartition("/")[2]))
    tally, now = Tally(), datetime.now(UTC)
    tally.received(source_id, 3, at=now)
    tally.refused(source_id, at=now - timedelta(seconds=1))
    tally.received(source_id, 4, at=now)
    await tally.write(resources.engine)
    await tally.write(resources.engine)

    health = (await client.get(f"{path}/health")).json()

    assert (health["received"], health["found"], health["has_token"], health["feeds"]) == (7, 0, False, [])
    assert datetime.fromisoformat(health["last_received_at"]) == now
    assert health["refused_at"] is not None


async def test_a_token_is_taken_and_never_shown(client: httpx2.AsyncClient) -> None:
    path = await a_source(client)
    ends = (datetime.now(UTC) + timedelta(days=60)).isoformat()

    taken = await client.put(f"{path}/token", json=TOKEN | {"expires_at": ends})

    assert taken.status_code == 200
    assert taken.json()["has_token"] is True
    assert datetime.fromisoformat(taken.json()["token_expires_at"]) == datetime.fromisoformat(ends)
    assert TOKEN["token"] not in taken.text + (await client.get(path)).text


async def test_a_wrong_token_is_refused_by_field(client: httpx2.AsyncClient) -> None:
    path = await a_source(client)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "#/token"),
        ({"token": "short"}, "#/token"),
        ({"token": "no \u00fcmlaut in it"}, "#/token"),
        (TOKEN | {"expires_at": "2001-01-01T00:00:00Z"}, "#/expires_at"),
        (TOKEN | {"expires_at": "tomorrow"}, "#/expires_at"),
        (TOKEN | {"colour": "blue"}, "#/colour"),
    ]

    for body, pointer in wrong:
        refused = await client.put(f"{path}/token", json=body)
        assert pointers(problem_of(refused, 422)) == [pointer], body
        assert "mlaut" not in refused.text


async def test_a_backfill_needs_a_token_and_a_day_of_the_past_year(client: httpx2.AsyncClient) -> None:
    path = await a_source(client)
    since = (datetime.now(UTC) - timedelta(days=30)).isoformat()

    problem_of(await client.post(f"{path}/backfills", json={"since": since}), 409)
    await client.put(f"{path}/token", json=TOKEN)
    assert (await client.post(f"{path}/backfills", json={"since": since})).status_code == 202
    for wrong in ("2001-01-01T00:00:00Z", "2100-01-01T00:00:00Z"):
        refused = await client.post(f"{path}/backfills", json={"since": wrong})
        assert pointers(problem_of(refused, 422)) == ["#/since"]


async def test_an_unknown_source_has_no_health(client: httpx2.AsyncClient) -> None:
    path = "/v1/sources/019bc0fd-89c0-7000-8000-000000000000"

    problem_of(await client.get(f"{path}/health"), 404)
    problem_of(await client.put(f"{path}/token", json=TOKEN), 404)
    problem_of(await client.post(f"{path}/backfills", json={"since": datetime.now(UTC).isoformat()}), 404)
