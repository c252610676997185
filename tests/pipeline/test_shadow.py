"""A version in shadow: it judges beside the one that decides, is counted, and changes nothing."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.pipeline.test_playbook import CHEAPER, drafted, edited, publish, rows
from tests.support.waiting import a_source, content, received

from leadhub.domain.errors import Conflict, NotFound, PreconditionFailed
from leadhub.domain.ids import LeadId
from leadhub.domain.standing import Move, Standing
from leadhub.pipeline import housekeeping, playbook
from leadhub.pipeline.merging import Wish, merge_leads
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.rescore import rescore_due
from leadhub.resources import Ids, Resources, clock

FIT = {"job_title": "CTO", "employees": "120", "industry": "saas", "country": "US"}


async def comes(resources: Resources, *people: tuple[str, list[str]]) -> list[UUID]:
    """Let people with a perfect profile do something, judged by whatever the database says; return their leads."""
    work = Processing(resources.engine, Ids(), clock)
    told = [content({"email": f"{name}@{name}.example", **FIT}, activities=did) for name, did in people]
    submissions = await received(resources.engine, await a_source(resources.engine), *told)
    while (await process_due(work, await ActivePlaybook(resources.sessions).current(now=clock()))).claimed:
        pass
    found = {row["submission_id"]: row["lead_id"] for row in await rows(resources, "SELECT * FROM membership")}
    return [found[submission] for submission in submissions]


async def in_shadow(resources: Resources, document: str = CHEAPER) -> int:
    version = await drafted(resources, document)
    await playbook.begin_shadow(resources.sessions, version)
    return version


async def seen(resources: Resources, version: int, **limits: int) -> playbook.Shadowed:
    return await playbook.shadowed(resources.sessions, version, **limits)


async def promote(resources: Resources, version: int, expected: int | None = None) -> playbook.Published:
    return await playbook.promote(resources.sessions, version, author="ada", expected_active=expected, now=clock())


async def test_what_it_would_decide_otherwise_is_counted_and_nothing_follows(resources: Resources) -> None:
    version = await in_shadow(resources)

    priced, asked = await comes(resources, ("ana", ["pricing_page_viewed"]), ("bob", ["demo_requested"]))

    found = await seen(resources, version)
    assert (found.old, found.new, found.in_shadow) == ("guide@1", "guide@2", True)
    assert (found.leads, found.changed, found.rescored) == (2, 1, 1)
    assert found.moves == (
        Move("route", "sales:na", "nurture:awareness", 1),
        Move("stage", "MQL", "LEAD", 1),
        Move("temperature", "warm", "cold", 1),
    )
    [example] = found.examples
    assert example.lead_id == priced
    assert example.before == Standing(75, "MQL", "warm", "sales:na")
    assert example.after == Standing(55, "LEAD", "cold", "nurture:awareness")
    # The version that decides has decided: owners, events, ledger and tracks know of no other.
    decided = {row["id"]: row for row in await rows(resources, "SELECT * FROM lead")}
    assert [(decided[one]["stage"], decided[one]["route"]) for one in (priced, asked)] == [
        ("MQL", "sales"),
        ("SQL", "sales"),
    ]
    assert {row["playbook"] for row in await rows(resources, "SELECT playbook FROM score_line")} == {"guide@1"}
    assert await rows(resources, "SELECT * FROM enrolment") == []
    assert len(await rows(resources, "SELECT * FROM assignment")) == 2
    told = [row["body"] for row in await rows(resources, "SELECT convert_from(body, 'UTF8') AS body FROM event")]
    assert told
    assert not any("guide@2" in body for body in told)


async def test_a_lead_is_counted_once_by_its_newest_judgement(resources: Resources) -> None:
    version = await in_shadow(resources)
    await comes(resources, ("ana", ["pricing_page_viewed"]))
    before = await seen(resources, version)

    await comes(resources, ("ana", ["demo_requested"]))

    after = await seen(resources, version)
    assert (before.leads, before.changed) == (1, 1)
    assert (after.leads, after.changed, after.rescored) == (1, 0, 1)  # an SQL by both, for fewer points
    assert after.examples == ()


async def test_what_time_changes_is_judged_in_shadow_too(resources: Resources) -> None:
    await comes(resources, ("ana", ["pricing_page_viewed"]))
    version = await in_shadow(resources)
    with pytest.raises(NotFound):
        await seen(resources, 1)
    assert (await seen(resources, version)).leads == 0
    later = clock() + timedelta(days=31)
    work = Processing(resources.engine, Ids(), lambda: later)

    while await rescore_due(work, await ActivePlaybook(resources.sessions).current(now=later)):
        pass

    found = await seen(resources, version)
    assert (found.leads, found.rescored) == (1, 1)
    assert [(one.before.total, one.after.total) for one in found.examples] == [(65, 45)]


async def test_it_is_promoted_when_it_is_believed_and_what_it_said_stays(resources: Resources) -> None:
    version = await in_shadow(resources)
    await comes(resources, ("ana", ["pricing_page_viewed"]))
    with pytest.raises(PreconditionFailed):
        await promote(resources, version, expected=9)
    with pytest.raises(Conflict, match="is in shadow; promote it"):
        await publish(resources, version)

    done = await promote(resources, version, expected=1)

    states = {row["version"]: row["state"] for row in await rows(resources, "SELECT * FROM playbook_version")}
    assert (done.replaced, done.rescores, states) == (1, "some", {1: "retired", version: "active"})
    found = await seen(resources, version)
    assert (found.in_shadow, found.old, found.leads, found.changed) == (False, "guide@1", 1, 1)
    # Nobody is in shadow now: nothing more is written.
    await comes(resources, ("bob", ["pricing_page_viewed"]))
    assert (await seen(resources, version)).leads == 1
    with pytest.raises(Conflict, match="is not in shadow"):
        await promote(resources, version)


async def test_it_is_withdrawn_and_begins_anew(resources: Resources) -> None:
    version = await in_shadow(resources)
    stale = await ActivePlaybook(resources.sessions).current(now=clock())
    await comes(resources, ("ana", ["pricing_page_viewed"]))
    with pytest.raises(Conflict, match=f"Version {version} is in shadow"):
        await playbook.begin_shadow(resources.sessions, await drafted(resources, edited(3)))

    back = await playbook.withdraw(resources.sessions, version)

    assert back.state == "draft"
    assert (await seen(resources, version)).leads == 1
    # A worker that has not noticed yet writes nothing.
    await received(resources.engine, await a_source(resources.engine), content({"email": "bob@bob.example"}))
    await process_due(Processing(resources.engine, Ids(), clock), stale)
    assert (await seen(resources, version)).leads == 1
    await playbook.begin_shadow(resources.sessions, version)
    assert (await seen(resources, version)).leads == 0
    with pytest.raises(Conflict, match="is not in shadow"):
        await playbook.withdraw(resources.sessions, 1)


async def test_beside_another_playbook_it_is_counted_anew(resources: Resources) -> None:
    version = await in_shadow(resources)
    await comes(resources, ("ana", ["pricing_page_viewed"]))
    other = await drafted(resources, edited(3, ("{score: total, gte: 50}, {", "{score: total, gte: 55}, {")))
    await publish(resources, other)

    found = await seen(resources, version)

    assert (found.old, found.leads, found.changed) == ("guide@3", 0, 0)
    assert (await rows(resources, f"SELECT state FROM playbook_version WHERE version = {version}")) == [  # noqa: S608
        {"state": "shadow"}
    ]


async def test_a_lead_that_became_part_of_another_counts_no_more(resources: Resources) -> None:
    version = await in_shadow(resources)
    one, other = await comes(resources, ("ana", ["pricing_page_viewed"]), ("bob", ["pricing_page_viewed"]))
    assert (await seen(resources, version)).leads == 2
    wish = Wish(winner=LeadId(one), loser=LeadId(other), because="One person.", actor="a test")
    active = await ActivePlaybook(resources.sessions).current(now=clock())

    await merge_leads(Processing(resources.engine, Ids(), clock), active, wish)

    assert (await seen(resources, version)).leads == 1


async def test_what_was_said_is_forgotten_in_time_but_not_while_it_is_in_shadow(resources: Resources) -> None:
    version = await in_shadow(resources)
    await comes(resources, ("ana", ["pricing_page_viewed"]))
    later = clock() + timedelta(days=91)

    await housekeeping.purge_shadows(resources.sessions, now=later)
    kept = (await seen(resources, version)).leads
    await playbook.withdraw(resources.sessions, version)
    await housekeeping.purge_shadows(resources.sessions, now=later)

    assert kept == 1
    with pytest.raises(NotFound):
        await seen(resources, version)


async def test_a_worker_begins_and_ends_to_judge_beside_as_the_database_says(resources: Resources) -> None:
    active = ActivePlaybook(resources.sessions)
    version = await drafted(resources, CHEAPER)

    async def shadow_of(seconds: int) -> Any:
        return (await active.current(now=clock() + timedelta(seconds=seconds))).shadow

    before = await shadow_of(0)
    await playbook.begin_shadow(resources.sessions, version)
    during = await shadow_of(3)
    await playbook.withdraw(resources.sessions, version)
    after = await shadow_of(6)

    assert (before, during.version, during.playbook.reference, after) == (None, version, "guide@2", None)
