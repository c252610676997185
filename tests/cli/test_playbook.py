"""A marketing person's hour with the playbook, by commands alone; and the commands' answers to mistakes."""

import json
from pathlib import Path

from tests.cli.commands import Leadhub
from tests.support.waiting import a_source, content, received

from leadhub.pipeline.playbook import SETTLING, ActivePlaybook
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, clock
from leadhub.schedule import Jobs

WORTH = "points: 25,  once: true,      when: {event: pricing_page_viewed}"


async def history(resources: Resources) -> None:
    """Three leads with a perfect profile, one of whom looked at prices; again, they come back and do the same."""
    source = await a_source(resources.engine)
    fit = {"job_title": "CTO", "employees": "120", "industry": "saas", "country": "US"}
    did: tuple[list[str], ...] = (["pricing_page_viewed"], ["newsletter_subscribed"], ["demo_requested"])
    await received(
        resources.engine,
        source,
        *(content({"email": f"a{n}@acme{n}.example", **fit}, activities=one) for n, one in enumerate(did)),
    )
    work = Processing(resources.engine, Ids(), clock)
    await process_due(work, await ActivePlaybook(resources.sessions).current(now=clock()))


async def test_a_marketing_persons_hour(leadhub: Leadhub, resources: Resources, tmp_path: Path) -> None:
    await history(resources)
    file = tmp_path / "mine.yaml"
    start = (await leadhub("playbook", "show", "guide")).out
    rules = start[: start.index("# Leads to try the rules on.")].replace("  version: 1\n", "  version: 2\n")
    tests = """
tests:
  - name: the pricing page alone makes nobody an MQL
    given: {fields: {title: CTO, employees: 120, industry: saas, country: US}, events: [{event: pricing_page_viewed}]}
    expect: {total: 55, stage: LEAD}
"""
    cheaper = rules.replace(WORTH, WORTH.replace("25", "5")) + tests

    # She writes, with two slips.
    slips = cheaper.replace("{field: employees, between", "{field: employes, between").replace(
        "$off_personas", "$of_personas"
    )
    file.write_text(slips)
    first = await leadhub("playbook", "lint", str(file))
    assert first.code == 1
    assert "unknown field 'employes'; did you mean 'employees'?" in first.out
    assert "unknown list 'of_personas'; did you mean 'off_personas'?" in first.out
    assert first.out.count("error: line ") == 2

    # She puts them right, and keeps a draft.
    file.write_text(cheaper)
    second = await leadhub("playbook", "lint", str(file))
    assert (second.code, second.out) == (0, "")
    assert "guide@2 holds; 1 test passes" in second.err
    drafted = await leadhub("playbook", "draft", str(file), "--message", "prices are looked at by everyone")
    assert drafted.out.strip() == "version 2"

    # She tries it on the leads there are: nothing is changed.
    compared = await leadhub("playbook", "diff", "2", "--json")
    assert "scoring.engagement.pricing" in [one["path"] for one in json.loads(compared.out)]
    tried = json.loads((await leadhub("playbook", "simulate", "2", "--json")).out)
    assert (tried["leads"], tried["changed"]) == (3, 1)
    assert {"what": "stage", "before": "MQL", "after": "LEAD", "leads": 1} in tried["moves"]
    told = await leadhub("playbook", "simulate", "2", "--days", "30")
    assert "1 of 3 leads would be judged differently by guide@2" in told.out
    assert "3 of 3 leads" in told.err

    # She lets it judge beside the one that decides for a while: still nothing is changed.
    assert (await leadhub("playbook", "publish", "2", "--shadow")).out.strip() == "version 2"
    await history(resources)
    beside = await leadhub("playbook", "shadow")
    assert "1 of 3 leads would be judged differently by guide@2" in beside.out
    assert "1  stage: MQL → LEAD" in beside.out
    assert "playbook promote 2` lets it decide" in beside.err

    # She promotes it, and sees the leads judged again; what the change cannot touch is left alone.
    promoted = await leadhub("playbook", "promote", "2")
    assert promoted.out.strip() == "version 2"
    assert "in place of version 1" in promoted.err
    assert await rescored(leadhub, resources, 2) == (1, 1)

    # And goes back.
    back = await leadhub("playbook", "rollback", "1")
    assert back.out.strip() == "version 3"
    assert await rescored(leadhub, resources, 3) == (1, 1)
    listed = await leadhub("playbook", "list")
    assert [line.split("\t")[:3] for line in listed.out.splitlines()] == [
        ["3", "guide@1", "active"],
        ["2", "guide@2", "retired"],
        ["1", "guide@1", "retired"],
    ]


async def rescored(leadhub: Leadhub, resources: Resources, version: int) -> tuple[int, int]:
    """Do the worker's job, after the time in which workers notice a publication: how many, how many differently."""
    before = json.loads((await leadhub("playbook", "rescore", str(version), "--json")).out)
    assert (before["judged"], before["finished_at"]) == (0, None)
    work = Processing(resources.engine, Ids(), lambda: clock() + SETTLING)
    await Jobs(resources, work, ActivePlaybook(resources.sessions)).rescore()
    run = json.loads((await leadhub("playbook", "rescore", str(version), "--json")).out)
    assert run["finished_at"]
    return run["judged"], run["changed"]


async def test_mistakes_are_answered_in_a_sentence(leadhub: Leadhub, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: Playbok\n")

    drafted = await leadhub("playbook", "draft", str(broken))
    tried = await leadhub("playbook", "simulate", str(broken))
    unknown = await leadhub("playbook", "publish", "7")
    again = await leadhub("playbook", "rollback", "1")

    assert drafted.code == 1
    assert "must be 'Playbook'; did you mean 'Playbook'?" in drafted.out
    assert (tried.code, unknown.code, again.code) == (1, 2, 2)
    assert "There is no version of that number." in unknown.err
    assert "Version 1 decides already." in again.err
    assert "Traceback" not in "".join(one.err for one in (drafted, tried, unknown, again))


async def test_the_grammar_is_printed_for_editors(leadhub: Leadhub) -> None:
    found = json.loads((await leadhub("playbook", "schema")).out)

    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"scoring", "routing", "nurture", "tests"} <= found["properties"].keys()
