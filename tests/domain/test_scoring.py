from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.views import LEAD, NOW, PERFECT_FIT, a_playbook, a_view, days, did, scored, the_guide

from leadhub.domain.model import Evaluation, Fact, LeadView, Route, Stage, Temperature
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook, explanation

GUIDE = compile_playbook(the_guide())
FADING = compile_playbook(
    the_guide(
        ("decay: none                    # or {every: 30d, lose: 25%}", "decay: {every: 30d, lose: 25%}  # "),
        ("        - {id: idle,       tiers: {30d: -10, 60d: -20, 90d: -30}, when: {idle_since: last_activity}}\n", ""),
    )
)
BEGINNER_GUIDE = did("content_downloaded", asset_id="guide-1", asset_type="guide", level="beginner")
PRICING = did("pricing_page_viewed")


def judged(view: LeadView, *, now: datetime = NOW, by: CompiledPlaybook = GUIDE) -> Evaluation:
    return by.evaluate(view, now=now)


def points(evaluation: Evaluation) -> dict[str, int]:
    return {line.rule: line.points for line in evaluation.lines}


def reason(evaluation: Evaluation, rule: str) -> str:
    return next(line.because for line in (*evaluation.lines, *evaluation.not_met) if line.rule == rule)


# Fit: each rule of the guide on both sides of its bound.


@pytest.mark.parametrize(
    ("fields", "fit"),
    [
        ({}, 0),
        ({"job_title": "Marketing Manager"}, 10),
        ({"job_title": "VP Sales"}, 10),
        ({"job_title": "Internal Auditor"}, 0),
        ({"job_title": "Student"}, -20),
        ({"job_title": "Head of the student union, student"}, -10),  # 10 - 20
        ({"employees": 49}, 0),
        ({"employees": 50}, 15),
        ({"employees": 1000}, 15),
        ({"employees": 1001}, 0),
        ({"industry": "SaaS"}, 20),
        ({"industry": "mining"}, 0),
        ({"country": "CA"}, 5),
        ({"country": "FR"}, 0),
        ({"email_domain": "gmail.com"}, -5),
        ({**PERFECT_FIT, "email_domain": "gmail.com"}, 45),  # 10 + 15 + 20 + 5 - 5
        (PERFECT_FIT, 50),
    ],
)
def test_fit(fields: dict[str, Any], fit: int) -> None:
    evaluation = judged(a_view(fields))

    assert evaluation.fit == fit
    assert evaluation.engagement == 0
    assert evaluation.total == max(0, fit)


# Engagement: each rule of the guide, its counting and its cap.


def assets(number: int, kind: str) -> list[Fact]:
    return [did("content_downloaded", asset_id=f"{kind}{index}", asset_type=kind) for index in range(number)]


def opened(number: int, *, ago: timedelta = timedelta(0)) -> list[Fact]:
    return [did("email_opened", ago=ago, message_id=f"m{index}") for index in range(number)]


@pytest.mark.parametrize(
    ("facts", "engagement"),
    [
        ([], 0),
        (assets(1, "guide"), 5),
        (assets(3, "guide"), 15),
        (assets(4, "guide"), 15),  # 20, at most 15
        ([did("content_downloaded", count=7, asset_id="guide-1")], 5),  # one asset, however often
        (assets(1, "case_study"), 15),
        (assets(3, "case_study"), 30),  # 45, at most 30
        ([*assets(2, "guide"), *assets(1, "case_study")], 25),  # 10 + 15: a case study is no other content
        ([did("pricing_page_viewed", count=9)], 25),
        ([did("webinar_attended", webinar_id="a"), did("webinar_attended", webinar_id="b")], 30),
        ([did("webinar_attended", webinar_id=name) for name in "abc"], 30),  # 45, at most 30
        (opened(4), 0),
        (opened(5), 10),
        (opened(50), 10),
        ([did("email_opened", count=50, message_id="m1")], 0),  # one message, however often
        ([did("careers_page_viewed")], -10),
        ([did("unsubscribed")], -25),
        ([did("careers_page_viewed"), did("unsubscribed"), PRICING], -10),  # 25 - 10 - 25
        ([*assets(4, "case_study"), *assets(4, "guide"), PRICING, *opened(5)], 80),  # 30 + 15 + 25 + 10
    ],
)
def test_engagement(facts: list[Fact], engagement: int) -> None:
    assert judged(a_view({}, *facts)).engagement == engagement


