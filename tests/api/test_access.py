"""Deny by default: every operation of the admin API, without a key and with one that lacks its scope."""

import asyncio
import socket
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from tests.support.admin import Admin, problem_of

from leadhub.api.dependencies import AdminRoute, admin_router, needs
from leadhub.api.routers import ROUTERS
from leadhub.domain.credentials import SCOPES, Scope
from leadhub.resources import open_resources
from leadhub.settings import Settings

UNKNOWN = "019bc0fd-89c0-7000-8000-000000000000"


def operations() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Method, path and the scopes of which one is needed, of every route that there is."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            needed = {
                scope for alternative in (route.openapi_extra or {})["security"] for scope in alternative["bearer"]
            }
            path = route.path
            for name in route.param_convertors:
                path = path.replace(f"{{{name}}}", UNKNOWN)
            for method in route.methods or ():
                yield method, path, frozenset(needed)


def test_every_route_is_guarded() -> None:
    assert all(isinstance(route, AdminRoute) for router in ROUTERS for route in router.routes)
    assert len(list(operations())) >= 30


def test_a_route_without_a_scope_cannot_be_declared() -> None:
    router = admin_router("test")

    async def handler() -> None: ...

    with pytest.raises(TypeError, match="scope"):
        router.add_api_route("/open", handler, operation_id="open")
    with pytest.raises(TypeError, match="scope"):
        router.add_api_route("/open", handler, operation_id="open", openapi_extra={"security": []})
    router.add_api_route("/closed", handler, operation_id="closed", openapi_extra=needs(Scope.LEADS_READ))
    assert isinstance(router, APIRouter)


async def test_without_a_key_nothing_is_served(admin: Admin) -> None:
    async with admin.client() as stranger:
        for method, path, _ in operations():
            refused = await stranger.request(method, path, content=b"{ not even JSON")
            problem_of(refused, 401)
            assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_that_lacks_the_scope_is_told_which(admin: Admin) -> None:
    for method, path, needed in operations():
        others = sorted(SCOPES - needed - {"admin"})
        async with admin.client(*others) as limited:
            problem = problem_of(await limited.request(method, path), 403)
        assert any(scope in problem["detail"] for scope in needed)


async def test_a_key_with_the_scope_gets_past_the_guard(admin: Admin) -> None:
    for method, path, needed in operations():
        for scope in needed:
            async with admin.client(scope) as allowed:
                response = await allowed.request(method, path)
            assert response.status_code not in {401, 403}, f"{method} {path} with {scope}"
            assert response.status_code < 500


async def test_credentials_that_are_not_one_bearer_token_are_refused(admin: Admin) -> None:
    token = await admin.token("admin")
    odd: list[list[tuple[bytes, bytes]]] = [
        [(b"authorization", b"")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", f"Basic {token}".encode())],
        [(b"authorization", f"Bearer {token}x".encode())],
        [(b"authorization", f"Bearer {token[:-1]}".encode())],
        [(b"authorization", b"Bearer lh_live_" + b"\xff" * 43)],
        [(b"authorization", b"Bearer lh_live_" + b"A" * 43)],
        [(b"authorization", f"Bearer {token}".encode()), (b"authorization", f"Bearer {token}".encode())],
    ]

    async with admin.client() as stranger:
        answers = [await stranger.get("/v1/leads", headers=headers) for headers in odd]
        accepted = await stranger.get("/v1/leads", headers={"Authorization": f"bearer {token}"})
        in_query = await stranger.get("/v1/leads", params={"access_token": token})

    bodies = {problem_of(answer, 401)["detail"] for answer in answers}
    assert len(bodies) == 1
    assert accepted.status_code == 200
    problem_of(in_query, 401)


async def test_while_the_database_is_away_the_answer_is_come_again(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nowhere = settings.model_copy(update={"database_url": f"postgresql+asyncpg://leadhub@127.0.0.1:{port}/x"})

    async with open_resources(nowhere) as resources:
        transport = httpx2.ASGITransport(Admin(resources).api)
        headers = {"Authorization": "Bearer lh_live_" + "A" * 43}
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            async with asyncio.timeout(10):
                refused = await client.get("/v1/leads")

    problem_of(refused, 503)
    assert int(refused.headers["retry-after"]) > 0


async def test_a_body_over_the_limit_is_refused(client: httpx2.AsyncClient) -> None:
    large = b'{"name": "' + b"x" * 70_000 + b'", "scopes": ["leads:read"]}'

    problem_of(await client.post("/v1/keys", content=large, headers={"Content-Type": "application/json"}), 413)


async def test_json_that_cannot_be_kept_is_refused(client: httpx2.AsyncClient) -> None:
    bodies = [
        b"{",
        b"[]",
        b"null",
        b"",
        b'{"name": NaN, "scopes": ["leads:read"]}',
        b'{"name": "\\u0000", "scopes": ["leads:read"]}',
        b'{"name": "\\ud800", "scopes": ["leads:read"]}',
        b'{"name": "\xff", "scopes": ["leads:read"]}',
        b"[" * 20_000,
        b'{"a":' * 10_000,
    ]

    for body in bodies:
        answer = await client.post("/v1/keys", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}, body[:40]
        problem_of(answer, answer.status_code)
