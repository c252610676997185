"""Behaviour: tied to a lead by whatever it carries, waiting for whoever is not known yet."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from tests.support.counting import statements
from tests.support.waiting import a_source, content, received

from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.domain.submission import Content
from leadhub.pipeline.process import Outcome, Processing, process_due
from leadhub.resources import Ids, Resources, clock

VISITOR = "9a1c1f52-6f5d-4f7e-b8f7-0c8a5b9d1e11"
ANA = {"email": "ana.diaz@acme.example", "first_name": "Ana", "last_name": "Díaz"}

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


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
def rows(resources: Resources) -> Rows:
    async def query(sql: str, **values: Any) -> list[dict[str, Any]]:
        async with resources.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    return query


def did(kind: str, **handles: Any) -> Content:
    fields = {"email": handles.pop("email")} if "email" in handles else {}
    return Content.model_validate({"waits": True, "fields": fields, "activities": [{"type": kind}], **handles})


def ana(**more: Any) -> Content:
    return content(ANA).model_copy(update=more)


async def drain(work: Processing, playbook: CompiledPlaybook) -> Outcome:
    total = Outcome()
    while (outcome := await process_due(work, playbook)).claimed:
        total += outcome
    return total


async def facts(rows: Rows) -> dict[str, int]:
    return {row["type"]: row["count"] for row in await rows("SELECT type, count FROM fact")}


@pytest.mark.parametrize("together", [True, False])
async def test_anonymous_history_waits_and_joins_on_identification(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows, *, together: bool
) -> None:
    await received(resources.engine, source, *[did("pricing_page_viewed", visitor_id=VISITOR)] * 3)
    if not together:
        outcome = await drain(work, playbook)
        assert (outcome.waiting, outcome.created) == (3, 0)
        assert await rows("SELECT * FROM lead") == []
        assert len(await rows("SELECT * FROM waiting_activity")) == 3

    await received(resources.engine, source, ana(visitor_id=VISITOR))
    await drain(work, playbook)

    [lead] = await rows("SELECT * FROM lead")
    assert (await facts(rows))["pricing_page_viewed"] == 3
    assert lead["score_engagement"] == 25
    assert await rows("SELECT * FROM waiting_activity") == []
    assert {row["lead_id"] for row in await rows("SELECT * FROM membership")} == {lead["id"]}


async def test_behaviour_finds_its_lead_by_any_handle(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, ana(external_id="crm-7"))
    await drain(work, playbook)
    [lead] = await rows("SELECT * FROM lead")

    await received(
        resources.engine,
        source,
        did("webinar_registered", lead_id=lead["id"]),
        did("email_opened", email="Ana.Diaz@ACME.example"),
        did("usage_limit_hit", external_id="crm-7"),
    )
    await drain(work, playbook)

    assert await facts(rows) == {
        "submission_received": 1,
        "webinar_registered": 1,
        "email_opened": 1,
        "usage_limit_hit": 1,
    }
    [after] = await rows("SELECT * FROM lead")
    assert after["stage"] == "PQL"
    assert after["golden"]["email"] == lead["golden"]["email"]
    assert after["profile"] == lead["profile"]
    told = {row["rule"] for row in await rows("SELECT rule FROM membership")}
    assert told == {"new", "lead id", "e-mail", "external id"}


async def test_behaviour_with_two_handles_identifies_the_visitor(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, did("email_clicked", visitor_id=VISITOR), ana())
    await drain(work, playbook)
    assert "email_clicked" not in await facts(rows)

    await received(resources.engine, source, did("page_viewed", visitor_id=VISITOR, email=ANA["email"]))
    await drain(work, playbook)

    assert {"email_clicked", "page_viewed"} <= set(await facts(rows))


async def test_the_last_person_at_a_browser_gets_what_it_does_next(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    bob = content({"email": "bob@other.example", "first_name": "Bob", "last_name": "Roy"})
    await received(resources.engine, source, ana(visitor_id=VISITOR))
    await drain(work, playbook)
    await received(resources.engine, source, bob.model_copy(update={"visitor_id": VISITOR}))
    await drain(work, playbook)

    await received(resources.engine, source, did("pricing_page_viewed", visitor_id=VISITOR))
    await drain(work, playbook)

    found = await rows(
        "SELECT golden -> 'email' ->> 'value' AS email FROM lead JOIN fact ON lead.id = lead_id "
        "WHERE type = 'pricing_page_viewed'"
    )
    assert found == [{"email": "bob@other.example"}]
    assert len(await rows("SELECT * FROM lead")) == 2


async def test_a_short_visitor_id_is_one_of_its_source_only(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID
) -> None:
    other = await a_source(resources.engine)
    await received(resources.engine, source, ana(visitor_id="17"))
    await received(resources.engine, other, did("pricing_page_viewed", visitor_id="17"))

    outcome = await drain(work, playbook)

    assert (outcome.created, outcome.waiting) == (1, 1)


async def test_what_leads_to_nobody_is_kept_and_found(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(
        resources.engine, source, did("page_viewed", lead_id=uuid4()), did("email_opened", email="who@acme.example")
    )

    outcome = await drain(work, playbook)

    assert (outcome.waiting, outcome.failed, outcome.created) == (2, 0, 0)
    kinds = {row["kind"] for row in await rows("SELECT kind FROM waiting_activity")}
    assert kinds == {"lead", "email", "email:sha256"}


GMAIL = {"email": "ana.diaz+news@gmail.com", "first_name": "Ana", "last_name": "Díaz"}
SPELLINGS = ["ana.diaz+news@gmail.com", "anadiaz+news@gmail.com", "anadiaz@gmail.com"]


def hashed(address: str) -> str:
    return sha256(address.encode()).hexdigest()


@pytest.mark.parametrize("order", ["lead first", "behaviour first", "together"])
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_behaviour_that_names_a_hash_finds_whoever_has_the_address(
    work: Processing,
    playbook: CompiledPlaybook,
    resources: Resources,
    source: UUID,
    rows: Rows,
    *,
    spelling: str,
    order: str,
) -> None:
    parts = [content(GMAIL), did("email_opened", email=hashed(spelling).upper())]
    for some in [parts] if order == "together" else [[part] for part in parts[:: -1 if order[0] == "b" else 1]]:
        await received(resources.engine, source, *some)
        await drain(work, playbook)

    assert (await facts(rows))["email_opened"] == 1
    assert await rows("SELECT * FROM waiting_activity") == []
    assert "email:sha256" not in {row["kind"] for row in await rows("SELECT kind FROM identity_key")}


async def test_an_address_that_bounced_is_shown_last_and_one_that_somebody_answers_from_first(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    old, new = ANA["email"], "ana@new.example"
    shown: list[dict[str, Any]] = []
    for part in (
        content(ANA | {"phone": "+34612345678"}),
        content({"email": new, "first_name": "Ana", "phone": "+34612345678"}),
        did("email_bounced", email=hashed(new)),
        did("email_replied", email=new),
        did("email_confirmed", email=old, visitor_id=VISITOR),
    ):
        await received(resources.engine, source, part)
        await drain(work, playbook)
        [lead] = await rows("SELECT golden -> 'email' AS email FROM lead")
        shown.append(lead["email"])

    assert [one["value"] for one in shown] == [old, new, old, new, new]
    assert shown[-1]["rule"].startswith("not one that bounced")


@pytest.mark.parametrize("order", [1, -1])
async def test_behaviour_that_names_an_address_finds_whoever_came_with_its_hash(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows, *, order: int
) -> None:
    for part in [content({"email": hashed(ANA["email"])}), did("email_opened", email=ANA["email"])][::order]:
        await received(resources.engine, source, part)
        await drain(work, playbook)

    assert (await facts(rows))["email_opened"] == 1
    assert await rows("SELECT * FROM waiting_activity") == []


async def test_the_hash_of_a_mailbox_of_many_leads_to_nobody(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID
) -> None:
    await received(resources.engine, source, content({"email": "info@acme.example", "phone": "+34612345678"}))
    await received(resources.engine, source, did("email_opened", email=hashed("info@acme.example")))

    assert (await drain(work, playbook)).waiting == 1


async def test_of_two_who_share_an_address_its_hash_leads_to_whoever_was_seen_last(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    for first_name in ("Ana", "Rob", "Ana"):
        await received(resources.engine, source, content(ANA | {"first_name": first_name}))
        await drain(work, playbook)
    await received(resources.engine, source, did("email_opened", email=hashed(ANA["email"])))
    await drain(work, playbook)

    names = await rows(
        "SELECT golden -> 'first_name' ->> 'value' AS name FROM lead JOIN fact ON id = lead_id "
        "WHERE type = 'email_opened'"
    )
    assert names == [{"name": "Ana"}]
    assert len(await rows("SELECT * FROM lead")) == 2


async def test_workers_that_race_for_a_hash_and_its_address_lose_nothing(
    playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    small = Processing(resources.engine, Ids(), clock, batch_rows=3)
    for number in range(16):
        address = f"person{number}@acme{number}.example"
        plain, cryptic = content({"email": address}), content({"email": hashed(address)})
        both = [did("email_opened", email=hashed(address)), plain, did("email_opened", email=address), cryptic]
        await received(resources.engine, source, *both[number % 2 :], *both[: number % 2])

    await asyncio.gather(*(drain(small, playbook) for _ in range(4)))
    await drain(small, playbook)

    found = await rows("SELECT lead_id, count FROM fact WHERE type = 'email_opened'")
    assert [row["count"] for row in found] == [2] * 16
    assert len(await rows("SELECT * FROM lead WHERE merged_into IS NULL")) == 16
    assert await rows("SELECT * FROM waiting_activity") == []


async def test_one_more_page_view_is_no_news(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    await received(resources.engine, source, ana(), did("page_viewed", email=ANA["email"]))
    await drain(work, playbook)
    before = await rows("SELECT id FROM event")

    await received(resources.engine, source, did("page_viewed", email=ANA["email"]))
    await drain(work, playbook)

    assert await rows("SELECT id FROM event") == before
    assert (await facts(rows))["page_viewed"] == 2


async def test_workers_that_race_lose_no_history(
    playbook: CompiledPlaybook, resources: Resources, source: UUID, rows: Rows
) -> None:
    small = Processing(resources.engine, Ids(), clock, batch_rows=3)
    people = [f"{number:032}" for number in range(12)]
    for number, visitor in enumerate(people):
        identified = content({"email": f"p{number}@acme{number}.example"}).model_copy(update={"visitor_id": visitor})
        await received(
            resources.engine,
            source,
            did("page_viewed", visitor_id=visitor),
            identified,
            did("page_viewed", visitor_id=visitor),
        )

    await asyncio.gather(*(drain(small, playbook) for _ in range(4)))
    await drain(small, playbook)

    found = await rows("SELECT lead_id, count FROM fact WHERE type = 'page_viewed'")
    assert [row["count"] for row in found] == [2] * len(people)
    assert await rows("SELECT * FROM waiting_activity") == []


async def test_behaviour_costs_no_more_statements_than_people_do(
    work: Processing, playbook: CompiledPlaybook, resources: Resources, source: UUID
) -> None:
    await received(resources.engine, source, did("page_viewed", visitor_id="0"))
    await process_due(work, playbook)  # the first batch reads the bits that decide
    counts = []
    for size in (1, 20):
        await received(resources.engine, source, *[did("page_viewed", visitor_id=f"{n:020}") for n in range(size)])
        async with statements(resources.engine) as sent:
            await process_due(work, playbook)
        counts.append(len(sent))

    assert counts[0] == counts[1]
