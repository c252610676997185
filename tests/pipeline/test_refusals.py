"""A word of sales that nobody may be written to survives merges, their undoing, and whatever folds a lead anew."""

from typing import Any
from uuid import UUID

import pytest
from tests.support.sales import Sales, a_floor

from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.pipeline.editing import Edit, edit_lead
from leadhub.pipeline.merging import Wish, merge_leads, move_submission, undo_merge
from leadhub.resources import Resources


@pytest.fixture
async def sales(resources: Resources) -> Sales:
    """Eva and Fay looked around; nobody in sales has them."""
    floor = Sales(resources, a_floor("ann"))
    await floor.did("page_viewed", "eva", "fay")
    floor.later(hours=1)
    return floor


async def merge(sales: Sales, winner: str, loser: str) -> UUID:
    """Make one of two; its name is whichever stays."""
    both = [LeadId((await sales.lead(one))["id"]) for one in (winner, loser)]
    wish = Wish(winner=both[0], loser=both[1], because="One.", actor="a test", although_not_same=True)
    merge_id = await merge_leads(sales.work, sales.playbook, wish)
    sales.later(hours=1)
    return merge_id


async def undo(sales: Sales, merge_id: UUID) -> None:
    await undo_merge(sales.work, sales.playbook, merge_id, because="Two people.", actor="a test")
    sales.later(hours=1)


async def by_id(sales: Sales, lead_id: UUID) -> dict[str, Any]:
    [row] = await sales.rows("SELECT * FROM lead WHERE id = :id", id=lead_id)
    return row


async def suppressed(sales: Sales, lead_id: UUID) -> list[str]:
    """By which facts nobody may write to a lead; that its track and consent agree."""
    lead = await by_id(sales, lead_id)
    facts = await sales.rows(
        "SELECT type, count FROM fact WHERE lead_id = :id AND type IN ('unsubscribed', 'hard_bounce') ORDER BY type",
        id=lead_id,
    )
    assert all(fact["count"] == 1 for fact in facts)
    assert (lead["track"] is None) == bool(facts)
    if facts:
        assert lead["route_because"].startswith("suppressed: ")
    consent = lead["consents"].get("marketing", {}).get("email")
    if "unsubscribed" in {fact["type"] for fact in facts}:
        assert consent["granted"] is False
    return [fact["type"] for fact in facts]


@pytest.mark.parametrize(("outcome", "fact"), [("unsubscribed", "unsubscribed"), ("bounced", "hard_bounce")])
@pytest.mark.parametrize("said_of", ["eva", "fay"])
async def test_what_was_said_before_a_merge_is_of_whom_it_was_said(
    sales: Sales, said_of: str, outcome: str, fact: str
) -> None:
    ids = {one: (await sales.lead(one))["id"] for one in ("eva", "fay")}
    await sales.say(said_of, outcome)
    sales.later(minutes=1)
    made = await merge(sales, "eva", "fay")

    assert await suppressed(sales, ids["eva"]) == [fact]
    await undo(sales, made)

    assert {one: await suppressed(sales, ids[one]) for one in ids} == {
        one: [fact] if one == said_of else [] for one in ids
    }


@pytest.mark.parametrize(("outcome", "of_eva"), [("unsubscribed", True), ("bounced", False)])
async def test_a_refusal_that_was_said_of_both_at_once_counts_for_both_and_a_bounce_for_the_one_whose_address_it_is(
    sales: Sales, outcome: str, *, of_eva: bool
) -> None:
    eva, fay = [(await sales.lead(one))["id"] for one in ("eva", "fay")]
    made = await merge(sales, "eva", "fay")
    [row] = await sales.rows("SELECT golden->'first_name'->>'value' AS name FROM lead WHERE id = :id", id=eva)
    await sales.say(row["name"], outcome)
    sales.later(hours=1)

    await undo(sales, made)

    assert bool(await suppressed(sales, eva)) is of_eva
    assert bool(await suppressed(sales, fay))  # whose address was shown, being the newest
    # And for good, though the word is kept with the one that it was said of.
    await merge(sales, "eva", "fay")
    [second] = await sales.rows("SELECT id FROM merge WHERE undone_at IS NULL")
    await undo(sales, second["id"])
    assert bool(await suppressed(sales, eva)) is of_eva
    assert bool(await suppressed(sales, fay))


async def test_what_was_said_after_the_parting_is_of_one(sales: Sales) -> None:
    eva, fay = [(await sales.lead(one))["id"] for one in ("eva", "fay")]
    await undo(sales, await merge(sales, "eva", "fay"))

    await sales.say("eva", "unsubscribed")
    await undo(sales, await merge(sales, "fay", "eva"))

    assert (await suppressed(sales, eva), await suppressed(sales, fay)) == (["unsubscribed"], [])


async def test_a_chain_of_merges_hands_a_refusal_back_to_its_lead(sales: Sales) -> None:
    await sales.did("page_viewed", "gus")
    eva, fay, gus = [(await sales.lead(one))["id"] for one in ("eva", "fay", "gus")]
    await sales.say("gus", "unsubscribed")
    sales.later(hours=1)
    first = await merge(sales, "fay", "gus")
    [row] = await sales.rows("SELECT golden->'first_name'->>'value' AS name FROM lead WHERE id = :id", id=fay)
    second = await merge(sales, "eva", row["name"])
    assert await suppressed(sales, eva) == ["unsubscribed"]

    await undo(sales, second)

    assert (await suppressed(sales, eva), await suppressed(sales, fay)) == ([], ["unsubscribed"])
    await undo(sales, first)
    assert (await suppressed(sales, fay), await suppressed(sales, gus)) == ([], ["unsubscribed"])


async def test_a_submission_that_moves_or_an_edit_that_is_taken_back_forgets_no_refusal(sales: Sales) -> None:
    eva, fay = [(await sales.lead(one))["id"] for one in ("eva", "fay")]
    await sales.say("eva", "unsubscribed")
    await sales.did("page_viewed", "eva")
    newest = (await sales.rows("SELECT submission_id FROM membership WHERE lead_id = :id ORDER BY 1", id=eva))[-1]

    await move_submission(
        sales.work, sales.playbook, SubmissionId(newest["submission_id"]), to=LeadId(fay), because="It was Fay."
    )

    assert (await suppressed(sales, eva), await suppressed(sales, fay)) == (["unsubscribed"], [])
    for value in ("CTO", None):
        await edit_lead(
            sales.work, sales.playbook, Edit(lead_id=LeadId(eva), fields={"job_title": value}, actor="a test")
        )
    assert await suppressed(sales, eva) == ["unsubscribed"]
