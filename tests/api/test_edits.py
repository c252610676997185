"""Editing a lead over HTTP."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
from tests.support.admin import Admin, pointers, problem_of
from tests.support.waiting import a_source, content, received


@pytest.fixture
async def client(admin: Admin) -> AsyncIterator[httpx2.AsyncClient]:
    async with admin.client("leads:write", "leads:read") as client:
        yield client


@pytest.fixture
async def ana(admin: Admin, client: httpx2.AsyncClient) -> str:
    source = await a_source(admin.resources.engine)
    await received(admin.resources.engine, source, content({"email": "ana@acme.example", "job_title": "Student"}))
    await admin.process()
    [lead] = (await client.get("/v1/leads")).json()["items"]
    return str(lead["id"])


async def test_an_edit_shows_with_its_provenance_and_in_the_timeline(client: httpx2.AsyncClient, ana: str) -> None:
    read = (await client.get(f"/v1/leads/{ana}")).headers["etag"]

    done = await client.patch(f"/v1/leads/{ana}", json={"fields": {"job_title": "CTO"}}, headers={"If-Match": read})

    assert done.status_code == 200, done.text
    shown = await client.get(f"/v1/leads/{ana}")
    assert shown.headers["etag"] == done.headers["etag"] != read
    title = shown.json()["contact"]["job_title"]
    assert (title["value"], title["rule"], title["submission_id"]) == ("CTO", "edited", done.json()["edit_id"])
    assert title["source"].startswith("key:")
    assert shown.json()["submissions"] == 1
    [entry] = [one for one in shown.json()["timeline"]["entries"] if one["kind"] == "edit"]
    assert entry["fields"] == ["job_title"]


async def test_what_is_wrong_is_named(client: httpx2.AsyncClient, ana: str) -> None:
    anyhow = {"If-Match": "*"}

    wrong = await client.patch(f"/v1/leads/{ana}", json={"fields": {"email": "secret-at"}}, headers=anyhow)
    unknown = await client.patch(f"/v1/leads/{ana}", json={"fields": {"shoe": "44"}}, headers=anyhow)
    empty = await client.patch(f"/v1/leads/{ana}", json={"fields": {}}, headers=anyhow)
    nobody = await client.patch(f"/v1/leads/{uuid4()}", json={"fields": {"city": "Rome"}}, headers=anyhow)
    blind = await client.patch(f"/v1/leads/{ana}", json={"fields": {"city": "Rome"}})
    stale = await client.patch(f"/v1/leads/{ana}", json={"fields": {"city": "Rome"}}, headers={"If-Match": '"v9"'})

    assert pointers(problem_of(wrong, 422)) == ["#/fields/email"]
    assert "secret" not in wrong.text
    assert pointers(problem_of(unknown, 422)) == ["#/fields/shoe"]
    problem_of(empty, 422)
    problem_of(nobody, 404)
    problem_of(blind, 428)
    problem_of(stale, 412)


async def test_a_key_that_only_reads_may_not_edit(admin: Admin, ana: str) -> None:
    async with admin.client("leads:read") as reader:
        problem_of(await reader.patch(f"/v1/leads/{ana}", json={"fields": {"city": None}}), 403)