@pytest.mark.parametrize(
    ("idle", "lost", "because"),
    [
        (days(0), 0, "idle 0 days, 30d is next"),
        (days(30) - timedelta(seconds=1), 0, "idle 29 days, 30d is next"),
        (days(30), -10, "idle 30 days, 30d reached"),
        (days(60), -20, "idle 60 days, 60d reached"),
        (days(89), -20, "idle 89 days, 60d reached"),
        (days(400), -30, "idle 400 days, 90d reached"),
    ],
)
def test_the_longest_idle_tier_reached_counts_alone(idle: timedelta, lost: int, because: str) -> None:
    evaluation = judged(a_view({}, last_activity_at=NOW - idle))

    assert evaluation.engagement == lost
    assert reason(evaluation, "engagement.idle") == because


def test_a_lead_that_never_did_anything_is_idle_since_it_came() -> None:
    evaluation = judged(a_view({}, created_at=NOW - days(61), last_activity_at=None))

    assert points(evaluation) == {"engagement.idle": -20}


# Bounds: of a rule, a group and the total.


def test_a_group_keeps_its_bounds_and_the_raw_sum_is_kept_beside_the_total() -> None:
    facts = [*assets(3, "case_study"), *assets(3, "guide"), PRICING, *opened(5), *[
        did("webinar_attended", webinar_id=name) for name in "ab"
    ]]  # fmt: skip
    evaluation = judged(a_view(PERFECT_FIT, *facts))

    # 30 + 15 + 25 + 30 + 10 = 110, at most 100; with fit 50 the total is at most 100
    assert (evaluation.fit, evaluation.engagement) == (50, 100)
    assert (evaluation.total, evaluation.raw) == (100, 160)


def test_the_total_is_not_below_its_bound() -> None:
    evaluation = judged(a_view({"job_title": "Student"}, did("unsubscribed")))

    assert (evaluation.fit, evaluation.engagement, evaluation.total, evaluation.raw) == (-20, -25, 0, -45)


@pytest.mark.parametrize(
    ("rule", "facts", "expected"),
    [
        ({"points": 2, "each": True}, [did("seen", count=3), did("seen", page="b")], 8),
        ({"points": 2, "each": True, "max_points": 5}, [did("seen", count=3)], 5),
        ({"points": -2, "each": True, "max_points": -5}, [did("seen", count=9)], -5),
        ({"points": 2, "per": "page"}, [did("seen", page="a"), did("seen", page="b"), did("seen", page="b", x="1")], 4),
        ({"points": 2, "per": "page"}, [did("seen", count=4), did("seen", page="a")], 4),  # no page is one page
        ({"points": 2, "once": True}, [did("seen", count=4)], 2),
        ({"points": 2}, [did("seen", count=4)], 2),
    ],
)
def test_how_often_a_rule_counts(rule: dict[str, Any], facts: list[Fact], expected: int) -> None:
    playbook = a_playbook(scoring=scored({"id": "seen", "when": {"event": "seen"}, **rule}))

    assert judged(a_view({}, *facts), by=playbook).total == expected


@pytest.mark.parametrize(("count", "spread", "expected"), [(5, days(0), 1), (5, days(2.5), 3), (2, days(30), 2)])
def test_a_cooldown_counts_what_is_close_together_as_one(count: int, spread: timedelta, expected: int) -> None:
    rule = {"id": "seen", "points": 1, "each": True, "cooldown": "1d", "when": {"event": "seen"}}
    fact = Fact("seen", {}, count, NOW - spread, NOW)

    assert judged(a_view({}, fact), by=a_playbook(scoring=scored(rule))).total == expected


