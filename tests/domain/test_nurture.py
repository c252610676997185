from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.views import CONSENT, NOW, PERFECT_FIT, a_playbook, a_view, days, did, the_guide

from leadhub.domain.model import ConsentState, Fact, LeadView, TrackDecision
from leadhub.domain.nurture import newest_consent
from leadhub.domain.scoring import compile_playbook

GUIDE = compile_playbook(the_guide())


def track(view: LeadView) -> TrackDecision:
    return GUIDE.evaluate(view, now=NOW).nurture


def consent(*, granted: bool = True, ago: timedelta = timedelta(0), channel: str = "email") -> ConsentState:
    return ConsentState("marketing", channel, granted=granted, at=NOW - ago)


@pytest.mark.parametrize(
    ("fields", "facts", "idle", "expected", "because"),
    [
        ({"sales_decision": "rejected_not_ready"}, [], 0, "recycle", "sales_decision 'rejected_not_ready' is in"),
        ({}, [did("usage_limit_hit")], 0, "trial-upgrade", "stage is PQL"),
        ({}, [], 60, "re-engage", "idle 60 days, is at least 60"),
        ({}, [], 59, "awareness", "nothing above it matched"),
        ({"source": "referral"}, [], 0, "consideration", "is warm"),
        ({}, [did("content_downloaded", level="beginner")], 0, "beginner", "1 content_downloaded, last 2025-03-10"),
        ({}, [did("content_downloaded", level="expert")], 0, "educational", "learned: 1 content_downloaded"),
        ({}, [did("newsletter_subscribed")], 0, "welcome", "1 newsletter_subscribed"),
        # the first match counts
        ({"sales_decision": "rejected_not_ready"}, [did("usage_limit_hit")], 90, "recycle", "sales_decision"),
        ({"source": "referral"}, [], 90, "re-engage", "idle 90 days"),
    ],
)
def test_the_first_track_that_matches(
    fields: dict[str, Any], facts: list[Fact], idle: int, expected: str, because: str
) -> None:
    decision = track(a_view(fields, *facts, last_activity_at=NOW - days(idle)))

    assert decision.track == expected
    assert decision.because.startswith(because)


def test_a_lead_with_sales_has_no_track() -> None:
    view = a_view(PERFECT_FIT, did("demo_requested"))

    assert track(view) == TrackDecision(None, "routed to sales")


@pytest.mark.parametrize(
    ("consents", "because"),
    [
        ((), "no_consent: consent to marketing by email is missing"),
        ((consent(channel="sms"),), "no_consent: consent to marketing by email is missing"),
        ((consent(granted=False),), "no_consent: consent to marketing by email was withdrawn"),
        ((consent(ago=days(9)), consent(granted=False)), "no_consent: consent to marketing by email was withdrawn"),
    ],
)
def test_nobody_is_written_to_without_consent(consents: tuple[ConsentState, ...], because: str) -> None:
    assert track(a_view({}, consents=consents)) == TrackDecision(None, because)


def test_the_newest_consent_counts_in_any_order() -> None:
    old, new = consent(granted=False, ago=days(9)), consent()

    assert newest_consent((old, new), "marketing", "email") == new
    assert newest_consent((new, old), "marketing", "email") == new
    assert track(a_view({}, consents=(new, old))).track == "awareness"


def test_of_two_at_one_instant_the_refusal_counts() -> None:
    yes, no = consent(), consent(granted=False)

    assert newest_consent((yes, no), "marketing", "email") == newest_consent((no, yes), "marketing", "email") == no


def test_who_cannot_be_reached_has_no_track() -> None:
    assert track(a_view({}, contactable=False)).because == "no_contact: there is no way to contact them"


@pytest.mark.parametrize("kind", ["unsubscribed", "hard_bounce", "complaint", "erasure_requested"])
def test_a_suppression_ends_nurture(kind: str) -> None:
    decision = track(a_view({}, did(kind, ago=days(1)), consents=(CONSENT,)))

    assert decision == TrackDecision(None, f"suppressed: {kind} 2025-03-09")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("unsubscribed", "awareness"), ("hard_bounce", None), ("complaint", None), ("erasure_requested", None)],
)
def test_a_newer_consent_lifts_only_an_unsubscribe(kind: str, expected: str | None) -> None:
    view = a_view({}, did(kind, ago=days(2)), consents=(consent(ago=days(1)),))

    assert track(view).track == expected


def test_a_consent_of_the_same_instant_lifts_nothing() -> None:
    assert track(a_view({}, did("unsubscribed"), consents=(consent(),))).track is None


def test_a_playbook_may_ask_for_no_consent() -> None:
    evaluation = a_playbook().evaluate(a_view({}, consents=()), now=NOW)

    assert evaluation.nurture == TrackDecision("awareness", "nothing above it matched")


def test_time_moves_a_lead_to_another_track() -> None:
    evaluation = a_playbook(
        nurture={"tracks": [{"id": "wake", "when": {"idle_days": {"gte": 60}}}, {"id": "awareness"}]}
    ).evaluate(a_view({}), now=NOW)

    expected: datetime = NOW + days(60)
    assert (evaluation.changes_at, evaluation.change) == (expected, "time passes → track wake")
