from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.support.admin import Admin, pointers, problem_of
from tests.support.outbox import an_event

from leadhub.pipeline.replaying import replay_due
from leadhub.store import driver
from leadhub.store.events import append

NOW = datetime.now(UTC)


@pytest.fixture
async def wish(admin: Admin, client: httpx2.AsyncClient) -> dict[str, Any]:
    """Three events of an hour ago, and a wish of an endpoint that came too late for them."""
    async with driver.transaction(admin.resources.engine) as connection:
        told = [an_event(at=NOW - timedelta(hours=1), body=b'{"type":"lead.routed","data":{}}') for _ in range(3)]
        await append(connection, told)
    made = await client.post(
        "/v1/endpoints", json={"url": "https://crm.example.com/", "is_subscribed": False, "ordering": "lead"}
    )
    return {"endpoint_id": made.json()["id"], "since": (NOW - timedelta(hours=2)).isoformat()}


async def test_a_replay_is_previewed_run_and_followed(
    admin: Admin, client: httpx2.AsyncClient, wish: dict[str, Any]
) -> None:
    preview = (await client.post("/v1/replays/preview", json=wish)).json()
    begun = await client.post("/v1/replays", json=wish | {"per_second": 2}, headers={"Idempotency-Key": "once"})
    again = await client.post("/v1/replays", json=wish | {"per_second": 2}, headers={"Idempotency-Key": "once"})
    await replay_due(admin.resources.sessions, now=datetime.now(UTC) + timedelta(seconds=4))

    replay = (await client.get(f"/v1/replays/{begun.json()['id']}")).json()
    listed = (await client.get("/v1/replays")).json()["items"]
    assert (preview["total"], len(preview["sample"])) == (3, 3)
    assert begun.status_code == 201
    assert again.json()["id"] == begun.json()["id"]
    assert (replay["state"], replay["total"], replay["queued"]) == ("finished", 3, 3)
    assert replay["deliveries"] == {"pending": 3}
    assert [one["id"] for one in listed] == [replay["id"]]


async def test_a_replay_is_paused_resumed_and_cancelled(client: httpx2.AsyncClient, wish: dict[str, Any]) -> None:
    replay = (await client.post("/v1/replays", json=wish)).json()["id"]

    states = [(await client.post(f"/v1/replays/{replay}/{verb}")).json()["state"] for verb in ("pause", "resume")]
    cancelled = await client.post(f"/v1/replays/{replay}/cancel")
    late = await client.post(f"/v1/replays/{replay}/resume")

    assert states == ["paused", "running"]
    assert cancelled.json()["state"] == "cancelled"
    assert "cancelled already" in problem_of(late, 409)["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"since": "yesterday"}, "#/since"),
        ({"until": "2020-01-01T00:00:00Z"}, "#/until"),
        ({"event_types": ["lead.sold"]}, "#/event_types/0"),
        ({"per_second": 0}, "#/per_second"),
        ({"filter": [{"path": "stage"}]}, "#/filter/0/path"),
    ],
)
async def test_a_wrong_wish_is_refused_by_field(
    client: httpx2.AsyncClient, wish: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    refused = await client.post("/v1/replays", json=wish | change)

    assert pointers(problem_of(refused, 422))[0] == pointer


async def test_whom_and_what_nobody_knows_is_not_found(client: httpx2.AsyncClient, wish: dict[str, Any]) -> None:
    problem_of(await client.post("/v1/replays", json=wish | {"endpoint_id": str(uuid4())}), 404)
    problem_of(await client.get(f"/v1/replays/{uuid4()}"), 404)


async def test_an_ordered_endpoint_explains_and_a_delivery_can_be_given_up(
    admin: Admin, client: httpx2.AsyncClient
) -> None:
    await client.post("/v1/endpoints", json={"url": "https://crm.example.com/", "ordering": "lead", "schedule": [5]})
    first = an_event(sequence=1)
    async with driver.transaction(admin.resources.engine) as connection:
        await append(connection, [first, an_event(sequence=2, lead_id=first.lead_id)])
    found = (await client.get("/v1/deliveries")).json()["items"]
    earlier, later = sorted(found, key=lambda one: one["event_id"] != str(first.id))

    waits = (await client.get(f"/v1/deliveries/{later['id']}")).json()
    cancelled = await client.post(f"/v1/deliveries/{earlier['id']}/cancel")
    twice = await client.post(f"/v1/deliveries/{earlier['id']}/cancel")
    goes_on = (await client.get(f"/v1/deliveries/{later['id']}")).json()

    assert f"earlier event of the same lead: delivery {earlier['id']}" in waits["because"]
    assert cancelled.json()["state"] == "cancelled"
    problem_of(twice, 409)
    assert "earlier event" not in goes_on["because"]