# Decay: steps, rounded half up once a rule; penalties stay.


@pytest.mark.parametrize(
    ("age", "left", "because"),
    [
        (days(0), 25, "1 pricing_page_viewed, last 2025-03-10, counts once"),
        (days(29), 25, "1 pricing_page_viewed, last 2025-02-09, counts once"),
        (days(30), 19, "1 pricing_page_viewed, last 2025-02-08, counts once, faded from 25"),  # 18.75
        (days(60), 13, "1 pricing_page_viewed, last 2025-01-09, counts once, faded from 25"),  # 12.5
        (days(90), 6, "1 pricing_page_viewed, last 2024-12-10, counts once, faded from 25"),  # 6.25
        (days(120), 0, "1 pricing_page_viewed, last 2024-11-10, counts once, faded from 25"),
        (days(-5), 25, "1 pricing_page_viewed, last 2025-03-15, counts once"),  # a clock that goes wrong
    ],
)
def test_points_fade_in_steps(age: timedelta, left: int, because: str) -> None:
    evaluation = judged(a_view({}, did("pricing_page_viewed", ago=age)), by=FADING)

    assert evaluation.engagement == left
    assert reason(evaluation, "engagement.pricing") == because


def test_each_asset_fades_with_its_own_age_before_the_cap() -> None:
    facts = [
        did("content_downloaded", asset_id="a"),
        did("content_downloaded", ago=days(35), asset_id="b"),
        did("content_downloaded", ago=days(65), asset_id="c"),
        did("content_downloaded", ago=days(65), asset_id="d"),
    ]

    # 5 + 3.75 + 2.5 + 2.5 = 13.75
    assert judged(a_view({}, *facts), by=FADING).engagement == 14


def test_a_penalty_does_not_fade() -> None:
    assert judged(a_view({}, did("careers_page_viewed", ago=days(300))), by=FADING).engagement == -10


# Temperature, stage, route.


@pytest.mark.parametrize(
    ("view", "temperature", "stage", "rule", "route"),
    [
        # 10 + 15 + 20 + 5: fit alone is enough for the threshold, and not for sales
        (a_view(PERFECT_FIT), "cold", "LEAD", "rest", "nurture:awareness"),
        (a_view(PERFECT_FIT, *assets(1, "guide")), "cold", "IQL", "rest", "nurture:educational"),  # engagement 5
        (a_view(PERFECT_FIT, *assets(2, "guide")), "warm", "MQL", "mql", "sales:na"),  # engagement 10
        (a_view(PERFECT_FIT, BEGINNER_GUIDE, PRICING), "warm", "MQL", "mql", "sales:na"),
        (a_view(PERFECT_FIT, PRICING, *assets(1, "case_study")), "hot", "MQL", "mql_hot", "sales:na"),  # 40
        (a_view({"country": "US"}, did("demo_requested")), "hot", "SQL", "sql", "sales:na"),
        (a_view({"country": "AT"}, did("quote_requested")), "hot", "SQL", "sql", "sales:emea"),
        (a_view({"country": "FR"}, did("demo_requested")), "hot", "SQL", "sql", "sales:world"),
        (a_view({}, did("demo_requested")), "hot", "SQL", "sql", "sales:world"),  # an unknown country is no territory
        (a_view({}, did("demo_requested", ago=days(14))), "cold", "LEAD", "rest", "nurture:awareness"),
        (a_view({"job_title": "student"}, did("demo_requested")), "hot", "LEAD", "rest", "nurture:consideration"),
        (a_view({"sales_decision": "accepted"}), "cold", "SQL", "sql", "sales:world"),
        (a_view({}, did("support_purchase_interest")), "hot", "SERVICE_QUALIFIED", "service", "sales:expansion"),
        (a_view({"employees": 60}, did("usage_limit_hit")), "hot", "PQL", "pql", "sales:plg"),  # fit 15
        (a_view({"country": "US"}, did("usage_limit_hit")), "hot", "PQL", "rest", "nurture:trial-upgrade"),  # fit 5
        (a_view({"source": "referral"}), "warm", "LEAD", "rest", "nurture:consideration"),
        (a_view({}, did("newsletter_subscribed")), "warm", "IQL", "rest", "nurture:welcome"),
        (a_view({}, did("social_followed")), "warm", "LEAD", "rest", "nurture:consideration"),
        (a_view({}, BEGINNER_GUIDE), "cold", "IQL", "rest", "nurture:beginner"),
        (a_view({}, last_activity_at=NOW - days(60)), "cold", "LEAD", "rest", "nurture:re-engage"),
        (a_view({"sales_decision": "rejected_not_ready"}), "cold", "LEAD", "rest", "nurture:recycle"),
        (a_view({}, did("page_viewed"), contactable=False), "cold", "SUSPECT", "rest", "nurture:none"),
        (a_view({"email_domain": "rival.example"}, did("demo_requested")), "hot", "DISQUALIFIED", "dq", "none"),
        (a_view({}, disqualified_reason="spam"), "cold", "DISQUALIFIED", "dq", "none"),
    ],
)  # fmt: skip
def test_where_a_lead_ends_up(view: LeadView, temperature: str, stage: str, rule: str, route: str) -> None:
    document = explanation(judged(view), view.lead_id)

    assert (document["temperature"], document["stage"]) == (temperature, stage)
    assert (document["rule"], document["route"]) == (rule, route)


