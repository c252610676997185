import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from tests.support.admin import Admin, pointers, problem_of
from tests.support.outbox import an_event

from leadhub.domain.events import EVENT_TYPES
from leadhub.store import driver
from leadhub.store.events import append


async def _happened(admin: Admin, *stages: str, ago: timedelta = timedelta(minutes=1), **changes: Any) -> list[UUID]:
    at = datetime.now(UTC) - ago
    made = [an_event(at=at, body=json.dumps({"data": {"stage": stage}}).encode(), **changes) for stage in stages]
    made.sort(key=lambda event: event.id)
    async with driver.transaction(admin.resources.engine) as connection:
        await append(connection, made)
    return [event.id for event in made]


async def _pulled(client: httpx2.AsyncClient, after: str | None, **query: str) -> tuple[list[str], str | None]:
    found: list[str] = []
    while True:
        response = await client.get("/v1/events", params={"limit": "2"} | ({"after": after} if after else {}) | query)
        assert response.status_code == 200, response.text
        page = response.json()
        found += [item["id"] for item in page["items"]]
        after = page["next"]
        if not page["is_more"]:
            return found, after


async def test_who_pulls_gets_every_event_once_in_order(client: httpx2.AsyncClient, admin: Admin) -> None:
    assert await _pulled(client, None) == ([], None)
    first = await _happened(admin, "a", "b", "c", "d", "e")
    found, mark = await _pulled(client, None)
    later = await _happened(admin, "f", ago=timedelta(seconds=30))
    more, last = await _pulled(client, mark)

    assert found == [str(one) for one in first]
    assert more == [str(one) for one in later]
    assert await _pulled(client, last) == ([], last)
    assert (await _pulled(client, None, type="lead.merged"))[0] == []


async def test_nothing_is_given_that_something_older_could_still_precede(
    client: httpx2.AsyncClient, admin: Admin
) -> None:
    async with driver.transaction(admin.resources.engine) as connection:
        await connection.execute("CREATE TEMPORARY TABLE writes (x integer) ON COMMIT DROP")
        await asyncio.sleep(0.05)
        [newer] = await _happened(admin, "newer", ago=timedelta(seconds=-1))
        assert await _pulled(client, None) == ([], None)
        [older] = await _happened(admin, "older", ago=timedelta(minutes=5))
        assert (await _pulled(client, None))[0] == [str(older)]
    await asyncio.sleep(3.2)

    assert (await _pulled(client, None))[0] == [str(older), str(newer)]


async def test_a_filter_is_tried_on_what_happened(client: httpx2.AsyncClient, admin: Admin) -> None:
    await _happened(admin, "SQL", "MQL", "SQL")
    await _happened(admin, "SQL", type="lead.merged")
    trial = {"event_types": ["lead.routed"], "filter": [{"path": "/data/stage", "one_of": ["SQL"]}]}

    ended = (await client.post("/v1/events/try-filter", json=trial)).json()

    assert (ended["examined"], ended["wanted"]) == (3, 2)
    assert sorted(item["is_wanted"] for item in ended["items"]) == [False, True, True]
    wrong = await client.post("/v1/events/try-filter", json={"filter": [{"path": "stage", "exists": True}]})
    assert pointers(problem_of(wrong, 422)) == ["#/filter/0/path"]


@pytest.mark.parametrize("kind", EVENT_TYPES)
async def test_each_type_has_a_sample(client: httpx2.AsyncClient, kind: str) -> None:
    [sample] = (await client.get(f"/v1/event-types/{kind}/sample")).json()

    assert sample["type"] == kind
