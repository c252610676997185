import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text
from tests.support.counting import statements
from tests.support.waiting import a_source, content, received

from leadhub.domain.ids import SubmissionId
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.process import Outcome, Processing, process_due
from leadhub.pipeline.rescore import rescore_due
from leadhub.resources import Ids, Resources, clock
from leadhub.store import driver, pending

ANA = {"email": "ana.diaz@acme.example", "first_name": "Ana", "last_name": "Díaz", "phone": "+34 612 345 678"}
HOT = {"job_title": "CTO", "employees": "120", "industry": "SaaS", "country": "Germany"}


@pytest.fixture(scope="module")
def playbook() -> CompiledPlaybook:
    return compile_playbook(load(shipped("guide")))


@pytest.fixture
def work(resources: Resources) -> Processing:
    return Processing(resources.engine, Ids(), clock)


@pytest.fixture
async def source(resources: Resources) -> UUID:
    return await a_source(resources.engine)


@pytest.fixture
def rows(resources: Resources) -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    async def query(sql: str, **values: Any) -> list[dict[str, Any]]:
        async with resources.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    return query


Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


async def drain(work: Processing, playbook: CompiledPlaybook) -> Outcome:
    total = Outcome()
    while (outcome := await process_due(work, playbook)).claimed:
        total += outcome
    return total


