"""How many leads one worker process recognises, scores, routes and reports a second, and what each costs in CPU.

Submissions are stored first, then drained in batches, as a worker does it: one process, real PostgreSQL, fsync on.
Half of the people come twice, a third of them hot, two endpoints subscribe to everything. The last round is behaviour:
one opened mail of each of as many people.
"""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.measuring import Servers, cpu_seconds, postgres_cpu_seconds, servers
from benchmarks.people import Person
from sqlalchemy import text

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, clock, open_resources
from leadhub.store.migrations import migrate

_TITLES = ["CTO", "Marketing Manager", "Student", "Developer", "Head of Sales", "Teacher"]
_COUNTRIES = ["Germany", "US", "France", "GB", "Brasil", "日本"]
_ACTIVITIES: list[list[dict[str, Any]]] = [
    [{"type": "demo_requested"}],
    [{"type": "content_downloaded", "attributes": {"asset_id": "guide", "asset_type": "guide"}}],
    [{"type": "pricing_page_viewed"}],
]


def fields_of(person: int, someone: Person) -> dict[str, str]:
    """Return what a person states."""
    return {
        "email": someone.email,
        "phone": someone.phone,
        "full_name": f"{someone.first_name} {someone.last_name}",
        "company": someone.company,
        "job_title": _TITLES[person % len(_TITLES)],
        "industry": "SaaS",
        "employees": str(person % 2000),
        "country": _COUNTRIES[person % len(_COUNTRIES)],
        "message": "We would like to know how your product could help our team next quarter.",
    }


def content(person: int, someone: Person | None = None) -> str:
    """Return one stored submission's content, some 600 bytes; no two people have more in common than people have."""
    return json.dumps(
        {
            "fields": fields_of(person, someone or Person.number(person)),
            "attribution": {"utm_source": "news", "utm_campaign": f"c{person % 20}", "gclid": f"x{person}"},
            "activities": _ACTIVITIES[person % len(_ACTIVITIES)],
            "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "wording": "v1"}],
        }
    )


def behaviour(person: int) -> str:
    """Return what one opened mail of a person is stored as."""
    attributes = {"message_id": f"m{person % 50}"}
    opened = {"type": "email_opened", "attributes": attributes}
    return json.dumps({"fields": {"email": Person.number(person).email}, "activities": [opened], "waits": True})


_SUBMISSIONS = text("""
WITH s AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:contents AS text[])) AS s (id, content)),
i AS (INSERT INTO submission (id, source_id, received_at, content, raw, raw_type, is_spam)
      SELECT id, :source, :now, CAST(content AS jsonb), convert_to(content, 'UTF8'), 'application/json', false FROM s)
INSERT INTO pending_submission (submission_id, due_at, attempts) SELECT id, :now, 0 FROM s
""")
_SOURCE = text("""
INSERT INTO source (id, channel, name, key, enabled, options, version, created_at, updated_at)
VALUES (:id, 'api', 'bench', :key, true, '{}', 1, :now, :now)
""")
_ENDPOINT = text("""
INSERT INTO endpoint (id, url, description, event_types, include_test, state, version, created_at, updated_at)
VALUES (:id, 'https://crm.example/', '', '{}', false, 'active', 1, :now, :now)
""")


async def prepare(resources: Resources) -> Any:
    """Make a source and two subscribers; return the source's id."""
    new_id, now = Ids(), clock()
    source = new_id()
    async with resources.engine.begin() as connection:
        await connection.execute(_SOURCE, {"id": source, "key": source.hex, "now": now})
        for _ in range(2):
            await connection.execute(_ENDPOINT, {"id": new_id(), "now": now})
    return source


async def store(resources: Resources, source: Any, people: list[int], made: Callable[[int], str] = content) -> None:
    """Store one submission of each of these people as pending."""
    new_id = Ids()
    for start in range(0, len(people), 1000):
        some = people[start : start + 1000]
        async with resources.engine.begin() as connection:
            await connection.execute(
                _SUBMISSIONS,
                {
                    "ids": [new_id() for _ in some],
                    "contents": [made(person) for person in some],
                    "source": source,
                    "now": datetime.now(UTC),
                },
            )


async def drain(resources: Resources, *, batch_rows: int = 32, drains: int = 2) -> int:
    """Process everything that is due, as a worker does; return how many submissions that were."""
    playbook = compile_playbook(load(shipped("guide")))
    work = Processing(resources.engine, Ids(), clock, batch_rows=batch_rows, lease=timedelta(minutes=5))

    async def one() -> int:
        done = 0
        while (outcome := await process_due(work, playbook)).claimed:
            done += outcome.claimed
        return done

    return sum(await asyncio.gather(*(one() for _ in range(drains))))


async def measure(
    resources: Resources, running: Servers, source: Any, people: list[int], made: Callable[[int], str] = content
) -> dict[str, float]:
    """Store and drain; return rate and CPU a lead in milliseconds, of the worker and of PostgreSQL."""
    await store(resources, source, people, made)
    mine, theirs, started = cpu_seconds(), postgres_cpu_seconds(running), time.perf_counter()
    done = await drain(resources)
    elapsed = time.perf_counter() - started
    return {
        "leads_per_second": done / elapsed,
        "worker_cpu_ms": (cpu_seconds() - mine) / done * 1000,
        "postgres_cpu_ms": (postgres_cpu_seconds(running) - theirs) / done * 1000,
    }


async def run(rounds: int = 3, size: int = 3_000) -> dict[str, Any]:
    """Measure several rounds on one growing database."""
    with servers() as running:
        await migrate(running.settings().database_url, now=clock())
        async with open_resources(running.settings()) as resources:
            source = await prepare(resources)
            results = []
            for number in range(rounds):
                people = [number * size + n // 2 for n in range(size)]
                results.append(await measure(resources, running, source, people))
            results.append(await measure(resources, running, source, list(range(size)), behaviour))
    return {"rounds": results}


def main() -> dict[str, Any]:
    """Print one line a round."""
    result = asyncio.run(run())
    for line in result["rounds"]:
        print("  ".join(f"{name} {value:8.2f}" for name, value in line.items()))
    return result


if __name__ == "__main__":
    main()
