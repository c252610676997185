"""The invented stream of leads through the whole of LeadHub: posted by ten clients at once, processed by workers.

What the pure decision reaches (`dedupe`) must survive concurrency: batches that race for one person, leads that were
made at the same moment, candidates that PostgreSQL finds. Nothing may be lost, and no key may stand at two leads alone.
"""

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
from benchmarks.accept import free_port, process
from benchmarks.dedupe_measures import components, mixed, quality
from benchmarks.lead_stream import Arrival
from benchmarks.measuring import Servers, cpu_seconds, servers

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.keys import create_key
from leadhub.pipeline.process import Outcome, Processing, Unreachable, process_due
from leadhub.pipeline.recheck import recheck_due
from leadhub.pipeline.sources import create_source
from leadhub.resources import Ids, Resources, clock, open_resources
from leadhub.store import driver
from leadhub.store.migrations import migrate

CLIENTS = 10
_DRAINS = 2
_WORST = 8


@dataclass
class Posted:
    """What came of the clients' requests."""

    submission_of: dict[int, UUID]
    """Place in the stream → the submission's id."""
    statuses: Counter[int]


async def _sources(resources: Resources, countries: set[str]) -> tuple[dict[str, str], str]:
    """Make a source for each default country, since that is a source's; return their paths and a key for all."""
    sources = {
        country: await create_source(
            resources.sessions,
            resources.vault,
            channel="api",
            name=f"bench {country}",
            options={"default_country": country},
            now=clock(),
            entropy=secrets.token_bytes,
        )
        for country in sorted(countries)
    }
    made = await create_key(
        resources.sessions,
        name="bench",
        scopes=["leads:write"],
        expires_at=None,
        now=clock(),
        entropy=secrets.token_bytes,
    )
    return {country: f"/in/api/{source.key}" for country, source in sources.items()}, made.token


async def _post_all(arrivals: Sequence[Arrival], paths: dict[str, str], token: str, port: int) -> Posted:
    """Post the stream in order, each client the next submission as soon as its last one is accepted."""
    posted = Posted({}, Counter())
    waiting = iter(enumerate(arrivals))

    async def client(http: aiohttp.ClientSession, waiting: Iterator[tuple[int, Arrival]]) -> None:
        for place, one in waiting:
            stated = {**one.fields, **({"external_id": one.external_id} if one.external_id else {})}
            async with http.post(paths[one.default_country], json=stated) as answer:
                posted.statuses[answer.status] += 1
                if answer.status == 202:
                    posted.submission_of[place] = UUID((await answer.json())["id"])

    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, raise_for_status=False
    ) as http:
        await asyncio.gather(*(client(http, waiting) for _ in range(CLIENTS)))
    return posted


async def _drain(work: Processing, playbook: CompiledPlaybook, all_in: asyncio.Event) -> Outcome:
    """Process what is due until all is in and nothing is left; a PostgreSQL that is late is asked again."""
    total = Outcome()
    while True:
        last = all_in.is_set()
        try:
            outcome = await process_due(work, playbook)
            await recheck_due(work, playbook)
        except Unreachable:
            continue
        total += outcome
        if not outcome.claimed:
            if last:
                return total
            await asyncio.sleep(0.02)


async def _through(resources: Resources, running: Servers, arrivals: Sequence[Arrival]) -> dict[str, Any]:
    playbook = compile_playbook(load(shipped("guide")))
    work = Processing(resources.engine, Ids(), clock)
    paths, token = await _sources(resources, {one.default_country for one in arrivals})
    all_in = asyncio.Event()
    drains = [asyncio.create_task(_drain(work, playbook, all_in)) for _ in range(_DRAINS)]
    port, started, used = free_port(), time.perf_counter(), cpu_seconds()
    gateway = process(running, "leadhub", "serve", port=port, LEADHUB_PORT=str(port))
    await asyncio.to_thread(gateway.__enter__)
    try:
        posted = await _post_all(arrivals, paths, token, port)
    finally:
        await asyncio.to_thread(gateway.__exit__, None, None, None)
    all_in.set()
    met = sum(await asyncio.gather(*drains), Outcome())

    def later() -> datetime:
        return clock() + timedelta(seconds=10)

    while await recheck_due(replace(work, clock=later), playbook):
        pass
    seconds, used = time.perf_counter() - started, cpu_seconds() - used
    return {"seconds": seconds, "cpu_ms": used / len(arrivals) * 1000} | await _measured(
        resources, arrivals, posted, met
    )


