from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.support.views import NOW, a_view, days, did

from leadhub.domain.context import Context, Scope
from leadhub.domain.model import FieldValue, LeadView, Route, Stage, Temperature
from leadhub.domain.playbook_conditions import Condition
from leadhub.domain.predicates import compile_condition

LISTS: dict[str, tuple[str | float, ...]] = {
    "personas": ("cto", "ceo", "director", "vice president", "marketing manager"),
    "markets": ("US", "GB"),
    "raises": ("demo_requested", "quote_requested"),
}
CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)
Answer = bool | None


def expand(values: Any) -> tuple[str | float, ...]:
    return tuple(
        part
        for value in values
        for part in (LISTS[value[1:]] if isinstance(value, str) and value.startswith("$") else (value,))
    )


SCOPE = Scope(expand, ZoneInfo("Europe/Berlin"))
SCOPE.signals["hand_raise"] = compile_condition(CONDITION.validate_python({"event": "$raises", "within": "14d"}), SCOPE)


def ask(condition: dict[str, Any], view: LeadView, **state: Any) -> tuple[Answer, str]:
    predicate = compile_condition(CONDITION.validate_python(condition), SCOPE)
    context = Context(view, state.pop("now", NOW))
    for name, value in state.items():
        setattr(context, name, value)
    return predicate.holds(context), predicate.because(context)


@pytest.mark.parametrize(
    ("condition", "value", "answer", "because"),
    [
        # in and not_in: no regard to case; unknown stays unknown either way
        ({"field": "country", "in": "$markets"}, "US", True, "country 'US' is in markets"),
        ({"field": "country", "in": ["us", "CA"]}, "US", True, "country 'US' is in us, CA"),
        ({"field": "country", "in": "$markets"}, "FR", False, "country 'FR' is not in markets"),
        ({"field": "country", "in": "$markets"}, None, None, "country is unknown"),
        ({"field": "country", "in": "$markets"}, "", None, "country is unknown"),
        ({"field": "country", "not_in": ["DE"]}, "FR", True, "country 'FR' is not in DE"),
        ({"field": "country", "not_in": ["DE"]}, "DE", False, "country 'DE' is in DE"),
        ({"field": "country", "not_in": ["DE"]}, None, None, "country is unknown"),
        ({"field": "industry", "in": ["Health Care"]}, "health_care", True, "industry 'health_care' is in Health Care"),
        ({"field": "employees", "in": [100]}, 100.0, True, "employees 100 is in 100"),
        ({"field": "custom.vip", "in": [True]}, True, True, "custom.vip yes is in True"),
        ({"field": "custom.vip", "in": [1]}, True, False, "custom.vip yes is not in 1"),
        ({"source": ["referral"]}, "referral", True, "source 'referral' is in referral"),
        # words: whole words, no case, no accents; the field's alias is what is shown
        ({"field": "title", "words": "$personas"}, "Marketing Manager", True,
         "title 'Marketing Manager' contains 'marketing manager'"),
        ({"field": "title", "words": "$personas"}, "CTO & Co-Founder", True, "title 'CTO & Co-Founder' contains 'cto'"),
        ({"field": "title", "words": "$personas"}, "Vice-President, Sales", True,
         "title 'Vice-President, Sales' contains 'vice president'"),
        ({"field": "title", "words": ["directrice generale"]}, "DIRECTRICE GÉNÉRALE", True,
         "title 'DIRECTRICE GÉNÉRALE' contains 'directrice generale'"),
        ({"field": "title", "words": ["directeur général"]}, "Directeur general", True,
         "title 'Directeur general' contains 'directeur général'"),
        ({"field": "title", "words": ["intern"]}, "Internal Auditor", False,
         "title 'Internal Auditor' contains none of intern"),
        ({"field": "title", "words": ["cto"]}, "Director", False, "title 'Director' contains none of cto"),
        ({"field": "title", "words": ["marketing manager"]}, "Manager, Marketing", False,
         "title 'Manager, Marketing' contains none of marketing manager"),
        ({"field": "title", "words": ["r&d"]}, "Head of R & D", True, "title 'Head of R & D' contains 'r&d'"),
        ({"field": "title", "words": ["&"]}, "Head of R&D", False, "title 'Head of R&D' contains none of &"),
        ({"field": "title", "words": ["cto"]}, None, None, "title is unknown"),
        # numbers: bounds are inclusive
        ({"field": "employees", "between": [50, 1000]}, 120, True, "employees 120 is between 50 and 1000"),
        ({"field": "employees", "between": [50, 1000]}, 50, True, "employees 50 is between 50 and 1000"),
        ({"field": "employees", "between": [50, 1000]}, 1000, True, "employees 1000 is between 50 and 1000"),
        ({"field": "employees", "between": [50, 1000]}, 49, False, "employees 49 is not between 50 and 1000"),
        ({"field": "employees", "between": [50, 1000]}, None, None, "employees is unknown"),
        ({"field": "employees", "between": [50, 1000]}, "many", None, "employees 'many' is not a number"),
        ({"field": "employees", "between": [0, 1]}, True, None, "employees yes is not a number"),
        ({"field": "employees", "between": [0, 1]}, float("nan"), None, "employees nan is not a number"),
        ({"field": "budget_amount", "gte": 5000}, 5000, True, "budget_amount 5000 is at least 5000"),
        ({"field": "budget_amount", "gte": 5000}, 4999.5, False, "budget_amount 4999.5 is below 5000"),
        ({"field": "timeline", "lte": 6}, 6, True, "timeline 6 is at most 6"),
        ({"field": "timeline", "lte": 6}, 7, False, "timeline 7 is above 6"),
        ({"field": "timeline", "gte": 1, "lte": 6}, 3, True, "timeline 3 is between 1 and 6"),
        # present: what nobody said is a question, not a no
        ({"field": "need", "present": True}, "faster reports", True, "need is known"),
        ({"field": "need", "present": True}, None, None, "need is unknown"),
        ({"field": "need", "present": False}, None, True, "need is unknown"),
        ({"field": "need", "present": False}, "faster reports", False, "need is known"),
    ],
)  # fmt: skip
def test_a_field(condition: dict[str, Any], value: FieldValue | None, answer: Answer, because: str) -> None:
    written = condition.get("field", "source")
    canonical = {"title": "job_title", "timeline": "timeline_months"}.get(written, written)

    assert ask(condition, a_view({canonical: value})) == (answer, because)


