"""Steps of tracks: due, checked at the last moment, given to one sender, and never lost."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.views import a_playbook
from tests.support.waiting import a_source, content, received

from leadhub.domain.errors import Conflict, InvalidInput, NotFound
from leadhub.domain.ids import LeadId
from leadhub.domain.playbook_followup import Nurture
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.domain.submission import Content
from leadhub.pipeline import nurture
from leadhub.pipeline.merging import undo_merge
from leadhub.pipeline.nurture import Leased
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.rescore import rescore_due
from leadhub.resources import Ids, Resources

ANA = {"email": "ana.diaz@acme.example", "first_name": "Ana", "last_name": "Díaz"}
SECTION: dict[str, Any] = {
    "requires": {"purpose": "marketing", "channel": "email"},
    "suppress_on": ["unsubscribed", "hard_bounce"],
    "tracks": [
        {
            "id": "warm",
            "when": {"temperature": ["warm", "hot"]},
            "goal": {"event": "webinar_attended"},
            "steps": [{"id": "w1", "content": "w1"}, {"id": "w2", "after": "1h", "content": "w2"}],
        },
        {
            "id": "all",
            "again_after": "30d",
            "steps": [
                {"id": "one", "content": "c1"},
                {"id": "two", "after": "2d", "content": "c2"},
                {"id": "three", "after": "2d", "content": "c3"},
            ],
        },
    ],
}


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC) + timedelta(seconds=1)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **much: float) -> None:
        self.now += timedelta(**much)


def playing(**changes: Any) -> CompiledPlaybook:
    guide = load(shipped("guide"))
    section = Nurture.model_validate(SECTION | changes)
    return compile_playbook(guide.model_copy(update={"nurture": section}))


PLAYBOOK = playing()
Rows = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work(resources: Resources, clock: Clock) -> Processing:
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


async def take(work: Processing, source: UUID, *contents: Content, playbook: CompiledPlaybook = PLAYBOOK) -> None:
    await received(work.engine, source, *contents)
    while (await process_due(work, playbook)).claimed:
        pass


def did(kind: str, email: str = ANA["email"]) -> Content:
    return Content.model_validate({"waits": True, "fields": {"email": email}, "activities": [{"type": kind}]})


async def lease(
    work: Processing, track: str = "all", *, most: int = 10, playbook: CompiledPlaybook = PLAYBOOK
) -> list[Leased]:
    return await nurture.lease(work, playbook, track, most=most, lease_for=timedelta(minutes=5))


async def send(work: Processing, track: str = "all", playbook: CompiledPlaybook = PLAYBOOK) -> list[str]:
    """Lease and acknowledge all that is due; return the steps."""
    leased = await lease(work, track, playbook=playbook)
    for one in leased:
        await nurture.ack(work, playbook, one.due.id, one.token)
    return [one.due.step for one in leased]


async def test_a_lead_gets_the_steps_of_its_track_one_after_the_other(
    work: Processing, clock: Clock, source: UUID
) -> None:
    await take(work, source, content(ANA))

    seen = []
    for _ in range(6):
        seen.append(await send(work))
        clock.pass_(days=1)

    assert seen == [["one"], [], ["two"], [], ["three"], []]


async def test_two_senders_never_have_the_same_step(work: Processing, source: UUID) -> None:
    people = [content({"email": f"p{n}@acme{n}.example"}) for n in range(24)]
    await take(work, source, *people)

    got = [one for many in await asyncio.gather(*(lease(work, most=5) for _ in range(6))) for one in many]
    while more := await lease(work, most=5):
        got += more

    assert len(got) == len({one.due.id for one in got}) == len(people)


async def test_a_step_of_a_dead_sender_comes_back_and_says_so(work: Processing, clock: Clock, source: UUID) -> None:
    await take(work, source, content(ANA))
    [first] = await lease(work)
    assert (await lease(work), first.attempt) == ([], 1)

    clock.pass_(minutes=6)
    [again] = await lease(work)

    assert (again.due.id, again.attempt) == (first.due.id, 2)
    with pytest.raises(Conflict):
        await nurture.ack(work, PLAYBOOK, first.due.id, first.token)
    await nurture.ack(work, PLAYBOOK, again.due.id, again.token)
    await nurture.ack(work, PLAYBOOK, again.due.id, again.token)
    clock.pass_(days=2)
    assert await send(work) == ["two"]


async def test_an_acknowledgement_that_is_late_counts_while_nobody_else_has_the_step(
    work: Processing, clock: Clock, source: UUID
) -> None:
    await take(work, source, content(ANA))
    [first] = await lease(work)
    clock.pass_(minutes=6)

    await nurture.ack(work, PLAYBOOK, first.due.id, first.token)

    assert await lease(work) == []


async def test_a_step_is_given_back_and_a_lease_is_extended(work: Processing, clock: Clock, source: UUID) -> None:
    await take(work, source, content(ANA))
    [first] = await lease(work)
    await nurture.nack(work, first.due.id, first.token, retry_after=timedelta(minutes=1), because="no template")
    assert await lease(work) == []
    clock.pass_(minutes=1)
    [again] = await lease(work)

    until = await nurture.extend(work, again.due.id, again.token, lease_for=timedelta(minutes=20))
    clock.pass_(minutes=19)

    assert await lease(work) == []
    assert until == clock.now + timedelta(minutes=1)
    await nurture.ack(work, PLAYBOOK, again.due.id, again.token)
    with pytest.raises(Conflict):
        await nurture.nack(work, again.due.id, again.token)
    with pytest.raises(NotFound):
        await nurture.ack(work, PLAYBOOK, UUID(int=7), again.token)


async def test_a_withdrawn_consent_and_a_bounce_stop_what_is_due(work: Processing, source: UUID, rows: Rows) -> None:
    bob = {"email": "bob@other.example"}
    await take(work, source, content(ANA), content(bob))

    await take(work, source, content(ANA, consent=False), did("hard_bounce", bob["email"]))

    assert await lease(work) == []
    found = await rows("SELECT exit_reason FROM enrolment")
    assert len(found) == 2
    assert await rows("SELECT id FROM nurture_item WHERE state <> 'cancelled'") == []


async def test_what_only_the_newest_playbook_forbids_waits_with_its_reason(
    work: Processing, source: UUID, rows: Rows
) -> None:
    await take(work, source, content(ANA), did("page_viewed"))
    stricter = playing(suppress_on=["page_viewed"])

    assert await lease(work, playbook=stricter) == []

    [item] = await rows("SELECT * FROM nurture_item")
    assert (item["state"], item["because"][:11]) == ("waiting", "suppressed:")


async def test_a_shared_mailbox_that_was_closed_is_closed_for_all_who_use_it(
    work: Processing, source: UUID, rows: Rows
) -> None:
    family = "family@home.example"
    kim = content({"email": family, "first_name": "Kim", "last_name": "Berg"})
    rob = content({"email": family, "first_name": "Robert", "last_name": "Berg"})
    await take(work, source, kim)
    await take(work, source, rob)
    await take(work, source, did("hard_bounce", family))

    assert await lease(work) == []
    assert any((row["because"] or "").endswith("at this address") for row in await rows("SELECT * FROM nurture_item"))


async def test_nobody_is_written_to_more_often_than_the_cap_allows(
    work: Processing, clock: Clock, source: UUID
) -> None:
    capped = playing(cap={"messages": 2, "per": "7d"})
    await take(work, source, content(ANA), playbook=capped)

    seen = {}
    for day in range(10):
        if step := await send(work, playbook=capped):
            seen[day] = step
        clock.pass_(days=1)

    assert seen == {0: ["one"], 2: ["two"], 7: ["three"]}


async def test_a_channel_may_have_a_cap_of_its_own(work: Processing, clock: Clock, source: UUID) -> None:
    capped = playing(cap={"messages": 1, "per": "30d"}, caps={"email": {"messages": 9, "per": "1d"}})
    await take(work, source, content(ANA), playbook=capped)
    assert await send(work, playbook=capped) == ["one"]

    clock.pass_(days=2)

    assert await send(work, playbook=capped) == ["two"]


async def test_a_step_waits_for_its_hours(work: Processing, clock: Clock, source: UUID) -> None:
    steps = [{"id": "one", "content": "c1", "window": "office"}]
    timed = playing(tracks=[{"id": "all", "steps": steps}])
    await take(work, source, content(ANA), playbook=timed)

    for _ in range(24 * 7):
        leased = await lease(work, playbook=timed)
        if leased:
            break
        clock.pass_(hours=1)
    else:
        pytest.fail("never due")

    local = clock.now.astimezone(timed.playbook.calendars["office"].zone)
    assert local.weekday() < 5
    assert 9 <= local.hour < 17


async def test_a_lead_is_on_one_track_and_leaves_it_for_the_reason_given(
    work: Processing, clock: Clock, source: UUID, rows: Rows
) -> None:
    await take(work, source, content(ANA))
    assert await send(work) == ["one"]

    await take(work, source, content(ANA, activities=["newsletter_subscribed"]))
    assert (await lease(work), await send(work, "warm")) == ([], ["w1"])
    await take(work, source, did("webinar_attended"))
    clock.pass_(days=2)

    assert await send(work, "warm") == []
    left = await rows("SELECT track, exit_reason FROM enrolment WHERE exited_at IS NOT NULL ORDER BY id")
    assert [row["track"] for row in left] == ["all", "warm"]
    assert left[0]["exit_reason"] == "moved to warm"
    assert left[1]["exit_reason"].startswith("goal: 1 webinar_attended")
    assert len(await rows("SELECT id FROM enrolment WHERE exited_at IS NULL")) == 1
    assert await send(work) == ["two"]  # where it stopped, not from the beginning


async def test_who_comes_back_after_the_cool_down_begins_anew(work: Processing, clock: Clock, source: UUID) -> None:
    await take(work, source, content(ANA))
    assert await send(work) == ["one"]
    await take(work, source, content(ANA, activities=["newsletter_subscribed"]))
    clock.pass_(days=40)
    while await rescore_due(work, PLAYBOOK):
        pass
    await take(work, source, did("webinar_attended"))

    assert await send(work) == ["one"]


async def test_an_exit_rule_takes_a_lead_off_every_track(work: Processing, source: UUID, rows: Rows) -> None:
    leaving = playing(exits=[{"when": {"event": "trial_started"}}])
    await take(work, source, content(ANA), playbook=leaving)

    await take(work, source, did("trial_started"), playbook=leaving)

    [left] = await rows("SELECT exit_reason FROM enrolment")
    assert left["exit_reason"].startswith("exit: 1 trial_started")
    assert await lease(work, playbook=leaving) == []


async def test_a_lead_is_held_until_a_date_and_let_go(work: Processing, clock: Clock, source: UUID, rows: Rows) -> None:
    await take(work, source, content(ANA))
    [lead] = await rows("SELECT id FROM lead")
    lead_id = LeadId(lead["id"])

    await nurture.hold(work, PLAYBOOK, lead_id, until=clock.now + timedelta(days=5), because="on holiday")
    assert await lease(work) == []
    [item] = await rows("SELECT because FROM nurture_item")
    assert item["because"] == "hold: on holiday"
    clock.pass_(days=5)

    assert await send(work) == ["one"]
    with pytest.raises(NotFound):
        await nurture.hold(work, PLAYBOOK, LeadId(UUID(int=1)), until=clock.now, because="x")


def waiting_for(signal: str, **step: Any) -> CompiledPlaybook:
    """A track whose first step is held for a signal, and whose second is not."""
    steps = [{"id": "one", "content": "c1", "until": signal, **step}, {"id": "two", "content": "c2"}]
    return playing(tracks=[{"id": "all", "steps": steps}])


async def test_a_step_is_held_until_its_signal_holds(work: Processing, clock: Clock, source: UUID, rows: Rows) -> None:
    holding = waiting_for("learned")
    await take(work, source, content(ANA), playbook=holding)
    assert await lease(work, playbook=holding) == []
    [item] = await rows("SELECT * FROM nurture_item")
    assert (item["because"], item["signal"], item["state"]) == ("hold: until learned", "learned", "waiting")
    clock.pass_(days=300)
    assert await lease(work, playbook=holding) == []

    await take(work, source, did("page_viewed"), playbook=holding)
    assert await lease(work, playbook=holding) == []
    await take(work, source, did("content_downloaded"), playbook=holding)

    [item] = await rows("SELECT * FROM nurture_item")
    assert (item["because"], item["signal"]) == ("signal: learned", None)
    assert await send(work, playbook=holding) == ["one"]
    assert await send(work, playbook=holding) == ["two"]


async def test_a_signal_that_came_and_went_while_others_were_in_the_way_still_counts(
    work: Processing, clock: Clock, source: UUID
) -> None:
    steps = [{"id": "one", "content": "c1"}, {"id": "two", "after": "1d", "until": "product", "content": "c2"}]
    capped = playing(cap={"messages": 1, "per": "90d"}, tracks=[{"id": "all", "steps": steps}])
    await take(work, source, content(ANA), playbook=capped)
    assert await send(work, playbook=capped) == ["one"]
    await take(work, source, did("usage_limit_hit"), playbook=capped)
    clock.pass_(days=1)
    assert await lease(work, playbook=capped) == []  # the signal holds; the cap does not let it

    clock.pass_(days=90)  # and now the signal is over

    assert await send(work, playbook=capped) == ["two"]


async def test_who_gave_the_signal_before_is_not_held(work: Processing, source: UUID) -> None:
    holding = waiting_for("learned")
    await take(work, source, content(ANA), did("content_downloaded"), playbook=holding)

    assert await send(work, playbook=holding) == ["one"]


async def test_a_hold_ends_at_the_latest_when_its_time_is_over(work: Processing, clock: Clock, source: UUID) -> None:
    holding = waiting_for("learned", at_most="10d")
    await take(work, source, content(ANA), playbook=holding)
    assert await send(work, playbook=holding) == []
    clock.pass_(days=9)
    assert await send(work, playbook=holding) == []

    clock.pass_(days=1)

    assert await send(work, playbook=holding) == ["one"]


async def test_a_withdrawn_consent_stops_what_is_held(work: Processing, source: UUID, rows: Rows) -> None:
    holding = waiting_for("learned")
    await take(work, source, content(ANA), playbook=holding)
    assert await lease(work, playbook=holding) == []

    await take(work, source, content(ANA, consent=False), did("content_downloaded"), playbook=holding)

    assert await lease(work, playbook=holding) == []
    assert [row["state"] for row in await rows("SELECT state FROM nurture_item")] == ["cancelled"]


async def test_a_published_playbook_without_the_signal_lets_go(work: Processing, source: UUID) -> None:
    holding = waiting_for("learned")
    await take(work, source, content(ANA), playbook=holding)
    assert await lease(work, playbook=holding) == []
    track = {"id": "all", "steps": [{"id": "one", "content": "c1"}]}
    without = a_playbook(metadata={"name": "newer", "version": 1}, nurture=SECTION | {"tracks": [track]})

    await nurture.run_round(work, without)

    assert await send(work, playbook=without) == ["one"]


async def test_a_lead_is_held_until_a_date_or_a_signal(work: Processing, clock: Clock, source: UUID) -> None:
    bob = {"email": "bob@other.example"}
    await take(work, source, content(ANA), content(bob))
    both = {one.lead.golden["email"].value: one for one in await lease(work)}
    for one in both.values():
        await nurture.nack(work, one.due.id, one.token, retry_after=timedelta(0))
    ana, bobs = (both[email].lead.lead_id for email in (ANA["email"], bob["email"]))

    for lead_id in (ana, bobs):
        await nurture.hold(
            work, PLAYBOOK, lead_id, until=clock.now + timedelta(days=5), signal="learned", because="later"
        )
    await take(work, source, did("content_downloaded"))
    first = await lease(work)
    clock.pass_(days=5)
    second = await lease(work)

    assert [one.lead.lead_id for one in first] == [ana]
    assert bobs in [one.lead.lead_id for one in second]
    with pytest.raises(InvalidInput, match="the playbook knows these signals: hand_raise"):
        await nurture.hold(work, PLAYBOOK, bobs, signal="lerned", because="x")
    with pytest.raises(Conflict, match="'learned' holds already"):
        await nurture.hold(work, PLAYBOOK, ana, signal="learned", because="x")


async def test_a_pushed_track_tells_endpoints_once_a_step(
    work: Processing, clock: Clock, source: UUID, rows: Rows
) -> None:
    pushed = playing(tracks=[SECTION["tracks"][1] | {"push": True}])
    await take(work, source, content(ANA), playbook=pushed)
    before = (await rows("SELECT max(sequence) AS top FROM event"))[0]["top"]

    assert await nurture.run_round(work, pushed)
    assert not await nurture.run_round(work, pushed)
    clock.pass_(days=2)
    assert await nurture.run_round(work, pushed)

    told = await rows("SELECT sequence FROM event WHERE type = 'nurture.step.due' ORDER BY id")
    assert [row["sequence"] for row in told] == [before + 1, before + 2]
    assert [row["sequence"] for row in await rows("SELECT sequence FROM lead")] == [before + 2]
    with pytest.raises(Conflict):
        await lease(work, playbook=pushed)


async def test_a_published_playbook_plans_for_those_who_are_on_the_track_already(
    work: Processing, source: UUID
) -> None:
    without = playing(tracks=[{"id": "all"}])
    await take(work, source, content(ANA), playbook=without)
    assert await lease(work, playbook=without) == []
    later = PLAYBOOK.playbook.model_copy(
        update={"metadata": PLAYBOOK.playbook.metadata.model_copy(update={"version": 2})}
    )

    await nurture.run_round(work, compile_playbook(later))

    assert [one.due.step for one in await lease(work)] == ["one"]


async def test_who_was_sent_a_step_before_a_merge_is_not_sent_it_again(
    work: Processing, clock: Clock, source: UUID, rows: Rows
) -> None:
    await take(work, source, content(ANA))
    await take(work, source, content({"phone": "+34612345678", "email": "ana@home.example", "first_name": "Ana"}))
    assert await send(work) == ["one", "one"]

    both = ANA | {"phone": "+34612345678"}
    await take(work, source, content(both))
    clock.pass_(days=2)

    assert len(await rows("SELECT id FROM lead WHERE merged_into IS NULL")) == 1
    assert await send(work) == ["two"]

    [merge] = await rows("SELECT id FROM merge")
    await undo_merge(work, PLAYBOOK, merge["id"], because="Two people.", actor="a test")
    clock.pass_(days=2)
    assert sorted(await send(work)) == ["three", "two"]
