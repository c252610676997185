import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import Admin, pointers, problem_of
from tests.support.outbox import an_event
from tests.support.waiting import a_source, content, new_id, received

from leadhub.cli.status import _faults
from leadhub.store import driver
from leadhub.store.events import append
from leadhub.store.reading.status import status

ANA = content(
    {"email": "ana@acme.example", "first_name": "Ana", "job_title": "CTO", "employees": "120", "country": "Germany"},
    activities=["demo_requested"],
)


@pytest.fixture
async def endpoint(admin: Admin, client: httpx2.AsyncClient) -> str:
    """An endpoint to which three deliveries wait: created and routed, and the nurtured one of somebody else."""
    made = await client.post("/v1/endpoints", json={"url": "https://crm.example.com/hooks"})
    source = await a_source(admin.resources.engine)
    await received(admin.resources.engine, source, ANA, content({"email": "ben@acme.example"}))
    await admin.process()
    endpoint_id: str = made.json()["id"]
    return endpoint_id


async def tried(admin: Admin, *, state: str, because: str) -> UUID:
    """The oldest delivery, after one failed attempt."""
    async with admin.resources.engine.begin() as connection:
        delivery_id: UUID = (await connection.execute(text("SELECT id FROM delivery ORDER BY id LIMIT 1"))).scalar_one()
        await connection.execute(
            text(
                "INSERT INTO attempt"
                " (id, delivery_id, number, started_at, finished_at, outcome, because, response_body)"
                " VALUES (:id, :delivery, 1, now(), now(), 'timeout', :because, CAST('a\\000\\377b' AS bytea))"
            ),
            {"id": new_id(), "delivery": delivery_id, "because": because},
        )
        await connection.execute(
            text("UPDATE delivery SET state = :state, attempts = 1, outcome = 'timeout' WHERE id = :id"),
            {"state": state, "id": delivery_id},
        )
    return delivery_id


async def test_deliveries_are_found_by_what_is_asked_for(client: httpx2.AsyncClient, endpoint: str) -> None:
    everything = (await client.get("/v1/deliveries")).json()["items"]
    lead = next(item["lead_id"] for item in everything if item["event_type"] == "lead.routed")

    async def found(**query: str) -> list[str]:
        items = (await client.get("/v1/deliveries", params=query)).json()["items"]
        return sorted(item["event_type"] for item in items)

    of_the_hot_one = ["lead.created", "lead.hot", "lead.routed", "lead.sql"]
    assert await found() == sorted(["lead.created", "lead.nurtured", *of_the_hot_one])
    assert await found(lead=lead) == of_the_hot_one
    assert await found(event_type="lead.routed") == ["lead.routed"]
    assert len(await found(endpoint=endpoint, state="pending")) == 6
    assert await found(state="dead") == []
    assert await found(endpoint=str(uuid4())) == []


@pytest.mark.usefixtures("endpoint")
async def test_a_delivery_explains_itself(admin: Admin, client: httpx2.AsyncClient) -> None:
    delivery_id = await tried(admin, state="pending", because="no answer within 15 seconds")

    shown = (await client.get(f"/v1/deliveries/{delivery_id}")).json()

    assert shown["because"] == "no answer within 15 seconds; it is next"
    assert shown["remedy"] == "have the receiver answer first and work afterwards"
    assert shown["endpoint_url"] == "https://crm.example.com/hooks"
    assert [one["because"] for one in shown["attempts_made"]] == ["no answer within 15 seconds"]
    assert shown["attempts_made"][0]["response_body"] == "a\x00\ufffdb"
    assert '"type":"lead.' in shown["body"]


@pytest.mark.usefixtures("endpoint")
async def test_the_body_is_for_those_who_may_read_leads(admin: Admin, client: httpx2.AsyncClient) -> None:
    [first, *_] = (await client.get("/v1/deliveries")).json()["items"]

    async with admin.client("deliveries:read") as operator:
        shown = await operator.get(f"/v1/deliveries/{first['id']}")

    assert shown.json()["body"] is None
    assert "acme" not in shown.text


@pytest.mark.usefixtures("endpoint")
async def test_a_dead_delivery_is_sent_again(admin: Admin, client: httpx2.AsyncClient) -> None:
    delivery_id = await tried(admin, state="dead", because="no answer within 15 seconds")

    dead = (await client.get(f"/v1/deliveries/{delivery_id}")).json()
    sent = (await client.post(f"/v1/deliveries/{delivery_id}/resend")).json()

    assert (dead["state"], dead["because"]) == (
        "dead",
        "it was given up after 1 attempt; the last: no answer within 15 seconds",
    )
    assert (sent["state"], sent["attempts"]) == ("pending", 0)
    assert sent["event_id"] == dead["event_id"]


