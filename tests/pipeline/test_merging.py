"""Merging by a person's word and taking merges back, on real rows."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import text
from tests.support.waiting import a_source, content, received

from leadhub.domain.errors import Conflict, NotFound, PreconditionFailed
from leadhub.domain.feedback import Outcome, Said
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import FOLDED, folded
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.domain.submission import Content
from leadhub.pipeline import reviewing
from leadhub.pipeline.editing import Edit, edit_lead
from leadhub.pipeline.erasing import erase_due
from leadhub.pipeline.feedback import say
from leadhub.pipeline.merging import Wish, merge_leads, note_feedback, undo_merge
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.recheck import recheck_due
from leadhub.pipeline.recognise import arrived, from_row, load_facts
from leadhub.pipeline.saying import Sender
from leadhub.pipeline.scan import scan
from leadhub.resources import Ids, Resources, clock
from leadhub.store import driver, leads
from leadhub.store import merges as stored_merges

# Three people whose names do not contradict each other: what parts them here is a person's word.
ANA = {"email": "kim.a@acme.example", "first_name": "Kim", "last_name": "Diaz", "company": "Acme", "job_title": "CTO"}
BEN = {"phone": "+34612345678", "first_name": "Kim", "last_name": "Ruiz", "country": "ES"}
CLEO = {"email": "kim.c@club.example", "first_name": "Kim", "city": "Lyon"}

SEEDS = range(4)
ANSWERS: list[reviewing.Answer] = ["same", "not_same"]

_KEY = """
INSERT INTO submission_key (source_id, dedupe_key, submission_id, fingerprint, created_at, permanent)
SELECT source_id, :key, id, '', received_at, true FROM submission WHERE id = :id
"""
_ORDER = """
INSERT INTO notification (id, source_id, object_id, action, received_at, due_at, attempts)
SELECT :order, source_id, dedupe_key, 'deleted', :now, :now, 0 FROM submission_key WHERE submission_id = :id
"""

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def playbook() -> CompiledPlaybook:
    return compile_playbook(load(shipped("guide")))


@pytest.fixture
def rows(resources: Resources) -> Rows:
    async def query(sql: str, **values: Any) -> list[dict[str, Any]]:
        async with resources.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    return query


class Desk:
    """What a test does: let people come, merge, take back, and look."""

    def __init__(self, resources: Resources, playbook: CompiledPlaybook, source: UUID, rows: Rows) -> None:
        self.resources, self.playbook, self.source, self.rows = resources, playbook, source, rows
        self.work = Processing(resources.engine, Ids(), clock)

    async def drain(self) -> None:
        while (await process_due(self.work, self.playbook)).claimed:
            pass

    async def comes(self, fields: dict[str, str], **rest: Any) -> LeadId:
        """Let a submission come; return whose it is."""
        [submission_id] = await received(self.resources.engine, self.source, content(fields, **rest))
        await self.drain()
        return await self.owner_of(submission_id)

    async def owner_of(self, submission_id: UUID) -> LeadId:
        [row] = await self.rows("SELECT lead_id FROM membership WHERE submission_id = :id", id=submission_id)
        return LeadId(row["lead_id"])

    async def merge(self, winner: LeadId, loser: LeadId, **rest: Any) -> UUID:
        wish = Wish(winner=winner, loser=loser, because="the same person", actor="a test", **rest)
        return await merge_leads(self.work, self.playbook, wish)

    async def undo(self, merge_id: UUID) -> None:
        await undo_merge(self.work, self.playbook, merge_id, because="two people", actor="a test")

    async def edit(self, lead: LeadId, fields: dict[str, str | None]) -> None:
        await edit_lead(self.work, self.playbook, Edit(lead_id=lead, fields=fields, actor="a test"))

    async def orders_to_erase(self, submission_id: UUID) -> None:
        """Have a platform order that a submission be erased."""
        known = {"id": submission_id, "key": submission_id.hex, "order": self.work.new_id(), "now": clock()}
        async with self.resources.engine.begin() as connection:
            await connection.execute(text(_KEY), known)
            await connection.execute(text(_ORDER), known)

    async def picture(self, *leads: LeadId) -> dict[LeadId, dict[str, Any]]:
        """All that follows from the submissions of leads, and who holds which key."""
        return {lead: await self._one(lead) for lead in leads}

    async def _one(self, lead: LeadId) -> dict[str, Any]:
        [row] = await self.rows(
            "SELECT golden, custom, attribution, consents, created_at, last_activity_at, is_test, merged_into, stage, "
            "temperature, score_total, score_fit, score_engagement FROM lead WHERE id = :id",
            id=lead,
        )
        facts = await self.rows(
            "SELECT type, attributes, count, first_at, last_at FROM fact WHERE lead_id = :id", id=lead
        )
        keys = await self.rows("SELECT kind, value, status FROM identity_key WHERE lead_id = :id", id=lead)
        members = await self.rows("SELECT submission_id FROM membership WHERE lead_id = :id", id=lead)
        return row | {
            "facts": sorted(facts, key=str),
            "keys": sorted(keys, key=str),
            "members": {one["submission_id"] for one in members},
        }

    async def has_no_gaps(self, lead: LeadId) -> bool:
        numbers = [
            row["sequence"] for row in await self.rows("SELECT sequence FROM event WHERE lead_id = :id", id=lead)
        ]
        [row] = await self.rows("SELECT sequence FROM lead WHERE id = :id", id=lead)
        return sorted(numbers) == list(range(1, row["sequence"] + 1))


@pytest.fixture
async def desk(resources: Resources, playbook: CompiledPlaybook, rows: Rows) -> Desk:
    return Desk(resources, playbook, await a_source(resources.engine), rows)


async def test_a_merge_unites_two_leads_and_leaves_a_pointer(desk: Desk) -> None:
    ana = await desk.comes(ANA, activities=["pricing_page_viewed"])
    ben = await desk.comes(BEN, activities=["demo_requested"])

    merge_id = await desk.merge(ana, ben)

    seen = await desk.picture(ana, ben)
    assert seen[ben]["merged_into"] == ana
    assert seen[ben]["members"] == set()
    assert {key["kind"] for key in seen[ana]["keys"]} == {"email", "phone"}
    assert {fact["type"] for fact in seen[ana]["facts"]} == {"pricing_page_viewed", "demo_requested"}
    [kept] = await desk.rows("SELECT * FROM merge")
    assert (kept["id"], kept["actor"], kept["rule"]) == (merge_id, "a test", "declared the same")
    told = await desk.rows("SELECT type, body FROM event WHERE lead_id = :id ORDER BY sequence", id=ana)
    kinds = [row["type"] for row in told]
    at = kinds.index("lead.merged")
    assert kinds[at : at + 2] == ["lead.merged", "lead.updated"]
    data = orjson.loads(told[at]["body"])["data"]
    assert (data["winner_id"], data["loser_ids"]) == (str(ana), [str(ben)])
    assert len(data["submission_ids"]["winner"]) == len(data["submission_ids"]["losers"]) == 1
    assert await desk.has_no_gaps(ana)


async def test_merge_and_undo_give_both_as_they_were(desk: Desk) -> None:
    ana = await desk.comes(ANA, activities=["pricing_page_viewed"])
    await desk.comes(ANA | {"city": "Madrid"}, activities=["pricing_page_viewed"])
    ben = await desk.comes(BEN, activities=["pricing_page_viewed"], consent=False)
    before = await desk.picture(ana, ben)

    await desk.undo(await desk.merge(ana, ben))

    assert await desk.picture(ana, ben) == before
    assert await desk.has_no_gaps(ana)
    assert await desk.has_no_gaps(ben)


async def test_an_automatic_merge_can_be_undone_and_the_tie_is_put_up_for_review(desk: Desk) -> None:
    mail = {"email": ANA["email"]}
    call = {"phone": BEN["phone"]}
    older, newer = await desk.comes(mail), await desk.comes(call, activities=["demo_requested"])
    tie = await desk.comes(mail | call)
    [merge] = await desk.rows("SELECT * FROM merge")
    assert tie == older
    assert merge["actor"] == "leadhub"

    await desk.undo(merge["id"])

    [merge] = await desk.rows("SELECT * FROM merge")
    assert merge["undone"]["unclear"] == [str(merge["submission_id"])]
    assert (merge["undone_by"], merge["undone_because"]) == ("a test", "two people")
    seen = await desk.picture(older, newer)
    assert seen[newer]["merged_into"] is None
    assert {(key["value"], key["status"]) for key in seen[newer]["keys"]} == {("+34612345678", "shared")}
    assert {(key["value"], key["status"]) for key in seen[older]["keys"]} == {
        (ANA["email"], "active"),
        ("+34612345678", "shared"),
    }


async def test_what_could_be_either_sides_is_asked_and_goes_where_a_person_says(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    merge_id = await desk.merge(ana, ben)
    unclear = {"first_name": "Kim", "city": "Madrid", "email": ANA["email"], "phone": BEN["phone"]}
    await desk.comes(unclear, activities=["webinar_attended"])
    await desk.undo(merge_id)
    [asked] = await desk.rows("SELECT * FROM match_review")
    assert (asked["lead_id"], asked["candidate_id"], asked["answer"]) == (ana, ben, None)
    assert "city" in (await desk.picture(ana))[ana]["golden"]

    await reviewing.answer(desk.work, desk.playbook, asked["submission_id"], "same", actor="a test")

    seen = await desk.picture(ana, ben)
    assert [seen[lead]["merged_into"] for lead in (ana, ben)] == [None, None]
    assert seen[ben]["golden"]["city"]["value"] == "Madrid"
    assert "city" not in seen[ana]["golden"]
    assert [len(seen[lead]["members"]) for lead in (ana, ben)] == [1, 2]
    assert "webinar_attended" in {fact["type"] for fact in seen[ben]["facts"]}
    assert {key["value"]: key["status"] for key in seen[ben]["keys"]} == {
        ANA["email"]: "shared",
        BEN["phone"]: "shared",
    }
    assert await desk.has_no_gaps(ana)
    assert await desk.has_no_gaps(ben)


async def test_what_stays_after_an_undo_is_remembered(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    merge_id = await desk.merge(ana, ben)
    submission = await desk.comes({"email": ANA["email"], "phone": BEN["phone"]})
    assert submission == ana
    await desk.undo(merge_id)
    before = await desk.picture(ana, ben)
    [asked] = await desk.rows("SELECT submission_id FROM match_review")

    await reviewing.answer(desk.work, desk.playbook, asked["submission_id"], "not_same", actor="a test")

    assert await desk.picture(ana, ben) == before
    assert len(await desk.rows("SELECT * FROM not_same")) == 2


async def test_what_came_in_between_goes_to_the_side_whose_keys_it_carries(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    merge_id = await desk.merge(ana, ben)
    await desk.comes(BEN | {"last_name": "Ruiz Soto"}, activities=["webinar_attended"])
    await desk.comes(ANA | {"job_title": "CEO"})

    await desk.undo(merge_id)

    seen = await desk.picture(ana, ben)
    assert seen[ben]["golden"]["last_name"]["value"] == "Ruiz Soto"
    assert seen[ana]["golden"]["job_title"]["value"] == "CEO"
    assert [len(seen[lead]["members"]) for lead in (ana, ben)] == [2, 2]
    assert "webinar_attended" in {fact["type"] for fact in seen[ben]["facts"]}
    assert "webinar_attended" not in {fact["type"] for fact in seen[ana]["facts"]}


async def test_undo_below_a_later_merge_takes_only_what_was_its_own(desk: Desk) -> None:
    ana, ben, cleo = [await desk.comes(person) for person in (ANA, BEN, CLEO)]
    before = await desk.picture(ben)
    first = await desk.merge(ana, ben)
    second = await desk.merge(cleo, ana)

    await desk.undo(first)

    seen = await desk.picture(ana, ben, cleo)
    assert seen[ben] == before[ben]
    assert seen[ana]["merged_into"] == cleo
    assert len(seen[cleo]["members"]) == 2
    assert {key["value"] for key in seen[cleo]["keys"]} == {ANA["email"], CLEO["email"]}

    await desk.undo(second)

    seen = await desk.picture(ana, ben, cleo)
    assert [lead["merged_into"] for lead in seen.values()] == [None, None, None]
    assert [len(lead["members"]) for lead in seen.values()] == [1, 1, 1]


async def test_a_chain_of_three_points_back_as_it_is_undone(desk: Desk) -> None:
    ana, ben, cleo = [await desk.comes(person) for person in (ANA, BEN, CLEO)]
    before = await desk.picture(ana, ben, cleo)
    first = await desk.merge(ana, ben)
    joined = await desk.picture(ana, ben)
    second = await desk.merge(cleo, ana)
    assert (await desk.picture(ben))[ben]["merged_into"] == cleo

    await desk.undo(second)

    assert await desk.picture(ana, ben) == joined

    await desk.undo(first)

    assert await desk.picture(ana, ben, cleo) == before


async def test_undoing_twice_is_undoing_once(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    merge_id = await desk.merge(ana, ben)
    await desk.undo(merge_id)
    before = await desk.picture(ana, ben)
    events = await desk.rows("SELECT id FROM event ORDER BY id")

    await desk.undo(merge_id)

    assert await desk.picture(ana, ben) == before
    assert await desk.rows("SELECT id FROM event ORDER BY id") == events


async def test_two_undone_are_told_apart_and_not_merged_again_without_a_word(desk: Desk) -> None:
    ana, ben, cleo = [await desk.comes(person) for person in (ANA, BEN, CLEO)]
    await desk.undo(await desk.merge(ana, ben))

    with pytest.raises(Conflict):
        await desk.merge(ben, ana)
    await desk.merge(cleo, ana)
    with pytest.raises(Conflict):  # the declaration went with the submission
        await desk.merge(cleo, ben)

    await desk.merge(cleo, ben, although_not_same=True)
    assert await desk.rows("SELECT * FROM not_same") == []


async def test_nothing_that_comes_joins_what_was_undone(desk: Desk) -> None:
    ana, ben, cleo = [await desk.comes(person) for person in (ANA, BEN, CLEO)]
    await desk.undo(await desk.merge(ana, ben))

    await desk.comes({"email": ANA["email"], "phone": BEN["phone"]})
    await desk.comes({"email": ANA["email"], "phone": BEN["phone"], "first_name": "Kim"})
    await desk.merge(cleo, ben)  # a third one, through whom they might become one
    await desk.comes({"email": ANA["email"], "phone": BEN["phone"], "last_name": "Diaz"})
    await desk.comes({"email": ANA["email"], "first_name": "Kim", "last_name": "Diaz", "phone": BEN["phone"]})

    seen = await desk.picture(ana, ben, cleo)
    assert [lead["merged_into"] for lead in seen.values()] == [None, cleo, None]
    assert await desk.rows("SELECT * FROM merge WHERE actor = 'leadhub'") == []


async def test_a_doubt_about_two_leads_is_asked_once_and_not_again_after_the_answer(desk: Desk) -> None:
    king, namesake = {"email": "ada@king.example"}, {"phone": "+34612345678"}
    name = {"first_name": "Ada", "last_name": "King"}
    ada, other = await desk.comes(king | name), await desk.comes(namesake | name)

    assert await desk.comes(king | name) == ada
    assert await desk.comes(namesake | name) == other
    [asked] = await desk.rows("SELECT submission_id, lead_id, candidate_id FROM match_review")
    assert (asked["lead_id"], asked["candidate_id"]) == (other, ada)
    await reviewing.answer(desk.work, desk.playbook, asked["submission_id"], "not_same", actor="a test")
    assert await desk.comes(king | name) == ada

    assert len(await desk.rows("SELECT 1 FROM match_review")) == 1


async def test_who_comes_hashed_joins_the_address_and_is_parted_from_it_again(desk: Desk) -> None:
    hashed = {"email": sha256(ANA["email"].encode()).hexdigest()}
    ana = await desk.comes(ANA)
    ben = await desk.comes(BEN | hashed)
    assert ben == ana
    cleo = await desk.comes(CLEO)
    before = await desk.picture(ana, cleo)
    assert {key["kind"] for key in before[ana]["keys"]} == {"email", "email:sha256", "phone"}

    await desk.undo(await desk.merge(cleo, ana))

    assert await desk.picture(ana, cleo) == before
    assert await desk.comes(hashed) == ana


async def test_a_hash_leads_to_whose_address_it_is_after_an_undo(desk: Desk) -> None:
    ana, cleo = await desk.comes(ANA), await desk.comes(CLEO)
    merge_id = await desk.merge(cleo, ana)
    assert await desk.comes(ANA) == cleo  # which leaves a block key of the one address with the other lead
    await desk.undo(merge_id)
    await desk.comes(CLEO)

    opened = Content.model_validate(
        {
            "fields": {"email": sha256(ANA["email"].encode()).hexdigest()},
            "activities": [{"type": "email_opened"}],
            "waits": True,
        }
    )
    [submission_id] = await received(desk.resources.engine, desk.source, opened)
    await desk.drain()

    assert await desk.owner_of(submission_id) == ana


async def shown_address(desk: Desk, lead_id: LeadId) -> str:
    return str((await desk.picture(lead_id))[lead_id]["golden"]["email"]["value"])


async def says_bounced(desk: Desk, lead_id: LeadId) -> None:
    await say(desk.work, desk.playbook, lead_id, Said(outcome=Outcome.BOUNCED), sender=Sender(name="a test"))


async def test_an_address_that_bounced_gives_way_and_stays_behind_after_merges_and_their_undoing(desk: Desk) -> None:
    ana, cleo = await desk.comes(ANA | {"phone": BEN["phone"]}), await desk.comes(CLEO)
    assert await desk.comes(BEN | {"email": "kim.new@acme.example", "last_name": "Diaz"}) == ana
    assert await shown_address(desk, ana) == "kim.new@acme.example"
    before = len(await desk.rows("SELECT id FROM event WHERE type = 'lead.updated' AND lead_id = :id", id=ana))

    await says_bounced(desk, ana)

    assert await shown_address(desk, ana) == ANA["email"]
    told = await desk.rows("SELECT body FROM event WHERE type = 'lead.updated' AND lead_id = :id ORDER BY id", id=ana)
    assert len(told) == before + 1
    assert orjson.loads(told[-1]["body"])["data"]["contact"]["email"] == ANA["email"]
    merged = await desk.merge(cleo, ana)
    await desk.comes(BEN | {"email": "kim.new@acme.example"})
    assert await shown_address(desk, cleo) == CLEO["email"]  # newer than hers, and none that bounced
    await desk.undo(merged)
    assert await shown_address(desk, ana) == ANA["email"]
    assert (await desk.picture(ana))[ana]["golden"]["email_domain"]["value"] == "acme.example"


async def test_of_an_erased_address_nothing_is_kept_that_it_bounced(desk: Desk) -> None:
    ana = await desk.comes(ANA | {"phone": BEN["phone"]})
    gone = "kim.new@acme.example"
    await desk.comes(BEN | {"email": gone, "last_name": "Diaz"})
    await says_bounced(desk, ana)
    [newest] = await desk.rows("SELECT max(id::text)::uuid AS id FROM submission")

    await desk.orders_to_erase(newest["id"])
    assert await erase_due(desk.work, desk.playbook) == 1

    assert await shown_address(desk, ana) == ANA["email"]
    assert "hard_bounce" not in {fact["type"] for fact in (await desk.picture(ana))[ana]["facts"]}
    digest = sha256(gone.encode()).hexdigest()
    kept = await desk.rows(
        "SELECT 1 FROM lead AS l, feedback AS f WHERE l::text LIKE :it OR f::text LIKE :it", it=f"%{digest}%"
    )
    assert kept == []
    await everything_adds_up(desk)


async def test_who_was_parted_stays_so_though_what_stood_for_one_is_erased(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    [first] = await desk.rows("SELECT min(id::text)::uuid AS id FROM submission")
    assert await desk.comes(ANA | {"city": "Lyon"}) == ana
    await desk.undo(await desk.merge(ana, ben))

    await desk.orders_to_erase(first["id"])
    assert await erase_due(desk.work, desk.playbook) == 1

    with pytest.raises(Conflict):
        await desk.merge(ana, ben)
    await desk.comes({"email": ANA["email"], "phone": BEN["phone"], "first_name": "Kim"})
    assert await desk.rows("SELECT 1 FROM merge WHERE undone_at IS NULL") == []


async def test_a_page_view_teaches_nobody_an_address(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    merge_id = await desk.merge(ana, ben)
    viewed = {"fields": {"email": CLEO["email"]}, "lead_id": ben, "activities": [{"type": "page_viewed"}]}
    views = [Content.model_validate(viewed | {"waits": True}) for _ in range(7)]
    await received(desk.resources.engine, desk.source, *views)
    await desk.drain()

    await desk.undo(merge_id)

    assert await desk.rows("SELECT 1 FROM identity_key WHERE value = :value", value=CLEO["email"]) == []
    assert await desk.rows("SELECT 1 FROM match_review") == []
    cleo = await desk.comes(CLEO)
    await scan(desk.work, desk.playbook)
    assert [lead["merged_into"] for lead in (await desk.picture(ana, ben, cleo)).values()] == [None, None, None]


async def test_the_lead_that_lives_again_is_routed_afresh_and_the_other_keeps_its_owner(desk: Desk) -> None:
    hot = {"job_title": "CTO", "employees": "120", "industry": "SaaS"}
    ana = await desk.comes(ANA)
    ben = await desk.comes(BEN | hot, activities=["demo_requested"])
    merge_id = await desk.merge(ana, ben)
    [open_one] = await desk.rows("SELECT lead_id, owner FROM assignment WHERE released_at IS NULL")
    assert open_one["lead_id"] == ana

    await desk.undo(merge_id)

    owners = {
        row["lead_id"]: row["owner"]
        for row in await desk.rows("SELECT lead_id, owner FROM assignment WHERE released_at IS NULL")
    }
    leads = {row["id"]: row for row in await desk.rows("SELECT * FROM lead")}
    assert owners == {ana: open_one["owner"], ben: leads[ben]["owner"]}
    assert leads[ben]["route"] == "sales"
    types = [
        row["type"] for row in await desk.rows("SELECT type FROM event WHERE lead_id = :i ORDER BY sequence", i=ben)
    ]
    assert types[-2:] == ["lead.updated", "lead.routed"]


async def test_a_decision_that_was_taken_over_goes_back(desk: Desk, resources: Resources) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    async with resources.engine.begin() as connection:
        await connection.execute(text("UPDATE lead SET sales_decision = 'accepted' WHERE id = :id"), {"id": ben})
    merge_id = await desk.merge(ana, ben)
    taken = {row["id"]: row["sales_decision"] for row in await desk.rows("SELECT id, sales_decision FROM lead")}

    await desk.undo(merge_id)

    after = {row["id"]: row["sales_decision"] for row in await desk.rows("SELECT id, sales_decision FROM lead")}
    assert taken[ana] == "accepted"
    assert after == {ana: None, ben: "accepted"}


async def test_the_event_of_an_undo_names_both_sides(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    merge_id = await desk.merge(ana, ben)

    await desk.undo(merge_id)

    [told] = await desk.rows("SELECT body, lead_id FROM event WHERE type = 'lead.unmerged'")
    data = orjson.loads(told["body"])["data"]
    seen = await desk.picture(ana, ben)
    assert told["lead_id"] == ana
    assert (data["merge_id"], data["winner_id"], data["loser_ids"]) == (str(merge_id), str(ana), [str(ben)])
    assert {UUID(one) for one in data["submission_ids"]["winner"]} == seen[ana]["members"]
    assert {UUID(one) for one in data["submission_ids"]["losers"]} == seen[ben]["members"]


async def test_a_wish_that_cannot_be_granted_says_why_and_changes_nothing(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)

    with pytest.raises(NotFound):
        await desk.merge(ana, LeadId(uuid4()))
    with pytest.raises(PreconditionFailed):
        await desk.merge(ana, ben, expected_version=7)
    with pytest.raises(Conflict):
        await desk.merge(ana, ana)
    with pytest.raises(NotFound):
        await desk.undo(uuid4())

    merge_id = await desk.merge(ana, ben, expected_version=1)
    assert await desk.merge(ana, ben) == merge_id
    assert len(await desk.rows("SELECT * FROM merge")) == 1


async def test_undo_while_submissions_of_both_sides_are_in_flight(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    small = Processing(desk.work.engine, desk.work.new_id, desk.work.clock, batch_rows=3)

    async def drain() -> None:
        while (await process_due(small, desk.playbook)).claimed:
            pass

    for _ in range(6):
        merge_id = await desk.merge(ana, ben, although_not_same=True)
        await received(desk.resources.engine, desk.source, *[content(one) for one in (ANA, BEN) * 6])
        await asyncio.gather(desk.undo(merge_id), drain(), drain(), drain())
        await drain()

    seen = await desk.picture(ana, ben)
    [total] = await desk.rows("SELECT count(*) AS n FROM membership")
    assert total["n"] == 2 + 6 * 12
    assert [len(lead["members"]) for lead in seen.values()] == [37, 37]
    assert [sum(fact["count"] for fact in lead["facts"]) for lead in seen.values()] == [37, 37]
    assert await desk.rows("SELECT * FROM pending_submission") == []
    assert await desk.has_no_gaps(ana)
    assert await desk.has_no_gaps(ben)


async def test_what_is_folded_anew_equals_what_was_kept_step_by_step(desk: Desk) -> None:
    people = [ANA, BEN, CLEO]
    leads = [await desk.comes(person) for person in people]
    for number in range(12):
        person = people[number % 3]
        await desk.comes(
            person | {"message": f"word {number}", "job_title": ["CTO", "Head of Sales", "Owner"][number % 3]},
            activities=[
                "pricing_page_viewed",
                {"type": "content_downloaded", "attributes": {"asset_id": str(number % 2)}},
            ],
            consent=[True, False, None][number % 3],
        )
    before = await desk.picture(*leads)

    first = await desk.merge(leads[0], leads[1])
    second = await desk.merge(leads[2], leads[0])
    await desk.undo(first)
    await desk.undo(second)

    assert await desk.picture(*leads) == before


class Story:
    """What happens to a handful of people, drawn by lot, on every path by which two may become one."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.random = desk, Random(seed)
        self.people: list[dict[str, str]] = [
            {"email": f"kim.{n}@acme.example", "first_name": "Kim", "company": f"Firm {n}"} for n in range(4)
        ]
        self.people += [{"phone": f"+3461234567{n}", "first_name": "Kim", "job_title": "CTO"} for n in range(3)]
        self.people.append({"email": "kim.x+news@gmail.com", "last_name": "Berg", "city": "Bonn"})
        self.people += [self.hashed(self.people[0]), self.hashed(self.people[-1])]
        self.homes: list[LeadId] = []
        self.merges: list[UUID] = []
        self.insists = True
        """Whether people are made one, too, who were said to be two."""
        self.browsers = [f"{n:020}" for n in range(3)]

    @staticmethod
    def hashed(person: dict[str, str]) -> dict[str, str]:
        return person | {"email": sha256(person["email"].encode()).hexdigest()}

    def somebody(self) -> dict[str, str]:
        return self.random.choice(self.people)

    def an_address(self) -> str:
        return self.random.choice([one["email"] for one in self.people if "email" in one])

    async def merge(self) -> None:
        insists = self.insists and self.random.choice([True, False])
        both = self.random.sample(self.homes, 2)
        self.merges.append(await self.desk.merge(*both, although_not_same=insists))

    async def undo(self) -> None:
        if self.merges:
            await self.desk.undo(self.random.choice(self.merges))

    async def undo_one_made_by_itself(self) -> None:
        for row in await self.desk.rows("SELECT id FROM merge WHERE undone_at IS NULL AND actor = 'leadhub' LIMIT 1"):
            await self.desk.undo(row["id"])

    async def comes(self) -> None:
        said = {"message": str(self.random.random())}
        consent = self.random.choice([True, False, None])
        await self.desk.comes(self.somebody() | said, activities=["demo_requested"], consent=consent)

    async def mixed(self) -> None:
        await self.desk.comes(self.somebody() | self.somebody())

    async def crowd(self) -> None:
        some = [content(self.somebody() | self.random.choice([{}, self.somebody()])) for _ in range(6)]
        await received(self.desk.resources.engine, self.desk.source, *some, self.behaviour(), self.behaviour())
        small = replace(self.desk.work, batch_rows=3)
        await asyncio.gather(*(process_due(small, self.desk.playbook) for _ in range(3)))
        await self.desk.drain()

    def behaviour(self) -> Content:
        kind = self.random.choice(["email_opened", "hard_bounce", "email_replied"])
        stated: dict[str, Any] = {
            "fields": {"email": self.an_address()},
            "activities": [{"type": kind}],
            "waits": True,
        }
        handles: list[dict[str, Any]] = [
            {},
            {"lead_id": self.random.choice(self.homes)},
            {"visitor_id": self.random.choice(self.browsers)},
        ]
        return Content.model_validate(stated | self.random.choice(handles))

    async def behaves(self) -> None:
        await received(self.desk.resources.engine, self.desk.source, self.behaviour())
        await self.desk.drain()

    async def sales_says(self) -> None:
        said = Said(outcome=self.random.choice([Outcome.BOUNCED, Outcome.UNSUBSCRIBED]))
        lead_id = self.random.choice(self.homes)
        await say(self.desk.work, self.desk.playbook, lead_id, said, sender=Sender(name="a test"))

    async def edit(self) -> None:
        more = self.random.choice([{}, self.random.choice(self.people[:-2])])
        await self.desk.edit(self.random.choice(self.homes), {"city": f"City {self.random.random()}", **more})

    async def take_back(self) -> None:
        fields: dict[str, str | None] = {"city": None, self.random.choice(["email", "phone"]): None}
        await self.desk.edit(self.random.choice(self.homes), fields)

    async def answer(self) -> None:
        for review in await self.desk.rows(
            "SELECT submission_id FROM match_review WHERE answer IS NULL ORDER BY 1 LIMIT 1"
        ):
            said = self.random.choice(ANSWERS)
            await reviewing.answer(self.desk.work, self.desk.playbook, review["submission_id"], said, actor="a test")

    async def scan(self) -> None:
        await scan(self.desk.work, self.desk.playbook)

    async def recheck(self) -> None:
        later = replace(self.desk.work, clock=lambda: clock() + timedelta(seconds=5))
        await recheck_due(later, self.desk.playbook)

    async def erase(self) -> None:
        """Have a submission erased by its platform's order."""
        found = await self.desk.rows("SELECT id FROM submission ORDER BY id")
        submission_id = self.random.choice(found)["id"]
        await self.desk.orders_to_erase(submission_id)
        await erase_due(self.desk.work, self.desk.playbook)

    async def go_on(self) -> None:
        """Let something happen; what cannot be is refused."""
        often = [self.merge, self.merge, self.undo, self.comes, self.mixed, self.behaves, self.edit, self.answer]
        rarely = [self.crowd, self.sales_says, self.take_back, self.scan, self.recheck, self.erase]
        with suppress(Conflict, NotFound):
            await self.random.choice([*often, *rarely, self.undo_one_made_by_itself])()


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_each_lead_is_what_its_submissions_add_up_to_and_who_was_parted_stays_so(
    desk: Desk, seed: int
) -> None:
    story = Story(desk, seed)
    story.homes = [await desk.comes(person) for person in story.people]

    for _ in range(20):
        await story.go_on()

    await everything_adds_up(desk)


