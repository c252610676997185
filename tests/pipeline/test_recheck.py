"""Leads of one person that two batches made at the same moment, when they share no identity key."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.waiting import a_source, content, received

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.recheck import recheck_due
from leadhub.resources import Ids, Resources, clock
from leadhub.store import driver, rechecks

ADA = {"email": "ada.kowalski@gmail.com", "full_name": "Ada Kowalski"}
SLIPPED = {"email": "ada.kowalski@gmial.com", "full_name": "Ada Kowalski"}
NAMESAKE = {"phone": "+34612345678", "full_name": "Ada Kowalski"}

Sql = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def playbook() -> CompiledPlaybook:
    return compile_playbook(load(shipped("guide")))


@pytest.fixture
def sql(resources: Resources) -> Sql:
    async def run(statement: str, **values: Any) -> list[dict[str, Any]]:
        async with resources.engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    return run


def later() -> datetime:
    return clock() + timedelta(seconds=5)


async def made_at_once(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql, *people: dict[str, str]
) -> Processing:
    """Let people become leads of which none can be found while the next one is made, as if not committed yet."""
    source: UUID = await a_source(resources.engine)
    work = Processing(resources.engine, Ids(), clock)
    for fields in people:
        await received(resources.engine, source, content(fields))
        await sql("UPDATE block_key SET key = key # 1")
        await process_due(work, playbook)
        await sql("UPDATE block_key SET key = key # 1 WHERE lead_id <> (SELECT id FROM lead ORDER BY id DESC LIMIT 1)")
    return Processing(resources.engine, Ids(), later)


async def living(sql: Sql) -> int:
    return len(await sql("SELECT id FROM lead WHERE merged_into IS NULL"))


async def test_two_leads_of_one_person_become_one(resources: Resources, playbook: CompiledPlaybook, sql: Sql) -> None:
    work = await made_at_once(resources, playbook, sql, ADA, SLIPPED)
    assert await living(sql) == 2

    assert await recheck_due(work, playbook) == 2

    assert await living(sql) == 1
    [merge] = await sql("SELECT rule, actor FROM merge")
    assert merge == {"rule": "same first name and e-mail but for a slip", "actor": "leadhub"}
    assert await recheck_due(work, playbook) == 0


async def test_leads_that_saw_each_other_are_not_compared_again(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    source = await a_source(resources.engine)
    work = Processing(resources.engine, Ids(), clock)
    for people in ([ADA], [NAMESAKE, {"email": "ada.kowalski@example.org", "full_name": "Ada Kowalski"}]):
        await received(resources.engine, source, *(content(one) for one in people))
        await process_due(work, playbook)
    since = dict.fromkeys([row["lead_id"] for row in await sql("SELECT lead_id FROM match_recheck")], UUID(int=0))
    assert len(since) == 3

    async with driver.transaction(resources.engine) as connection:
        assert await rechecks.made_beside(connection, since, most=5) == []
    # Written anew by a transaction that none of their looks could see.
    await sql("UPDATE block_key SET key = key WHERE lead_id = (SELECT min(lead_id::text)::uuid FROM match_recheck)")
    async with driver.transaction(resources.engine) as connection:
        assert len(await rechecks.made_beside(connection, since, most=5)) == 2


async def test_what_a_worker_took_before_it_died_is_looked_at_after_its_lease(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    work = await made_at_once(resources, playbook, sql, ADA, SLIPPED)
    async with driver.transaction(resources.engine) as connection:
        assert len(await rechecks.claim(connection, now=later(), lease=timedelta(minutes=2), rows=500)) == 2
    assert await recheck_due(work, playbook) == 0

    assert await recheck_due(replace(work, clock=lambda: later() + timedelta(minutes=3)), playbook) == 2

    assert await living(sql) == 1


async def test_a_doubt_is_asked(resources: Resources, playbook: CompiledPlaybook, sql: Sql) -> None:
    work = await made_at_once(resources, playbook, sql, ADA, NAMESAKE)
    assert await sql("SELECT bits FROM match_review") == []

    await recheck_due(work, playbook)

    assert await living(sql) == 2
    assert len(await sql("SELECT bits FROM match_review WHERE answer IS NULL")) == 1


async def test_a_name_that_many_leads_have_is_no_reason_to_ask(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    phones = ["+34612345678", "+34699887701", "+34655004412", "+34631415926", "+34627182818", "+34600110022"]
    namesakes = [{"phone": phone, "full_name": "Ada Kowalski"} for phone in phones]
    work = await made_at_once(resources, playbook, sql, *namesakes)

    assert await recheck_due(work, playbook) == len(phones)

    assert await living(sql) == len(phones)
    assert await sql("SELECT bits FROM match_review") == []


async def test_what_was_asked_about_two_leads_meanwhile_is_not_asked_again(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    work = await made_at_once(resources, playbook, sql, ADA, NAMESAKE)
    await received(resources.engine, await a_source(resources.engine), content(NAMESAKE))
    await process_due(work, playbook)
    assert len(await sql("SELECT bits FROM match_review")) == 1

    await recheck_due(work, playbook)

    assert len(await sql("SELECT bits FROM match_review")) == 1


async def test_nothing_is_due_before_its_neighbours_can_be_committed(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    await made_at_once(resources, playbook, sql, ADA, SLIPPED)

    assert await recheck_due(Processing(resources.engine, Ids(), clock), playbook) == 0


async def test_racing_batches_and_rechecks_leave_one_lead_of_each_person(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    source = await a_source(resources.engine)
    people = [("Nia", "Okafor"), ("Tom", "Lindqvist"), ("Ewa", "Zielinska"), ("Luc", "Marchand"), ("Kai", "Hartono")]
    forms = [
        {"email": f"{first}.{last}{end}", "full_name": name}
        for first, last in people
        for end in ("@gmail.com", "@gmial.com")
        for name in (f"{first} {last}", f"{last} {first}")
    ]
    await received(resources.engine, source, *(content(form) for form in forms * 3))
    work = Processing(resources.engine, Ids(), clock, batch_rows=4)

    async def drain() -> None:
        while (await process_due(work, playbook)).claimed:
            pass

    await asyncio.gather(*(drain() for _ in range(4)))
    await asyncio.gather(*(recheck_due(Processing(resources.engine, Ids(), later), playbook) for _ in range(2)))

    assert await living(sql) == len(people)
    assert len(await sql("SELECT rule FROM membership")) == len(forms) * 3


async def test_a_number_and_an_address_that_half_the_world_types_join_nobody_and_fail_nothing(
    resources: Resources, playbook: CompiledPlaybook, sql: Sql
) -> None:
    source = await a_source(resources.engine)
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"{one}{two}{one}or {two}{one}{two}ik" for one in letters[:12] for two in letters[:12] if one != two]
    hostile = {
        "phone": "+34911234567",
        "email": "test@test.com",
        "company": "x" * 300,
        "city": "\u202e" + "z\u0301" * 90,
    }
    await received(resources.engine, source, *(content(hostile | {"full_name": name}) for name in names))
    work = Processing(resources.engine, Ids(), clock, batch_rows=100)

    while (outcome := await process_due(work, playbook)).claimed:
        assert outcome.failed == outcome.retried == 0
    await recheck_due(Processing(resources.engine, Ids(), later), playbook)

    people = await sql("SELECT count(*) AS n FROM membership GROUP BY lead_id ORDER BY 1 DESC")
    assert len(people) > 0.9 * len(names)
    assert people[0]["n"] <= 3
