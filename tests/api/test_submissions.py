from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import Admin, problem_of
from tests.support.waiting import a_source, content, received

ANA = content({"email": "ana@acme.example"})
BEN = content({"email": "ben@acme.example"})


@pytest.fixture
async def source(admin: Admin) -> UUID:
    return await a_source(admin.resources.engine)


async def fail(admin: Admin, *submission_ids: UUID) -> None:
    async with admin.resources.engine.begin() as connection:
        await connection.execute(
            text(
                "UPDATE pending_submission SET failed_at = now(), error = 'DataError', attempts = 5"
                " WHERE submission_id = ANY (:ids)"
            ),
            {"ids": list(submission_ids)},
        )


async def states(client: httpx2.AsyncClient, **query: str) -> list[str]:
    response = await client.get("/v1/submissions", params=query)
    assert response.status_code == 200, response.text
    return [item["state"] for item in response.json()["items"]]


async def test_a_submission_tells_what_became_of_it(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    [submission_id] = await received(admin.resources.engine, source, ANA)
    path = f"/v1/submissions/{submission_id}"

    before = (await client.get(path)).json()
    await admin.process()
    after = (await client.get(path)).json()

    assert (before["state"], before["lead_id"], before["attempts"]) == ("pending", None, 0)
    assert (after["state"], after["attempts"], after["due_at"]) == ("processed", None, None)
    assert after["because"]
    assert after["content"]["fields"] == {"email": "ana@acme.example"}
    assert (await client.get(f"/v1/leads/{after['lead_id']}")).status_code == 200


async def test_who_may_only_send_sees_what_became_of_it_and_not_what_was_sent(admin: Admin, source: UUID) -> None:
    [submission_id] = await received(admin.resources.engine, source, ANA)

    async with admin.client("leads:write") as sender:
        shown = await sender.get(f"/v1/submissions/{submission_id}")
        problem_of(await sender.get("/v1/submissions"), 403)

    assert shown.json()["state"] == "pending"
    assert shown.json()["content"] is None
    assert "ana@" not in shown.text


async def test_submissions_are_found_by_state(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    await received(admin.resources.engine, source, ANA)
    await admin.process()
    _, broken = await received(admin.resources.engine, source, BEN, BEN)
    await fail(admin, broken)
    [spam] = await received(admin.resources.engine, source, BEN)
    async with admin.resources.engine.begin() as connection:
        await connection.execute(text("UPDATE submission SET is_spam = true WHERE id = :id"), {"id": spam})
        await connection.execute(text("DELETE FROM pending_submission WHERE submission_id = :id"), {"id": spam})

    assert await states(client) == ["spam", "failed", "pending", "processed"]
    for state in ("spam", "failed", "pending", "processed"):
        assert await states(client, state=state) == [state]
    assert await states(client, source=str(source), received_from="2020-01-01T00:00:00Z") == await states(client)
    assert await states(client, received_before="2020-01-01T00:00:00Z") == []
    assert await states(client, source=str(uuid4())) == []


async def test_a_failed_submission_is_tried_again(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    [submission_id] = await received(admin.resources.engine, source, ANA)
    await fail(admin, submission_id)
    path = f"/v1/submissions/{submission_id}"

    shown = (await client.get(path)).json()
    replayed = (await client.post(f"{path}/replay")).json()
    await admin.process()

    assert (shown["state"], shown["error"], shown["attempts"]) == ("failed", "DataError", 5)
    assert (replayed["state"], replayed["attempts"], replayed["error"]) == ("pending", 0, None)
    assert (await client.get(path)).json()["state"] == "processed"
    problem_of(await client.post(f"{path}/replay"), 409)


async def test_all_that_failed_is_tried_again(admin: Admin, client: httpx2.AsyncClient, source: UUID) -> None:
    ids = await received(admin.resources.engine, source, ANA, BEN)
    await fail(admin, *ids)

    first = (await client.post("/v1/submissions/replay")).json()
    second = (await client.post("/v1/submissions/replay")).json()

    assert (first, second) == ({"replayed": 2}, {"replayed": 0})


async def test_an_unknown_submission_is_not_found(client: httpx2.AsyncClient) -> None:
    path = f"/v1/submissions/{uuid4()}"

    problem_of(await client.get(path), 404)
    problem_of(await client.post(f"{path}/replay"), 404)
