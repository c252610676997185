from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import Admin, pointers, problem_of
from tests.support.waiting import a_source, content, received

ANA = {"email": "Ana.Diaz@acme.example", "first_name": "Ana", "last_name": "Díaz", "phone": "+34 612 345 678"}
HOT = {"job_title": "CTO", "employees": "120", "industry": "SaaS", "country": "Germany"}
BEN = {"email": "ben@acme.example", "first_name": "Ben"}


@pytest.fixture
async def source(admin: Admin) -> UUID:
    return await a_source(admin.resources.engine)


async def arrived(admin: Admin, source: UUID, fields: dict[str, str], **rest: Any) -> UUID:
    [submission_id] = await received(admin.resources.engine, source, content(fields, **rest))
    await admin.process()
    return submission_id


async def listed(client: httpx2.AsyncClient, **query: str) -> list[dict[str, Any]]:
    response = await client.get("/v1/leads", params=query)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_a_lead_document_says_where_everything_is_from(
    admin: Admin, client: httpx2.AsyncClient, source: UUID
) -> None:
    submission_id = await arrived(admin, source, ANA | HOT, activities=["pricing_page_viewed", "demo_requested"])
    [row] = await listed(client)

    response = await client.get(f"/v1/leads/{row['id']}")

    lead = response.json()
    assert response.headers["content-location"] == f"/v1/leads/{row['id']}"
    assert lead["requested_id"] == lead["id"]
    assert lead["contact"]["email"] == {
        "value": "ana.diaz@acme.example",
        "source": f"source {source.hex[-4:]}",
        "submission_id": str(submission_id),
        "at": lead["contact"]["email"]["at"],
        "rule": "only value",
        "provenance": "stated",
    }
    assert {(point["kind"], point["value"]) for point in lead["contact_points"]} == {
        ("email", "ana.diaz@acme.example"),
        ("phone", "+34612345678"),
    }
    assert list(lead["score"]) == [
        "lead", "model", "total", "raw", "fit", "engagement", "stage", "temperature", "rule", "route",
        "lines", "not_met", "frameworks", "changes_at", "change",
    ]  # fmt: skip
    assert lead["score"]["total"] == row["score_total"] == 75
    assert {line["rule"]: line["points"] for line in lead["score"]["lines"]}["engagement.pricing"] == 25
    assert (lead["routing"]["route"], lead["routing"]["team"]) == ("sales", lead["assignment"]["team"])
    assert lead["routing"]["because"]
    assert lead["assignment"]["due_at"] is not None
    assert lead["enrolment"] is None
    assert [(one["purpose"], one["granted"]) for one in lead["consents"]] == [("marketing", True)]
    assert lead["attribution"]["first"]["submission_id"] == str(submission_id)
    assert lead["submissions"] == 1


async def test_the_timeline_is_newest_first_and_counts_what_it_does_not_show(
    admin: Admin, client: httpx2.AsyncClient, source: UUID
) -> None:
    many = [{"type": "pricing_page_viewed", "attributes": {"page": str(n)}} for n in range(100)]
    await arrived(admin, source, ANA | HOT, activities=many)
    await arrived(admin, source, ANA, activities=["demo_requested"])
    [row] = await listed(client)

    timeline = (await client.get(f"/v1/leads/{row['id']}")).json()["timeline"]

    moments = [datetime.fromisoformat(entry["at"]) for entry in timeline["entries"]]
    assert len(moments) == 100
    assert moments == sorted(moments, reverse=True)
    assert timeline["counts"]["activity"] == 101
    assert timeline["counts"]["submission"] == 2
    assert timeline["counts"]["stage"] >= 1
    assert {"stage", "submission", "score"} <= {entry["kind"] for entry in timeline["entries"]}


