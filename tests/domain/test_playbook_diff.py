"""What is different between two playbooks, and whom it can touch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.views import NOW, PERFECT_FIT, a_view, did, the_guide

from leadhub.domain.model import Fact, LeadView
from leadhub.domain.playbook_diff import EVERYONE, NOBODY, Reach, differences, reach
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook

GUIDE = the_guide()

CASES: dict[str, tuple[tuple[str, str], list[tuple[str, str]], Reach]] = {
    "points of an activity": (
        ("points: 25,  once", "points: 20,  once"),
        [("scoring.engagement.pricing", "changed")],
        Reach(events=frozenset({"pricing_page_viewed"})),
    ),
    "a list, where it is used": (
        ("[US, CA, GB, DE]", "[US, CA, GB, DE, FR]"),
        [("vocab.markets", "changed"), ("scoring.fit.location", "changed")],
        Reach(fields=frozenset({"country"})),
    ),
    "a field's bound, by its canonical name": (
        ("{field: title, words: $off_personas}", "{field: title, words: [student]}"),
        [("scoring.fit.off_role", "changed")],
        Reach(fields=frozenset({"job_title"})),
    ),
    "a signal": (
        ("hand_raise: {event: $hand_raises, within: 14d}", "hand_raise: {event: $hand_raises, within: 7d}"),
        [("signals.hand_raise", "changed")],
        Reach(events=frozenset({"demo_requested", "quote_requested", "contact_sales_submitted", "callback_requested"})),
    ),
    "a threshold": (
        ("{score: total, gte: 50}", "{score: total, gte: 55}"),
        [("stages.MQL", "changed")],
        EVERYONE,
    ),
    "idle tiers": (("{30d: -10, 60d", "{30d: -5, 60d"), [("scoring.engagement.idle", "changed")], EVERYONE),
    "a checklist": (("lte: 6}\n  champ", "lte: 3}\n  champ"), [("frameworks.bant.timeline", "changed")], EVERYONE),
    "bounds of a group": (("max: 50\n", "max: 45\n"), [("scoring.fit.max", "changed")], EVERYONE),
    "people": (("{user: dora}", "{user: dory}"), [("teams.emea", "changed")], NOBODY),
    "when a step is sent": (
        ("after: 10d, window: office, content: how-it-works", "after: 9d, window: office, content: how-it-works"),
        [("nurture.steps.awareness", "changed")],
        NOBODY,
    ),
    "whom a track is for": (
        ("when: {idle_days: {gte: 60}}", "when: {idle_days: {gte: 90}}"),
        [("nurture.tracks.re-engage", "changed")],
        EVERYONE,
    ),
    "a goal": (
        ("goal: {event: content_downloaded}", "goal: {event: webinar_attended}"),
        [("nurture.leaving.goals", "changed")],
        EVERYONE,
    ),
    "a comment": (("# Who the lead is.", "# Who it is."), [], NOBODY),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_different_and_whom_it_touches(name: str) -> None:
    replacement, expected, touched = CASES[name]
    new = the_guide(replacement)

    found = [(one.path, one.kind) for one in differences(GUIDE, new)]

    assert found == expected
    assert reach(GUIDE, new) == touched


def test_the_same_playbook_has_no_differences() -> None:
    for name in ("guide", "saas", "insurance"):
        assert differences(load(shipped(name)), load(shipped(name))) == []


def test_entries_that_change_places_have_moved() -> None:
    pql, mql = (
        line for line in shipped("guide").splitlines() if line.startswith(("  - {stage: PQL", "  - {stage: MQL"))
    )

    found = differences(GUIDE, the_guide((f"{pql}\n{mql}", f"{mql}\n{pql}")))

    assert [(one.path, one.kind) for one in found] == [("stages.MQL", "moved"), ("stages.PQL", "moved")]


EDITED = {edit: compile_playbook(the_guide(edit)) for edit, _, touched in CASES.values() if not touched.everyone}
COMPILED = compile_playbook(GUIDE)
FACTS = st.lists(
    st.builds(
        lambda kind, days: did(kind, ago=days),
        st.sampled_from(["pricing_page_viewed", "demo_requested", "webinar_attended"]),
        st.timedeltas(min_value=NOW - NOW, max_value=NOW - NOW.replace(year=NOW.year - 1)),
    ),
    max_size=4,
)


@given(
    st.sampled_from([*EDITED]),
    FACTS,
    st.sets(st.sampled_from([*PERFECT_FIT])),
)
@settings(max_examples=150)
def test_whom_a_change_does_not_touch_is_judged_as_before(
    edit: tuple[str, str], facts: list[Fact], known: set[str]
) -> None:
    new = EDITED[edit]
    view = a_view({name: PERFECT_FIT[name] for name in known}, *facts)
    touched = reach(GUIDE, new.playbook)

    if not _carries(view, touched):
        assert COMPILED.decide(view, now=NOW).outcome() == new.decide(view, now=NOW).outcome()


def _carries(view: LeadView, touched: Reach) -> bool:
    return bool(touched.fields & view.fields.keys() or touched.events & {fact.type for fact in view.facts})
