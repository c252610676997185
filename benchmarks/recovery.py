"""What a kill -9 of a worker costs: how long until all arrived, what is lost, what comes twice.

Bars: the longest wait is a lease and 15 s, nothing is lost, and no more comes twice than was in flight at the kill.
"""

import asyncio
import sys
import time
from typing import Any

from benchmarks.accept import free_port, process
from benchmarks.delivery import seen, subscribe, tell, worker
from benchmarks.measuring import servers
from sqlalchemy import text

from leadhub.resources import Resources, clock, open_resources
from leadhub.store.migrations import migrate

_DEADLINE_SECONDS = 5
_LEASE_SECONDS = _DEADLINE_SECONDS + 15
_CAP = 16
_RATE = 100
_LEASED = text("SELECT count(*) FROM delivery WHERE state = 'leased'")


async def _leased(resources: Resources) -> int:
    async with resources.sessions() as session:
        count: int = (await session.execute(_LEASED)).scalar_one()
        return count


async def _run(*, seconds: float) -> dict[str, Any]:
    port = free_port()
    environment = {"LEADHUB_DELIVERY_TOTAL_SECONDS": str(_DEADLINE_SECONDS)}
    told: list[str] = []
    with servers() as running, process(running, "benchmarks.receiver", str(port), port=port):
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            await subscribe(resources, port, "slow", "lead.routed", cap=_CAP)

            async def steady() -> None:
                started = time.perf_counter()
                for number in range(int(2 * seconds * _RATE)):
                    await asyncio.sleep(max(0, started + number / _RATE - time.perf_counter()))
                    told.extend(await tell(resources, "lead.routed", 1))

            with worker(running, **environment) as first:
                await asyncio.sleep(5)
                load = asyncio.create_task(steady())
                await asyncio.sleep(seconds)
                first.kill()
                killed = time.perf_counter()
                in_flight = await _leased(resources)
            with worker(running, **environment):
                await load
                while set(told) - set((await seen(port))["first"]) or await _leased(resources):
                    if time.perf_counter() - killed > 4 * _LEASE_SECONDS:
                        break
                    await asyncio.sleep(0.2)
                took = time.perf_counter() - killed
            found = await seen(port)
    return {
        "told": len(told),
        "lost": len(set(told) - set(found["first"])),
        "in_flight_at_the_kill": in_flight,
        "repeated": found["repeated"],
        "seconds_until_all_was_recorded": took,
        "bar_seconds": _LEASE_SECONDS + 15,
    }


def main() -> dict[str, Any]:
    """Print what was lost and repeated, and how long it took; seconds of load may be given as an argument."""
    seconds = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 10)
    result = asyncio.run(_run(seconds=seconds))
    for name, figure in result.items():
        print(f"{name}: {round(figure, 1)}")
    return result


if __name__ == "__main__":
    main()
