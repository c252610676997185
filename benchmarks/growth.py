"""Whether a lead costs more when there are many: processing the same load on an empty base and on a large one.

The base is grown through the real pipeline, so its tables, keys and indexes are what they would be.
"""

import asyncio
import sys
from typing import Any

from benchmarks.measuring import servers
from benchmarks.processing import drain, measure, prepare, store

from leadhub.resources import clock, open_resources
from leadhub.store.migrations import migrate

_SAMPLE = 2_000


async def run(sizes: tuple[int, ...] = (10_000, 200_000)) -> dict[str, Any]:
    """Grow to each size, then measure; half of the sample are people already known."""
    points = []
    with servers() as running:
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            source = await prepare(resources)
            size = 0
            for goal in sizes:
                for start in range(size, goal, 5_000):
                    await store(resources, source, list(range(start, min(start + 5_000, goal))))
                    await drain(resources)
                size = goal
                known = [number * (size // _SAMPLE) for number in range(_SAMPLE // 2)]
                new = [10_000_000 + size + number for number in range(_SAMPLE // 2)]
                mixed = [person for pair in zip(known, new, strict=True) for person in pair]
                points.append({"leads": size, **await measure(resources, running, source, mixed)})
                print(points[-1], flush=True)
    first, last = points[0], points[-1]
    cost = {name: last[name] / first[name] for name in ("worker_cpu_ms", "postgres_cpu_ms")}
    return {"points": points, "growth": cost | {"time": first["leads_per_second"] / last["leads_per_second"]}}


def main() -> dict[str, Any]:
    """Print the points and the ratios; sizes may be given as arguments."""
    sizes = tuple(int(argument) for argument in sys.argv[1:] if argument.isdigit())
    result = asyncio.run(run(sizes) if len(sizes) > 1 else run())
    print({name: round(value, 2) for name, value in result["growth"].items()})
    return result


if __name__ == "__main__":
    main()
