from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.attempt import Outcome
from leadhub.domain.why import Situation, why

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TIMED_OUT: dict[str, Any] = {"outcome": "timeout", "last": "no answer came within the time limit", "attempts": 2}


def _situation(state: str = "pending", **parts: Any) -> Situation:
    defaults: dict[str, Any] = {
        "outcome": None,
        "last": None,
        "attempts": 0,
        "due_at": NOW - MINUTE,
        "endpoint_state": "active",
        "endpoint_because": None,
    }
    return Situation(state=state, **(defaults | parts))


@pytest.mark.parametrize(
    ("situation", "because", "remedy"),
    [
        (_situation(), "it is next", None),
        (_situation(ahead=7), "it waits behind 7 older ones", None),
        (_situation("leased"), "being sent", None),
        (_situation(due_at=NOW + MINUTE, **TIMED_OUT), "tried again from 2026-01-15 09:31:00 UTC", "answer first"),
        (_situation(blocked_until=NOW + MINUTE), "rests until 2026-01-15 09:31:00 UTC", None),
        (
            _situation(blocked_until=NOW + MINUTE, openings=1, **TIMED_OUT),
            "probe, at 2026-01-15 09:31:00",
            "answer first",
        ),
        (_situation(blocked_until=NOW - MINUTE, openings=1, **TIMED_OUT), "a probe is due now", "answer first"),
        (_situation(failing_since=NOW, **TIMED_OUT), "it is next", "is disabled on 2026-01-20"),
        (_situation("dead", **TIMED_OUT), "given up after 2 attempts; the last: no answer", "send it again"),
        (_situation("dead", outcome="erased", last="the content was erased"), "erased", None),
        (_situation("held", endpoint_state="gone", endpoint_because="410"), "is gone: 410", "then resume"),
        (_situation("held", endpoint_state="paused"), "is paused", "resume the endpoint"),
        (_situation("cancelled", outcome="filtered", last="the filter"), "the filter", "change the filter"),
        (_situation("cancelled", endpoint_state=None), "was deleted", None),
    ],
)
def test_the_reason_and_the_remedy_are_told(situation: Situation, because: str, remedy: str | None) -> None:
    told = why(situation, now=NOW)

    assert because in told.because
    assert (told.remedy is None) if remedy is None else (told.remedy is not None and remedy in told.remedy)


@given(
    st.sampled_from(["pending", "leased", "delivered", "held", "dead", "cancelled"]),
    st.none() | st.sampled_from(list(Outcome)),
    st.none() | st.sampled_from(["active", "paused", "gone", "misconfigured", "disabled"]),
    st.booleans(),
)
def test_there_is_always_a_reason(state: str, outcome: Outcome | None, endpoint: str | None, rests: bool) -> None:  # noqa: FBT001
    blocked_until = NOW + MINUTE if rests else None
    assert why(
        _situation(state, outcome=outcome, endpoint_state=endpoint, blocked_until=blocked_until), now=NOW
    ).because
