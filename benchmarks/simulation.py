"""How long trying a playbook on a long history takes, and how much memory; then re-scoring after a publication.

`./run bench simulation 100000`: so many leads, copies of a few that were processed as always.
"""

import asyncio
import resource
import sys
from datetime import UTC, datetime
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

from sqlalchemy import text
from tests.support.waiting import a_source, content, received

from leadhub import embedded
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline import playbook
from leadhub.pipeline.playbook import SETTLING
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.rescore import rescore_published
from leadhub.pipeline.simulation import simulate
from leadhub.resources import Ids, Resources, clock, open_resources
from leadhub.settings import Settings
from leadhub.store import driver
from leadhub.store.migrations import migrate

_KINDS = 100
"""Different leads; one in a hundred looked at prices."""
_COPY_LEADS = text("""
WITH numbered AS (SELECT l, row_number() OVER (ORDER BY l.id) AS k FROM lead AS l WHERE l.id < :end)
INSERT INTO lead SELECT (jsonb_populate_record(n.l, jsonb_build_object('id',
       lpad(to_hex(:first + n.k), 8, '0') || '-' || lpad(to_hex(g), 4, '0') || '-7000-8000-000000000000'))).*
  FROM numbered AS n CROSS JOIN generate_series(CAST(:after AS integer) + 1, :until) AS g
""")
_COPY_FACTS = text("""
WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS k FROM lead WHERE id < :end)
INSERT INTO fact (lead_id, type, attributes_sha256, attributes, count, first_at, last_at)
SELECT CAST(lpad(to_hex(:first + n.k), 8, '0') || '-' || lpad(to_hex(g), 4, '0') || '-7000-8000-000000000000' AS uuid),
       f.type, f.attributes_sha256, f.attributes, f.count, f.first_at, f.last_at
  FROM numbered AS n JOIN fact AS f ON f.lead_id = n.id
 CROSS JOIN generate_series(CAST(:after AS integer) + 1, :until) AS g
""")
_FIRST = 0x30000000
"""Copies have greater ids than any lead of today."""
_COPIES = 50
"""Of each lead in one statement."""


async def _fill(resources: Resources, leads: int) -> None:
    source = await a_source(resources.engine)
    guide: dict[str, Any] = {
        "type": "content_downloaded",
        "attributes": {"asset_id": "a", "asset_type": "guide", "level": "beginner"},
    }
    did: list[str | dict[str, Any]] = [
        guide,
        "newsletter_subscribed",
        {"type": "email_opened", "attributes": {"message_id": "m1"}},
    ]
    prices = ["pricing_page_viewed"]
    contents = [
        content(
            {"email": f"a{n}@acme{n}.example", "job_title": "CTO", "employees": "120", "country": "US"},
            activities=[*did, *prices] if n == 0 else did,
        )
        for n in range(_KINDS)
    ]
    await received(resources.engine, source, *contents)
    work = Processing(resources.engine, Ids(), clock)
    while (await process_due(work, compile_playbook(load(shipped("guide"))))).claimed:
        pass
    copies = leads // _KINDS - 1
    for after in range(0, copies, _COPIES):  # each statement within the time that the pool gives one
        values = {"first": _FIRST, "after": after, "until": min(after + _COPIES, copies), "end": UUID(int=_FIRST << 96)}
        async with resources.engine.begin() as connection:
            await connection.execute(_COPY_LEADS, values)
            await connection.execute(_COPY_FACTS, values)
    async with driver.connect(resources.engine) as connection:
        await connection.execute("SET statement_timeout = 0")
        for table in ("lead", "fact"):
            await connection.execute(f"VACUUM ANALYZE {table}", timeout=300)
        await connection.execute("RESET statement_timeout")


async def _measure(settings: Settings, leads: int) -> dict[str, Any]:
    await migrate(settings.database_url, now=datetime.now(UTC))
    changed = (
        shipped("guide").replace("  version: 1\n", "  version: 2\n").replace("points: 25,  once", "points: 20,  once")
    )
    changed = changed[: changed.index("# Leads to try the rules on.")]
    old, new = (compile_playbook(load(one)) for one in (shipped("guide"), changed))
    async with open_resources(settings) as resources:
        await _fill(resources, leads)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started, worked = perf_counter(), process_time()
        found = await simulate(resources.engine, old, new, now=clock())
        seconds = perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"simulate: {found.leads:,} leads in {seconds:.1f} s, {found.leads / seconds:,.0f} /s")
        print(f"CPU: {process_time() - worked:.1f} s of this process")
        print(f"memory: {memory:.0f} MB in all, {memory - before / 1024:.0f} MB more than before")
        print(f"{found.rescored:,} would have another total, {found.changed:,} would move")
        draft = await playbook.draft(resources.sessions, changed, author="bench", now=clock())
        await playbook.publish(resources.sessions, draft.version, author="bench", expected_active=1, now=clock())
        work = Processing(resources.engine, Ids(), lambda: clock() + SETTLING)
        started = perf_counter()
        while await rescore_published(work, new):
            pass
        run = await playbook.rescore_of(resources.sessions, draft.version)
        print(f"re-score: {run.judged:,} of {leads:,} leads judged again in {perf_counter() - started:.1f} s")
        return {"leads": found.leads, "seconds": seconds, "memory_mb": memory, "judged_again": run.judged}


def main() -> dict[str, Any]:
    """Measure and print."""
    leads = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 100_000)
    with embedded.temporary() as servers:
        settings = Settings.model_validate(
            {"database_url": servers.database_url, "redis_url": servers.redis_url, "secret_key": servers.secret_key}
        )
        return asyncio.run(_measure(settings, leads))


if __name__ == "__main__":
    main()
