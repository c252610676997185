"""From POST to the first byte at a CRM: gateway, worker and receiver as processes of their own, everything on.

Every lead asks for a demo, so every one of them is recognised, scored, routed and delivered. Also the whole path at a
higher rate, with the CPU that gateway, worker and PostgreSQL use for each lead.
"""

import asyncio
import contextlib
import secrets
import statistics
import subprocess
import sys
import time
from typing import Any

import aiohttp
import uvloop
from benchmarks.accept import free_port, make_api_source, process
from benchmarks.http_load import Connection, Target, connect
from benchmarks.measuring import Servers, memory_mib, postgres_cpu_seconds, process_cpu_seconds, servers
from benchmarks.people import Person

from leadhub.pipeline.endpoints import create_endpoint
from leadhub.resources import Resources, clock, open_resources
from leadhub.store.migrations import migrate

_CONNECTIONS = 32
_WARM_RATE, _WARM_SECONDS = 50, 8
"""Before the clock starts: every connection has seen every statement five times, and PostgreSQL keeps its plans."""


async def prepare(running: Servers, receiver_port: int) -> tuple[str, str]:
    """Migrate, subscribe the receiver to routed leads; return path and token of an api source."""
    settings = running.settings()
    await migrate(settings.database_url, now=clock())
    async with open_resources(settings) as resources:
        await _subscribe(resources, receiver_port)
        return await make_api_source(resources)


async def _subscribe(resources: Resources, port: int) -> None:
    await create_endpoint(
        resources.sessions,
        resources.vault,
        url=f"http://127.0.0.1:{port}/hook",
        event_types=["lead.routed"],
        lane_cap=32,
        allowed_networks=resources.settings.outbound_networks,
        now=clock(),
        entropy=secrets.token_bytes,
    )


async def post_at(target: Target, rate: float, seconds: float) -> dict[str, float]:
    """Post at a fixed rate; return for each e-mail when its POST began."""
    posted: dict[str, float] = {}
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await connect(target.port))

    async def one(number: int) -> None:
        connection = await free.get()
        posted[Person.number(target.first + number).email] = time.time()
        assert await connection.send(target.request(number)) == 202
        free.put_nowait(connection)

    started = time.perf_counter()
    tasks = []
    for number in range(int(rate * seconds)):
        if (pause := started + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return posted


async def received(port: int, count: int, *, seconds: float) -> dict[str, float]:
    """Wait until the receiver has so many; return for each e-mail when the first byte of its event came."""
    async with aiohttp.ClientSession() as client:
        deadline = time.monotonic() + seconds
        while True:
            async with client.get(f"http://127.0.0.1:{port}/received") as answer:
                got: dict[str, float] = await answer.json()
            if len(got) >= count or time.monotonic() > deadline:
                return got
            await asyncio.sleep(0.2)


def measure(running: Servers, rate: float, seconds: float) -> dict[str, Any]:
    """Run one rate on fresh processes."""
    ports = {name: free_port() for name in ("gateway", "receiver")}
    with contextlib.ExitStack() as stack:
        stack.enter_context(process(running, "benchmarks.crm", str(ports["receiver"]), port=ports["receiver"]))
        path, token = asyncio.run(prepare(running, ports["receiver"]))
        gateway = stack.enter_context(
            process(running, "leadhub", "serve", port=ports["gateway"], LEADHUB_PORT=str(ports["gateway"]))
        )
        worker = stack.enter_context(_worker(running))
        time.sleep(3)
        first = secrets.randbelow(10**6) * 1000
        warming = uvloop.run(post_at(Target(ports["gateway"], path, token, first + 1_000), _WARM_RATE, _WARM_SECONDS))
        before = [process_cpu_seconds(gateway.pid), process_cpu_seconds(worker.pid), postgres_cpu_seconds(running)]
        posted = uvloop.run(post_at(Target(ports["gateway"], path, token, first + 10_000), rate, seconds))
        got = asyncio.run(received(ports["receiver"], len(posted) + len(warming), seconds=30))
        after = [process_cpu_seconds(gateway.pid), process_cpu_seconds(worker.pid), postgres_cpu_seconds(running)]
        memory = memory_mib(worker.pid)
    times = sorted((got[email] - sent) * 1000 for email, sent in posted.items() if email in got)
    cpu = [(late - early) / len(posted) * 1000 for early, late in zip(before, after, strict=True)]
    return {
        "rate": rate,
        "posted": len(posted),
        "delivered": len(times),
        "p50_ms": statistics.median(times) if times else None,
        "p99_ms": times[int(len(times) * 0.99)] if times else None,
        "cpu_ms": dict(zip(("gateway", "worker", "postgres"), cpu, strict=True)),
        "worker_mib": memory,
    }


@contextlib.contextmanager
def _worker(running: Servers) -> Any:
    child = subprocess.Popen([sys.executable, "-m", "leadhub", "worker"], env=running.environment())
    try:
        yield child
    finally:
        child.terminate()
        child.wait(timeout=30)


def run(seconds: float = 10) -> dict[str, Any]:
    """Measure a calm rate and a busy one."""
    results = []
    for rate in (50, 300):
        with servers() as running:
            results.append(measure(running, rate, seconds))
    return {"rates": results}


def main() -> dict[str, Any]:
    """Print one line a rate."""
    result = run()
    for one in result["rates"]:
        cpu = "  ".join(f"{name} {value:.2f}" for name, value in one["cpu_ms"].items())
        print(
            f"{one['rate']:4}/s  delivered {one['delivered']}/{one['posted']}  p50 {one['p50_ms']:.1f} ms  "
            f"p99 {one['p99_ms']:.1f} ms  cpu ms a lead: {cpu}  worker {one['worker_mib']:.0f} MiB"
        )
    return result


if __name__ == "__main__":
    main()
