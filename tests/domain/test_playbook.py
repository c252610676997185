import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from tests.support.views import NOW, PERFECT_FIT, a_view, did, document, scored

from leadhub.domain import documents
from leadhub.domain.errors import FieldError, InvalidDocument, NotFound
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_loading import load, read, shipped, shipped_names
from leadhub.domain.playbook_schema import schema
from leadhub.domain.playbook_tests import NOW as TEST_NOW
from leadhub.domain.playbook_tests import examine, given_lead, run_document_tests
from leadhub.domain.scoring import compile_playbook


def findings(text: str) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as caught:
        load(text)
    return {error.pointer: error.detail for error in caught.value.errors}


def only_finding(text: str) -> FieldError:
    with pytest.raises(InvalidDocument) as caught:
        load(text)
    assert len(caught.value.errors) == 1, caught.value.errors
    return caught.value.errors[0]


def guide_with(*replacements: tuple[str, str]) -> str:
    text = shipped("guide")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_playbook_loads_and_passes_its_own_tests(name: str) -> None:
    playbook = load(shipped(name))

    assert playbook.tests
    assert run_document_tests(playbook) == []
    assert playbook.reference == f"{name}@1"


def test_guide_and_basics_are_shipped() -> None:
    assert set(shipped_names()) >= {"guide", "basics"}


def test_an_unknown_shipped_name_says_which_there_are() -> None:
    with pytest.raises(NotFound, match="basics, e-commerce, guide"):
        shipped("../secrets")


def test_the_guide_has_no_warnings_and_basics_warns_that_fit_alone_is_enough() -> None:
    assert read(shipped("guide")).warnings == ()
    (warning,) = read(shipped("basics")).warnings
    assert warning.pointer == "#/stages/1/when"
    assert "fit alone reaches 50" in warning.detail


def test_json_is_read_like_yaml() -> None:
    guide = load(shipped("guide"))

    assert load(guide.model_dump_json(exclude_none=True)) == guide
    assert load(json.dumps(json.loads(document()), indent=2)) == load(document())


def test_json_escapes_beyond_the_basic_plane_are_read() -> None:
    text = json.dumps(json.loads(document(metadata={"name": "small", "version": 1, "note": "hot 🔥 \\ud83d"})))

    assert "\\ud83d\\udd25" in text
    assert load(text).metadata.note == "hot 🔥 \\ud83d"


def test_the_document_has_a_json_schema_for_editors() -> None:
    schema = Playbook.model_json_schema()

    assert schema["additionalProperties"] is False
    assert {"apiVersion", "scoring", "stages", "routing"} <= set(schema["required"])


def test_all_findings_come_at_once_with_line_column_and_suggestion() -> None:
    found = findings(
        guide_with(
            ("field: employees", "field: employes"),
            ("in: $markets", "in: $market"),
            ("{id: unsub,      points", "{id: unsub,      pionts"),
            ("{level: cold}", "{level: cool}"),
            ("{team: plg}", "{team: pgl}"),
            ("Europe/Berlin, days", "Europe/Berln, days"),
            ("{id: rest,     to: nurture}", "{id: sql, to: nowhere}"),
            ("90d: -30", "90x: -30"),
            ("sla: service}\n", "sla: servise}\n"),
            ("  owner: marketing-ops@example.test", "  name: other"),
        )
    )

    rules = "#/scoring/groups"
    expected = {
        "#/metadata/name": "line 9, column 3: 'name' stands twice; first in line 7",
        f"{rules}/fit/rules/1/when/field": "line 37, column 55: unknown field 'employes'; did you mean 'employees'?",
        f"{rules}/fit/rules/3/when/in/0": "line 39, column 68: unknown list 'market'; did you mean 'markets'?",
        f"{rules}/engagement/rules/6/pionts": "line 53, column 28: unknown key 'pionts'; did you mean 'points'?",
        f"{rules}/engagement/rules/7/tiers/90x": (
            "line 54, column 56: a duration is a whole number and a unit (s, m, h, d, w): 90d, 15m"
        ),
        "#/temperature/2/level": ("line 91, column 13: must be 'cold', 'warm' or 'hot'; did you mean 'cold'?"),
        "#/calendars/office/timezone": (
            "line 111, column 22: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"
        ),
        "#/routing/rules/1/sla": "line 122, column 86: unknown promise 'servise'; did you mean 'service'?",
        "#/routing/rules/3/to/team": "line 124, column 87: unknown team 'pgl'; did you mean 'plg'?",
        "#/routing/rules/6/id": "line 127, column 12: 'sql' stands twice",
        "#/routing/rules/6/to": "line 127, column 21: must be 'none' or 'nurture'",
    }
    assert found == expected