def test_reasons_are_given_for_every_decision() -> None:
    evaluation = judged(a_view(PERFECT_FIT, BEGINNER_GUIDE, PRICING))

    assert evaluation.temperature is Temperature.WARM
    assert evaluation.temperature_because == "engagement 30 is at least 10"
    assert evaluation.stage is Stage.MQL
    assert evaluation.stage_because == "total 80 is at least 50 and engagement 30 is at least 10"
    assert evaluation.routing.route is Route.SALES
    assert evaluation.routing.because == "stage is MQL; territory na: country 'US' is in US, CA"
    assert evaluation.routing.sla == "warm"
    assert evaluation.signals == {"learned": "1 content_downloaded, last 2025-03-10"}


def test_no_route_says_why() -> None:
    evaluation = judged(a_view({"email_domain": "rival.example"}))

    assert evaluation.disqualified == "competitor"
    assert evaluation.routing.route is Route.NONE
    assert evaluation.routing.because == "stage is DISQUALIFIED: competitor"


def test_a_persons_disqualification_stands_before_the_playbooks() -> None:
    view = a_view({"email_domain": "rival.example"}, disqualified_reason="asked_to_be_left_alone")

    assert judged(view).disqualified == "asked_to_be_left_alone"


# Checklists.


@pytest.mark.parametrize(
    ("name", "fields", "met", "not_met", "unknown"),
    [
        ("bant", {}, "", "", "budget authority need timeline"),
        ("bant", {"budget_amount": 5000, "need": "x"}, "budget need", "", "authority timeline"),
        ("bant", {"budget_amount": 10}, "", "", "budget authority need timeline"),  # may still be approved
        ("bant", {"budget_amount": 10, "budget_status": "none"}, "", "budget", "authority need timeline"),
        ("bant", {"budget_status": "approved", "buying_role": "user"}, "budget", "authority", "need timeline"),
        ("bant", {"timeline_months": 7}, "", "timeline", "budget authority need"),
        ("champ", {}, "", "", "challenges authority money prioritization"),
        ("champ", {"challenges": "slow", "urgency": "high"}, "challenges prioritization", "", "authority money"),
        ("champ", {"urgency": "low", "buying_role": "decision_maker"}, "authority", "prioritization",
         "challenges money"),
        ("champ", {"budget_amount": 5000, "buying_role": "user"}, "money", "authority", "challenges prioritization"),
        ("meddic", {}, "", "", "metrics economic_buyer decision_criteria decision_process pain champion"),
        ("meddic", {"success_metrics": "hours", "pain": "churn"}, "metrics pain", "",
         "economic_buyer decision_criteria decision_process champion"),
        ("meddic", {"economic_buyer": "Ada", "decision_criteria": "price", "decision_process": "board",
                    "champion": "Bob"}, "economic_buyer decision_criteria decision_process champion", "",
         "metrics pain"),
    ],
)  # fmt: skip
def test_a_checklist_knows_met_not_met_and_unknown(
    name: str, fields: dict[str, Any], met: str, not_met: str, unknown: str
) -> None:
    state = judged(a_view(fields)).frameworks[name]

    assert (state.met, state.not_met, state.unknown) == (*(tuple(one.split()) for one in (met, not_met, unknown)),)
    assert state.next_question == (unknown.split(maxsplit=1)[0] if unknown else None)


