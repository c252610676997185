"""What every request meets: an id, headers, problems for all that goes wrong, one line in the log, a graceful end."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.support.admin import problem_of
from tests.support.gateway import Gateway, a_post, client_of, own_database, running
from tests.support.waiting import a_source

from leadhub.domain.ids import uuid7_time
from leadhub.embedded import EmbeddedServers
from leadhub.resources import clock
from leadhub.settings import Settings

broken = APIRouter()


@broken.get("/broken")
async def fail() -> None:
    raise RuntimeError("ada@example.com was here")


@broken.get("/outage")
async def be_away() -> None:
    raise ConnectionRefusedError


@broken.post("/echo/{thing}")
async def repeat(thing: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"thing": thing, "value": value}


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with (
        own_database(servers, template, "door") as settings,
        running(settings.model_copy(update={"body_bytes": 10_000})) as opened,
    ):
        opened.door.api.include_router(broken)
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


async def test_every_answer_has_an_id_and_forbids_guessing(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health/live")

    request_id = UUID(answer.headers["x-request-id"])
    assert abs((clock() - uuid7_time(request_id)).total_seconds()) < 5
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_problem_names_the_request_and_not_its_path(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/ada@example.com?email=ada@example.com")

    problem = problem_of(answer, 404)
    assert problem["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"
    assert "ada" not in answer.text


async def test_the_routers_no_to_a_method_keeps_its_allow(client: httpx2.AsyncClient) -> None:
    answer = await client.delete("/health/live")

    problem_of(answer, 405)
    assert answer.headers["allow"] == "GET"


async def test_a_method_that_http_knows_and_we_do_not_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.request("TRACE", "/health/live")

    problem_of(answer, 405)
    assert "GET" in answer.headers["allow"]


async def test_a_slash_too_many_is_not_redirected(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get("/health/live/", headers={"host": "evil.example"}), 404)


async def test_a_bug_is_a_500_without_a_word_of_it(client: httpx2.AsyncClient) -> None:
    with capture_logs() as lines:
        answer = await client.get("/broken")

    problem_of(answer, 500)
    assert "ada@example.com" not in answer.text
    failures = [line for line in lines if line["event"] == "request.failed"]
    assert [line["error_class"] for line in failures] == ["RuntimeError"]
    assert failures[0]["request_id"] == answer.headers["x-request-id"]


async def test_a_part_that_is_away_is_a_503(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/outage")

    problem_of(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


async def test_other_routes_get_their_body_whole(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/echo/x", json={"a": "ü" * 2_000})

    assert answer.json() == {"thing": "x", "value": {"a": "ü" * 2_000}}


async def test_other_routes_have_the_same_limits(client: httpx2.AsyncClient) -> None:
    problem_of(await client.post("/echo/x", content=b"x" * 10_001), 413)
    problem_of(await client.post("/echo/x", content=b"{}", headers={"content-encoding": "br"}), 415)


async def test_what_is_not_json_is_named_and_not_repeated(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/echo/x", content=b'{"email": ada@example.com', headers={"content-type": "text/json"})

    problem_of(answer, 422)
    assert "ada" not in answer.text


async def test_one_line_a_request_names_the_route_and_nobody(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    source_id = await a_source(gateway.resources.engine, channel="echo")

    with capture_logs() as lines:
        answer = await client.post(f"/in/echo/{source_id.hex}?email=ada@example.com", content=b"ada@example.com")
        await client.post("/echo/ada@example.com", json={"a": "ada@example.com"})
        await client.get("/ada@example.com")

    first, second, third = [line for line in lines if line["event"] == "request"]
    assert first["route"] == "/in/{channel}/{key}"
    assert first["status"] == 202
    assert str(first["request_id"]) == answer.headers["x-request-id"]
    assert first["source_id"] == source_id
    assert first["accepted"] == 1
    assert first["duration_ms"] > 0
    assert second["route"] == "/echo/{thing}"
    assert third["route"] == "unmatched"
    assert "ada" not in str(lines)


async def test_the_request_id_leads_to_the_submission(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    source_id = await a_source(gateway.resources.engine, channel="echo")

    answer = await client.post(f"/in/echo/{source_id.hex}", content=b"a@example.com", headers={"times": "3"})

    receipts = [UUID(one["id"]) for one in answer.json()["receipts"]]
    assert receipts[0] == UUID(answer.headers["x-request-id"])
    assert receipts == sorted(receipts)


async def test_a_signal_turns_readiness_red_before_the_port_closes(settings: Settings) -> None:
    async with running(settings.model_copy(update={"drain_seconds": 0.4})) as gateway, client_of(gateway) as client:
        before = await client.get("/health/ready")

        gateway.server.handle_exit(signal.SIGTERM, None)
        after = await client.get("/health/ready")
        live = await client.get("/health/live")

        assert before.status_code == 200
        problem_of(after, 503)
        assert live.status_code == 200
        assert live.headers["connection"] == "close"
        while gateway.server.servers[0].is_serving():  # noqa: ASYNC110 - asyncio has no event for it
            await asyncio.sleep(0.05)
        with pytest.raises(httpx2.ConnectError):
            await client.get("/health/live")


async def test_what_is_under_way_at_the_end_is_finished(settings: Settings) -> None:
    async with running(settings.model_copy(update={"drain_seconds": 0})) as gateway:
        engine = gateway.resources.engine
        source_id = await a_source(engine, channel="echo")
        async with engine.connect() as locking:
            await locking.execute(text("LOCK TABLE submission IN ACCESS EXCLUSIVE MODE"))
            waiting = asyncio.create_task(gateway.raw(a_post(f"/in/echo/{source_id.hex}")))
            await asyncio.sleep(0.1)
            gateway.server.handle_exit(signal.SIGTERM, None)
            await asyncio.sleep(0.5)
            assert not waiting.done()
            await locking.rollback()

        assert (await waiting).startswith(b"HTTP/1.1 202 ")
