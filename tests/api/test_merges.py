from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from tests.support.admin import Admin, pointers, problem_of
from tests.support.waiting import a_source, content, received

ANA = {"email": "kim.a@acme.example", "first_name": "Kim"}
BEN = {"phone": "+34612345678", "first_name": "Kim"}
WHY = {"because": "She said so."}


@pytest.fixture
async def pair(admin: Admin, client: httpx2.AsyncClient) -> tuple[str, str]:
    """Two leads: the one with the address, the one with the number."""
    source = await a_source(admin.resources.engine)
    for one in (ANA, BEN):
        await received(admin.resources.engine, source, content(one))
        await admin.process()
    items = {row["email"]: row["id"] for row in (await client.get("/v1/leads")).json()["items"]}
    return items[ANA["email"]], items[None]


async def merge(client: httpx2.AsyncClient, winner: str, loser: str, **rest: Any) -> httpx2.Response:
    body = {"lead_id": loser} | WHY | rest
    return await client.post(f"/v1/leads/{winner}/merge", json=body, headers={"If-Match": "*"})


async def test_a_merge_is_shown_listed_and_undone(client: httpx2.AsyncClient, pair: tuple[str, str]) -> None:
    ana, ben = pair
    before = {lead: (await client.get(f"/v1/leads/{lead}")).json() for lead in pair}

    made = (await merge(client, ana, ben)).json()

    assert (made["winner_id"], made["loser_id"], made["moved"]) == (ana, ben, 1)
    assert made["actor"].startswith("key:")
    shown = await client.get(f"/v1/leads/{ben}")
    assert (shown.json()["id"], shown.json()["requested_id"]) == (ana, ben)
    assert shown.headers["content-location"] == f"/v1/leads/{ana}"
    assert [one["id"] for one in shown.json()["merges"]] == [made["id"]]
    for lead in pair:
        assert (await client.get("/v1/merges", params={"lead": lead})).json()["items"] == [made]

    undone = (await client.post(f"/v1/merges/{made['id']}/undo", json=WHY)).json()

    assert undone == (await client.get(f"/v1/merges/{made['id']}")).json()
    assert len(undone["moved_back"]) == 1
    assert undone["unclear"] == []
    assert undone["undone_because"] == WHY["because"]
    again = (await client.post(f"/v1/merges/{made['id']}/undo", json={"because": "Again."})).json()
    assert again == undone
    for lead in pair:
        after = (await client.get(f"/v1/leads/{lead}")).json()
        assert after["requested_id"] == after["id"] == lead
        assert after["contact"] == before[lead]["contact"]
        assert after["contact_points"] == before[lead]["contact_points"]
    assert (await client.get("/v1/merges", params={"undone": "false"})).json()["items"] == []


async def test_a_merge_wants_the_version_that_was_read(client: httpx2.AsyncClient, pair: tuple[str, str]) -> None:
    ana, ben = pair
    read = (await client.get(f"/v1/leads/{ana}")).headers["etag"]
    body = {"lead_id": ben} | WHY

    without = await client.post(f"/v1/leads/{ana}/merge", json=body)
    stale = await client.post(f"/v1/leads/{ana}/merge", json=body, headers={"If-Match": '"v99"'})
    fresh = await client.post(f"/v1/leads/{ana}/merge", json=body, headers={"If-Match": read})
    repeated = await client.post(f"/v1/leads/{ana}/merge", json=body, headers={"If-Match": read})

    problem_of(without, 428)
    problem_of(stale, 412)
    assert fresh.status_code == 200
    assert repeated.json() == fresh.json()


async def test_undone_leads_are_only_merged_again_by_saying_so(
    client: httpx2.AsyncClient, pair: tuple[str, str]
) -> None:
    ana, ben = pair
    made = (await merge(client, ana, ben)).json()
    await client.post(f"/v1/merges/{made['id']}/undo", json=WHY)

    problem_of(await merge(client, ana, ben), 409)

    assert (await merge(client, ana, ben, although_not_same=True)).status_code == 200


async def test_what_is_wrong_is_named(client: httpx2.AsyncClient, pair: tuple[str, str]) -> None:
    ana, _ = pair

    nobody = await merge(client, ana, str(uuid4()))
    itself = await merge(client, ana, ana)
    silent = await merge(client, ana, ana, because=" ")
    unknown = await client.post(f"/v1/merges/{uuid4()}/undo", json=WHY)

    problem_of(nobody, 404)
    problem_of(itself, 409)
    assert pointers(problem_of(silent, 422)) == ["#/because"]
    problem_of(unknown, 404)
    problem_of(await client.get(f"/v1/merges/{uuid4()}"), 404)


async def test_a_key_that_posts_leads_may_not_merge_them(admin: Admin, pair: tuple[str, str]) -> None:
    async with admin.client("leads:write", "leads:read") as website:
        problem_of(await merge(website, *pair), 403)
        problem_of(await website.post(f"/v1/merges/{UUID(int=1)}/undo", json=WHY), 403)
