"""How evenly four workers at once deal leads out to twenty people, and how fast: the rows that everybody locks are few.

Every lead asks for a demo and goes to one team of equal weights, so each batch waits for the team's row. The workers
are four loops with connections of their own, one process, real PostgreSQL, fsync on.
"""

import asyncio
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from benchmarks.measuring import servers
from benchmarks.processing import prepare, store
from sqlalchemy import text

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.playbook_people import Member, Team
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, clock, open_resources
from leadhub.store.migrations import migrate

WORKERS, PEOPLE, LEADS = 4, 20, 1_000


def floor() -> CompiledPlaybook:
    """Return the guide with one team of twenty that gets everybody who asks for a demo."""
    guide = load(shipped("guide"))
    team = Team(members=tuple(Member(user=f"u{number}") for number in range(PEOPLE)))
    return compile_playbook(
        guide.model_copy(
            update={
                "teams": dict.fromkeys(guide.teams, team) | {"world": team},
                "territories": guide.territories and guide.territories[-1:],
            }
        )
    )


async def deal(resources: Resources, playbook: CompiledPlaybook) -> int:
    """Process everything from four workers at once; return how many leads sales got."""

    async def worker() -> int:
        work = Processing(resources.engine, Ids(), clock, batch_rows=25, lease=timedelta(minutes=5))
        routed = 0
        while (outcome := await process_due(work, playbook)).claimed:
            routed += outcome.routed
        return routed

    return sum(await asyncio.gather(*(worker() for _ in range(WORKERS))))


async def run() -> dict[str, Any]:
    """Deal a thousand leads out and count who got how many."""
    with servers() as running:
        await migrate(running.settings().database_url, now=clock())
        async with open_resources(running.settings()) as resources:
            source = await prepare(resources)
            # Every third person of the benchmark asks for a demo; few of them are in no way a fit.
            await store(resources, source, [3 * number for number in range(LEADS)])
            started = time.perf_counter()
            routed = await deal(resources, floor())
            elapsed = time.perf_counter() - started
            async with resources.engine.connect() as connection:
                rows = await connection.execute(text("SELECT owner, open_leads FROM owner_load"))
                loads = Counter({row.owner: row.open_leads for row in rows})
    return {
        "routed": routed,
        "per_second": routed / elapsed,
        "fewest": min(loads.values()),
        "most": max(loads.values()),
        "spread": max(loads.values()) - min(loads.values()),
    }


def main() -> dict[str, Any]:
    """Print one line."""
    result = asyncio.run(run())
    print("  ".join(f"{name} {value:8.1f}" for name, value in result.items()))
    return result


if __name__ == "__main__":
    main()
