from typing import Any
from uuid import uuid4

import httpx2
import pytest
from tests.support.admin import Admin, problem_of
from tests.support.waiting import a_source, content, received

ADA = {"email": "ada.k@acme.example", "full_name": "Ada Kowalski"}
AGAIN = {"phone": "+34612345678", "full_name": "Ada Kowalski"}


@pytest.fixture
async def review(admin: Admin, client: httpx2.AsyncClient) -> dict[str, Any]:
    """A question: the same name, and nothing else to go by."""
    source = await a_source(admin.resources.engine)
    for one in (ADA, AGAIN):
        await received(admin.resources.engine, source, content(one))
        await admin.process()
    [item] = (await client.get("/v1/reviews", params={"open": "true"})).json()["items"]
    return dict(item)


async def leads(client: httpx2.AsyncClient) -> list[str]:
    return [row["id"] for row in (await client.get("/v1/leads")).json()["items"]]


async def test_a_doubt_becomes_a_lead_at_once_and_a_question(
    client: httpx2.AsyncClient, review: dict[str, Any]
) -> None:
    shown = (await client.get(f"/v1/reviews/{review['id']}")).json()

    assert {review["lead_id"], review["candidate_id"]} == set(await leads(client))
    assert shown["compared"]["bits"] == shown["compared"]["start"] + sum(
        line["bits"] for line in shown["compared"]["lines"]
    )
    assert {"field": "full_name", "lead": "Ada Kowalski", "candidate": "Ada Kowalski"} in shown["fields"]
    assert {"field": "email", "lead": None, "candidate": ADA["email"]} in shown["fields"]
    match = (await client.get(f"/v1/matches/{review['id']}")).json()
    assert (match["answer"], match["lead_id"]) == ("review", review["lead_id"])
    compared = match["compared"]
    assert compared["bits"] == compared["start"] + sum(line["bits"] for line in compared["lines"])
    assert all(line["because"] for line in compared["lines"])
    assert "Kowalski" not in str(match)


async def test_same_merges_both_once(client: httpx2.AsyncClient, review: dict[str, Any]) -> None:
    first = await client.post(f"/v1/reviews/{review['id']}/same")
    second = await client.post(f"/v1/reviews/{review['id']}/same")

    assert first.json() == second.json()
    assert first.json()["answer"] == "same"
    assert first.json()["answered_by"].startswith("key:")
    assert await leads(client) == [review["candidate_id"]]
    assert len((await client.get("/v1/merges")).json()["items"]) == 1
    assert (await client.get("/v1/reviews", params={"open": "true"})).json()["items"] == []
    problem_of(await client.post(f"/v1/reviews/{review['id']}/not-same"), 409)


async def test_not_same_is_remembered_by_whatever_comes_later(
    admin: Admin, client: httpx2.AsyncClient, review: dict[str, Any]
) -> None:
    answered = await client.post(f"/v1/reviews/{review['id']}/not-same")

    source = await a_source(admin.resources.engine)
    await received(admin.resources.engine, source, content(ADA | AGAIN))
    await admin.process()

    assert answered.json()["answer"] == "not_same"
    assert len(await leads(client)) == 2
    problem_of(await client.post(f"/v1/reviews/{review['id']}/same"), 409)
    refused = await client.post(
        f"/v1/leads/{review['candidate_id']}/merge",
        json={"lead_id": review["lead_id"], "because": "Who knows."},
        headers={"If-Match": "*"},
    )
    problem_of(refused, 409)


async def test_without_the_answer_such_a_submission_ties_both(
    admin: Admin, client: httpx2.AsyncClient, review: dict[str, Any]
) -> None:
    source = await a_source(admin.resources.engine)
    await received(admin.resources.engine, source, content(ADA | AGAIN))
    await admin.process()

    assert await leads(client) == [review["candidate_id"]]
    assert (await client.get("/v1/reviews", params={"open": "true"})).json()["items"] == []
    problem_of(await client.post(f"/v1/reviews/{review['id']}/not-same"), 409)
    assert (await client.post(f"/v1/reviews/{review['id']}/same")).json()["answer"] == "same"


async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    for method, path in (
        ("GET", f"/v1/reviews/{uuid4()}"),
        ("POST", f"/v1/reviews/{uuid4()}/same"),
        ("POST", f"/v1/reviews/{uuid4()}/not-same"),
        ("GET", f"/v1/matches/{uuid4()}"),
    ):
        problem_of(await client.request(method, path), 404)


async def test_answering_needs_the_right_to_merge(admin: Admin, review: dict[str, Any]) -> None:
    async with admin.client("leads:read") as reader:
        assert (await reader.get("/v1/reviews")).status_code == 200
        problem_of(await reader.post(f"/v1/reviews/{review['id']}/same"), 403)