@pytest.mark.parametrize("seed", SEEDS)
async def test_by_no_path_are_two_joined_again_that_were_parted(desk: Desk, seed: int) -> None:
    story = Story(desk, seed)
    story.insists = False
    story.homes = [await desk.comes(person) for person in story.people]
    both = story.random.sample(sorted(set(story.homes)), 2)
    await desk.undo(await desk.merge(*both))

    for _ in range(16):
        await story.go_on()

    async with driver.connect(desk.resources.engine) as connection:
        one, other = [await stored_merges.living(connection, lead) for lead in both]
    assert one != other or one is None  # both may have been erased
    await everything_adds_up(desk)


@pytest.mark.parametrize("seed", range(3))
async def test_people_who_merge_and_undo_at_once_beside_workers_lose_nothing(desk: Desk, seed: int) -> None:
    people = [{"email": f"kim.{n}@acme.example", "first_name": "Kim"} for n in range(5)]
    homes = [await desk.comes(person) for person in people]
    small = Processing(desk.work.engine, desk.work.new_id, desk.work.clock, batch_rows=4)
    merges: list[UUID] = []

    async def decide(number: int) -> None:
        random = Random(10 * seed + number)
        for _ in range(8):
            with suppress(Conflict):
                if merges and random.random() < 0.4:
                    await desk.undo(random.choice(merges))
                else:
                    merges.append(await desk.merge(*random.sample(homes, 2), although_not_same=True))

    async def work() -> None:
        for _ in range(12):
            await process_due(small, desk.playbook)

    await received(desk.resources.engine, desk.source, *[content(person) for person in people * 12])
    await asyncio.gather(*(decide(number) for number in range(4)), *(work() for _ in range(3)))
    await desk.drain()

    await everything_adds_up(desk)
    assert await desk.rows("SELECT * FROM pending_submission") == []


