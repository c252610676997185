import asyncio
from dataclasses import replace

import httpx2
import pytest
from structlog.testing import capture_logs
from tests.support.deployment import free_port
from tests.support.outbox import Outbox

from leadhub.resources import Resources
from leadhub.worker import serve_metrics


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
