"""What `leadhub dedupe scan` costs and finds on a base of invented leads: `./run bench scan 80000` submissions.

The stream (`lead_stream`) goes through the pipeline first, as a worker does it. Then the whole base is scanned: how
long it takes, how much memory it needs after one slice and after all, what it merges and asks, and how much is right.
"""

import asyncio
import json
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from benchmarks.lead_stream import Arrival, stream
from benchmarks.measuring import servers
from benchmarks.processing import drain, prepare
from sqlalchemy import text

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline.process import Processing
from leadhub.pipeline.scan import Progress, Scanned, scan
from leadhub.resources import Ids, Resources, clock, open_resources
from leadhub.store.migrations import migrate

SEED = 1001
SUBMISSIONS = 16_000
_ROWS = 1_000
_STORE = text("""
WITH s AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:contents AS text[])) AS s (id, content)),
i AS (INSERT INTO submission (id, source_id, received_at, content, raw, raw_type, is_spam)
      SELECT id, :source, :now, CAST(content AS jsonb), '', 'application/json', false FROM s)
INSERT INTO pending_submission (submission_id, due_at, attempts) SELECT id, :now, 0 FROM s
""")
_QUESTIONS = text("""
SELECT r.submission_id, c.submission_id AS candidate
  FROM match_review AS r JOIN membership AS c ON c.lead_id = r.candidate_id WHERE r.asked_at >= :since
""")


async def fill(resources: Resources, source: UUID, arrivals: list[Arrival]) -> dict[UUID, int]:
    """Store a stream in order of arrival and process it; return each submission's true person."""
    new_id = Ids()
    people: dict[UUID, int] = {}
    for start in range(0, len(arrivals), _ROWS):
        some = {new_id(): one for one in arrivals[start : start + _ROWS]}
        contents = [
            json.dumps({"fields": {"country": one.default_country, **one.fields}, "external_id": one.external_id})
            for one in some.values()
        ]
        values = {"ids": list(some), "contents": contents, "source": source, "now": datetime.now(UTC)}
        async with resources.engine.begin() as connection:
            await connection.execute(_STORE, values)
        people |= {submission: one.person for submission, one in some.items()}
        await drain(resources, drains=1)
    async with resources.engine.begin() as connection:
        await connection.execute(text("ANALYZE"))
    return people


async def scanned(resources: Resources) -> tuple[Scanned, dict[str, float]]:
    """Scan the base; return what it brought and what it cost."""
    playbook = compile_playbook(load(shipped("guide")))
    work = Processing(resources.engine, Ids(), clock, lease=timedelta(minutes=5))
    memory: list[float] = []

    async def told(_: Progress) -> None:
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    started, cpu = time.perf_counter(), time.process_time()
    done = await scan(work, playbook, told=told)
    return done, {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "slices": len(memory),
        "mib_after_first_slice": memory[0],
        "mib_after_last_slice": memory[-1],
    }


async def rightly_asked(resources: Resources, people: dict[UUID, int], *, since: datetime) -> dict[str, int]:
    """Return how many questions there are since an instant, and how many are about one person."""
    async with resources.engine.begin() as connection:
        rows = (await connection.execute(_QUESTIONS, {"since": since})).all()
    right = {one for one, candidate in rows if people[one] == people[candidate]}
    return {"questions": len({one for one, _ in rows}), "right": len(right)}


async def run(submissions: int) -> dict[str, Any]:
    """Fill a base, scan it, scan it again."""
    with servers() as running:
        await migrate(running.settings().database_url, now=clock())
        async with open_resources(running.settings()) as resources:
            source = await prepare(resources)
            started = time.perf_counter()
            people = await fill(resources, source, stream(SEED, submissions=submissions))
            filled = time.perf_counter() - started
            print(f"filled in {filled:.0f} s", flush=True)
            since = clock()
            results: dict[str, Any] = {"submissions": submissions, "fill_seconds": filled}
            for name in ("first", "second"):
                done, cost = await scanned(resources)
                asked = await rightly_asked(resources, people, since=since)
                results[name] = {"leads": done.leads, "compared": done.compared, "merged": done.merged}
                results[name] |= {
                    "doubts": done.doubts,
                    "asked": len(done.asked),
                    "learnt": done.learnt,
                    **asked,
                    **cost,
                }
                print(name, "  ".join(f"{key} {value}" for key, value in results[name].items()), flush=True)
    return results


def main() -> dict[str, Any]:
    """Print a line a scan."""
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [SUBMISSIONS]
    return {str(size): asyncio.run(run(size)) for size in sizes}


if __name__ == "__main__":
    main()
