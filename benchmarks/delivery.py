"""How many webhooks one deliverer sends a second, and whether a hanging endpoint delays another.

A deliverer in this process with everything on (claims, signatures, attempts, log lines), real PostgreSQL with fsync, a
receiver in a process of its own.
"""

import asyncio
import json
import random
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvloop
from benchmarks.accept import free_port, process
from benchmarks.measuring import Servers, cpu_seconds, postgres_cpu_seconds, servers
from benchmarks.receiver import HOSTS
from sqlalchemy import text

from leadhub.domain.ids import EventId, LeadId
from leadhub.outbound import queue
from leadhub.outbound.queue import Wakeup
from leadhub.pipeline.deliver import Deliverer
from leadhub.pipeline.endpoints import create_endpoint
from leadhub.resources import Ids, Resources, clock, open_courier, open_resources
from leadhub.store import driver, events
from leadhub.store.events import NewEvent
from leadhub.store.migrations import migrate

_BODY = json.dumps({"type": "lead.routed", "data": {"because": "x" * 900}}).encode()
_new_id = Ids()
_COUNT = text("SELECT count(*) FROM delivery WHERE event_type = :type AND state = 'delivered'")


async def seen(port: int) -> dict[str, Any]:
    """Return what the receiver saw: `first` by event, `repeated`, `most_hanging`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /seen HTTP/1.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2]))
    writer.close()
    found: dict[str, Any] = json.loads(body)
    return found


def spread(waits: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile, in milliseconds, of waits in seconds."""
    ordered = sorted(waits) or [float("nan")]
    return {"p50_ms": statistics.median(ordered) * 1000, "p95_ms": ordered[int(len(ordered) * 0.95)] * 1000}


@contextmanager
def worker(running: Servers, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker process, and stop it afterwards if it runs still."""
    child = subprocess.Popen([sys.executable, "-m", "leadhub", "worker"], env=running.environment(**environment))
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            child.kill()


@asynccontextmanager
async def delivering(resources: Resources) -> AsyncIterator[None]:
    """Run one deliverer, as a worker does."""
    stop = asyncio.Event()
    settings = resources.settings
    wakeup = Wakeup(resources.redis, queue.DELIVERIES)
    async with open_courier(resources) as courier:
        deliverer = Deliverer(
            engine=resources.engine,
            courier=courier,
            wakeup=wakeup,
            slots=settings.delivery_slots,
            host_cap=settings.delivery_host_cap,
            new_id=_new_id,
            clock=clock,
            jitter=random.random,
        )
        listening = asyncio.create_task(wakeup.listen())
        running = asyncio.create_task(deliverer.run(stop))
        yield
        stop.set()
        await running
        listening.cancel()


async def subscribe(
    resources: Resources, port: int, path: str, event_type: str, *, cap: int, host: str = "127.0.0.1"
) -> None:
    """Add an endpoint of the receiver."""
    await create_endpoint(
        resources.sessions,
        resources.vault,
        url=f"http://{host}:{port}/{path}",
        event_types=[event_type],
        lane_cap=cap,
        allowed_networks=resources.settings.outbound_networks,
        now=clock(),
        entropy=secrets.token_bytes,
    )


async def tell(resources: Resources, event_type: str, count: int) -> list[str]:
    """Append events in one transaction; return their ids."""
    now = clock()
    made = [
        NewEvent(
            id=EventId(_new_id()),
            type=event_type,
            lead_id=LeadId(_new_id()),
            sequence=1,
            occurred_at=now,
            received_at=now,
            is_test=False,
            body=_BODY,
        )
        for _ in range(count)
    ]
    async with driver.transaction(resources.engine) as connection:
        await events.append(connection, made)
    resources.deliveries_nudge()
    return [str(event.id) for event in made]


async def throughput(resources: Resources, running: Servers, *, count: int) -> dict[str, float]:
    """Deliver a backlog to the ten endpoints that want to hear of merges."""
    async with resources.sessions() as session:
        before = (await session.execute(_COUNT, {"type": "lead.merged"})).scalar_one()
    for _ in range(count // 1000):
        await tell(resources, "lead.merged", 100)
    own, server, started = cpu_seconds(), postgres_cpu_seconds(running), time.perf_counter()
    async with delivering(resources), resources.sessions() as session:
        while (await session.execute(_COUNT, {"type": "lead.merged"})).scalar_one() < before + count:
            await session.rollback()
            await asyncio.sleep(0.1)
        took = time.perf_counter() - started
    return {
        "deliveries_per_second": count / took,
        "worker_cpu_ms": (cpu_seconds() - own) / count * 1000,
        "postgres_cpu_ms": (postgres_cpu_seconds(running) - server) / count * 1000,
    }


async def latency(resources: Resources, port: int, *, seconds: float, rate: float = 50) -> dict[str, float]:
    """Return how long after its commit an event's first byte is at the receiver, at a steady rate."""
    told: dict[str, float] = {}
    async with delivering(resources):
        started = time.perf_counter()
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0, started + number / rate - time.perf_counter()))
            [event_id] = await tell(resources, "lead.routed", 1)
            told[event_id] = time.time()
        await asyncio.sleep(1)
        came = (await seen(port))["first"]
    waits = [came[event_id] - at for event_id, at in told.items() if event_id in came]
    return {"sent": len(told), "came": len(waits), **spread(waits)}


async def run(*, count: int = 5_000, seconds: float = 5) -> dict[str, Any]:
    """Measure throughput, then latency at 50 and at 200 a second, and at 50 beside a hanging endpoint with 5,000."""
    result: dict[str, Any] = {}
    port = free_port()
    with servers() as running, process(running, "benchmarks.receiver", str(port), port=port):
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            for number in range(10):
                await subscribe(resources, port, f"fast/{number}", "lead.merged", cap=8, host=HOSTS[number])
            await throughput(resources, running, count=1_000)  # warm: statements prepared, connections open
            result["throughput"] = await throughput(resources, running, count=count)
            await subscribe(resources, port, "fast", "lead.routed", cap=4)
            result["alone"] = await latency(resources, port, seconds=seconds)
            result["at_200"] = await latency(resources, port, seconds=seconds, rate=200)
            await subscribe(resources, port, "hang", "lead.nurtured", cap=4)
            for _ in range(5):
                await tell(resources, "lead.nurtured", 1000)
            result["beside_hanging"] = await latency(resources, port, seconds=seconds)
    result["p95_ratio"] = result["beside_hanging"]["p95_ms"] / result["alone"]["p95_ms"]
    return result


def main() -> dict[str, Any]:
    """Print deliveries a second, CPU a delivery, and the latency; seconds for each may be given as an argument."""
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    result = uvloop.run(run(count=sizes[0] * 1_000, seconds=sizes[0]) if sizes else run())
    for name, figures in result.items():
        shown = {key: round(value, 2) for key, value in figures.items()} if isinstance(figures, dict) else figures
        print(f"{name}: {shown}")
    return result


if __name__ == "__main__":
    main()