async def test_ids_never_die(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    first = await arrived(admin, source, {"email": "ana@acme.example", "first_name": "Ana"})
    second = await arrived(admin, source, {"phone": "+34 612 345 678", "first_name": "Ana"})
    before = {row["id"] for row in await listed(client)}
    await arrived(admin, source, {"email": "ana@acme.example", "phone": "+34 612 345 678", "first_name": "Ana"})

    [winner] = await listed(client)
    [loser] = before - {winner["id"]}
    by_loser = await client.get(f"/v1/leads/{loser}")
    by_winner = await client.get(f"/v1/leads/{winner['id']}")

    assert by_loser.status_code == 200
    assert by_loser.headers["content-location"] == f"/v1/leads/{winner['id']}"
    assert by_loser.json() == by_winner.json() | {"requested_id": loser}
    assert [merge["loser_id"] for merge in by_winner.json()["merges"]] == [loser]
    assert by_winner.json()["submissions"] == 3
    for submission in (first, second):
        became = (await client.get(f"/v1/submissions/{submission}")).json()
        assert became["lead_id"] == winner["id"]
    of_loser = (await client.get("/v1/submissions", params={"lead": loser})).json()["items"]
    assert len(of_loser) == 3


async def test_leads_are_found_by_what_is_asked_for(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    tester = content({"email": "test@acme.example"}).model_copy(update={"is_test": True})
    hot = content(ANA | HOT, activities=["pricing_page_viewed", "demo_requested"])
    await received(admin.resources.engine, source, hot, content(BEN), tester)
    await admin.process()
    expected: list[tuple[dict[str, str], int]] = [
        ({}, 2),
        ({"route": "sales"}, 1),
        ({"route": "nurture"}, 1),
        ({"temperature": "hot"}, 1),
        ({"stage": "SQL"}, 1),
        ({"stage": "PQL"}, 0),
        ({"owner": "nobody"}, 0),
        ({"created_from": "2020-01-01T00:00:00Z"}, 2),
        ({"created_before": "2020-01-01T00:00:00Z"}, 0),
        ({"updated_from": "2999-01-01T00:00:00+01:00"}, 0),
        ({"include_test": "true"}, 3),
    ]

    found = [(query, len(await listed(client, **query))) for query, _ in expected]

    assert found == expected


@pytest.mark.parametrize("order", ["created", "updated"])
async def test_pages_hold_each_lead_once(admin: Admin, client: httpx2.AsyncClient, source: UUID, order: str) -> None:
    people = [content({"email": f"person{n}@acme.example"}) for n in range(7)]
    await received(admin.resources.engine, source, *people)
    await admin.process()

    seen: list[str] = []
    query = {"limit": "3", "order": order}
    while True:
        page = (await client.get("/v1/leads", params=query)).json()
        seen += [lead["id"] for lead in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]

    assert len(seen) == len(set(seen)) == 7


async def test_a_query_that_is_not_understood_is_refused(client: httpx2.AsyncClient) -> None:
    expected = {
        "limit=0": "query:limit",
        "limit=201": "query:limit",
        "limit=-1": "query:limit",
        "limit=1_0": "query:limit",
        "limit=%201": "query:limit",
        "limit=1.0": "query:limit",
        "limit=9223372036854775808": "query:limit",
        "limit=": "query:limit",
        "limit=1&limit=2": "query:limit",
        "sort=nope": "query:sort",
        "order=(select%20pg_sleep(4))::text": "query:order",
        "stage=%00": "query:stage",
        "owner=%00": "query:owner",
        "owner=a%0ab": "query:owner",
        "email=ana.diaz@acme.example": "query:email",
        "include_test=yes": "query:include_test",
        "created_from=2026-01-15": "query:created_from",
        "created_from=1768469400": "query:created_from",
        "created_from=0001-01-01T00:00:00%2B23:59": "query:created_from",
        "created_from=9999-12-31T23:59:59-23:59": "query:created_from",
        "created_from=2026-02-30T00:00:00Z": "query:created_from",
        "created_from=2026-01-15T09:30:00%2B99:99": "query:created_from",
    }

    found = {query: pointers(problem_of(await client.get(f"/v1/leads?{query}"), 422)) for query in expected}

    assert found == {query: [pointer] for query, pointer in expected.items()}


async def test_a_query_where_none_belongs_is_refused(client: httpx2.AsyncClient) -> None:
    problem = problem_of(await client.get("/v1/playbooks/active?version=2"), 422)

    assert pointers(problem) == ["query:version"]


async def test_a_forged_page_marker_is_refused(client: httpx2.AsyncClient) -> None:
    for marker in ("x", "AAAA", "=" * 8, "é", "A" * 512, "\0"):
        problem_of(await client.get("/v1/leads", params={"after": marker}), 400)


async def test_a_page_marker_belongs_to_its_list(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    await received(admin.resources.engine, source, content(ANA), content(BEN))
    await admin.process()
    marker = (await client.get("/v1/leads", params={"limit": "1"})).json()["next"]
    changed = marker[:-1] + ("A" if marker[-1] != "A" else "B")

    problem_of(await client.get("/v1/submissions", params={"after": marker}), 400)
    problem_of(await client.get("/v1/leads", params={"after": marker, "order": "created"}), 400)
    problem_of(await client.get("/v1/leads", params={"after": changed}), 400)


async def test_an_unknown_lead_is_not_found(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get(f"/v1/leads/{uuid4()}"), 404)


async def test_the_status_counts_what_waits(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    await arrived(admin, source, ANA | HOT, activities=["demo_requested"])
    _, failed = await received(admin.resources.engine, source, content(BEN), content(BEN))
    async with admin.resources.engine.begin() as connection:
        await connection.execute(
            text("UPDATE pending_submission SET failed_at = now(), error = 'DataError' WHERE submission_id = :id"),
            {"id": failed},
        )

    status = (await client.get("/v1/status")).json()

    assert (status["queue"]["pending"], status["queue"]["failed"]) == (1, 1)
    assert 0 <= status["queue"]["oldest_seconds"] < 60
    assert sum(status["leads_by_route"].values()) == sum(status["leads_by_stage"].values()) == 1
    assert status["endpoints"] == []


async def test_the_playbook_that_decides_is_shown(client: httpx2.AsyncClient) -> None:
    playbook = (await client.get("/v1/playbooks/active")).json()

    assert playbook["version"] == 1
    assert "kind: Playbook" in playbook["document"]
    assert datetime.now(UTC) - datetime.fromisoformat(playbook["created_at"]) < timedelta(hours=1)


async def test_a_lead_is_looked_up_by_a_key_that_is_never_in_a_url(
    admin: Admin, client: httpx2.AsyncClient, source: UUID
) -> None:
    await received(admin.resources.engine, source, content(ANA), content(BEN))
    await admin.process()
    asked: list[tuple[dict[str, str], int]] = [
        ({"email": "ana.diaz@acme.example"}, 1),
        ({"email": " ANA.DIAZ@ACME.example "}, 1),
        ({"email": "somebody@else.example"}, 0),
        ({"phone": "612 345 678", "country": "ES"}, 1),
    ]

    found = [(body, len((await client.post("/v1/leads/lookup", json=body)).json()["items"])) for body, _ in asked]

    assert found == asked
    assert pointers(problem_of(await client.post("/v1/leads/lookup", json={"email": "nonsense"}), 422)) == ["#/email"]
    assert pointers(problem_of(await client.post("/v1/leads/lookup", json={"phone": "12"}), 422)) == ["#/phone"]
    assert pointers(problem_of(await client.post("/v1/leads/lookup", json={}), 422)) == ["#/email"]
