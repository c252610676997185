import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import text
from tests.support.admin import Admin, pointers, problem_of

UNKNOWN = "019bc0fd-89c0-7000-8000-000000000000"
A_KEY = {"name": "CRM, production", "scopes": ["leads:read"]}


async def test_a_new_key_opens_the_api_and_its_token_is_shown_once(client: httpx2.AsyncClient) -> None:
    made = await client.post("/v1/keys", json=A_KEY)

    token = made.json()["token"]
    read = await client.get(f"/v1/keys/{made.json()['id']}")
    used = await client.get("/v1/leads", headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 201
    assert token.startswith("lh_live_")
    assert token.endswith(made.json()["last4"])
    assert "token" not in read.json()
    assert read.json()["scopes"] == ["leads:read"]
    assert used.status_code == 200


async def test_the_database_never_holds_a_token(client: httpx2.AsyncClient, admin: Admin) -> None:
    made = await client.post("/v1/keys", json=A_KEY, headers={"Idempotency-Key": "one"})

    token = made.json()["token"].encode()
    async with admin.resources.engine.connect() as connection:
        stored = (await connection.execute(text("SELECT token_sha256 FROM api_key"))).scalars().all()
        answers = (await connection.execute(text("SELECT response FROM admin_idempotency"))).scalars().all()
    assert all(token not in one for one in (*stored, *answers))


async def test_a_revoked_key_is_refused_at_once_and_stays_listed(client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/keys", json=A_KEY)).json()

    first = await client.delete(f"/v1/keys/{made['id']}")
    again = await client.delete(f"/v1/keys/{made['id']}")

    refused = await client.get("/v1/leads", headers={"Authorization": f"Bearer {made['token']}"})
    listed = (await client.get("/v1/keys")).json()["items"]
    assert first.json()["revoked_at"] == again.json()["revoked_at"] is not None
    problem_of(refused, 401)
    assert made["id"] in [key["id"] for key in listed]


async def test_an_expired_key_is_refused(admin: Admin, client: httpx2.AsyncClient) -> None:
    token = await admin.token("admin", expires_at=datetime.now(UTC) + timedelta(milliseconds=50))
    await asyncio.sleep(0.06)

    problem_of(await client.get("/v1/leads", headers={"Authorization": f"Bearer {token}"}), 401)


async def test_nobody_makes_a_key_that_may_do_more_than_theirs(admin: Admin) -> None:
    async with admin.client("keys:write") as limited:
        problem = problem_of(await limited.post("/v1/keys", json={"name": "x", "scopes": ["admin"]}), 403)
        allowed = await limited.post("/v1/keys", json={"name": "x", "scopes": ["keys:write"]})

    assert "admin" in problem["detail"]
    assert allowed.status_code == 201


async def test_a_wrong_key_is_refused_by_field(client: httpx2.AsyncClient) -> None:
    expected: list[tuple[dict[str, Any], str]] = [
        ({"scopes": ["leads:read"]}, "#/name"),
        ({"name": "", "scopes": ["leads:read"]}, "#/name"),
        ({"name": "a\nb", "scopes": ["leads:read"]}, "#/name"),
        ({"name": "x", "scopes": []}, "#/scopes"),
        ({"name": "x", "scopes": ["everything"]}, "#/scopes/0"),
        ({"name": "x", "scopes": ["leads:read"], "expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        ({"name": "x", "scopes": ["leads:read"], "expires_at": "tomorrow"}, "#/expires_at"),
        ({"name": "x", "scopes": ["leads:read"], "expires_at": 1768469400}, "#/expires_at"),
        ({"name": "x", "scopes": ["leads:read"], "owner": "me"}, "#/owner"),
    ]

    for body, pointer in expected:
        problem = problem_of(await client.post("/v1/keys", json=body), 422)
        assert pointers(problem) == [pointer], body


async def test_a_repeat_under_one_idempotency_key_is_one_key(client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "make-crm-key"}

    several = await asyncio.gather(*(client.post("/v1/keys", json=A_KEY, headers=headers) for _ in range(5)))
    other = await client.post("/v1/keys", json={**A_KEY, "name": "other"}, headers=headers)

    assert {response.status_code for response in several} == {201}
    assert len({response.text for response in several}) == 1
    problem_of(other, 409)
    listed = (await client.get("/v1/keys")).json()["items"]
    assert [key["name"] for key in listed].count(A_KEY["name"]) == 1


async def test_one_callers_idempotency_key_is_not_anothers(admin: Admin, client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "same"}

    first = await client.post("/v1/keys", json=A_KEY, headers=headers)
    async with admin.client("admin") as other:
        second = await other.post("/v1/keys", json=A_KEY, headers=headers)

    assert first.json()["id"] != second.json()["id"]


async def test_an_odd_idempotency_key_is_refused(client: httpx2.AsyncClient) -> None:
    for key in ("", "a b", "x" * 256):
        problem_of(await client.post("/v1/keys", json=A_KEY, headers={"Idempotency-Key": key}), 422)


async def test_last_use_is_noted_at_most_once_a_minute(admin: Admin, client: httpx2.AsyncClient) -> None:
    made = (await client.post("/v1/keys", json=A_KEY)).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}

    await client.get("/v1/leads", headers=bearer)
    first = (await client.get(f"/v1/keys/{made['id']}")).json()["last_used_at"]
    await client.get("/v1/leads", headers=bearer)
    second = (await client.get(f"/v1/keys/{made['id']}")).json()["last_used_at"]
    async with admin.resources.engine.begin() as connection:
        await connection.execute(text("UPDATE api_key SET last_used_at = last_used_at - interval '2 min'"))
    await client.get("/v1/leads", headers=bearer)
    third = (await client.get(f"/v1/keys/{made['id']}")).json()["last_used_at"]

    assert made["last_used_at"] is None
    assert first == second is not None
    assert third > first


async def test_pages_of_keys_hold_each_key_once(client: httpx2.AsyncClient) -> None:
    made = [(await client.post("/v1/keys", json={**A_KEY, "name": f"key {n}"})).json()["id"] for n in range(5)]

    seen: list[str] = []
    after: str | None = None
    while True:
        query = {"limit": "2"} | ({"after": after} if after else {})
        page = (await client.get("/v1/keys", params=query)).json()
        seen += [key["id"] for key in page["items"]]
        after = page["next"]
        if after is None:
            break

    assert seen[:5] == made[::-1]
    assert len(seen) == len(set(seen)) == 6


async def test_an_id_that_is_none_is_refused(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/keys/nonsense", f"/v1/keys/{{{UNKNOWN}}}", "/v1/keys/%00", f"/v1/keys/urn:uuid:{UNKNOWN}"):
        problem_of(await client.get(path), 422)


async def test_an_unknown_key_is_not_found(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get(f"/v1/keys/{UNKNOWN}"), 404)
    problem_of(await client.delete(f"/v1/keys/{UNKNOWN}"), 404)