def test_a_long_value_is_cut_in_reasons() -> None:
    _, because = ask({"field": "need", "words": ["x"]}, a_view({"need": "word\n" * 100}))

    assert len(because) < 100
    assert "…'" in because
    assert "\n" not in because


DOWNLOADS = a_view(
    {},
    did("content_downloaded", ago=days(1), asset_id="g1", asset_type="guide"),
    did("content_downloaded", ago=days(3), asset_id="c1", asset_type="Case_Study"),
    did("content_downloaded", ago=days(5), asset_id="x"),
    did("email_opened", ago=days(20), message_id="m1", count=3),
    did("email_opened", ago=days(2), message_id="m2"),
)


@pytest.mark.parametrize(
    ("condition", "answer", "because"),
    [
        ({"event": "webinar_attended"}, False, "no webinar_attended"),
        ({"event": "email_opened"}, True, "4 email_opened, last 2025-03-08"),
        ({"event": ["page_viewed", "email_opened"]}, True, "4 email_opened, last 2025-03-08"),
        ({"event": ["a", "b", "c", "d"]}, False, "no a or b or c or …"),
        ({"event": "$raises"}, False, "no demo_requested or quote_requested"),
        ({"event": "content_downloaded", "where": {"asset_type": {"in": ["case_study"]}}}, True,
         "1 content_downloaded, last 2025-03-07"),
        # what lacks the attribute is in no list
        ({"event": "content_downloaded", "where": {"asset_type": {"not_in": ["case_study"]}}}, True,
         "2 content_downloaded, last 2025-03-09"),
        ({"event": "content_downloaded", "where": {"level": {"in": ["beginner"]}}}, False,
         "no content_downloaded with level beginner"),
        ({"event": "content_downloaded", "where": {"asset_type": {"in": ["guide"]}, "asset_id": {"in": ["c1"]}}}, False,
         "no content_downloaded with asset_type guide and asset_id c1"),
        ({"event": "email_opened", "at_least": 4}, True, "4 email_opened, last 2025-03-08"),
        ({"event": "email_opened", "at_least": 5}, False, "4 of 5 email_opened"),
        ({"event": "email_opened", "distinct": "message_id", "at_least": 3}, False,
         "2 of 3 email_opened by message_id"),
        ({"event": "email_opened", "within": "7d"}, True, "1 email_opened in 7d, last 2025-03-08"),
        ({"event": "email_opened", "within": "1d"}, False, "no email_opened in 1d"),
    ],
)  # fmt: skip
def test_an_event(condition: dict[str, Any], answer: Answer, because: str) -> None:
    assert ask(condition, DOWNLOADS) == (answer, because)