async def test_a_submission_becomes_a_scored_routed_lead_with_its_reasons(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    [submission_id] = await received(
        resources.engine, source, content(ANA | HOT, activities=["pricing_page_viewed", "demo_requested"])
    )

    outcome = await drain(work, playbook)

    [lead] = await rows("SELECT * FROM lead")
    [assignment] = await rows("SELECT * FROM assignment")
    lines = {row["rule"]: row["points"] for row in await rows("SELECT * FROM score_line")}
    told = await rows("SELECT type, sequence, body FROM event ORDER BY sequence")
    assert (outcome.created, outcome.routed) == (1, 1)
    assert lead["golden"]["phone"] == {
        "value": "+34612345678",
        "submission_id": str(submission_id),
        "source": f"source {source.hex[-4:]}",
        "at": lead["golden"]["phone"]["at"],
        "rule": "only value",
        "provenance": "stated",
        "beside": None,
    }
    assert (lead["score_fit"], lead["score_engagement"], lead["score_total"]) == (50, 25, 75)
    assert lines == {"fit.title": 10, "fit.size": 15, "fit.industry": 20, "fit.location": 5, "engagement.pricing": 25}
    assert (lead["stage"], lead["temperature"], lead["route"], lead["team"]) == ("SQL", "hot", "sales", "emea")
    assert assignment["owner"] == lead["owner"]
    assert assignment["due_at"] is not None
    assert [row["type"] for row in told] == ["lead.created", "lead.sql", "lead.hot", "lead.routed"]
    assert [row["sequence"] for row in told] == [1, 2, 3, 4]
    routed = orjson.loads(told[-1]["body"])["data"]
    assert routed["contact"]["email"] == "ana.diaz@acme.example"
    assert {line["rule"]: line["points"] for line in routed["score"]["lines"]} == lines
    assert routed["routing"]["owner"] == lead["owner"]
    # What sales is told is the explanation of the judgement, whole; `lead`, `model`, `rule` and `route` under the
    # names that events have for them.
    why = lead["evaluation"]
    told_so = {"lead": routed["lead_id"], "model": routed["score"]["playbook"], "rule": routed["routing"]["rule"]}
    told_so |= {name: routed[name] for name in ("stage", "temperature", "frameworks")}
    told_so |= {name: value for name, value in routed["score"].items() if name != "playbook"}
    told_so["route"] = f"{routed['routing']['route']}:{routed['routing']['team']}"
    assert told_so == why
    assert {line["rule"] for line in why["lines"]}.isdisjoint(line["rule"] for line in why["not_met"])


async def test_a_perfect_fit_that_did_nothing_is_cold_and_goes_to_nurture(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content(ANA | HOT))

    await drain(work, playbook)

    [lead] = await rows("SELECT * FROM lead")
    [enrolment] = await rows("SELECT * FROM enrolment")
    assert (lead["score_total"], lead["temperature"], lead["route"]) == (50, "cold", "nurture")
    assert enrolment["track"] == lead["track"]
    assert [row["type"] for row in await rows("SELECT type FROM event ORDER BY sequence")] == [
        "lead.created",
        "lead.nurtured",
    ]


async def test_without_consent_nobody_is_enrolled_and_the_reason_is_kept(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content(ANA, consent=None))

    await drain(work, playbook)

    [lead] = await rows("SELECT * FROM lead")
    assert (lead["route"], lead["track"]) == ("nurture", None)
    assert "consent" in lead["route_because"]
    assert await rows("SELECT * FROM enrolment") == []


async def test_hot_later_leaves_its_track_for_sales_and_stays_there(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content(ANA))
    await drain(work, playbook)
    await received(resources.engine, source, content(ANA, activities=["demo_requested"]))
    await drain(work, playbook)
    await received(resources.engine, source, content(ANA, activities=["newsletter_subscribed"]))
    await drain(work, playbook)

    [lead] = await rows("SELECT * FROM lead")
    [enrolment] = await rows("SELECT * FROM enrolment")
    told = [row["type"] for row in await rows("SELECT type FROM event ORDER BY sequence")]
    assert lead["route"] == "sales"
    assert enrolment["exited_at"] is not None
    crossed = ["lead.sql", "lead.hot"]
    assert told == ["lead.created", "lead.nurtured", "lead.updated", *crossed, "lead.routed", "lead.updated"]
    assert len(await rows("SELECT * FROM assignment")) == 1
    assert [row["stage"] for row in await rows("SELECT stage FROM stage_change ORDER BY lead_version")] == [
        "LEAD",
        "SQL",
    ]


SPELLINGS = [
    {"email": "Ana.Diaz@ACME.example", "first_name": "ANA"},
    {"email": " ana.diaz@acme.example ", "full_name": "Ana Díaz"},
    {"email": "ana.diaz@acme.example", "first_name": "A."},
    {"phone": "0034 612 345 678", "first_name": "Ana"},
    {"phone": "+34612345678"},
    {"email": "mailto:ana.diaz@acme.example", "phone": "+34 (612) 34-56-78"},
]


async def test_a_hundred_concurrent_submissions_of_one_person_become_one_lead(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    small = Processing(work.engine, work.new_id, work.clock, batch_rows=7)
    await received(resources.engine, source, *(content(SPELLINGS[n % len(SPELLINGS)]) for n in range(100)))

    await asyncio.gather(*(drain(small, playbook) for _ in range(6)))

    alive = await rows("SELECT id FROM lead WHERE merged_into IS NULL")
    members = await rows("SELECT count(*) AS n, count(DISTINCT lead_id) AS leads FROM membership")
    assert len(alive) == 1
    assert members == [{"n": 100, "leads": 1}]
    assert (await rows("SELECT count(*) AS n FROM activity"))[0]["n"] == 100
    assert (await rows("SELECT sum(count) AS n FROM fact"))[0]["n"] == 100
    assert await rows("SELECT * FROM pending_submission") == []
    sequences = [
        row["sequence"] for row in await rows("SELECT sequence FROM event WHERE lead_id = :id", id=alive[0]["id"])
    ]
    assert sorted(sequences) == list(range(1, len(sequences) + 1))


async def test_many_people_and_many_workers_end_in_as_many_leads(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, rows: Rows
) -> None:
    sources = [await a_source(resources.engine) for _ in range(4)]
    small = Processing(work.engine, work.new_id, work.clock, batch_rows=9)

    def shown(person: int, time: int) -> dict[str, str]:
        keys = {
            "email": f"Person{person}@Example.com" if time % 2 else f"person{person}@example.com",
            "phone": f"+4915{person:09d}",
        }
        picked = [["email"], ["phone"], ["email", "phone"]][(person + time) % 3]
        return {name: keys[name] for name in picked}

    for index, source_id in enumerate(sources):
        await received(
            resources.engine, source_id, *(content(shown(p, t * 4 + index)) for t in range(5) for p in range(12))
        )

    await asyncio.gather(*(drain(small, playbook) for _ in range(8)))

    assert (await rows("SELECT count(*) AS n FROM lead WHERE merged_into IS NULL"))[0]["n"] == 12
    counted = await rows("SELECT sum(count) AS n FROM fact JOIN lead ON lead.id = lead_id WHERE merged_into IS NULL")
    assert counted[0]["n"] == 240
    assert (
        await rows("SELECT count(*) AS n FROM membership JOIN lead ON lead.id = lead_id WHERE merged_into IS NULL")
    )[0]["n"] == 240


async def test_a_submission_that_ties_two_leads_merges_them_into_the_older(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content({"email": "ana@acme.example", "first_name": "Ana"}))
    await drain(work, playbook)
    await received(
        resources.engine, source, content({"phone": "+34612345678", "first_name": "Ana"}, activities=["demo_requested"])
    )
    await drain(work, playbook)
    [older, newer] = await rows("SELECT id, owner FROM lead ORDER BY created_at")

    await received(resources.engine, source, content({"email": "ana@acme.example", "phone": "+34612345678"}))
    outcome = await drain(work, playbook)

    [winner] = await rows("SELECT * FROM lead WHERE merged_into IS NULL")
    [loser] = await rows("SELECT * FROM lead WHERE merged_into IS NOT NULL")
    [merge] = await rows("SELECT * FROM merge")
    assert outcome.merged == 1
    assert (winner["id"], loser["id"]) == (older["id"], newer["id"])
    assert merge["winner_id"] == winner["id"]
    assert (winner["route"], winner["owner"]) == ("sales", newer["owner"])
    assert {row["lead_id"] for row in await rows("SELECT lead_id FROM membership")} == {winner["id"]}
    assert {row["lead_id"] for row in await rows("SELECT lead_id FROM identity_key")} == {winner["id"]}
    assert {row["lead_id"] for row in await rows("SELECT lead_id FROM assignment WHERE released_at IS NULL")} == {
        winner["id"]
    }
    assert [row["type"] for row in await rows("SELECT type FROM event WHERE lead_id = :id", id=winner["id"])].count(
        "lead.merged"
    ) == 1


async def test_a_family_on_one_mailbox_stays_apart(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    family = "stone@family.example"
    await received(
        resources.engine,
        source,
        content({"email": family, "first_name": "Mary", "last_name": "Stone"}),
        content({"email": family, "first_name": "Peter", "last_name": "Stone"}),
        content({"email": family, "first_name": "Mary"}),
        content({"email": family, "first_name": "Pete"}),
    )

    await drain(work, playbook)

    names = sorted(row["name"] for row in await rows("SELECT golden->'first_name'->>'value' AS name FROM lead"))
    assert len(names) == 2
    assert {row["status"] for row in await rows("SELECT status FROM identity_key")} == {"shared"}


async def test_a_bad_submission_is_parked_alone_told_and_replayable(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    good, bad = await received(resources.engine, source, content(ANA), content({"email": "bad@acme.example"}))
    async with resources.engine.begin() as connection:
        await connection.execute(text("UPDATE submission SET content = '{\"fields\": 7}' WHERE id = :id"), {"id": bad})
    late = datetime.now(UTC)
    for _ in range(8):
        late += timedelta(minutes=10)
        moment = late
        await drain(Processing(work.engine, work.new_id, lambda now=moment: now), playbook)  # type: ignore[misc] # a frozen clock

    [parked] = await rows("SELECT * FROM pending_submission")
    assert parked["submission_id"] == bad
    assert parked["failed_at"] is not None
    assert parked["error"] == "ValidationError in leadhub.store.pending.load"
    assert parked["attempts"] == 5
    assert [row["submission_id"] for row in await rows("SELECT submission_id FROM membership")] == [good]
    assert (await rows("SELECT count(*) AS n FROM event WHERE type = 'lead.failed'"))[0]["n"] == 1

    async with resources.engine.begin() as connection:
        fixed = content({"email": "fixed@acme.example"}).model_dump_json()
        await connection.execute(
            text("UPDATE submission SET content = CAST(:c AS jsonb) WHERE id = :id"), {"id": bad, "c": fixed}
        )
    async with resources.sessions.begin() as session:
        assert await pending.replay(session, now=datetime.now(UTC), submission_id=SubmissionId(bad)) == 1
    await drain(work, playbook)

    assert await rows("SELECT * FROM pending_submission") == []


async def test_a_claim_whose_worker_died_comes_back_and_is_done_once(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content(ANA))
    async with driver.connect(resources.engine) as connection:
        claimed = await pending.claim(connection, now=work.clock(), rows=10, lease=work.lease)
    assert len(claimed) == 1
    assert (await drain(work, playbook)).claimed == 0

    later = work.clock() + work.lease + timedelta(seconds=1)
    await drain(Processing(work.engine, work.new_id, lambda: later), playbook)

    assert len(await rows("SELECT * FROM membership")) == 1


async def test_a_submission_that_kills_its_workers_is_parked(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content(ANA))
    async with resources.engine.begin() as connection:
        await connection.execute(text("UPDATE pending_submission SET attempts = 5"))

    outcome = await drain(work, playbook)

    assert outcome.failed == 1
    assert (await rows("SELECT error FROM pending_submission"))[0]["error"] == "WorkerDied"


async def test_statements_of_a_batch_do_not_grow_with_it(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID
) -> None:
    counts: list[int] = []
    for size in (1, 20, 120):  # the first only opens a connection
        people = [content({"email": f"p{size}.{n}@acme.example"}, activities=["demo_requested"]) for n in range(size)]
        await received(resources.engine, source, *people)
        async with statements(resources.engine) as sent:
            await process_due(work, playbook)
        counts.append(len(sent))

    assert counts[1] == counts[2] > 0


async def test_time_alone_changes_a_score_when_it_said_it_would(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, content(ANA | HOT, activities=["pricing_page_viewed"]))
    await drain(work, playbook)
    [before] = await rows("SELECT * FROM lead")
    assert before["rescore_at"] is not None

    later = before["rescore_at"] + timedelta(seconds=1)
    late = Processing(work.engine, work.new_id, lambda: later)

    assert await rescore_due(late, playbook) == 1
    [after] = await rows("SELECT * FROM lead")
    assert after["score_total"] < before["score_total"]
    assert after["route"] == "sales"
    assert after["rescore_at"] is None or after["rescore_at"] > later
