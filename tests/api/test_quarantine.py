"""What could not be read, over HTTP: listed without a word of it, tried, mended, read again, discarded."""

from uuid import UUID

import httpx2
import pytest
from tests.support.admin import Admin, problem_of
from tests.support.waiting import a_held_delivery

MAPPED = {"field_map": {"Mail": "email"}}
BODY = b'{"Mail": "ada@example.com"}'


@pytest.fixture
async def source(client: httpx2.AsyncClient) -> str:
    made = (await client.post("/v1/sources", json={"channel": "json", "name": "Fair app"})).json()
    return str(made["id"])


@pytest.fixture
async def held(admin: Admin, source: str) -> str:
    return str(await a_held_delivery(admin.resources.engine, UUID(source), b'{"Kontakt": "ada@example.com"}'))


async def test_the_list_says_why_and_nothing_of_the_person(client: httpx2.AsyncClient, source: str, held: str) -> None:
    listed = await client.get(f"/v1/quarantine?source={source}")

    [one] = listed.json()["items"]
    assert (one["id"], one["source"], one["channel"]) == (held, "Fair app", "json")
    assert one["bytes"] == 30
    assert "ada" not in listed.text


async def test_what_was_sent_is_shown_to_those_who_may_read_leads(
    admin: Admin, client: httpx2.AsyncClient, held: str
) -> None:
    async with admin.client("sources:write") as connector:
        less = (await connector.get(f"/v1/quarantine/{held}")).json()
        problem_of(await connector.post(f"/v1/quarantine/{held}/preview", json={}), 403)

    assert less["body"] is None
    assert (await client.get(f"/v1/quarantine/{held}")).json()["body"] == '{"Kontakt": "ada@example.com"}'


async def test_a_mended_mapping_is_tried_and_then_reads_it(
    admin: Admin, client: httpx2.AsyncClient, source: str, held: str
) -> None:
    mended = {"field_map": {"Kontakt": "email"}}
    before = (await client.post(f"/v1/quarantine/{held}/replay")).json()
    tried = (await client.post(f"/v1/quarantine/{held}/preview", json={"options": mended})).json()
    await client.patch(f"/v1/sources/{source}", json={"options": mended}, headers={"If-Match": "*"})
    after = (await client.post(f"/v1/quarantine/{held}/replay")).json()
    await admin.process()

    assert before == {"taken": 0, "held": 1}
    assert tried["submissions"][0]["content"]["fields"] == {"email": "ada@example.com"}
    assert after == {"taken": 1, "held": 0}
    assert len((await client.get("/v1/leads")).json()["items"]) == 1
    problem_of(await client.get(f"/v1/quarantine/{held}"), 404)


async def test_all_of_a_source_are_read_again(admin: Admin, client: httpx2.AsyncClient, source: str) -> None:
    for body in (BODY, b'{"Mail": "eve@example.com"}', b'{"nobody": 1}'):
        await a_held_delivery(admin.resources.engine, UUID(source), body)
    await client.patch(f"/v1/sources/{source}", json={"options": MAPPED}, headers={"If-Match": "*"})

    done = (await client.post(f"/v1/sources/{source}/quarantine/replay")).json()

    assert done == {"taken": 2, "held": 1}


async def test_a_delivery_is_discarded_once(client: httpx2.AsyncClient, held: str) -> None:
    assert (await client.delete(f"/v1/quarantine/{held}")).status_code == 204

    problem_of(await client.delete(f"/v1/quarantine/{held}"), 404)
    assert (await client.get("/v1/quarantine")).json()["items"] == []
