"""What a person writes into a lead wins, and goes where the lead goes."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import text
from tests.support.waiting import a_source, content, received

from leadhub.domain.errors import InvalidInput, NotFound, PreconditionFailed
from leadhub.domain.ids import LeadId
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.editing import Edit, Edited, edit_lead
from leadhub.pipeline.merging import Wish, merge_leads, undo_merge
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, clock

ANA = {
    "email": "ana@acme.example",
    "full_name": "Ana Diaz",
    "company": "Acme",
    "job_title": "Student",
    "street": "Calle Mayor 1",
    "city": "Madrid",
    "country": "ES",
}
BEN = {"phone": "+34612345678", "full_name": "Ben Ruiz"}

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def playbook() -> CompiledPlaybook:
    return compile_playbook(load(shipped("guide")))


class Desk:
    """Lets people come, edits, and looks."""

    def __init__(self, resources: Resources, playbook: CompiledPlaybook, source: UUID) -> None:
        self.resources, self.playbook, self.source = resources, playbook, source
        self.work = Processing(resources.engine, Ids(), clock)

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        async with self.resources.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    async def comes(self, fields: dict[str, str]) -> LeadId:
        [submission_id] = await received(self.resources.engine, self.source, content(fields))
        while (await process_due(self.work, self.playbook)).claimed:
            pass
        [row] = await self.rows("SELECT lead_id FROM membership WHERE submission_id = :id", id=submission_id)
        return LeadId(row["lead_id"])

    async def edit(self, lead: LeadId, **fields: str | None) -> Edited:
        wish = Edit(lead_id=lead, fields=fields, actor="a test")
        return await edit_lead(self.work, self.playbook, wish)

    async def shown(self, lead: LeadId) -> dict[str, Any]:
        [row] = await self.rows("SELECT golden FROM lead WHERE id = :id", id=lead)
        return {name: value["value"] for name, value in row["golden"].items()}

    async def picture(self, lead: LeadId) -> dict[str, Any]:
        """All that follows from what a lead is made of, and its keys."""
        [row] = await self.rows(
            "SELECT golden, custom, attribution, consents, created_at, last_activity_at, is_test, merged_into, "
            "score_total FROM lead WHERE id = :id",
            id=lead,
        )
        keys = await self.rows(
            "SELECT kind, value, status FROM identity_key WHERE lead_id = :id ORDER BY 1, 2", id=lead
        )
        facts = await self.rows("SELECT type, count, last_at FROM fact WHERE lead_id = :id ORDER BY 1", id=lead)
        members = await self.rows("SELECT submission_id FROM membership WHERE lead_id = :id ORDER BY 1", id=lead)
        return row | {"keys": keys, "facts": facts, "members": members}


@pytest.fixture
async def desk(resources: Resources, playbook: CompiledPlaybook) -> Desk:
    return Desk(resources, playbook, await a_source(resources.engine))


async def test_an_edit_wins_over_all_that_comes_later_and_says_who_wrote_it(desk: Desk) -> None:
    ana = await desk.comes(ANA)

    done = await desk.edit(ana, job_title="CTO")
    await desk.comes(ANA | {"job_title": "Intern", "company": "Bravo"})

    [row] = await desk.rows("SELECT golden, score_fit FROM lead")
    title = row["golden"]["job_title"]
    assert (title["value"], title["rule"], title["provenance"], title["source"]) == (
        "CTO",
        "edited",
        "edited",
        "a test",
    )
    assert title["submission_id"] == str(done.edit_id)
    assert row["golden"]["seniority"]["provenance"] == "edited"
    assert row["golden"]["company"]["value"] == "Bravo"
    assert "job_title" in done.changed


async def test_an_edit_is_judged_at_once_told_and_is_nothing_that_the_lead_did(desk: Desk) -> None:
    ana = await desk.comes(ANA)
    before = await desk.picture(ana)

    await desk.edit(ana, job_title="CTO")

    after = await desk.picture(ana)
    assert after["score_total"] > before["score_total"]
    same = ("facts", "attribution", "consents", "created_at", "last_activity_at", "is_test")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    told = await desk.rows("SELECT type, body FROM event WHERE type = 'lead.updated'")
    assert "job_title" in orjson.loads(told[0]["body"])["data"]["changed"]


async def test_taking_an_edit_back_gives_what_the_submissions_say(desk: Desk) -> None:
    ana = await desk.comes(ANA)
    before = await desk.picture(ana)
    await desk.edit(ana, job_title="CTO", email="ana@home.example")
    await desk.edit(ana, job_title="CEO")

    done = await desk.edit(ana, job_title=None, email=None)

    after = await desk.picture(ana)
    assert {**after, "members": 0} == {**before, "members": 0}
    assert "job_title" in done.changed
    [first, second] = await desk.rows("SELECT fields, taken_back FROM lead_edit ORDER BY id")
    assert (first["fields"], second["fields"]) == ({}, {})
    assert first["taken_back"]["job_title"]["actor"] == "a test"
    assert (await desk.edit(ana, job_title=None)).version == done.version


async def test_a_name_and_an_address_are_edited_as_a_whole(desk: Desk) -> None:
    ana = await desk.comes(ANA)

    await desk.edit(ana, last_name="Díaz Soto", city="Toledo")
    await desk.comes(ANA | {"street": "Gran Via 2", "city": "Bilbao", "full_name": "Anna Maria Diaz"})

    now = await desk.shown(ana)
    assert (now["first_name"], now["last_name"], now["full_name"]) == ("Ana", "Díaz Soto", "Ana Díaz Soto")
    assert (now["street"], now["city"]) == ("Calle Mayor 1", "Toledo")

    await desk.edit(ana, street=None, full_name=None)

    now = await desk.shown(ana)
    assert (now["street"], now["city"]) == ("Gran Via 2", "Bilbao")
    assert now["full_name"] == "Anna Maria Diaz"


async def test_a_mailbox_of_an_edit_beats_a_better_one_and_finds_the_lead(desk: Desk) -> None:
    ana = await desk.comes(ANA)
    await desk.edit(ana, email="Ana@Home.example", phone="612 345 678")

    again = await desk.comes({"email": "ana@home.example", "full_name": "Ana Diaz"})
    by_phone = await desk.comes({"phone": "+34612345678", "full_name": "Ana Diaz", "email": "ana.d@other.example"})

    assert (again, by_phone) == (ana, ana)
    assert (await desk.shown(ana))["email"] == "ana@home.example"


async def test_a_number_of_somebody_else_joins_nobody_and_asks(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN | {"full_name": "Ana Diaz"})

    done = await desk.edit(ana, phone=BEN["phone"])

    assert done.also_held_by == (ben,)
    [asked] = await desk.rows(
        "SELECT lead_id, candidate_id FROM match_review WHERE answer IS NULL AND submission_id = :id", id=done.edit_id
    )
    assert (asked["lead_id"], asked["candidate_id"]) == (ana, ben)
    assert await desk.rows("SELECT * FROM merge") == []
    keys = await desk.rows("SELECT status FROM identity_key WHERE value = :phone", phone=BEN["phone"])
    assert [key["status"] for key in keys] == ["shared", "shared"]


async def test_edits_go_through_a_merge_and_back_exactly(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    await desk.edit(ana, job_title="CTO")
    await desk.edit(ben, first_name="Benito", city="Cádiz")
    before = [await desk.picture(lead) for lead in (ana, ben)]
    wish = Wish(winner=ana, loser=ben, because="one", actor="a test")

    merge_id = await merge_leads(desk.work, desk.playbook, wish)
    merged = await desk.shown(ana)
    await undo_merge(desk.work, desk.playbook, merge_id, because="two", actor="a test")

    assert (merged["first_name"], merged["city"], merged["job_title"]) == ("Benito", "Cádiz", "CTO")
    assert [await desk.picture(lead) for lead in (ana, ben)] == before


async def test_an_edit_of_two_that_were_one_is_put_up_for_review(desk: Desk) -> None:
    ana, ben = await desk.comes(ANA), await desk.comes(BEN)
    wish = Wish(winner=ana, loser=ben, because="one", actor="a test")
    merge_id = await merge_leads(desk.work, desk.playbook, wish)
    done = await desk.edit(ben, industry="Shipping")
    assert done.lead_id == ana

    await undo_merge(desk.work, desk.playbook, merge_id, because="two", actor="a test")

    assert (await desk.shown(ana))["industry"] == "shipping"
    [asked] = await desk.rows("SELECT submission_id, candidate_id FROM match_review")
    assert (asked["submission_id"], asked["candidate_id"]) == (done.edit_id, ben)


@pytest.mark.parametrize(
    ("field", "value"),
    [("email", "no-at-sign"), ("phone", "12"), ("country", "Atlantis"), ("shoe_size", "44"), ("city", "  ")],
)
async def test_what_is_of_no_use_is_refused_by_name_and_never_repeated(desk: Desk, field: str, value: str) -> None:
    ana = await desk.comes(ANA)
    before = await desk.picture(ana)

    with pytest.raises(InvalidInput) as caught:
        await desk.edit(ana, **{"job_title": "CTO", field: value})

    assert [error.pointer for error in caught.value.errors] == [f"#/fields/{field}"]
    assert value.strip() == "" or value not in f"{caught.value} {caught.value.errors}"
    assert await desk.picture(ana) == before


async def test_an_edit_wants_a_lead_and_the_version_that_was_read(desk: Desk) -> None:
    ana = await desk.comes(ANA)

    with pytest.raises(NotFound):
        await desk.edit(LeadId(uuid4()), city="Rome")
    stale = Edit(lead_id=ana, fields={"city": "Rome"}, actor="a test", expected_version=9)
    with pytest.raises(PreconditionFailed):
        await edit_lead(desk.work, desk.playbook, stale)

    assert (await desk.edit(ana, city="Rome")).version == 2