def test_four_of_four_is_an_sql() -> None:
    fields: dict[str, Any] = {
        "budget_amount": 5000,
        "buying_role": "influencer",
        "need": "fewer spreadsheets",
        "timeline_months": 6,
    }

    assert judged(a_view(fields)).stage is Stage.SQL
    assert judged(a_view({**fields, "timeline_months": 7})).stage is Stage.LEAD


# The explanation.


def test_the_explanation_has_this_form() -> None:
    document = explanation(judged(a_view(PERFECT_FIT, BEGINNER_GUIDE, PRICING)), LEAD)

    assert list(document) == [
        "lead", "model", "total", "raw", "fit", "engagement", "stage", "temperature", "rule", "route",
        "lines", "not_met", "frameworks", "changes_at", "change",
    ]  # fmt: skip
    assert document["lead"] == str(LEAD)
    assert document["model"] == "guide@1"
    assert (document["total"], document["raw"], document["fit"], document["engagement"]) == (80, 80, 50, 30)
    assert document["lines"][0] == {
        "rule": "fit.title",
        "points": 10,
        "because": "title 'Marketing Manager' contains 'marketing manager'",
    }
    assert document["lines"][-1] == {
        "rule": "engagement.pricing",
        "points": 25,
        "because": "1 pricing_page_viewed, last 2025-03-10, counts once",
    }
    assert {"rule": "engagement.webinar", "points": 15, "because": "no webinar_attended"} in document["not_met"]
    assert document["frameworks"]["bant"] == {
        "met": 0,
        "unknown": ["budget", "authority", "need", "timeline"],
        "next_question": "budget",
    }
    assert (document["changes_at"], document["change"]) == ("2025-04-09T10:00:00Z", "idle 30d: -10 → total 70")


# What time alone changes.


@pytest.mark.parametrize(
    ("view", "by", "at", "change"),
    [
        (a_view(PERFECT_FIT, PRICING), GUIDE, days(30), "idle 30d: -10 → total 65"),
        (a_view({}, PRICING, did("demo_requested")), GUIDE, days(14),
         "hand_raise ends → warm, stage LEAD, routed to nurture, track consideration"),
        (a_view({}, last_activity_at=NOW - days(31)), GUIDE, days(29),
         "idle 60d: -10 → total stays 0, track re-engage"),
        (a_view({}, last_activity_at=NOW - days(90)), GUIDE, None, None),
        (a_view({}, *opened(5, ago=days(80)), last_activity_at=NOW), GUIDE, days(10),
         "opens5 older than 90d: -10 → total 0, cold, track awareness"),
        (a_view({}, PRICING), FADING, days(30), "pricing fades: -6 → total 19"),
        (a_view({}), FADING, days(60), "time passes → track re-engage"),
    ],
)  # fmt: skip
def test_the_next_change(view: LeadView, by: CompiledPlaybook, at: timedelta | None, change: str | None) -> None:
    evaluation = judged(view, by=by)

    assert evaluation.changes_at == (None if at is None else NOW + at)
    assert evaluation.change == change


