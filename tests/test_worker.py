import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from tests.support.delivering import until
from tests.support.deployment import free_port
from tests.support.outbox import Outbox
from tests.support.waiting import a_source, content, received

from leadhub.resources import Resources
from leadhub.worker import Duty, run_until, serve_metrics


def _with_port(resources: Resources, port: int | None) -> Resources:
    return replace(resources, settings=resources.settings.model_copy(update={"worker_metrics_port": port}))


async def test_a_worker_serves_its_own_metrics_where_a_port_is_set(resources: Resources) -> None:
    port = free_port()
    endpoint_id = await Outbox(resources.engine, resources.vault).endpoint()
    async with serve_metrics(_with_port(resources, port)), httpx2.AsyncClient(trust_env=False) as client:
        told = await client.get(f"http://127.0.0.1:{port}/metrics")
        other = await client.get(f"http://127.0.0.1:{port}/")

    for gauge in ("oldest_seconds", "in_flight", "width", "failing_seconds"):
        assert f'leadhub_endpoint_{gauge}{{endpoint="{endpoint_id}"}}' in told.text
    assert told.headers["content-type"].startswith("text/plain; version=")
    assert other.status_code == 404


async def test_a_port_that_is_taken_is_said_and_ends_nothing(resources: Resources) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    with capture_logs() as lines:
        async with serve_metrics(_with_port(resources, taken.sockets[0].getsockname()[1])):
            pass
    taken.close()

    assert [line["event"] for line in lines] == ["metrics.unserved"]


async def test_without_a_port_nothing_is_served(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "create_server", None)
    async with serve_metrics(_with_port(resources, None)):
        pass


@asynccontextmanager
async def _working(resources: Resources, duty: Duty) -> AsyncIterator[None]:
    stop = asyncio.Event()
    worker = asyncio.create_task(run_until(resources, stop, duty))
    try:
        yield
    finally:
        stop.set()
        await worker


async def test_leads_and_deliveries_can_have_workers_of_their_own(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def without_redis(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("leadhub.worker.keep_schedule", without_redis)
    monkeypatch.setattr("leadhub.outbound.queue.Wakeup.listen", without_redis)

    async def one(statement: str) -> int:
        async with resources.engine.connect() as connection:
            return int((await connection.execute(text(statement))).scalar_one())

    await Outbox(resources.engine, resources.vault).endpoint()
    source = await a_source(resources.engine)
    await received(resources.engine, source, content({"email": "ada@example.org"}))

    async with _working(resources, Duty.LEADS):
        await until(lambda: one("SELECT count(*) FROM delivery WHERE state = 'pending'"), seconds=20)
        await asyncio.sleep(0.3)
        assert await one("SELECT count(*) FROM attempt") == 0

    await received(resources.engine, source, content({"email": "alan@example.org"}))
    async with _working(resources, Duty.DELIVERIES):
        await until(lambda: one("SELECT count(*) FROM attempt"), seconds=20)
        await asyncio.sleep(0.3)
        assert await one("SELECT count(*) FROM pending_submission") == 1
