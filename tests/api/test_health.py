"""Readiness says whether a lead sent here now would be on disk when acknowledged."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import problem_of
from tests.support.gateway import Gateway, client_of, execute, own_database, running
from tests.support.outbox import Outbox
from tests.support.waiting import a_source, content, received

from leadhub.embedded import EmbeddedServers
from leadhub.resources import open_resources
from leadhub.settings import Settings
from leadhub.store import readiness as database


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "health") as settings, running(settings) as opened:
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


async def readiness_with(settings: Settings, **changes: object) -> httpx2.Response:
    changed = settings.model_copy(update={"drain_seconds": 0, **changes})
    async with running(changed) as gateway, client_of(gateway) as client:
        return await client.get("/health/ready")


async def test_a_process_that_runs_is_live(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health/live")

    assert (answer.status_code, answer.json()["status"]) == (200, "live")


async def test_a_gateway_with_all_its_parts_is_ready(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"process": "ok", "inbox": "ok", "database": "ok", "redis": "ok"},
    }


async def test_many_probes_are_one_question(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    asked: list[Any] = []
    original = gateway.door.readiness._check
    gateway.door.readiness._checking = None

    async def counting(resources: Any) -> dict[str, str]:
        asked.append(resources)
        return await original(resources)

    gateway.door.readiness._check = counting  # type: ignore[method-assign] # only to count
    await asyncio.gather(*(client.get("/health/ready") for _ in range(20)))
    del gateway.door.readiness._check  # gives the method back

    assert len(asked) == 1


async def test_without_redis_it_is_ready_and_says_so(settings: Settings) -> None:
    answer = await readiness_with(settings, redis_url="unix:///nowhere/redis.sock")

    assert answer.status_code == 200
    assert answer.json()["checks"]["redis"].startswith("degraded")


@pytest.mark.parametrize("setting", ["synchronous_commit"])
async def test_a_commit_that_is_not_on_disk_is_not_ready(
    settings: Settings, servers: EmbeddedServers, setting: str
) -> None:
    name = settings.database_url.split("@/")[1].split("?")[0]
    await execute(servers, f"ALTER DATABASE {name} SET {setting} = off")

    answer = await readiness_with(settings)

    problem = problem_of(answer, 503)
    assert problem["checks"]["database"] == f"not durable: {setting} is off"


async def test_a_database_that_is_not_migrated_is_not_ready(
    settings: Settings, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leadhub.api.health._DATABASE_SECONDS", 15)  # a database just made is slow on a busy machine
    await execute(servers, "CREATE DATABASE empty")

    answer = await readiness_with(settings, database_url=servers.database_url.replace("@/postgres?", "@/empty?"))

    assert problem_of(answer, 503)["checks"]["database"] == "not migrated"
    await execute(servers, "DROP DATABASE empty WITH (FORCE)")


async def test_an_older_database_is_behind_and_a_newer_one_is_not(settings: Settings) -> None:
    async with open_resources(settings) as resources, resources.engine.connect() as connection:
        known = database.revisions()

        assert not await database.is_behind(connection, known)
        assert not await database.is_behind(connection, ())
        assert await database.is_behind(connection, ("to come", *known))


async def test_metrics_count_the_queue(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    source_id = await a_source(gateway.resources.engine, channel="echo")
    ids = await received(gateway.resources.engine, source_id, *[content({"email": "a@example.com"})] * 3)
    async with gateway.resources.engine.begin() as connection:
        parked = text("UPDATE pending_submission SET failed_at = now(), error = 'x' WHERE submission_id = :id")
        await connection.execute(parked, {"id": ids[0]})

    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert "leadhub_pending_submissions 2.0" in lines
    assert "leadhub_failed_submissions 1.0" in lines
    assert any(line.startswith("leadhub_pending_oldest_seconds ") for line in lines)


async def test_metrics_tell_of_each_endpoint(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    outbox = Outbox(gateway.resources.engine)
    late = await outbox.endpoint()
    await outbox.events(at=datetime.now(UTC) - timedelta(seconds=90))
    idle = await outbox.endpoint()

    lines = dict(line.rsplit(" ", 1) for line in (await client.get("/metrics")).text.splitlines() if "#" not in line)

    assert 90 <= float(lines[f'leadhub_endpoint_oldest_seconds{{endpoint="{late}"}}']) < 600
    assert float(lines[f'leadhub_endpoint_oldest_seconds{{endpoint="{idle}"}}']) == 0
    assert float(lines[f'leadhub_endpoint_in_flight{{endpoint="{late}"}}']) == 0
    assert float(lines[f'leadhub_endpoint_width{{endpoint="{late}"}}']) == 4