def test_an_answer_that_flips_without_consequence_is_passed_over() -> None:
    # The window on one download closes after two days, but the signal has another reason to hold.
    playbook = a_playbook(
        signals={"s": {"any": [{"event": "seen", "within": "2d"}, {"event": "seen", "within": "9d"}]}}
    )

    evaluation = judged(a_view({}, did("seen")), by=playbook)

    assert (evaluation.changes_at, evaluation.change) == (NOW + days(9), "s ends → nothing else")


# Feedback.


def test_a_rejected_lead_comes_back_for_a_reason() -> None:
    view = a_view({"sales_decision": "rejected_not_ready"}, PRICING)
    before = NOW - days(1)

    def reopens(reason: str, **since: int) -> str | None:
        return GUIDE.reopens(reason, view, now=NOW, since=since, since_at=before)

    assert reopens("not_ready", engagement=25) is None
    assert reopens("not_ready", engagement=10) == "engagement gained 15, 15 needed"
    assert reopens("bad_fit", engagement=0) is None  # only time ends it


def test_what_brought_a_lead_to_sales_does_not_bring_it_back() -> None:
    view = a_view({}, did("demo_requested", ago=days(2)))

    def reopens(reason: str, at: datetime) -> str | None:
        return GUIDE.reopens(reason, view, now=NOW, since={"engagement": 0}, since_at=at)

    assert reopens("not_ready", NOW - days(1)) is None
    assert reopens("not_ready", NOW - days(3)) == "hand_raise: 1 demo_requested in 14d, last 2025-03-08"
    assert reopens("won", NOW - days(1)) is None
    assert reopens("won", NOW - days(3)) == "did something new: demo_requested"


# What holds for every lead.

KINDS = (
    "content_downloaded", "pricing_page_viewed", "webinar_attended", "email_opened", "careers_page_viewed",
    "unsubscribed", "demo_requested", "usage_limit_hit", "support_purchase_interest", "newsletter_subscribed",
)  # fmt: skip
A_FACT = st.builds(
    lambda kind, hours, count, which, asset: did(
        kind, ago=timedelta(hours=hours), count=count, asset_id=which, message_id=which, asset_type=asset
    ),
    st.sampled_from(KINDS),
    st.integers(0, 24 * 150),
    st.integers(1, 4),
    st.sampled_from("abcdef"),
    st.sampled_from(["guide", "case_study"]),
)
FACTS = st.lists(A_FACT, max_size=14)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "job_title": st.sampled_from(["CTO", "Student", "Clerk"]) | st.text(max_size=10),
        "employees": st.integers(0, 2000) | st.floats() | st.text(max_size=4),
        "industry": st.sampled_from(["saas", "mining"]),
        "country": st.sampled_from(["US", "DE", "FR"]) | st.none(),
        "email_domain": st.sampled_from(["gmail.com", "rival.example", "acme.example"]),
        "sales_decision": st.sampled_from(["accepted", "rejected_not_ready"]),
        "budget_amount": st.booleans() | st.integers(),
    },
)
QUICK = settings(max_examples=60, deadline=None)


def without_words(evaluation: Evaluation) -> tuple[object, ...]:
    return (
        dict(evaluation.groups), evaluation.total, evaluation.raw, points(evaluation), set(evaluation.signals),
        evaluation.frameworks, evaluation.disqualified, evaluation.temperature, evaluation.stage,
        evaluation.routing.rule, evaluation.routing.team, evaluation.nurture.track,
    )  # fmt: skip


