import asyncio
from typing import Any
from uuid import UUID

import pytest
from tests.support.sales import Sales, a_floor
from tests.support.views import scored
from tests.support.waiting import new_id

from leadhub.domain.errors import Conflict, IdempotencyConflict, InvalidInput, NotFound
from leadhub.domain.feedback import Said
from leadhub.domain.ids import LeadId
from leadhub.pipeline.feedback import apply_due, say
from leadhub.pipeline.rescore import rescore_due
from leadhub.pipeline.saying import Sender, new_feedback
from leadhub.resources import Resources
from leadhub.store import feedback


@pytest.fixture
async def sales(resources: Resources) -> Sales:
    """Eva and Fay are with ann and bob."""
    floor = Sales(resources, a_floor("ann", "bob"))
    await floor.asked("eva", "fay")
    return floor


async def test_yes_changes_the_stage_by_the_document_and_stops_no_clock(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann"))
    await sales.did("page_viewed", "eva")

    said = await sales.say("eva", "accepted")

    lead = await sales.lead("eva")
    assert (lead["sales_decision"], lead["stage"], lead["route"], lead["owner"]) == ("accepted", "SQL", "sales", "ann")
    assert said.effect == "sales accepted it; stage LEAD → SQL; goes to sales"
    [told] = await sales.told("lead.feedback")
    assert (told["data"]["outcome"], told["data"]["acceptance"]) == ("accepted", "accepted")
    assert [event["type"] for event in await sales.told("lead.sql", "lead.routed")] == ["lead.sql", "lead.routed"]


@pytest.mark.parametrize(
    ("outcome", "met_by", "stops"),
    [
        ("attempted", "attempt", True),
        ("attempted", "contact", False),
        ("contacted", "contact", True),
        ("meeting", "contact", True),
        ("opportunity", "contact", True),
        ("won", "contact", True),
        ("accepted", "attempt", False),
    ],
)
async def test_the_first_contact_stops_the_clock(
    resources: Resources, outcome: str, met_by: str, *, stops: bool
) -> None:
    sales = Sales(resources, a_floor("ann", promise={"met_by": met_by}))
    await sales.asked("eva")
    sales.later(seconds=190)

    await sales.say("eva", outcome)

    [clock] = await sales.rows("SELECT stop_reason, open_seconds FROM response_clock")
    [told] = await sales.told("lead.feedback")
    assert (clock["stop_reason"], clock["open_seconds"]) == ((outcome, 190) if stops else (None, None))
    assert told["data"]["open_seconds"] == (190 if stops else None)
    assert ("the promise 'hot' is kept" in told["data"]["effect"]) is stops


async def test_every_attempt_is_counted(sales: Sales) -> None:
    for outcome in ("attempted", "attempted", "accepted", "contacted"):
        sales.later(minutes=1)
        await sales.say("eva", outcome)

    assert [event["data"]["attempts"] for event in await sales.told("lead.feedback")] == [1, 2, 2, 3]


async def test_not_ready_goes_to_its_track_is_held_and_comes_back_for_something_new(sales: Sales) -> None:
    sales.later(minutes=1)
    said = await sales.say("eva", "rejected", reason="not_ready")
    held = await sales.lead("eva")
    sales.later(days=1)
    await sales.did("page_viewed", "eva")
    still = await sales.lead("eva")
    await sales.asked("eva")
    back = await sales.lead("eva")

    assert (held["route"], held["track"], held["owner"]) == ("nurture", "recycle", None)
    assert held["sales_decision"] == "rejected_not_ready"
    assert held["route_rule"] == "held:not_ready"
    assert said.effect is not None
    assert said.effect.endswith("goes to nurture recycle")
    assert (still["route"], still["track"]) == ("nurture", "recycle")
    assert (back["route"], back["owner"], back["sales_decision"], back["held"]) == ("sales", "ann", None, None)
    released = await sales.rows("SELECT release_reason FROM assignment WHERE released_at IS NOT NULL")
    assert released == [{"release_reason": "rejected: not_ready"}]
    exits = await sales.rows("SELECT track, exit_reason FROM enrolment WHERE lead_id = :id", id=back["id"])
    assert exits == [{"track": "recycle", "exit_reason": "sales: asked"}]


async def test_not_ready_comes_back_for_points_won_since_but_not_for_those_it_had(resources: Resources) -> None:
    warmer = {"hold": "30d", "reopen_when": {"any": [{"signal": "hand_raise"}, {"gained": "engagement", "gte": 10}]}}
    reasons = {"not_ready": warmer, "bad_fit": {"hold": "180d"}}
    rules = [
        {"id": "seen", "points": 5, "per": "page", "when": {"event": "page_viewed"}},
        {"id": "asked", "points": 20, "when": {"event": "demo_requested"}},
    ]
    floor = a_floor("ann", feedback={"reject": {"reasons": reasons}}, scoring=scored(*rules))
    sales = Sales(resources, floor)
    await sales.asked("eva")
    await sales.did({"type": "page_viewed", "attributes": {"page": "a"}}, "eva")
    sales.later(minutes=1)
    await sales.say("eva", "rejected", reason="not_ready")
    routes = []
    for page in "abc":
        sales.later(days=1)
        await sales.did({"type": "page_viewed", "attributes": {"page": page}}, "eva")
        routes.append((await sales.lead("eva"))["route"])

    # The page it had seen gives nothing; two more give ten.
    assert routes == ["nurture", "nurture", "sales"]


async def test_a_hold_ends_by_itself(sales: Sales) -> None:
    await sales.say("eva", "rejected", reason="bad_fit")
    lead = await sales.lead("eva")
    assert lead["rescore_at"] <= lead["rescore_at"].fromisoformat(lead["held"]["until"])
    assert lead["track"] == "awareness"

    sales.later(days=181)
    while await rescore_due(sales.work, sales.playbook):
        pass

    assert (await sales.lead("eva"))["held"] is None


async def test_bad_data_disqualifies_and_the_owner_has_the_next_turn(sales: Sales) -> None:
    said = await sales.say("eva", "rejected", reason="bad_data")
    await sales.asked("gus", "hal", "ida")

    lead = await sales.lead("eva")
    assert (lead["stage"], lead["route"], lead["disqualified_reason"]) == ("DISQUALIFIED", "none", "bad_data")
    assert said.effect == "disqualified: bad_data; ann gets the next turn; stage SQL → DISQUALIFIED; goes to none"
    assert await sales.owners("gus", "hal", "ida") == ["ann", "ann", "bob"]
    assert await sales.load() == {"ann": 2, "bob": 2}


async def test_a_duplicate_asks_a_person(sales: Sales) -> None:
    other = (await sales.lead("fay"))["id"]
    said = await sales.say("eva", "rejected", reason="duplicate", duplicate_of=str(other))

    [review] = await sales.rows("SELECT lead_id, candidate_id, answer, match FROM match_review")
    assert review["lead_id"] == (await sales.lead("eva"))["id"]
    assert (review["candidate_id"], review["answer"], review["match"]["proof"]) == (other, None, "sales says so")
    assert said.effect is not None
    assert said.effect.startswith("a review asks whether the two are one")
    assert (await sales.lead("eva"))["route"] == "nurture"


@pytest.mark.parametrize(
    ("outcome", "value", "route"), [("won", {"value": 4200.5, "currency": "EUR"}, "none"), ("lost", {}, "nurture")]
)
async def test_a_closed_deal_frees_its_owner_and_the_lead_comes_back_with_what_it_does_next(
    sales: Sales, outcome: str, value: dict[str, Any], route: str
) -> None:
    sales.later(minutes=1)
    await sales.say("eva", outcome, **value)
    closed = await sales.lead("eva")
    assert await sales.load() == {"ann": 0, "bob": 1}
    sales.later(days=1)
    await sales.asked("eva")

    [told] = await sales.told("lead.feedback")
    assert (closed["route"], closed["owner"], closed["sales_decision"]) == (route, None, outcome)
    assert (told["data"]["value"], told["data"]["currency"]) == (value.get("value"), value.get("currency"))
    assert (await sales.lead("eva"))["route"] == ("sales" if outcome == "won" else "nurture")


@pytest.mark.parametrize(("outcome", "fact"), [("unsubscribed", "unsubscribed"), ("bounced", "hard_bounce")])
async def test_nobody_writes_to_whoever_unsubscribed_or_cannot_be_reached(
    resources: Resources, outcome: str, fact: str
) -> None:
    sales = Sales(resources, a_floor("ann"))
    await sales.did("page_viewed", "eva")
    before = await sales.lead("eva")
    sales.later(days=1)

    await sales.say("eva", outcome)

    lead = await sales.lead("eva")
    assert (before["track"], lead["track"]) == ("awareness", None)
    assert lead["route_because"].startswith(f"suppressed: {fact}")
    assert (lead["last_activity_at"] > before["last_activity_at"]) is (outcome == "unsubscribed")
    assert lead["consents"]["marketing"]["email"]["granted"] is (outcome != "unsubscribed")


async def test_the_same_word_under_the_same_key_changes_nothing_and_another_is_refused(sales: Sales) -> None:
    first = await sales.say("eva", "contacted", key="call-1")
    sales.later(minutes=1)

    assert await sales.say("eva", "contacted", key="call-1") == first
    with pytest.raises(IdempotencyConflict):
        await sales.say("eva", "won", key="call-1")
    assert len(await sales.told("lead.feedback")) == 1


async def test_the_same_word_ten_times_at_once_is_one(sales: Sales) -> None:
    said = await asyncio.gather(*(sales.say("eva", "contacted", key="call-1") for _ in range(10)))

    assert len({one.id for one in said}) == 1
    assert len(await sales.told("lead.feedback")) == 1


async def test_what_cannot_be_is_refused_and_leaves_no_trace(sales: Sales) -> None:
    with pytest.raises(InvalidInput, match="not_ready, bad_fit, bad_data, duplicate") as caught:
        await sales.say("eva", "rejected", reason="ugly")
    assert caught.value.errors[0].pointer == "#/reason"
    with pytest.raises(InvalidInput, match="is this lead itself"):
        await sales.say("eva", "rejected", reason="duplicate", duplicate_of=str((await sales.lead("eva"))["id"]))
    await sales.did("page_viewed", "gus")
    with pytest.raises(Conflict, match="Sales does not have this lead"):
        await sales.say("gus", "rejected", reason="bad_fit")
    with pytest.raises(NotFound):
        await say(sales.work, sales.playbook, LeadId(UUID(int=7)), Said(outcome="won"), sender=Sender(name="key:test"))
    assert await sales.rows("SELECT * FROM feedback") == []


async def test_a_merge_keeps_what_was_said_and_the_other_id_still_works(sales: Sales) -> None:
    loser = (await sales.lead("fay"))["id"]
    await sales.did("", "fay", email="eva@eva.example", phone="+34612345678")
    await sales.did("", "fay", phone="+34612345678")
    merged = await sales.rows("SELECT merged_into FROM lead WHERE id = :id", id=loser)

    stored = await say(sales.work, sales.playbook, LeadId(loser), Said(outcome="contacted"), sender=Sender(name="k"))

    assert stored.lead_id == (merged[0]["merged_into"] or loser)


# Words that a signed source sends.


async def kept(sales: Sales, named: dict[str, str], **said: Any) -> None:
    row = new_feedback(
        Said.model_validate(said),
        named,
        sender=Sender(name="source:x", key=said.get("outcome")),
        feedback_id=new_id(),
        now=sales.now,
    )
    async with sales.resources.sessions.begin() as session:
        await feedback.keep(session, [row])


async def test_a_source_names_the_lead_by_its_address(sales: Sales) -> None:
    await kept(sales, {"email": "EVA@eva.example"}, outcome="contacted")
    await kept(sales, {"email": "EVA@eva.example"}, outcome="contacted")

    while await apply_due(sales.work, sales.playbook):
        pass

    [row] = await sales.rows("SELECT lead_id, effect, owner FROM feedback")
    assert row["lead_id"] == (await sales.lead("eva"))["id"]
    assert row["owner"] == "ann"


async def test_a_word_about_nobody_waits_for_the_lead_and_is_put_aside_in_the_end(sales: Sales) -> None:
    await kept(sales, {"email": "zoe@zoe.example"}, outcome="contacted")
    await kept(sales, {"email": "nobody@nobody.example"}, outcome="won")
    assert await apply_due(sales.work, sales.playbook)
    await sales.asked("zoe")
    for _ in range(8):
        sales.later(hours=7)
        while await apply_due(sales.work, sales.playbook):
            pass

    rows = {row["outcome"]: row for row in await sales.rows("SELECT * FROM feedback")}
    assert rows["contacted"]["applied_at"] is not None
    assert rows["won"]["failed_at"] is not None
    assert rows["won"]["error"] == "There is no such lead."
    assert rows["won"]["attempts"] == 6


async def test_a_word_that_is_wrong_is_put_aside_at_once_and_holds_up_nobody(sales: Sales) -> None:
    await kept(sales, {"email": "eva@eva.example"}, outcome="rejected", reason="ugly")
    await kept(sales, {"email": "eva@eva.example"}, outcome="contacted")

    while await apply_due(sales.work, sales.playbook):
        pass

    rows = {row["outcome"]: row for row in await sales.rows("SELECT * FROM feedback")}
    assert rows["rejected"]["failed_at"] is not None
    assert "the playbook knows these reasons" in rows["rejected"]["error"]
    assert rows["contacted"]["applied_at"] is not None