async def test_what_is_sent_to_a_paused_endpoint_is_held(client: httpx2.AsyncClient, endpoint: str) -> None:
    await client.post(f"/v1/endpoints/{endpoint}/pause")
    [first, *_] = (await client.get("/v1/deliveries")).json()["items"]

    sent = (await client.post(f"/v1/deliveries/{first['id']}/resend")).json()

    assert (sent["state"], sent["because"]) == ("held", "its endpoint is paused: paused by hand")


@pytest.mark.usefixtures("endpoint")
async def test_what_is_being_sent_is_not_sent_again(admin: Admin, client: httpx2.AsyncClient) -> None:
    delivery_id = await tried(admin, state="leased", because="x")

    problem_of(await client.post(f"/v1/deliveries/{delivery_id}/resend"), 409)


async def test_the_status_shows_what_waits_for_each_endpoint(client: httpx2.AsyncClient, endpoint: str) -> None:
    [load] = (await client.get("/v1/status")).json()["endpoints"]

    assert (load["id"], load["pending"], load["held"]) == (endpoint, 6, 0)
    assert load["behind_seconds"] >= 0
    assert (load["failing_since"], load["will_be_disabled_at"]) == (None, None)


async def test_the_status_says_when_an_endpoint_that_fails_will_be_disabled(
    admin: Admin, client: httpx2.AsyncClient, endpoint: str
) -> None:
    async with admin.resources.engine.begin() as connection:
        await connection.execute(text("UPDATE lane SET failing_since = '2026-01-15T07:12Z', because = 'no host'"))

    [load] = (await client.get("/v1/status")).json()["endpoints"]
    [fault] = _faults(await status(admin.resources.sessions), datetime.now(UTC))
    async with admin.resources.engine.begin() as connection:
        await connection.execute(text("UPDATE endpoint SET state = 'disabled', state_because = 'too long'"))
    [disabled] = (await client.get("/v1/status")).json()["endpoints"]

    assert (load["id"], load["because"]) == (endpoint, "no host")
    assert load["will_be_disabled_at"] == "2026-01-20T07:12:00Z"
    assert "no host; without a success it is disabled on 2026-01-20" in fault
    assert (disabled["because"], disabled["will_be_disabled_at"]) == ("too long", None)


async def test_unknown_deliveries_and_states_are_refused(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get(f"/v1/deliveries/{uuid4()}"), 404)
    problem_of(await client.post(f"/v1/deliveries/{uuid4()}/resend"), 404)
    assert pointers(problem_of(await client.get("/v1/deliveries?state=lost"), 422)) == ["query:state"]


async def test_the_list_is_whole_while_its_rows_change(admin: Admin, client: httpx2.AsyncClient, endpoint: str) -> None:
    """Each delivery that was there at the start is listed once, whatever workers do to it meanwhile."""
    await _happen(admin, 40)
    async with driver.connect(admin.resources.engine) as connection:
        known = {str(row["id"]) for row in await connection.fetch("SELECT id FROM delivery")}
    stop = asyncio.Event()

    async def change() -> None:
        while not stop.is_set():
            async with driver.connect(admin.resources.engine) as connection:
                await connection.execute(
                    "UPDATE delivery SET state = CASE state WHEN 'pending' THEN 'leased' WHEN 'leased' THEN 'delivered'"
                    " ELSE 'pending' END, outcome = 'timeout', attempts = attempts + 1"
                    " WHERE id IN (SELECT id FROM delivery ORDER BY random() LIMIT 5)"
                )
            await _happen(admin, 1)

    changing = asyncio.create_task(change())
    try:
        for _ in range(5):
            listed = [one["id"] async for one in _pages(client, f"/v1/deliveries?limit=3&endpoint={endpoint}")]
            assert len(listed) == len(set(listed))
            assert known <= set(listed)
    finally:
        stop.set()
        await changing


async def _happen(admin: Admin, count: int) -> None:
    now = datetime.now(UTC)
    async with driver.transaction(admin.resources.engine) as connection:
        await append(connection, [an_event(at=now) for _ in range(count)])


async def _pages(client: httpx2.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    after = ""
    while True:
        response = await client.get(path + after)
        assert response.status_code == 200, response.text
        page = response.json()
        for item in page["items"]:
            yield item
        if page["next"] is None:
            return
        after = f"&after={page['next']}"