def test_a_fact_leaves_its_window_at_the_very_instant() -> None:
    view, condition = a_view({}, did("demo_requested")), {"event": "demo_requested", "within": "14d"}

    assert ask(condition, view, now=NOW + days(14) - timedelta(microseconds=1))[0] is True
    assert ask(condition, view, now=NOW + days(14))[0] is False


@pytest.mark.parametrize(
    ("condition", "state", "answer", "because"),
    [
        ({"signal": "hand_raise"}, {"signals": {"hand_raise": True}}, True,
         "hand_raise: 1 demo_requested in 14d, last 2025-03-09"),
        ({"signal": "hand_raise"}, {"signals": {"hand_raise": False}}, False, "hand_raise: "),
        ({"framework": "bant", "met": 3}, {"met": {"bant": (3, 0)}}, True, "bant: 3 met, 0 unknown, 3 needed"),
        ({"framework": "bant", "met": 3}, {"met": {"bant": (2, 1)}}, None, "bant: 2 met, 1 unknown, 3 needed"),
        ({"framework": "bant", "met": 3}, {"met": {"bant": (1, 1)}}, False, "bant: 1 met, 1 unknown, 3 needed"),
        ({"score": "total", "gte": 50}, {"scores": {"total": 50}}, True, "total 50 is at least 50"),
        ({"score": "total", "gte": 50}, {"scores": {"total": 49}}, False, "total 49 is below 50"),
        ({"score": "fit", "lte": 0}, {"scores": {"fit": -1}}, True, "fit -1 is at most 0"),
        ({"score": "fit", "gte": 1, "lte": 5}, {"scores": {"fit": 6}}, False, "fit 6 is not between 1 and 5"),
        ({"temperature": ["warm", "hot"]}, {"temperature": Temperature.WARM}, True, "is warm"),
        ({"temperature": ["hot"]}, {"temperature": Temperature.COLD}, False, "is cold"),
        ({"stage": ["MQL"]}, {"stage": Stage.MQL}, True, "stage is MQL"),
        ({"stage": ["MQL"]}, {"stage": Stage.SQL}, False, "stage is SQL"),
        ({"idle_days": {"gte": 60}}, {"idle_from": NOW - days(60)}, True, "idle 60 days, is at least 60"),
        ({"idle_days": {"gte": 60}}, {"idle_from": NOW - days(59.9)}, False, "idle 59 days, is below 60"),
        ({"idle_days": {"lte": 1}}, {"idle_from": NOW - days(1.9)}, True, "idle 1 day, is at most 1"),
        ({"idle_days": {"gte": 1}}, {"idle_from": NOW + days(3)}, False, "idle 0 days, is below 1"),
        ({"gained": "total", "gte": 15}, {"scores": {"total": 40}, "gained_from": {"total": 25}}, True,
         "total gained 15, 15 needed"),
        ({"gained": "total", "gte": 15}, {"scores": {"total": 40}, "gained_from": {"total": 26}}, False,
         "total gained 14, 15 needed"),
        ({"gained": "total", "gte": 15}, {"scores": {"total": 40}}, None, "total then is unknown"),
        ({"contactable": True}, {}, True, "can be contacted"),
        ({"contactable": False}, {}, False, "can be contacted"),
        ({"disqualified": True}, {"disqualified": "competitor"}, True, "disqualified: competitor"),
        ({"disqualified": False}, {}, True, "not disqualified"),
        ({"routed": "sales"}, {"routed": Route.SALES}, True, "routed to sales"),
        ({"routed": "sales"}, {"routed": Route.NURTURE}, False, "routed to nurture"),
    ],
)  # fmt: skip
def test_what_is_known_so_far(condition: dict[str, Any], state: dict[str, Any], answer: Answer, because: str) -> None:
    held, reason = ask(condition, a_view({}, did("demo_requested", ago=days(1))), **state)

    assert held is answer
    assert reason.startswith(because)


def test_who_cannot_be_contacted() -> None:
    view = a_view({}, contactable=False)

    assert ask({"contactable": True}, view) == (False, "there is no way to contact them")
    assert ask({"contactable": False}, view) == (True, "there is no way to contact them")


