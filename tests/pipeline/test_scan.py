"""The look over the whole base, and the versions of the bits that come of it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.waiting import a_source, content, received

from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import SubmissionId
from leadhub.domain.matching.estimation import ANY_OTHER
from leadhub.domain.matching.weights import SHIPPED
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline import reviewing, weighing
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.scan import Progress, scan
from leadhub.resources import Ids, Resources, clock
from leadhub.store import driver, scans
from leadhub.store import weights as versions

ADA = {"email": "ada.kowalski@gmail.com", "full_name": "Ada Kowalski"}
SLIPPED = {"email": "ada.kowalski@gmial.com", "full_name": "Ada Kowalski"}
NAMESAKE = {"phone": "+34612345678", "full_name": "Ada Kowalski"}
STRANGER = {"email": "kim@acme.example", "full_name": "Kim Berg"}

Sql = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def playbook() -> CompiledPlaybook:
    return compile_playbook(load(shipped("guide")))


@pytest.fixture
def work(resources: Resources) -> Processing:
    return Processing(resources.engine, Ids(), clock)


@pytest.fixture
def sql(resources: Resources) -> Sql:
    async def run(statement: str, **values: Any) -> list[dict[str, Any]]:
        async with resources.engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    return run


async def missed(work: Processing, playbook: CompiledPlaybook, sql: Sql, *people: dict[str, str]) -> None:
    """Let people become leads by rules that found none of them by what only looks alike."""
    source: UUID = await a_source(work.engine)
    for fields in people:
        await received(work.engine, source, content(fields))
        await process_due(work, playbook)
        await sql("DELETE FROM block_key")


async def living(sql: Sql) -> int:
    return len(await sql("SELECT id FROM lead WHERE merged_into IS NULL"))


async def test_what_was_missed_is_merged_and_a_doubt_is_asked_once(
    work: Processing, playbook: CompiledPlaybook, sql: Sql
) -> None:
    await missed(work, playbook, sql, ADA, STRANGER, SLIPPED, NAMESAKE)
    assert await living(sql) == 4

    tried = await scan(work, playbook, dry_run=True)
    done = await scan(work, playbook)
    again = await scan(work, playbook)

    assert (tried.merged, tried.doubts) == (0, 0)  # without today's block keys they share nothing
    assert (done.leads, done.merged, len(done.asked), done.learnt, done.resumed) == (4, 1, 1, None, False)
    assert (again.leads, again.merged, again.doubts, again.asked) == (3, 0, 0, ())
    assert await living(sql) == 3
    [merge] = await sql("SELECT rule, because, actor FROM merge")
    assert merge["rule"] == "same first name and e-mail but for a slip"
    assert merge["because"].startswith("found by a scan: ")
    assert merge["actor"] == "leadhub"
    [review] = await sql("SELECT match ->> 'weights' AS weights FROM match_review WHERE answer IS NULL")
    assert review == {"weights": "1"}


async def test_a_first_name_of_a_shared_mailbox_is_asked_about_and_never_merged(
    work: Processing, playbook: CompiledPlaybook, sql: Sql
) -> None:
    johns = [{"email": "family@smith.example", "full_name": f"John {last}"} for last in ("Smith", "Stone")]
    jane = {"email": "family@smith.example", "full_name": "Jane Smith"}
    await missed(work, playbook, sql, jane, *johns, {"email": "family@smith.example", "first_name": "John"})
    before = await living(sql)

    done = await scan(work, playbook)

    assert (before, done.merged) == (await living(sql), 0)


async def test_a_dry_run_counts_and_writes_nothing(work: Processing, playbook: CompiledPlaybook, sql: Sql) -> None:
    await missed(work, playbook, sql, ADA, SLIPPED, NAMESAKE)
    await sql("INSERT INTO block_key (key, lead_id) SELECT 7, id FROM lead")

    tried = await scan(work, playbook, dry_run=True)

    assert (tried.leads, tried.compared, tried.merged, tried.doubts) == (3, 3, 1, 2)
    assert len(tried.asked) == 1  # both are about one person, who would be merged
    assert await living(sql) == 3
    assert await sql("SELECT 1 FROM match_review") == []
    assert await sql("SELECT 1 FROM dedupe_scan") == []
    assert len(await sql("SELECT 1 FROM block_key")) == 3


async def test_no_more_is_asked_than_wanted_and_nothing_that_the_answers_settle(
    work: Processing, playbook: CompiledPlaybook, sql: Sql
) -> None:
    phones = ("+34612345678", "+34698765432", "+34655501234")
    home = {"full_name": "Ada Kowalski", "postal_code": "28013", "city": "Madrid"}
    namesakes = [home | {"phone": phone} for phone in phones]
    await missed(work, playbook, sql, *namesakes)

    scans = [await scan(work, playbook, most_questions=1) for _ in range(3)]

    assert [(one.doubts, len(one.asked)) for one in scans] == [(3, 1), (2, 1), (1, 0)]
    assert len(await sql("SELECT 1 FROM match_review")) == 2


async def test_a_scan_that_was_killed_goes_on_where_it_was(
    work: Processing, playbook: CompiledPlaybook, sql: Sql
) -> None:
    await missed(work, playbook, sql, ADA, STRANGER, SLIPPED, NAMESAKE)

    async def dies(done: Progress) -> None:
        if done.leads == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await scan(work, playbook, slice_rows=1, told=dies)
    seen: list[int] = []

    async def told(done: Progress) -> None:
        seen.append(done.leads)

    done = await scan(work, playbook, slice_rows=1, told=told)

    assert seen == [3, 4]
    assert (done.leads, done.merged, len(done.asked), done.resumed) == (4, 1, 1, True)
    [row] = await sql("SELECT leads, merged, asked, finished_at IS NOT NULL AS done FROM dedupe_scan")
    assert row == {"leads": 4, "merged": 1, "asked": 1, "done": True}


async def test_a_second_scan_beside_one_stops(work: Processing, playbook: CompiledPlaybook, sql: Sql) -> None:
    await missed(work, playbook, sql, ADA, STRANGER)

    async def another(_: Progress) -> None:
        await scan(work, playbook, slice_rows=1)

    with pytest.raises(Conflict):
        await scan(work, playbook, slice_rows=1, told=another)


async def test_who_was_said_to_be_two_people_is_neither_merged_nor_asked_about_again(
    work: Processing, playbook: CompiledPlaybook, sql: Sql
) -> None:
    await missed(work, playbook, sql, ADA, NAMESAKE)
    await scan(work, playbook)
    [review] = await sql("SELECT submission_id FROM match_review")
    await reviewing.answer(work, playbook, SubmissionId(review["submission_id"]), "not_same", actor="a test")

    done = await scan(work, playbook)

    assert (done.compared, done.merged, done.doubts, done.asked) == (1, 0, 0, ())
    assert await living(sql) == 2


async def test_the_bits_are_learnt_into_a_version_that_decides_only_when_activated(
    work: Processing, playbook: CompiledPlaybook, sql: Sql
) -> None:
    firsts = ("Ada", "Kim", "Rosa", "Peter", "Wanda", "Oleg", "Ines", "Tomas", "Ulla", "Gregor")
    lasts = ("Berg", "Kowalski", "Silva", "Okafor", "Lindqvist", "Marchetti")
    people = [
        {"full_name": f"{first} {last}", "email": f"{first}.{last}@gmail.com".lower(), "company": f"{last} {company}"}
        for last in lasts
        for first in firsts
        for company in ("Ltd", "Textiles")
    ]
    source: UUID = await a_source(work.engine)
    await received(work.engine, source, *(content(fields) for fields in people))
    while (await process_due(work, playbook)).claimed:
        pass

    done = await scan(work, playbook, slice_rows=25)

    async with driver.transaction(work.engine) as connection:
        shares = await scans.shares(connection, least=10, most=7)
    assert shares["last name"] == {last.lower(): pytest.approx(1 / 6) for last in lasts}
    assert shares["first name"] == {ANY_OTHER: pytest.approx(1 / 10)}
    assert (done.leads, done.learnt) == (60, 2)
    found = await weighing.compare(work.engine, None, 2, leads=50)
    assert (found.old, found.new, found.leads) == (1, 2, 50)
    assert found.common_values == (0, len(lasts))
    assert any(row.before != row.after for row in found.rows if row.compares == "first name")
    assert sum(turn.pairs for turn in found.turns) <= found.pairs

    await weighing.activate(work.engine, 2, author="a test", now=clock())
    await received(work.engine, source, content({"full_name": "Ada Berg", "email": "ada.berg@gmail.com"}))
    await process_due(work, playbook)
    [newest] = await sql("SELECT match FROM membership ORDER BY submission_id DESC LIMIT 1")
    assert newest["match"]["compared"]["weights"] == 2

    assert await weighing.roll_back(work.engine, author="a test", now=clock()) == 1
    async with driver.transaction(work.engine) as connection:
        assert await work.weights.current(connection) == SHIPPED
        assert [(one.version, one.state) for one in await versions.list_versions(connection, limit=9)] == [
            (2, "retired"),
            (1, "active"),
        ]


async def test_a_newer_shipped_table_decides_unless_somebody_chose_another(work: Processing, sql: Sql) -> None:
    newer = SHIPPED.document() | {"ask_from": 1.0}
    newest = SHIPPED.document() | {"ask_from": 2.0}

    async def seeded(document: dict[str, Any]) -> list[tuple[int, str]]:
        async with work.engine.begin() as connection:
            await versions.seed(connection, document, now=clock())
        return [
            (row["version"], row["state"]) for row in await sql("SELECT version, state FROM weights_version ORDER BY 1")
        ]

    assert await seeded(SHIPPED.document()) == [(1, "active")]
    assert await seeded(newer) == [(1, "retired"), (2, "active")]
    assert await seeded(newer) == [(1, "retired"), (2, "active")]
    async with driver.transaction(work.engine) as connection:
        await versions.add(connection, 3, newer, author="leadhub", note="learnt", now=clock())
        await versions.activate(connection, 3, author="kim", now=clock())
    assert await seeded(newest) == [(1, "retired"), (2, "retired"), (3, "active"), (4, "draft")]


async def test_an_unknown_version_is_refused(work: Processing) -> None:
    with pytest.raises(NotFound):
        await weighing.activate(work.engine, 7, author="a test", now=clock())
    with pytest.raises(NotFound):
        await weighing.compare(work.engine, None, 7, leads=10)
    with pytest.raises(Conflict):
        await weighing.roll_back(work.engine, author="a test", now=clock())
    async with driver.transaction(work.engine) as connection:
        assert await work.weights.current(connection) == SHIPPED
