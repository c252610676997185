"""How a backlog of fetches drains at a platform with a quota, and what the leads of another source wait meanwhile."""

import asyncio
import statistics
import sys
from typing import Any

from benchmarks.measuring import servers
from tests.support.backlog import at_best, drain
from tests.support.platforms import opened

from leadhub.demo.doubles.serving import running
from leadhub.resources import clock, open_resources
from leadhub.store.migrations import migrate

_ALLOWED = 2_000
"""Requests in any hour."""


async def _run(leads: int) -> dict[str, Any]:
    with servers() as ours:
        settings = ours.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources, running() as double, opened(resources, double) as deployment:
            drained = await drain(deployment, leads=leads, allowed=_ALLOWED, look_seconds=1.0)
    return {
        "leads": leads,
        "hours": drained.minutes / 60,
        "hours_at_best": at_best(leads, _ALLOWED) / 60,
        "pauses": drained.pauses,
        "refused": drained.refused,
        "leads_a_second": leads / drained.seconds,
        "other_p50_ms": statistics.median(drained.waits) * 1_000,
        "other_most_ms": max(drained.waits) * 1_000,
        "others": len(drained.waits),
    }


def main() -> dict[str, Any]:
    """Print what was measured; the number of leads may be given as an argument."""
    leads = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 10_000)
    result = asyncio.run(_run(leads))
    print(
        f"{result['leads']} leads at {_ALLOWED} requests an hour: {result['hours']:.2f} h on its clock (at best "
        f"{result['hours_at_best']:.2f}), {result['refused']} refused; work at {result['leads_a_second']:.0f} leads/s"
    )
    print(
        f"{result['others']} leads of another source meanwhile: on disk after {result['other_p50_ms']:.0f} ms, at most "
        f"{result['other_most_ms']:.0f} ms"
    )
    return result


if __name__ == "__main__":
    main()
