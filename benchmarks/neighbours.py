"""Whether endpoints that hang delay fifty that do not: one with a backlog of 5,000, then a hundred all at once.

Workers are processes as in production; the receiver has a host for each endpoint. Bars: the fast ones' p95 is at most
twice what it is without, and open requests at the hanging one never exceed its cap.
"""

import asyncio
import sys
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.accept import free_port, process
from benchmarks.delivery import seen, spread, subscribe, tell, worker
from benchmarks.measuring import servers
from benchmarks.receiver import HOSTS

from leadhub.resources import Resources, clock, open_resources
from leadhub.store.migrations import migrate

_TYPES = (
    "lead.created", "lead.updated", "lead.merged", "lead.unmerged", "lead.routed", "lead.nurtured", "lead.mql",
    "lead.sql", "lead.hot", "lead.disqualified",
)  # fmt: skip
_FAST = 50
_CAP = 4
_BACKLOG = 5_000
_MANY = 100
_RATE = 200
"""Deliveries a second to all fast endpoints together."""


async def _steady(resources: Resources, port: int, *, seconds: float) -> dict[str, float]:
    """Tell events at a steady rate, each to five endpoints; return how long they took to arrive."""
    told: dict[str, float] = {}
    each = _FAST // len(_TYPES)
    rate = _RATE / each
    started = time.perf_counter()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0, started + number / rate - time.perf_counter()))
        [event_id] = await tell(resources, _TYPES[number % len(_TYPES)], 1)
        told[event_id] = time.time()
    await asyncio.sleep(2)
    came = [(key.split("/")[0], at) for key, at in (await seen(port))["first"].items()]
    waits = [at - told[event_id] for event_id, at in came if event_id in told]
    return {"sent": len(told) * each, "came": len(waits), **spread(waits)}


async def _warm(resources: Resources, port: int, workers: int) -> None:
    """Return when the workers are up, with connections open and statements prepared."""
    while not (await seen(port))["first"]:
        await tell(resources, _TYPES[0], 1)
        await asyncio.sleep(1)
    await asyncio.sleep(workers)
    await _steady(resources, port, seconds=3)


async def _run(workers: int, *, seconds: float) -> dict[str, Any]:
    port = free_port()
    result: dict[str, Any] = {"workers": workers}
    with servers() as running, process(running, "benchmarks.receiver", str(port), port=port), ExitStack() as stack:
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            for number in range(_FAST):
                kind = _TYPES[number % len(_TYPES)]
                await subscribe(resources, port, f"fast/{number}", kind, cap=_CAP, host=HOSTS[number])
            for _ in range(workers):
                stack.enter_context(worker(running))
            await _warm(resources, port, workers)
            result["alone"] = await _steady(resources, port, seconds=seconds)
            await subscribe(resources, port, "hang/0", "lead.failed", cap=_CAP, host=HOSTS[_FAST])
            for _ in range(_BACKLOG // 1_000):
                await tell(resources, "lead.failed", 1_000)
            result["beside_one"] = await _steady(resources, port, seconds=seconds)
            result["open_at_it"] = (await seen(port))["most_hanging"]
            for number in range(_MANY):
                host = HOSTS[_FAST + 1 + number % (len(HOSTS) - _FAST - 1)]
                await subscribe(resources, port, f"hang/{number + 1}", "endpoint.failing", cap=_CAP, host=host)
            await tell(resources, "endpoint.failing", 50)
            result["beside_many"] = await _steady(resources, port, seconds=seconds)
    for name in ("beside_one", "beside_many"):
        result[f"{name} : alone"] = result[name]["p95_ms"] / result["alone"]["p95_ms"]
    return result


def main() -> dict[str, Any]:
    """Print the latencies with 2 and with 8 workers; seconds for each may be given as an argument."""
    seconds = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 30)
    results = {}
    for workers in (2, 8):
        results[f"{workers} workers"] = result = asyncio.run(_run(workers, seconds=seconds))
        for name, figures in result.items():
            shown = {key: round(value, 1) for key, value in figures.items()} if isinstance(figures, dict) else figures
            print(f"{workers} workers, {name}: {shown}", flush=True)
    return results


if __name__ == "__main__":
    main()
