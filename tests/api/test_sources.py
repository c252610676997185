import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2
from tests.support.admin import Admin, pointers, problem_of

from leadhub.store.connections import find_connection

A_FORM = {"channel": "form", "name": "Website demo form", "key": "website-demo"}


async def created(client: httpx2.AsyncClient, **parts: Any) -> dict[str, Any]:
    response = await client.post("/v1/sources", json={**A_FORM, **parts})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_new_source_has_its_options_in_full_and_an_etag(client: httpx2.AsyncClient) -> None:
    made = await client.post("/v1/sources", json={**A_FORM, "options": {"default_country": "GB"}})

    read = await client.get(f"/v1/sources/{made.json()['id']}")
    assert made.status_code == 201
    assert made.json()["options"]["default_country"] == "GB"
    assert made.json()["options"]["honeypot"] == "_gotcha"
    assert made.headers["etag"] == read.headers["etag"] == '"v1"'
    assert made.json() == read.json()


async def test_a_source_without_a_key_gets_one_that_nobody_guesses(client: httpx2.AsyncClient) -> None:
    keys = {(await created(client, key=None))["key"] for _ in range(3)}

    assert len(keys) == 3
    assert all(len(key) == 22 for key in keys)


async def test_a_key_belongs_to_one_source(client: httpx2.AsyncClient) -> None:
    await created(client)

    problem_of(await client.post("/v1/sources", json=A_FORM), 409)


async def test_a_repeated_create_is_one_source(client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}

    several = await asyncio.gather(*(client.post("/v1/sources", json=A_FORM, headers=headers) for _ in range(4)))

    assert [response.status_code for response in several] == [201] * 4
    assert len({response.text for response in several}) == 1
    assert len((await client.get("/v1/sources")).json()["items"]) == 1


async def test_a_wrong_source_is_refused_by_field(client: httpx2.AsyncClient) -> None:
    expected: list[tuple[dict[str, Any], str]] = [
        ({"channel": "telepathy"}, "#/channel"),
        ({"key": "a/b"}, "#/key"),
        ({"key": "ab"}, "#/key"),
        ({"name": "\u0000"}, "#/name"),
        ({"enabled": "yes"}, "#/enabled"),
        ({"options": {"colour": "blue"}}, "#/options/colour"),
        ({"options": {"default_country": "Germany"}}, "#/options/default_country"),
        ({"options": {"field_map": {"a\u0000b": "email"}}}, "#/options"),
        ({"options": [1]}, "#/options"),
        ({"secrets": ["short"]}, "#/secrets/0"),
        ({"secrets": ["long enough"] * 5}, "#/secrets"),
        ({"version": 7}, "#/version"),
    ]

    for parts, pointer in expected:
        problem = problem_of(await client.post("/v1/sources", json={**A_FORM, **parts}), 422)
        assert pointers(problem) == [pointer], parts


async def test_a_change_needs_the_etag_that_was_read(client: httpx2.AsyncClient) -> None:
    path = f"/v1/sources/{(await created(client))['id']}"

    without = await client.patch(path, json={"name": "new"})
    first = await client.patch(path, json={"name": "new"}, headers={"If-Match": '"v1"'})
    late = await client.patch(path, json={"name": "newer"}, headers={"If-Match": '"v1"'})
    odd = await client.patch(path, json={"name": "newer"}, headers={"If-Match": "v2"})
    any_version = await client.patch(path, json={"name": "newest"}, headers={"If-Match": "*"})

    problem_of(without, 428)
    problem_of(late, 412)
    problem_of(odd, 412)
    assert (first.headers["etag"], first.json()["name"]) == ('"v2"', "new")
    assert (any_version.headers["etag"], any_version.json()["name"]) == ('"v3"', "newest")


async def test_of_two_who_change_at_once_one_is_told(client: httpx2.AsyncClient) -> None:
    path = f"/v1/sources/{(await created(client))['id']}"

    several = await asyncio.gather(
        *(client.patch(path, json={"name": f"n{n}"}, headers={"If-Match": '"v1"'}) for n in range(4))
    )

    assert sorted(response.status_code for response in several) == [200, 412, 412, 412]


async def test_a_change_leaves_what_it_does_not_name(client: httpx2.AsyncClient) -> None:
    made = await created(client, options={"default_country": "GB"})

    off = await client.patch(f"/v1/sources/{made['id']}", json={"enabled": False}, headers={"If-Match": "*"})

    assert off.json() == made | {"enabled": False, "version": 2, "updated_at": off.json()["updated_at"]}


async def test_secrets_are_shown_to_nobody_and_open_at_the_door(client: httpx2.AsyncClient, admin: Admin) -> None:
    made = await created(client, secrets=["the first secret"])
    path = f"/v1/sources/{made['id']}/secrets"

    added = await client.post(path, json={"secret": "the second secret"})

    assert "the " not in added.text.replace("The ", "")
    assert [secret["id"] for secret in added.json()["secrets"]][1] == made["secrets"][0]["id"]
    assert await opened_secrets(admin) == {b"the first secret", b"the second secret"}

    removed = await client.delete(f"{path}/{made['secrets'][0]['id']}")

    assert len(removed.json()["secrets"]) == 1
    assert removed.headers["etag"] == '"v3"'
    assert await opened_secrets(admin) == {b"the second secret"}
    problem_of(await client.delete(f"{path}/{made['secrets'][0]['id']}"), 404)


async def opened_secrets(admin: Admin) -> set[bytes]:
    async with admin.resources.sessions() as session:
        found = await find_connection(session, channel="form", key="website-demo", now=datetime.now(UTC))
    assert found is not None
    return {admin.resources.vault.open(sealed, context=f"source_secret:{one}") for one, sealed in found.sealed}


async def test_a_source_has_at_most_four_secrets(client: httpx2.AsyncClient) -> None:
    made = await created(client, secrets=[f"secret number {n}" for n in range(4)])

    problem_of(await client.post(f"/v1/sources/{made['id']}/secrets", json={"secret": "one too many"}), 409)


async def test_what_does_not_exist_is_not_found(client: httpx2.AsyncClient) -> None:
    unknown = UUID(int=7)

    problem_of(await client.get(f"/v1/sources/{unknown}"), 404)
    problem_of(await client.patch(f"/v1/sources/{unknown}", json={}, headers={"If-Match": '"v1"'}), 404)
    problem_of(await client.post(f"/v1/sources/{unknown}/secrets", json={"secret": "long enough"}), 404)
    problem_of(await client.delete(f"/v1/sources/{unknown}/secrets/{unknown}"), 404)