async def _measured(resources: Resources, arrivals: Sequence[Arrival], posted: Posted, met: Outcome) -> dict[str, Any]:
    """Compare who is who in the database with the truth."""
    async with driver.connect(resources.engine) as connection:
        member = {
            row[0]: row for row in await connection.fetch("SELECT submission_id, lead_id, because FROM membership")
        }
        living = {row[0]: row[1] for row in await connection.fetch("SELECT id, coalesce(merged_into, id) FROM lead")}
        reviews = await connection.fetch("SELECT submission_id, candidate_id FROM match_review")
        doubled = await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM identity_key WHERE status = 'active' "
            "GROUP BY kind, value HAVING count(*) > 1) AS d"
        )
    places = [place for place in sorted(posted.submission_of) if posted.submission_of[place] in member]
    rows = [member[posted.submission_of[place]] for place in places]
    leads, truth = [row[1] for row in rows], [arrivals[place].person for place in places]
    found, wrong = quality(leads, truth), mixed(leads, truth)
    index = {row[0]: number for number, row in enumerate(rows)}
    asked = [(index[one], living[other]) for one, other in reviews if one in index]
    answered = quality(_answered(leads, truth, asked), truth)
    return {
        "submissions": len(arrivals),
        "refused": sum(count for status, count in posted.statuses.items() if 400 <= status < 500),
        "server_errors": sum(count for status, count in posted.statuses.items() if status >= 500),
        "lost": len(posted.submission_of) - len(places),
        "retried": met.retried,
        "failed": met.failed,
        "keys_on_two_leads": doubled,
        "people": len(set(truth)),
        "leads": len(set(leads)),
        "precision": found.precision,
        "recall": found.recall,
        "f1": found.f1,
        "b_cubed_f1": found.b_cubed_f1,
        "mixed": len(wrong),
        "review_share": len(asked) / len(truth),
        "precision_answered": answered.precision,
        "recall_answered": answered.recall,
        "worst": _worst([row[2] for row in rows], leads, truth),
    }


def _answered(leads: Sequence[UUID], truth: Sequence[int], asked: Sequence[tuple[int, UUID]]) -> list[int]:
    """Return the leads when each question is answered rightly: by whom most of both leads' submissions are."""
    people: defaultdict[UUID, Counter[int]] = defaultdict(Counter)
    for lead, person in zip(leads, truth, strict=True):
        people[lead][person] += 1
    number = {lead: place for place, lead in enumerate(dict.fromkeys(leads))}
    owner = {lead: held.most_common(1)[0][0] for lead, held in people.items()}
    links = [
        (number[leads[one]], number[other])
        for one, other in asked
        if other in owner and owner[other] == truth[one] == owner[leads[one]]
    ]
    united = components(len(number), links)
    return [united[number[lead]] for lead in leads]


def _worst(because: Sequence[str], leads: Sequence[UUID], truth: Sequence[int]) -> list[str]:
    """Return why people were taken for one, and the people who are most torn apart."""
    wrong, lines = mixed(leads, truth), []
    seen: defaultdict[UUID, set[int]] = defaultdict(set)
    for reason, lead, person in zip(because, leads, truth, strict=True):
        if lead in wrong and seen[lead] and person not in seen[lead]:
            lines.append(f"two people in one lead: {reason}")
        seen[lead].add(person)
    torn: defaultdict[int, Counter[UUID]] = defaultdict(Counter)
    for lead, person in zip(leads, truth, strict=True):
        torn[person][lead] += 1
    most = sorted(torn.values(), key=len, reverse=True)[:3]
    return lines[:_WORST] + [f"one person in {len(held)} leads of {sum(held.values())} submissions" for held in most]


async def run(arrivals: Sequence[Arrival]) -> dict[str, Any]:
    """Send a stream through servers of its own."""
    with servers() as running:
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            return await _through(resources, running, arrivals)
