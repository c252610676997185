"""Which step comes next, when it is due, and whether it may go out."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.support.views import a_playbook

from leadhub.domain import steps
from leadhub.domain.ids import LeadId
from leadhub.domain.model import ConsentState, Fact, LeadView
from leadhub.domain.playbook_followup import MessageCap, Track
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.domain.steps import Postpone, Send

GUIDE = compile_playbook(load(shipped("guide")))
MONDAY = datetime(2026, 1, 19, 9, tzinfo=UTC)
"""Ten in the morning in Berlin."""
TRACK = Track.model_validate(
    {"id": "t", "again_after": "30d", "steps": [{"id": name, "content": name} for name in "abc"]}
)


@pytest.mark.parametrize(("done", "next_"), [(None, "a"), ("a", "b"), ("b", "c"), ("c", None), ("gone", None)])
def test_the_step_after_the_one_that_was_sent(done: str | None, next_: str | None) -> None:
    step = steps.following(TRACK, done)

    assert (step.id if step else None) == next_


@pytest.mark.parametrize(("days", "next_"), [(0, "c"), (29, "c"), (30, "a"), (400, "a")])
def test_who_comes_back_late_begins_anew(days: int, next_: str) -> None:
    step = steps.resumed(TRACK, done="b", left_at=MONDAY - timedelta(days=days), now=MONDAY)

    assert step is not None
    assert step.id == next_


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        (MONDAY, MONDAY),
        (MONDAY.replace(hour=7, minute=59), MONDAY.replace(hour=8)),
        (MONDAY.replace(hour=16), MONDAY.replace(day=20, hour=8)),
        (MONDAY.replace(day=24), MONDAY.replace(day=26, hour=8)),  # a Saturday
    ],
)
def test_a_window_is_a_calendar_in_its_own_zone(now: datetime, opens: datetime) -> None:
    assert steps.opening(GUIDE.playbook, "office", now=now) == opens
    assert steps.opening(GUIDE.playbook, None, now=now) == now


def a_view(*facts: Fact, channel: str = "email", granted: bool = True) -> LeadView:
    consent = ConsentState("marketing", channel, granted=granted, at=MONDAY - timedelta(days=90))
    return LeadView(LeadId(UUID(int=1)), MONDAY, {"email": "a@b.example"}, facts, (consent,))


def decide(view: LeadView, *, channel: str = "email", sent: tuple[int, ...] = (), now: datetime = MONDAY) -> object:
    sent_at = [MONDAY - timedelta(days=days) for days in sent]
    return steps.may_send(GUIDE, view, channel=channel, window="office", sent_at=sent_at, now=now)


WAITING = a_playbook(
    signals={"ready": {"event": "trial_activated"}},
    nurture={
        "tracks": [
            {
                "id": "t",
                "steps": [
                    {"id": "free", "content": "c"},
                    {"id": "week", "content": "c", "until": "ready", "at_most": "7d"},
                    {"id": "ever", "content": "c", "until": "ready"},
                ],
            }
        ]
    },
)
ACTIVATED = Fact("trial_activated", {}, 1, MONDAY - timedelta(days=1), MONDAY)


@pytest.mark.parametrize(
    ("track", "step", "facts", "wait"),
    [
        ("t", "free", (), None),
        ("t", "week", (), timedelta(days=7)),
        ("t", "ever", (), timedelta(days=3660)),
        ("t", "week", (ACTIVATED,), None),
        ("t", "gone", (), None),
        ("gone", "week", (), None),
    ],
)
def test_a_step_is_held_while_its_signal_does_not_hold(
    track: str, step: str, facts: tuple[Fact, ...], wait: timedelta | None
) -> None:
    held = steps.hold(WAITING, a_view(*facts), track=track, step=step, now=MONDAY)

    assert held == (Postpone(MONDAY + wait, "hold: until ready", "ready") if wait else None)


def test_what_is_wanted_and_due_is_sent() -> None:
    assert decide(a_view(), sent=(1, 8, 9)) == Send()


def test_the_cap_names_the_instant_at_which_the_oldest_message_is_out_of_it() -> None:
    assert decide(a_view(), sent=(1, 3, 9)) == Postpone(MONDAY + timedelta(days=4), "cap: 2 by email already")


def test_consent_is_asked_for_the_channel_of_the_step() -> None:
    assert decide(a_view(channel="sms"), channel="sms") == Send()
    decided = decide(a_view(), channel="sms")
    assert decided == Postpone(MONDAY + steps.ASK_AGAIN, "no_consent: consent to marketing by sms is missing")


def test_a_suppression_comes_before_all_else() -> None:
    bounced = Fact("hard_bounce", {}, 1, MONDAY, MONDAY)

    decided = decide(a_view(bounced), sent=(1, 2), now=MONDAY.replace(day=24))

    assert isinstance(decided, Postpone)
    assert decided.because == "suppressed: hard_bounce 2026-01-19"


def test_outside_its_hours_a_step_waits_for_them() -> None:
    decided = decide(a_view(), now=MONDAY.replace(day=24))

    assert decided == Postpone(MONDAY.replace(day=26, hour=8), "window: office is closed")


def test_a_cap_is_at_least_one_message() -> None:
    assert MessageCap.model_validate({"messages": 1, "per": "1d"}).messages == 1
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        MessageCap.model_validate({"messages": 0, "per": "1d"})
