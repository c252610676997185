"""Many people at once, each again and again, through four sources and in mixed spelling, with workers racing for them.

The submissions come in while two workers, each with two batches under way, process them.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.inbox_rows import a_submission
from tests.support.waiting import a_source, content

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.process import Outcome, Processing, Unreachable, process_due
from leadhub.pipeline.recheck import recheck_due
from leadhub.resources import Ids, Resources, clock, open_inbox

_GIVEN = ["Nia", "Tom", "Ewa", "Luc", "Kai", "Ana", "Ben", "Cleo", "Dora", "Emil"]
_FAMILY = ["Okafor", "Lindqvist", "Zielinska", "Marchand", "Hartono", "Díaz", "Köhler", "Novák", "Petrov", "Santos"]


def shown(person: int, draw: Random) -> dict[str, str]:
    """What somebody types this time: an address, a number or both, each in some spelling, often with a name."""
    given, family = _GIVEN[person % 10], _FAMILY[person // 10 % 10]
    mailbox = f"{given}.{person}.crowd@gmail.com"
    emails = [mailbox, mailbox.upper(), f" mailto:{mailbox.replace('.', '', 1)} ", mailbox.replace("@", "+news@")]
    number = f"15{person:03d}{person * 7919 % 1_000_000:06d}"
    phones = [f"+49{number}", f"0049 {number}", f"+49 (0) {number[:3]}/{number[3:]}"]
    names = [f"{given} {family}", f"{family}, {given}", f"{given.upper()} {family.upper()}", ""]
    fields = {"email": draw.choice(emails), "phone": draw.choice(phones), "full_name": draw.choice(names)}
    left_out = draw.choice(["email", "phone", "", ""])
    return {name: value for name, value in fields.items() if value and name != left_out}


async def finished(later: Processing, playbook: CompiledPlaybook) -> Outcome:
    """Process what a busy machine left claimed, now that its lease is over, and recheck all."""
    total = Outcome()
    while (outcome := await process_due(later, playbook)).claimed:
        total += outcome
    while await recheck_due(later, playbook):
        pass
    return total


async def crowd(resources: Resources, *, people: int, times: int) -> dict[str, Any]:
    """Let everybody come so many times, at once; return what is in the database afterwards, and what workers met."""
    sources = [await a_source(resources.engine) for _ in range(4)]
    draw = Random(people * times)
    arrivals = [(person, sources[draw.randrange(4)]) for person in range(people) for _ in range(times)]
    draw.shuffle(arrivals)
    work = Processing(resources.engine, Ids(), clock, batch_rows=50)
    playbook = compile_playbook(load(shipped("guide")))
    inbox = open_inbox(resources)
    owner: dict[UUID, int] = {}
    all_in = asyncio.Event()

    async def post(person: int, source_id: UUID) -> None:
        row = a_submission(content=content(shown(person, draw)).model_dump_json(), source_id=source_id)
        await inbox.put([row])
        owner[row.submission_id] = person

    async def drain() -> Outcome:
        total = Outcome()
        while True:
            last = all_in.is_set()
            try:
                outcome = await process_due(work, playbook)
            except Unreachable:  # a busy machine: the claim comes back by itself
                continue
            total += outcome
            if last and not outcome.claimed:
                return total

    drains = [asyncio.create_task(drain()) for _ in range(4)]
    for start in range(0, len(arrivals), 200):
        await asyncio.gather(*(post(*one) for one in arrivals[start : start + 200]))
    all_in.set()
    met = sum(await asyncio.gather(*drains), Outcome())
    await inbox.close()
    met += await finished(replace(work, clock=lambda: clock() + 2 * work.lease), playbook)
    async with resources.engine.connect() as connection:
        members = (await connection.execute(text("SELECT submission_id, lead_id FROM membership"))).all()
        activities = (await connection.execute(text("SELECT count(*) FROM activity"))).scalar_one()
        facts = (await connection.execute(text("SELECT sum(count) FROM fact"))).scalar_one()
        doubled = (
            await connection.execute(
                text("SELECT count(*) FROM (SELECT FROM identity_key GROUP BY kind, value HAVING count(*) > 1) AS d")
            )
        ).scalar_one()
        gaps = (
            await connection.execute(
                text(
                    "SELECT count(*) FROM (SELECT FROM event WHERE lead_id IS NOT NULL GROUP BY lead_id "
                    "HAVING max(sequence) <> count(DISTINCT sequence) OR count(*) <> count(DISTINCT sequence)) AS d"
                )
            )
        ).scalar_one()
    leads: dict[int, set[UUID]] = {person: set() for person in range(people)}
    for submission_id, lead_id in members:
        leads[owner[submission_id]].add(lead_id)
    return {
        "members": len(members),
        "activities": activities,
        "facts": facts,
        "leads": len({lead_id for _, lead_id in members}),
        "leads a person": Counter(len(held) for held in leads.values()),
        "keys on two leads": doubled,
        "events out of order": gaps,
        "failed": met.failed,
        "retried": met.retried,
    }


@pytest.mark.parametrize(
    ("people", "times"),
    [(20, 20), pytest.param(100, 200, marks=(pytest.mark.slow, pytest.mark.timeout(1_800)))],
    ids=["some", "a crowd"],
)
async def test_a_crowd_of_people_ends_in_as_many_leads_and_loses_nothing(
    resources: Resources, people: int, times: int
) -> None:
    found = await crowd(resources, people=people, times=times)

    assert found == {
        "members": people * times,
        "activities": people * times,
        "facts": people * times,
        "leads": people,
        "leads a person": {1: people},
        "keys on two leads": 0,
        "events out of order": 0,
        "failed": 0,
        "retried": 0,
    }
