"""Whether a lead costs more when there are many: the same load on a small base and on large ones, side by side.

`./run bench growth 10000 1000000` compares these sizes. Each base is a database of its own in one PostgreSQL, and the
rounds go through all of them in turn, so that a change in the machine's mood meets every one. Half of each load are
people already known, from all over the base.
"""

import asyncio
import contextlib
import sys
import time
from statistics import median
from typing import Any

from benchmarks import large_base
from benchmarks.measuring import Servers, servers
from benchmarks.processing import measure, prepare
from sqlalchemy import make_url, text

from leadhub.resources import Resources, clock, open_resources
from leadhub.settings import Settings
from leadhub.store.engine import create_engine
from leadhub.store.migrations import migrate

_SIZES = (10_000, 200_000)
_ROUNDS = 5
_SAMPLE = 1_000
_NOBODY_YET = 100_000_000
_COSTS = ("worker_cpu_ms", "postgres_cpu_ms")


async def run(sizes: tuple[int, ...] = _SIZES) -> dict[str, Any]:
    """Fill a base of each size, then measure them in turn."""
    with servers() as running:
        async with contextlib.AsyncExitStack() as stack:
            bases = []
            for size in sizes:
                resources = await stack.enter_async_context(open_resources(await _database(running, size)))
                source = await prepare(resources)
                started = time.perf_counter()
                await large_base.fill(resources, source, 0, size)
                print(f"{size} leads are there after {time.perf_counter() - started:.0f} s", flush=True)
                bases.append((size, resources, source))
            rounds = []
            for number in range(_ROUNDS + 1):  # the first one fills the caches
                found = {
                    size: await _measure(resources, running, source, size, number) for size, resources, source in bases
                }
                rounds.append(found)
                print("  ".join(f"{size}: " + _line(one) for size, one in found.items()), flush=True)
    return {"rounds": rounds, "growth": {size: _growth(rounds[1:], sizes[0], size) for size in sizes[1:]}}


async def _database(running: Servers, size: int) -> Settings:
    """Make a database for a base; return the settings that lead to it."""
    settings = running.settings()
    name = f"leads_{size}"
    engine = create_engine(settings.database_url, pool=1, pool_wait_seconds=5, statement_seconds=60)
    async with engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await alone.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    url = make_url(settings.database_url).set(database=name).render_as_string(hide_password=False)
    await migrate(url, now=clock())
    return running.settings(database_url=url)


async def _measure(resources: Resources, running: Servers, source: Any, size: int, number: int) -> dict[str, float]:
    half = _SAMPLE // 2
    known = [(place * size // half + number) % size for place in range(half)]
    new = [_NOBODY_YET + number * half + place for place in range(half)]
    mixed = [person for pair in zip(known, new, strict=True) for person in pair]
    return await measure(resources, running, source, mixed)


def _growth(rounds: list[dict[int, dict[str, float]]], small: int, large: int) -> dict[str, float]:
    """Return how many times as much a lead costs in the large base: the medians of ratios within a round."""
    ratios = {name: median(one[large][name] / one[small][name] for one in rounds) for name in _COSTS}
    return ratios | {"cpu_ms": median(_cpu(one[large]) / _cpu(one[small]) for one in rounds)}


def _cpu(point: dict[str, float]) -> float:
    return sum(point[name] for name in _COSTS)


def _line(point: dict[str, float]) -> str:
    worker, postgres = (point[name] for name in _COSTS)
    return f"{point['leads_per_second']:.0f}/s, worker {worker:.2f} ms, PostgreSQL {postgres:.2f} ms"


def main() -> dict[str, Any]:
    """Print the points and the ratios; sizes may be given as arguments."""
    sizes = tuple(int(argument) for argument in sys.argv[1:] if argument.isdigit())
    result = asyncio.run(run(sizes) if len(sizes) > 1 else run())
    for size, growth in result["growth"].items():
        print(f"{size}: " + "  ".join(f"{name} {value:.2f}" for name, value in growth.items()))
    return result


if __name__ == "__main__":
    main()
