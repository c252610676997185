"""Versions of the playbook on a real database: who may decide, what a change would do, and who is judged again."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.sales import Sales, a_floor
from tests.support.waiting import a_source, content, received

from leadhub.domain.errors import Conflict, InvalidDocument, PreconditionFailed
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.domain.standing import Move
from leadhub.pipeline import playbook
from leadhub.pipeline.playbook import SETTLING, ActivePlaybook
from leadhub.pipeline.process import Processing, process_due
from leadhub.pipeline.rescore import rescore_published
from leadhub.pipeline.simulation import simulate
from leadhub.resources import Ids, Resources, clock

GUIDE = shipped("guide")


def edited(version: int, *replacements: tuple[str, str]) -> str:
    """The guide as another version, with some of its text replaced and without its own tests."""
    changed = GUIDE[: GUIDE.index("# Leads to try the rules on.")].replace("  version: 1\n", f"  version: {version}\n")
    for old, new in replacements:
        assert changed.count(old) == 1, old
        changed = changed.replace(old, new)
    return changed


CHEAPER = edited(2, ("points: 25,  once: true,      when: {event: pr", "points: 5, when: {event: pr"))


async def rows(resources: Resources, sql: str) -> list[dict[str, Any]]:
    async with resources.engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(text(sql))).mappings()]


async def drafted(resources: Resources, document: str) -> int:
    made = await playbook.draft(resources.sessions, document, author="ada", now=clock())
    return made.version


async def publish(resources: Resources, version: int, expected: int | None = None) -> playbook.Published:
    return await playbook.publish(resources.sessions, version, author="ada", expected_active=expected, now=clock())


async def some_leads(resources: Resources, *activities: Sequence[str]) -> list[UUID]:
    """Leads with a perfect profile that did these things; their ids in this order."""
    source = await a_source(resources.engine)
    fit = {"job_title": "CTO", "employees": "120", "industry": "saas", "country": "US"}
    contents = [
        content({"email": f"lead{number}@acme{number}.example", **fit}, activities=did)
        for number, did in enumerate(activities)
    ]
    submissions = await received(resources.engine, source, *contents)
    work = Processing(resources.engine, Ids(), clock)
    while (await process_due(work, compiled(GUIDE))).claimed:
        pass
    found = {row["submission_id"]: row["lead_id"] for row in await rows(resources, "SELECT * FROM membership")}
    return [found[submission] for submission in submissions]


def compiled(document: str) -> CompiledPlaybook:
    return compile_playbook(load(document))


def later(by: timedelta = SETTLING) -> Any:
    return lambda: clock() + by


async def test_a_draft_decides_nothing_until_it_is_published(resources: Resources) -> None:
    active = ActivePlaybook(resources.sessions)
    version = await drafted(resources, CHEAPER)
    before = await active.current(now=clock())

    done = await publish(resources, version)

    after = await active.current(now=clock() + timedelta(seconds=3))
    states = {row["version"]: row["state"] for row in await rows(resources, "SELECT * FROM playbook_version")}
    assert (before.reference, after.reference) == ("guide@1", "guide@2")
    assert (done.version, done.replaced, done.rescores) == (2, 1, "some")
    assert states == {1: "retired", 2: "active"}


async def test_a_broken_document_is_refused_with_all_its_findings_and_changes_nothing(resources: Resources) -> None:
    broken = edited(2, ("{field: title, words: $personas}", "{field: titel, words: $persona}"))

    with pytest.raises(InvalidDocument) as refused:
        await drafted(resources, broken)

    details = [one.detail for one in refused.value.errors]
    assert any("unknown field 'titel'; did you mean 'title'?" in one for one in details)
    assert any("unknown list 'persona'; did you mean 'personas'?" in one for one in details)
    assert [row["state"] for row in await rows(resources, "SELECT state FROM playbook_version")] == ["active"]


async def test_a_document_that_fails_its_own_test_is_refused_at_the_tests_line(resources: Resources) -> None:
    failing = GUIDE.replace("  version: 1\n", "  version: 2\n").replace("points: 25,  once", "points: 24,  once")

    with pytest.raises(InvalidDocument) as refused:
        await drafted(resources, failing)

    line = failing[: failing.index("expect: {total: 80")].count("\n") + 1
    assert [one for one in refused.value.errors if f"line {line}," in one.detail and "total is 79" in one.detail]


async def test_one_reference_never_stands_for_two_documents(resources: Resources) -> None:
    with pytest.raises(InvalidDocument, match="guide@1 was published with another content; call this one version 2"):
        await drafted(resources, edited(1))


async def test_of_two_that_publish_at_once_one_wins_and_the_other_changes_nothing(resources: Resources) -> None:
    mine, yours = (
        await drafted(resources, CHEAPER),
        await drafted(resources, edited(3, ("gte: 50}, {score: e", "gte: 55}, {score: e"))),
    )

    results = await asyncio.gather(
        publish(resources, mine, expected=1), publish(resources, yours, expected=1), return_exceptions=True
    )

    [won] = [one for one in results if isinstance(one, playbook.Published)]
    assert [type(one) for one in results if isinstance(one, Exception)] == [PreconditionFailed]
    active = await rows(resources, "SELECT version FROM playbook_version WHERE state = 'active'")
    runs = await rows(resources, "SELECT version FROM rescore_run")
    assert active == runs == [{"version": won.version}]


async def test_one_draft_is_published_once(resources: Resources) -> None:
    version = await drafted(resources, CHEAPER)

    results = await asyncio.gather(*(publish(resources, version) for _ in range(4)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["Conflict"] * 3 + ["Published"]


async def test_rolling_back_publishes_the_older_document_again(resources: Resources) -> None:
    await publish(resources, await drafted(resources, CHEAPER))

    done = await playbook.roll_back(resources.sessions, 1, author="ada", expected_active=2, now=clock())

    [active] = await rows(resources, "SELECT * FROM playbook_version WHERE state = 'active'")
    assert (done.version, done.reference, done.replaced) == (3, "guide@1", 2)
    assert active["document"] == GUIDE
    with pytest.raises(Conflict):
        await playbook.roll_back(resources.sessions, 3, author="ada", expected_active=None, now=clock())


async def test_a_simulation_tells_what_would_change_and_changes_nothing(resources: Resources) -> None:
    priced, _, quiet = await some_leads(resources, ["pricing_page_viewed"], ["demo_requested"], [])
    before = await rows(resources, "SELECT * FROM lead ORDER BY id")

    found = await simulate(resources.engine, compiled(GUIDE), compiled(CHEAPER), now=clock(), slice_rows=2)

    assert (found.leads, found.changed, found.rescored, found.complete) == (3, 1, 1, True)
    assert found.moves == (
        Move("stage", "MQL", "LEAD", 1),
        Move("temperature", "warm", "cold", 1),
        Move("route", "sales:na", "nurture:awareness", 1),
    )
    assert [(one.lead_id, one.before.total, one.after.total) for one in found.examples] == [(priced, 75, 55)]
    assert [(load.name, load.before, load.after) for load in found.teams] == [("na", 2, 1)]
    assert sum(load.before for load in found.owners) == 2
    assert sum(load.after for load in found.owners) == 1
    assert [(band.low, band.before, band.after) for band in found.bands] == [(50, 2, 3), (70, 1, 0)]
    assert quiet not in [one.lead_id for one in found.examples]
    assert await rows(resources, "SELECT * FROM lead ORDER BY id") == before


async def test_a_simulation_deals_leads_out_to_who_has_room_and_is_there_and_says_what_it_leaves_out(
    resources: Resources,
) -> None:
    sales = Sales(resources, a_floor("ann"))
    await sales.asked("eva")
    await sales.did("page_viewed", "fay", "gus", "hal")
    today = sales.now.date().isoformat()
    people = {"user": "ann", "capacity": 2}, {"user": "bob", "away": [{"from": today, "until": today}]}
    everybody = {"rules": [{"id": "all", "to": {"team": "emea"}}]}

    async def loads(*members: dict[str, Any] | str) -> dict[str, tuple[int, int]]:
        tried = a_floor(*members, version=2, routing=everybody)
        found = await simulate(resources.engine, sales.playbook, tried, now=sales.now, slice_rows=2)
        assert found.left_out == ("working hours", "rates", "who had a lead, or others of its company, before")
        return {load.name: (load.before, load.after) for load in found.owners}

    # Ann has one lead, and room for one more; Bob is away.
    assert await loads(*people) == {"ann": (1, 2), "nobody can take it": (0, 2)}
    # Ann is not in the document any more: what she has goes to the others.
    assert await loads("zoe") == {"ann": (1, 0), "zoe": (0, 4)}


async def test_after_a_publication_only_leads_that_the_change_can_touch_are_judged_again(resources: Resources) -> None:
    priced, asked, quiet = await some_leads(resources, ["pricing_page_viewed"], ["demo_requested"], [])
    await publish(resources, await drafted(resources, CHEAPER))
    work = Processing(resources.engine, Ids(), later())

    while await rescore_published(work, compiled(CHEAPER)):
        pass

    judged_by = {
        row["id"]: row["evaluation"]["model"] for row in await rows(resources, "SELECT id, evaluation FROM lead")
    }
    [run] = await rows(resources, "SELECT * FROM rescore_run")
    assert judged_by == {priced: "guide@2", asked: "guide@1", quiet: "guide@1"}
    assert (run["judged"], run["changed"], run["reach"]["events"]) == (1, 1, ["pricing_page_viewed"])
    assert run["finished_at"] is not None


async def test_a_re_score_that_was_killed_goes_on_where_it_stood(resources: Resources) -> None:
    leads = await some_leads(resources, *([["pricing_page_viewed"]] * 5))
    await publish(resources, await drafted(resources, CHEAPER))
    work = Processing(resources.engine, Ids(), later(), batch_rows=2)

    await rescore_published(work, compiled(CHEAPER))  # and here its worker died
    successor = Processing(resources.engine, Ids(), later(), batch_rows=2)
    while await rescore_published(successor, compiled(CHEAPER)):
        pass

    versions = {row["id"]: row["version"] for row in await rows(resources, "SELECT id, version FROM lead")}
    [run] = await rows(resources, "SELECT * FROM rescore_run")
    assert versions == dict.fromkeys(leads, 2)
    assert run["judged"] == 5


async def test_a_run_waits_until_no_worker_judges_by_the_old_version(resources: Resources) -> None:
    await some_leads(resources, ["pricing_page_viewed"])
    await publish(resources, await drafted(resources, CHEAPER))

    assert await rescore_published(Processing(resources.engine, Ids(), clock), compiled(CHEAPER)) is False


async def test_a_crossing_is_told_once(resources: Resources) -> None:
    [lead] = await some_leads(resources, ["pricing_page_viewed"])
    source = await a_source(resources.engine)
    work = Processing(resources.engine, Ids(), clock)
    for did in (["pricing_page_viewed"], ["demo_requested"], ["demo_requested"]):
        await received(resources.engine, source, content({"email": "lead0@acme0.example"}, activities=did))
        await process_due(work, compiled(GUIDE))

    told = await rows(resources, "SELECT type, sequence FROM event ORDER BY sequence")

    assert [row["type"] for row in told if row["type"] not in {"lead.created", "lead.updated", "lead.routed"}] == [
        "lead.mql",
        "lead.sql",
        "lead.hot",
    ]
    assert [row["sequence"] for row in told] == list(range(1, len(told) + 1))
    assert [row["sequence"] for row in await rows(resources, f"SELECT sequence FROM lead WHERE id = '{lead}'")] == [  # noqa: S608
        len(told)
    ]


async def test_a_disqualified_lead_is_told_of_with_the_reason(resources: Resources) -> None:
    source = await a_source(resources.engine)
    await received(
        resources.engine, source, content({"email": "eve@rival.example"}, activities=["newsletter_subscribed"])
    )

    await process_due(Processing(resources.engine, Ids(), clock), compiled(GUIDE))

    [told] = await rows(
        resources, "SELECT convert_from(body, 'UTF8')::jsonb AS body FROM event WHERE type = 'lead.disqualified'"
    )
    assert told["body"]["data"]["because"] == "disqualified: competitor"
    assert told["body"]["data"]["stage_before"] is None
