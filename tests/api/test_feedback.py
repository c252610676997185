from typing import Any

import pytest
from tests.support.admin import Admin
from tests.support.sales import Sales, a_floor
from tests.support.waiting import a_source, content, received

from leadhub.resources import Resources


@pytest.fixture
async def lead_id(resources: Resources) -> str:
    """Somebody who asked for a demo, and whom the guide gives to sales."""
    source = await a_source(resources.engine)
    person = {"email": "ana@acme.example", "country": "Germany"}
    await received(resources.engine, source, content(person, activities=["demo_requested"]))
    await Admin(resources).process()
    async with Admin(resources).client("leads:read") as client:
        found: str = (await client.get("/v1/leads")).json()["items"][0]["id"]
    return found


async def test_a_crm_says_that_it_accepted_and_reached_a_lead(resources: Resources, lead_id: str) -> None:
    async with Admin(resources).client("leads:feedback") as client:
        accepted = await client.post(f"/v1/leads/{lead_id}/feedback", json={"outcome": "accepted"})
        reached = await client.post(f"/v1/leads/{lead_id}/feedback", json={"outcome": "contacted"})
    async with Admin(resources).client("leads:read") as client:
        lead = (await client.get(f"/v1/leads/{lead_id}")).json()
        listed = (await client.get("/v1/feedback", params={"lead": lead_id, "limit": 1})).json()
        older = (await client.get("/v1/feedback", params={"lead": lead_id, "after": listed["next"]})).json()

    assert (accepted.status_code, accepted.json()["effect"]) == (200, "sales accepted it")
    assert "the promise 'hot' is kept" in reached.json()["effect"]
    assert (lead["acceptance"], lead["promise"]["stop_reason"]) == ("accepted", "contacted")
    assert lead["assignment"]["owner"] == "dora"
    assert lead["assignment"]["beat"] == [
        {"name": "emil", "because": "has the next turn"},
        {"name": "rule:rest", "because": "stands below"},
    ]
    assert [one["outcome"] for one in (*listed["items"], *older["items"])] == ["contacted", "accepted"]
    assert [entry["kind"] for entry in lead["timeline"]["entries"]].count("feedback") == 2


async def test_the_same_request_again_has_the_same_answer(resources: Resources, lead_id: str) -> None:
    async with Admin(resources).client("leads:feedback") as client:
        answers = [
            await client.post(
                f"/v1/leads/{lead_id}/feedback", json={"outcome": said}, headers={"Idempotency-Key": "call-1"}
            )
            for said in ("contacted", "contacted", "won")
        ]

    assert answers[0].json() == answers[1].json()
    assert answers[2].status_code == 409
    assert answers[2].json()["type"].endswith("/idempotency-conflict")


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"outcome": "rejected"}, "#/reason", "a rejection needs its reason"),
        ({"outcome": "rejected", "reason": "ugly"}, "#/reason", "the playbook knows these reasons"),
        ({"outcome": "won", "reason": "bad_fit"}, "#/reason", "goes with a rejection"),
        ({"outcome": "contacted", "value": 5}, "#/value", "goes with a deal"),
        ({"outcome": "won", "currency": "EUR"}, "#/currency", "goes with a value"),
        ({"outcome": "won", "value": -1}, "#/value", ""),
        ({"outcome": "eloped"}, "#/outcome", ""),
        ({"outcome": "won", "colour": "blue"}, "#/colour", ""),
    ],
)
async def test_what_is_wrong_is_named(
    resources: Resources, lead_id: str, body: dict[str, Any], pointer: str, detail: str
) -> None:
    async with Admin(resources).client("leads:feedback") as client:
        answer = await client.post(f"/v1/leads/{lead_id}/feedback", json=body)

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert detail in error["detail"]


async def test_a_website_may_not_say_so_and_nobody_is_nobody(resources: Resources) -> None:
    unknown = "/v1/leads/019bc0fd-89c0-7000-8000-00000000000a/feedback"
    async with Admin(resources).client("leads:write", "leads:read") as client:
        assert (await client.post(unknown, json={"outcome": "won"})).status_code == 403
    async with Admin(resources).client("leads:feedback") as client:
        assert (await client.post(unknown, json={"outcome": "won"})).status_code == 404


async def test_the_sales_floor(resources: Resources, lead_id: str) -> None:
    async with Admin(resources).client("leads:read") as client:
        floor = (await client.get("/v1/routing")).json()
        lead = (await client.get(f"/v1/leads/{lead_id}")).json()

    teams = {team["team"]: team for team in floor["teams"]}
    people = {one["user"]: one for one in teams["emea"]["members"]}
    assert floor["playbook"].startswith("guide@")
    assert (lead["assignment"]["owner"], people["dora"]["open_leads"], people["dora"]["can_take"]) == ("dora", 1, True)
    assert (people["emil"]["open_leads"], teams["emea"]["waiting"]) == (0, 0)
    assert [one["because"] for one in teams["na"]["members"]] == [None, None, "not active"]


async def test_the_queue_by_the_page(resources: Resources) -> None:
    sales = Sales(resources, a_floor({"user": "zoe", "capacity": 1}))
    for one in ("eva", "fay", "gus"):
        sales.later(seconds=1)
        await sales.asked(one)
    async with Admin(resources).client("leads:read") as client:
        first = (await client.get("/v1/routing/queue", params={"queue": "triage", "limit": 1})).json()
        second = (await client.get("/v1/routing/queue", params={"after": first["next"]})).json()
        nobody = (await client.get("/v1/routing/queue", params={"queue": "other"})).json()
        waiting = (await client.get(f"/v1/leads/{first['items'][0]['lead_id']}")).json()["assignment"]

    found = [*first["items"], *second["items"]]
    assert [one["lead_id"] for one in found] == [str((await sales.lead(one))["id"]) for one in ("fay", "gus")]
    assert (nobody["items"], second["next"]) == ([], None)
    assert (waiting["owner"], waiting["queue"], waiting["team"]) == (None, "triage", "emea")
    assert waiting["beat"][0] == {"name": "zoe", "because": "1 of 1 open leads"}