def test_a_broken_section_does_not_hide_what_is_wrong_with_the_others() -> None:
    found = findings(
        document(
            routing={"rules": [{"id": "rest", "to": "nowhere"}]},
            stages=[{"stage": "MQL", "when": {"score": "total", "gte": 6}}, {"stage": "LEAD"}],
            scoring=scored({"id": "seen", "points": 5, "when": {"event": "page_viewed"}}),
        )
    )

    assert set(found) == {"#/routing/rules/0/to", "#/stages/0/when/gte"}
    assert "never true: total reaches 5 at most" in found["#/stages/0/when/gte"]


RULE: dict[str, Any] = {"id": "one", "points": 5}
EVENT = {"event": "page_viewed"}


@pytest.mark.parametrize(
    ("rule", "pointer", "detail"),
    [
        ({**RULE, "when": {"feild": "country"}}, "when/feild", "unknown condition 'feild'; did you mean 'field'?"),
        ({**RULE, "when": {}}, "when", "empty condition"),
        ({**RULE, "when": "always"}, "when", "a condition is a mapping"),
        ({**RULE, "when": {"event": "a", "field": "country"}}, "when/event", "need a condition each"),
        ({**RULE, "when": {"field": "country"}}, "when", "a field needs one of in"),
        (
            {**RULE, "when": {"field": "title", "between": [1, 2]}},
            "when/between",
            "compares numbers, but 'title' holds",
        ),
        ({**RULE, "when": {"field": "title", "gte": 1}}, "when/gte", "compares numbers"),
        ({**RULE, "when": {"field": "employees", "words": ["a lot"]}}, "when/words", "holds a number"),
        ({**RULE, "when": {"field": "employees", "in": ["many"]}}, "when/in/0", "this field holds a number"),
        ({**RULE, "when": {"field": "employees", "between": [9, 1]}}, "when/between", "greater than the second"),
        ({**RULE, "when": {"field": "country", "in": ["Germany"]}}, "when/in/0", "two-letter code"),
        ({**RULE, "when": {"field": "country", "in": ["UK"]}}, "when/in/0", "'GB'"),
        ({**RULE, "when": {"field": "country", "in": []}}, "when/in", "at least 1 is expected"),
        ({**RULE, "when": {"field": "need", "present": True, "words": ["x"]}}, "when/present", "a condition each"),
        ({**RULE, "when": {"all": [{"any": [{"stage": ["MQL"]}]}]}}, "when/all/0/any/0/stage", "not decided yet here"),
        ({**RULE, "when": {"gained": "total", "gte": 1}}, "when/gained", "only in reopen_when"),
        ({**RULE, "when": {"event": "a", "where": {"b": {}}}}, "when/where/b", "either in or not_in"),
        ({**RULE, "when": {"event": "a", "within": "soon"}}, "when/within", "a duration is a whole number and a unit"),
        ({**RULE, "when": {"event": "a", "at_least": 0}}, "when/at_least", "must be greater than or equal to 1"),
        ({**RULE, "when": EVENT, "per": "id", "each": True}, "each", "'per' and 'each' exclude each other"),
        ({**RULE, "when": {"contactable": True}, "each": True}, "each", "its 'when' must be an event"),
        ({**RULE, "when": {**EVENT, "at_least": 2}, "per": "id"}, "per", "leave out distinct and at_least"),
        ({**RULE, "when": EVENT, "cooldown": "1d"}, "cooldown", "goes with 'each'"),
        ({**RULE, "when": EVENT, "each": True, "max_points": -5}, "max_points", "another sign"),
        ({**RULE, "when": EVENT, "points": 0}, "points", "0 points change nothing"),
        ({**RULE, "when": EVENT, "points": "5"}, "points", "a whole number is expected here"),
        ({**RULE, "when": {"idle_since": "last_activity"}}, "when", "go together"),
        ({"id": "one", "when": EVENT}, "", "either 'points' or 'tiers'"),
        ({"points": 5, "when": EVENT}, "id", "'id' is required"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_where_it_stands(rule: dict[str, Any], pointer: str, detail: str) -> None:
    finding = only_finding(document(scoring=scored(rule)))

    assert finding.pointer == f"#/scoring/groups/engagement/rules/0{'/' if pointer else ''}{pointer}"
    assert detail in finding.detail


@pytest.mark.parametrize(
    ("sections", "pointer", "detail"),
    [
        ({"stages": [{"stage": "LEAD", "when": {"contactable": True}}]}, "#/stages/0", "must be a catch-all"),
        ({"stages": [{"stage": "LEAD"}, {"stage": "MQL", "when": EVENT}]}, "#/stages/1", "never reached"),
        ({"nurture": {"tracks": [{"id": "t", "when": EVENT}]}}, "#/nurture/tracks/0", "must be a catch-all"),
        ({"temperature": [{"level": "hot", "when": EVENT}]}, "#/temperature/0", "must be a catch-all"),
        ({"routing": {"rules": [{"id": "r", "when": EVENT, "to": "none"}]}}, "#/routing/rules/0", "be a catch-all"),
        (
            {"temperature": [{"level": "hot", "when": EVENT}, {"level": "warm", "when": EVENT}, {"level": "cold"}]},
            "#/temperature/1",
            "same condition",
        ),
        ({"signals": {"a": {"signal": "b"}, "b": EVENT}}, "#/signals/a/signal", "signal 'b' stands below"),
        ({"signals": {"a": {"signal": "a"}}}, "#/signals/a/signal", "stands below"),
        ({"stages": [{"stage": "SQL", "when": {"framework": "bnat", "met": 1}}, {"stage": "LEAD"}],
          "frameworks": {"bant": {"need": {"field": "need", "present": True}}}},
         "#/stages/0/when/framework", "unknown framework 'bnat'; did you mean 'bant'?"),
        ({"stages": [{"stage": "SQL", "when": {"framework": "bant", "met": 2}}, {"stage": "LEAD"}],
          "frameworks": {"bant": {"need": {"field": "need", "present": True}}}},
         "#/stages/0/when/met", "'bant' has 1 items"),
        ({"stages": [{"stage": "MQL", "when": {"score": "fitt", "gte": 1}}, {"stage": "LEAD"}]},
         "#/stages/0/when/score", "unknown score 'fitt'"),
        ({"stages": [{"stage": "MQL", "when": {"score": "total", "gte": 6}}, {"stage": "LEAD"}]},
         "#/stages/0/when/gte", "never true: total reaches 5 at most"),
        ({"stages": [{"stage": "MQL", "when": {"score": "engagement", "lte": -1}}, {"stage": "LEAD"}]},
         "#/stages/0/when/lte", "never true: engagement is at least 0"),
        ({"teams": {"na": {"members": [{"user": "cid", "active": False}]}}},
         "#/teams/na/members", "no member is active"),
        ({"teams": {"na": {"members": [{"user": "cid", "weight": 0}]}}},
         "#/teams/na/members/0/weight", "must be greater than or equal to 1"),
        ({"teams": {"na": {"members": [{"user": "cid"}, {"user": "cid"}]}}},
         "#/teams/na/members/1/user", "stands twice"),
        ({"calendars": {"c": {"timezone": "UTC", "days": {"mon-fri": []}}}}, "#/calendars/c/days", "never open"),
        ({"calendars": {"c": {"timezone": "UTC", "days": {"mo": ["09:00-17:00"]}}}},
         "#/calendars/c/days", "unknown day"),
        ({"calendars": {"c": {"timezone": "UTC", "days": {"mon": ["17:00-09:00"]}}}},
         "#/calendars/c/days", "does not end"),
        ({"calendars": {"c": {"timezone": "../etc", "days": {"mon": ["09:00-17:00"]}}}},
         "#/calendars/c/timezone", "unknown time zone"),
        ({"sla": {"hot": {"first_contact": "5m", "calendar": "office"}}}, "#/sla/hot/calendar", "unknown calendar"),
        ({"routing": {"rules": [{"id": "r", "to": {"team": "territory"}}]}},
         "#/routing/rules/0/to/team", "'territories'"),
        ({"routing": {"rules": [{"id": "r", "to": "none", "sla": "hot"}]}, "sla": {"hot": {"first_contact": "5m"}}},
         "#/routing/rules/0/sla", "only a team can keep a promise"),
        ({"feedback": {"reject": {"reasons": {"x": {"track": "recycel"}}}}},
         "#/feedback/reject/reasons/x/track", "unknown track 'recycel'"),
        ({"nurture": {"tracks": [{"id": "t", "steps": [{"id": "s", "content": "c", "until": "hand_rise"}]}]},
          "signals": {"hand_raise": EVENT}},
         "#/nurture/tracks/0/steps/0/until", "unknown signal 'hand_rise'; did you mean 'hand_raise'?"),
        ({"nurture": {"tracks": [{"id": "t", "steps": [{"id": "s", "content": "c", "at_most": "3d"}]}]}},
         "#/nurture/tracks/0/steps/0/at_most", "it goes with 'until'"),
        ({"scoring": scored(RULE | {"when": EVENT}, RULE | {"when": EVENT})},
         "#/scoring/groups/engagement/rules/1/id", "'one' stands twice"),
        ({"scoring": scored(RULE | {"when": EVENT}, decay={"every": "30d", "lose": "0%"})},
         "#/scoring/groups/engagement/decay/lose", "must be greater than or equal to 1"),
        ({"scoring": {"groups": {"total": {"rules": [RULE | {"when": EVENT}]}}}},
         "#/scoring/groups/total", "'total' is the sum"),
        ({"vocab": {"lands": ["Germany"]},
          "stages": [{"stage": "MQL", "when": {"field": "country", "in": "$lands"}}, {"stage": "LEAD"}]},
         "#/stages/0/when/in/0", "'Germany' in list 'lands'"),
        ({"kind": "Playbok"}, "#/kind", "must be 'Playbook'"),
        ({"stages": {}}, "#/stages", "a list is expected here"),
    ],
)  # fmt: skip
def test_a_document_that_makes_no_sense_is_refused_where_it_stands(
    sections: dict[str, Any], pointer: str, detail: str
) -> None:
    finding = only_finding(document(**sections))

    assert finding.pointer == pointer
    assert detail in finding.detail


@pytest.mark.parametrize(
    ("sections", "pointer", "detail"),
    [
        ({"scoring": scored(RULE | {"when": EVENT, "each": True, "max_points": 3})},
         "#/scoring/groups/engagement/rules/0/max_points", "cap is smaller than one award"),
        ({"vocab": {"titles": ["x", "chief"]},
          "scoring": scored(RULE | {"when": {"field": "title", "words": "$titles"}})},
         "#/vocab/titles", "one-letter words match more than they should: x"),
        ({"vocab": {"titles": ["chief"]}}, "#/vocab/titles", "used nowhere"),
        ({"scoring": scored(RULE | {"when": {"contactable": True}}, decay={"every": "30d", "lose": "25%"})},
         "#/scoring/groups/engagement/rules/0/when", "does not fade"),
        ({"nurture": {"tracks": [{"id": "awareness"}]}}, "#/nurture/tracks/0", "track 'awareness' has no steps"),
        ({"scoring": scored(RULE | {"when": {"event": ["page_seen", "pricing_page_veiwed"]}})},
         "#/scoring/groups/engagement/rules/0/when/event", "'pricing_page_veiwed' is nearly 'pricing_page_viewed'"),
        ({"teams": {"na": {"members": [{"user": "ann"}]}}}, "#/teams/na", "'na' gets no leads"),
        ({"teams": {"na": {"members": [{"user": "ann"}]}}, "territories": [{"team": "na"}]},
         "#/teams/na", "'na' gets no leads"),
        ({"sla": {"hot": {"first_contact": "5m"}}}, "#/sla/hot", "'hot' is made by no rule"),
        ({"calendars": {"office": {"timezone": "UTC", "days": {"mon": ["09:00-17:00"]}}}},
         "#/calendars/office", "'office' is used nowhere"),
    ],
)  # fmt: skip
def test_what_is_seldom_meant_is_a_warning(sections: dict[str, Any], pointer: str, detail: str) -> None:
    sends = {"tracks": [{"id": "awareness", "steps": [{"id": "hello", "content": "hello"}]}]}

    (warning,) = read(document(**{"nurture": sends} | sections)).warnings

    assert warning.pointer == pointer
    assert detail in warning.detail


def test_what_is_used_is_no_warning() -> None:
    used = {
        "teams": {"na": {"members": [{"user": "ann", "calendar": "night"}]}, "world": {"members": [{"user": "bob"}]}},
        "calendars": {
            name: {"timezone": "UTC", "days": {"mon": ["09:00-17:00"]}} for name in ("office", "night", "mail")
        },
        "sla": {"hot": {"first_contact": "5m", "calendar": "office"}},
        "territories": [{"team": "na", "when": {"field": "country", "in": ["US"]}}, {"team": "world"}],
        "routing": {"rules": [{"id": "all", "to": {"team": "territory"}, "sla": "hot"}]},
        "nurture": {"tracks": [{"id": "a", "steps": [{"id": "hello", "content": "hello", "window": "mail"}]}]},
    }

    assert read(document(**used)).warnings == ()


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "a mapping of keys and values"),
        ("[1, 2]", "a mapping of keys and values"),
        ("a: [1", "line 2, column 1: not YAML or JSON"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: 'a' stands twice; first in line 1"),
        ("a: &x [1]\nb: *x", "anchors and aliases"),
        ("a: !!python/object:os.system {}", "tags (!) are not read"),
        ("a: 1\n---\nb: 2", "line 2, column 1: one document at a time"),
        ("a: \x00", "line 1, column 4: a NUL character"),
        ("a: \ud83d", "half of a surrogate pair"),
        ("a: \x07", "a character that may not stand"),
        ("[" * 40 + "]" * 40, "line 1, column 33: nested deeper than 32 levels"),
        ("a: " + "x" * 256 * 1024, "larger than 256 KB"),
        ("a: [" + "1," * 40_000 + "]", "more than 30000 values"),
        ("? [a]\n: 1", "a key must be a word"),
    ],
)
def test_text_that_is_no_document_is_refused(text: str, detail: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load(text)

    assert any(detail in error.detail for error in caught.value.errors), caught.value.errors


def test_scalars_keep_what_their_author_meant() -> None:
    # YAML 1.1 would read the country as false and the time as 540 minutes.
    text = document().replace('"version": 1}', '"version": 1}, "vocab": {"lands": [NO, 09:00, 007, 1.5, yes]}')

    assert load(text).vocab["lands"] == ("NO", "09:00", "007", 1.5, "yes")


def test_a_document_test_that_fails_says_what_is_and_what_was_expected() -> None:
    playbook = load(
        document(
            tests=[
                {
                    "name": "counts pages",
                    "given": {"events": [{"event": "page_viewed"}]},
                    "expect": {"total": 6, "stage": "LEAD", "scores": {"engagement": 4}, "route": "none"}
                    | {"frameworks": {"bant": 1}},
                }
            ],
            frameworks={"bant": {"need": {"field": "need", "present": True}}},
        )
    )

    assert [(failure.test, failure.detail) for failure in run_document_tests(playbook)] == [
        ("counts pages", "total is 5, expected 6"),
        ("counts pages", "engagement is 5, expected 4"),
        ("counts pages", "route is nurture:awareness, expected none"),
        ("counts pages", "bant met is 0, expected 1"),
    ]


BASICS = load(shipped("basics")).model_dump_json(exclude_none=True)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def refusal_or_evaluation(text: str) -> InvalidDocument | None:
    """Return why a document is refused; judge a lead by one that is not."""
    try:
        playbook = load(text)
    except InvalidDocument as error:
        return error
    compile_playbook(playbook).evaluate(a_view(PERFECT_FIT, did("pricing_page_viewed")), now=NOW)
    return None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_mutilated_document_is_refused_or_read_and_never_crashes(data: st.DataObject) -> None:
    tree = json.loads(BASICS)
    part = tree
    while isinstance(part, dict | list) and part:
        key = data.draw(st.sampled_from(sorted(part)) if isinstance(part, dict) else st.sampled_from(range(len(part))))
        if data.draw(st.booleans()) or not part[key]:
            part[key] = data.draw(JUNK)
            break
        part = part[key]

    refusal = refusal_or_evaluation(json.dumps(tree))

    assert refusal is None or refusal.errors
    assert all(one.pointer[0] == "#" and one.detail[:5] == "line " for one in (refusal.errors if refusal else ()))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_refused_or_read(text: str) -> None:
    with pytest.raises(InvalidDocument):
        load(text)


# What comes with LeadHub is published as it is: every playbook holds, passes its own tests, and fits the schema.


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_playbook_passes_its_own_tests_and_fits_the_schema(name: str) -> None:
    reading = examine(shipped(name))
    mistakes = list(OAS31Validator(schema()).iter_errors(documents.read(shipped(name)).tree))

    assert reading.playbook.metadata.name == name
    assert len(reading.playbook.tests) >= 2
    assert mistakes == []
    assert [one.pointer for one in reading.warnings] == (["#/stages/1/when"] if name == "basics" else [])


@pytest.mark.parametrize("name", shipped_names())
def test_all_that_a_shipped_playbook_says_is_shown_by_a_test_of_its_own(name: str) -> None:
    playbook = load(shipped(name))
    compiled = compile_playbook(playbook)
    assert playbook.nurture is not None
    said: set[str] = {award.rule for award in compiled.awards}
    said |= {f"disqualified: {entry.reason}" for entry in playbook.disqualify}
    said |= {f"{framework}.{item}" for framework, items in playbook.frameworks.items() for item in items}
    said |= {f"signal {name}" for name in playbook.signals}
    said |= {str(entry.level) for entry in playbook.temperature} | {str(entry.stage) for entry in playbook.stages}
    said |= {f"to {rule.id}" for rule in playbook.routing.rules}
    said |= {f"team {territory.team}" for territory in playbook.territories or ()}
    said |= {f"track {track.id}" for track in playbook.nurture.tracks}

    shown: set[str] = set()
    for one in playbook.tests:
        found = compiled.evaluate(given_lead(one.given, playbook.nurture), now=TEST_NOW)
        shown |= {line.rule for line in found.lines} | {f"signal {signal}" for signal in found.signals}
        shown |= {f"{framework}.{item}" for framework, state in found.frameworks.items() for item in state.met}
        shown |= {f"disqualified: {found.disqualified}", str(found.temperature), str(found.stage)}
        shown |= {f"to {found.routing.rule}", f"team {found.routing.team}", f"track {found.nurture.track}"}

    assert said - shown == set()


def test_there_is_a_playbook_for_each_trade() -> None:
    assert shipped_names() == ("basics", "e-commerce", "guide", "guide+decay", "insurance", "real-estate", "saas")


def test_the_schema_is_one_and_refuses_what_reading_refuses() -> None:
    OAS31Validator.check_schema(schema())
    tree = documents.read(shipped("guide")).tree
    tree["scoring"]["groups"]["fit"]["rules"][0]["pionts"] = 3

    assert not OAS31Validator(schema()).is_valid(tree)


def test_a_number_in_a_list_of_texts_is_said_so() -> None:
    text = document(scoring=scored({"id": "near", "points": 5, "when": {"field": "postal_code", "in": [60601]}}))

    with pytest.raises(InvalidDocument, match="this field holds text: write '60601' in quotes"):
        read(text)


def test_a_test_that_fails_is_found_at_its_line() -> None:
    wrong = shipped("guide").replace("expect: {total: 80,", "expect: {total: 81,")
    line = wrong[: wrong.index("expect: {total: 81,")].count("\n") + 1

    with pytest.raises(InvalidDocument) as found:
        examine(wrong)

    [error] = found.value.errors
    assert error.pointer == "#/tests/1/expect"
    assert error.detail.startswith(f"line {line}, column ")
    assert error.detail.endswith("total is 80, expected 81")
