"""Whether a worker's memory stays flat over 50,000 deliveries."""

import asyncio
import sys
from typing import Any

from benchmarks.accept import free_port, process
from benchmarks.delivery import subscribe, tell, worker
from benchmarks.measuring import memory_mib, servers
from benchmarks.receiver import HOSTS
from sqlalchemy import text

from leadhub.resources import clock, open_resources
from leadhub.store.migrations import migrate

_ENDPOINTS = 10
_POINTS = 10
_DELIVERED = text("SELECT count(*) FROM delivery WHERE state = 'delivered'")


async def _run(count: int) -> dict[str, Any]:
    port = free_port()
    points: list[dict[str, float]] = []
    with servers() as running, process(running, "benchmarks.receiver", str(port), port=port):
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            for number in range(_ENDPOINTS):
                await subscribe(resources, port, f"fast/{number}", "lead.routed", cap=8, host=HOSTS[number])
            with worker(running) as child:
                for point in range(1, _POINTS + 1):
                    goal = count * point // _POINTS
                    for _ in range(count // _POINTS // _ENDPOINTS // 100):
                        await tell(resources, "lead.routed", 100)
                    while await _delivered(resources.sessions) < goal:  # noqa: ASYNC110 - another process works
                        await asyncio.sleep(0.2)
                    points.append({"deliveries": goal, "mib": memory_mib(child.pid)})
                    print(points[-1], flush=True)
    return {"points": points, "grown_mib": points[-1]["mib"] - points[_POINTS // 5]["mib"]}


async def _delivered(sessions: Any) -> int:
    async with sessions() as session:
        count: int = (await session.execute(_DELIVERED)).scalar_one()
        return count


def main() -> dict[str, Any]:
    """Print the memory after each tenth; the number of deliveries may be given as an argument."""
    count = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 50_000)
    result = asyncio.run(_run(count))
    print(f"grown since the first fifth: {result['grown_mib']:.1f} MiB")
    return result


if __name__ == "__main__":
    main()