async def everything_adds_up(desk: Desk) -> None:
    """Each submission is in one living lead, which is what its submissions are, and holds the keys that they carry."""
    living = [LeadId(row["id"]) for row in await desk.rows("SELECT id FROM lead WHERE merged_into IS NULL")]
    members = await desk.rows("SELECT lead_id FROM membership")
    [submissions] = await desk.rows("SELECT count(*) AS n FROM submission")
    assert {row["lead_id"] for row in members} == set(living)
    [edits] = await desk.rows("SELECT count(*) AS n FROM lead_edit")
    waiting = await desk.rows("SELECT DISTINCT submission_id FROM waiting_activity")
    assert len(members) + len(waiting) == submissions["n"] + edits["n"]
    is_erased = bool(await desk.rows("SELECT 1 FROM notification"))
    for lead_id in living:
        async with driver.connect(desk.resources.engine) as connection:
            arrivals = [arrived(member.waiting) for member in await stored_merges.members(connection, [lead_id])]
            [row] = await leads.load_for_update(connection, [lead_id])
            keys = (await stored_merges.keys_of(connection, [lead_id])).get(lead_id, {})
            kept = from_row(row, keys)
            await load_facts(connection, {lead_id: kept})
            anew = folded(lead_id, arrivals)
            await note_feedback(connection, [anew])
        assert {name: getattr(kept, name) for name in FOLDED} == {name: getattr(anew, name) for name in FOLDED}
        assert kept.keys.keys() == anew.keys.keys()
        assert any(one.makes_leads for one in arrivals)
        assert is_erased or await desk.has_no_gaps(lead_id)
    joined = await desk.rows(
        "SELECT n.* FROM not_same AS n JOIN membership AS a ON a.submission_id = n.one "
        "JOIN membership AS b ON b.submission_id = n.other WHERE a.lead_id = b.lead_id"
    )
    assert joined == []
    doubled = await desk.rows(
        "SELECT kind, value FROM identity_key WHERE status = 'active' GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert doubled == []
    for row in await desk.rows("SELECT id FROM lead WHERE merged_into IS NOT NULL"):
        async with driver.connect(desk.resources.engine) as connection:
            assert await stored_merges.living(connection, row["id"]) in living