@QUICK
@given(FIELDS, FACTS, st.sampled_from([GUIDE, FADING]))
def test_lines_sum_to_the_raw_score_and_bounds_hold(
    fields: dict[str, Any], facts: list[Fact], by: CompiledPlaybook
) -> None:
    evaluation = judged(a_view(fields, *facts), by=by)

    assert sum(line.points for line in evaluation.lines) == evaluation.raw
    assert all(line.points for line in (*evaluation.lines, *evaluation.not_met))
    assert all(line.because for line in (*evaluation.lines, *evaluation.not_met))
    assert len(evaluation.lines) + len(evaluation.not_met) == len(by.awards)
    assert -50 <= evaluation.fit <= 50
    assert -50 <= evaluation.engagement <= 100
    assert evaluation.total == max(0, min(100, evaluation.fit + evaluation.engagement))
    assert by.score(a_view(fields, *facts), now=NOW) == (evaluation.groups, evaluation.total, evaluation.raw)


@QUICK
@given(FIELDS, FACTS, st.randoms(use_true_random=False), st.sampled_from([GUIDE, FADING]))
def test_the_order_of_facts_does_not_matter(fields: dict[str, Any], facts: list[Fact], random: Any, by: Any) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)

    assert judged(a_view(fields, *facts), by=by) == judged(a_view(fields, *shuffled), by=by)


@QUICK
@given(FIELDS, FACTS, st.integers(0, 24 * 200))
def test_decay_never_raises_a_score(fields: dict[str, Any], facts: list[Fact], hours: int) -> None:
    view = a_view(fields, *facts)

    assert FADING.score(view, now=NOW + timedelta(hours=hours)).raw <= FADING.score(view, now=NOW).raw


@QUICK
@given(FIELDS, FACTS, st.integers(1, 24 * 120), st.sampled_from([GUIDE, FADING]))
def test_nothing_changes_before_the_instant_that_was_foretold_and_something_does_then(
    fields: dict[str, Any], facts: list[Fact], hours: int, by: CompiledPlaybook
) -> None:
    view = a_view(fields, *facts)
    evaluation = judged(view, by=by)
    moment = NOW + timedelta(hours=hours)

    if evaluation.changes_at is None or moment < evaluation.changes_at:
        assert without_words(judged(view, now=moment, by=by)) == without_words(evaluation)
    if evaluation.changes_at is not None:
        assert evaluation.changes_at > NOW
        changed = without_words(judged(view, now=evaluation.changes_at, by=by)) != without_words(evaluation)
        assert changed or evaluation.change == "nothing that counts"


@QUICK
@given(FIELDS, FACTS)
def test_every_lead_has_a_route(fields: dict[str, Any], facts: list[Fact]) -> None:
    evaluation = judged(a_view(fields, *facts))

    assert (evaluation.routing.route is Route.SALES) == (evaluation.routing.team is not None)
    assert evaluation.routing.because
    assert evaluation.nurture.because
    if evaluation.routing.route is not Route.NURTURE:
        assert evaluation.nurture.track is None


# Looking ahead: only what time can change is judged again, and the result is that of judging everything.


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["email_opened", "demo_requested", "pricing_page_viewed", "usage_limit_hit", "complaint"]),
            st.integers(min_value=0, max_value=120 * 24),
            st.sampled_from("abcdef"),
        ),
        max_size=12,
    ),
    st.sampled_from([{}, PERFECT_FIT]),
    st.sampled_from([GUIDE, FADING]),
)
@settings(max_examples=200)
def test_nothing_that_counts_changes_before_the_foretold_instant_and_something_does_then(
    did_so: list[tuple[str, int, str]], fields: dict[str, Any], playbook: CompiledPlaybook
) -> None:
    view = a_view(fields, *(did(kind, ago=timedelta(hours=ago), message_id=name) for kind, ago, name in did_so))

    now = judged(view, by=playbook)

    if now.changes_at is None:
        assert playbook.decide(view, now=NOW + days(3000)).outcome() == playbook.decide(view, now=NOW).outcome()
    else:
        before = playbook.decide(view, now=now.changes_at - timedelta(microseconds=1))
        assert before.outcome() == playbook.decide(view, now=NOW).outcome()
        assert playbook.decide(view, now=now.changes_at).outcome() != before.outcome()