KNOWN = {"field": "country", "in": ["DE"]}
OTHER = {"field": "country", "in": ["FR"]}
UNKNOWN = {"field": "need", "present": True}


@pytest.mark.parametrize(
    ("condition", "answer", "because"),
    [
        ({"all": [KNOWN, KNOWN]}, True, "country 'DE' is in DE and country 'DE' is in DE"),
        ({"all": [KNOWN, OTHER]}, False, "country 'DE' is not in FR"),
        ({"all": [UNKNOWN, OTHER]}, False, "country 'DE' is not in FR"),
        ({"all": [UNKNOWN, KNOWN]}, None, "need is unknown"),
        ({"any": [OTHER, KNOWN]}, True, "country 'DE' is in DE"),
        ({"any": [UNKNOWN, KNOWN]}, True, "country 'DE' is in DE"),
        ({"any": [UNKNOWN, OTHER]}, None, "need is unknown"),
        ({"any": [OTHER, OTHER]}, False, "country 'DE' is not in FR; country 'DE' is not in FR"),
        ({"none": [OTHER, OTHER]}, True, "country 'DE' is not in FR; country 'DE' is not in FR"),
        ({"none": [OTHER, KNOWN]}, False, "country 'DE' is in DE"),
        ({"none": [UNKNOWN, OTHER]}, None, "need is unknown"),
        ({"all": [{"any": [{"none": [OTHER]}]}]}, True, "country 'DE' is not in FR"),
    ],
)
def test_nesting_is_three_valued(condition: dict[str, Any], answer: Answer, because: str) -> None:
    assert ask(condition, a_view({"country": "DE"})) == (answer, because)


ODD: st.SearchStrategy[FieldValue | None] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=30)
)
OPERATORS: tuple[dict[str, Any], ...] = (
    {"field": "custom.odd", "in": ["a", 1, True]},
    {"field": "custom.odd", "not_in": ["a", 1.5]},
    {"field": "custom.odd", "words": ["a", "é b"]},
    {"field": "custom.odd", "between": [0, 10]},
    {"field": "custom.odd", "gte": 0.5},
    {"field": "custom.odd", "present": True},
)


@given(ODD, st.sampled_from(OPERATORS))
def test_no_value_of_a_field_is_too_odd(value: FieldValue | None, condition: dict[str, Any]) -> None:
    answer, because = ask(condition, a_view({"custom.odd": value}))

    assert answer in {True, False, None}
    assert because.startswith("custom.odd")


SECONDS = st.integers(min_value=-40 * 86_400, max_value=40 * 86_400)
TIMED: tuple[dict[str, Any], ...] = (
    {"event": "seen", "within": "10d"},
    {"event": "seen", "within": "10d", "at_least": 3},
    {"event": "seen", "within": "10d", "distinct": "page", "at_least": 2},
    {"none": [{"event": "seen", "within": "3d"}]},
    {"idle_days": {"gte": 5}},
    {"idle_days": {"gte": 3, "lte": 7}},
    {"any": [{"idle_days": {"gte": 20}}, {"event": "seen", "within": "1d"}]},
)


@given(
    st.sampled_from(TIMED),
    st.lists(st.tuples(SECONDS, st.sampled_from("abc"), st.integers(1, 3)), max_size=6),
    st.integers(min_value=0, max_value=60 * 86_400),
)
def test_an_answer_stays_until_the_instant_that_was_foretold(
    condition: dict[str, Any], seen: list[tuple[int, str, int]], later: int
) -> None:
    predicate = compile_condition(CONDITION.validate_python(condition), SCOPE)
    view = a_view({}, *(did("seen", ago=timedelta(seconds=ago), page=page, count=count) for ago, page, count in seen))
    now = Context(view, NOW)
    foretold = min((at for change in predicate.changes if (at := change(now))), default=None)

    moment = NOW + timedelta(seconds=later)
    if foretold is None or moment < foretold:
        assert predicate.holds(Context(view, moment)) is predicate.holds(now)
    assert foretold is None or foretold > NOW


def test_time_without_end_is_no_error() -> None:
    far = datetime.max.replace(tzinfo=NOW.tzinfo)
    predicate = compile_condition(CONDITION.validate_python({"idle_days": {"gte": 3}}), SCOPE)
    context = Context(a_view({}, last_activity_at=far), NOW)

    assert predicate.holds(context) is False
    assert [change(context) for change in predicate.changes] == [None]
