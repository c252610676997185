"""What an attempt's result means for its delivery: done, try again and when, give up, or wait for its owner."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from leadhub.domain.attempt import AttemptResult, Failure, Outcome, classify, explain

SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits after the first to the ninth attempt: ten attempts over 75.6 hours. Source: Standard Webhooks 1.0."""

LONGEST_WAIT = timedelta(hours=24)
"""No schedule, jitter or Retry-After puts a delivery off for longer."""
SPREAD = 0.2
"""Share by which jitter moves a wait, so that what failed together does not come back together."""
THROTTLE_PAUSE = timedelta(seconds=5)
"""How long a whole endpoint rests that says it is overloaded without saying for how long."""
OWN_FAULT_PAUSE = timedelta(seconds=30)
"""Wait after a fault of ours: short, because it is not counted and ends when we mend it."""
REPEAT_SPREAD = timedelta(seconds=5)
"""Deliveries of a dead worker come back spread over this time."""
TRIES_OF_UNSUITABLE = 2
"""A body that is too large, or of a type that is not wanted, will not get better."""

_UNSUITABLE = frozenset({413, 415})
_SECONDS = re.compile(r"[0-9]{1,12}")
_LONGEST_DATE = 64


class EndpointState(StrEnum):
    """States into which an endpoint is switched off, not by a person."""

    GONE = "gone"
    MISCONFIGURED = "misconfigured"
    DISABLED = "disabled"


class DeadReason(StrEnum):
    """Why a delivery is given up."""

    GONE = "gone"
    EXHAUSTED = "exhausted"
    UNSUITABLE = "unsuitable"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again later."""

    due_at: datetime
    lane_blocked_until: datetime | None = None
    """The whole endpoint rests until then."""
    is_counted: bool = True
    """Whether the attempt used up a step of the schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Give up; only a person sends it again."""

    reason: DeadReason
    endpoint_state: EndpointState | None = None
    lane_blocked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Its endpoint does not want it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Nothing was sent, nothing is lost: wait, with all the endpoint's deliveries, until its owner has corrected it."""

    reason: str
    endpoint_state: EndpointState


Decision = Delivered | Retry | Dead | Skipped | Held


def decide(
    result: AttemptResult,
    *,
    attempt_number: int,
    now: datetime,
    jitter: float,
    schedule: Sequence[timedelta] = SCHEDULE,
) -> Decision:
    """Say what becomes of a delivery.

    Args:
        result: of the newest attempt.
        attempt_number: of that attempt, from 1.
        now: aware.
        jitter: evenly drawn from 0 to 1; it moves a wait by up to a fifth either way, a Retry-After only upwards.
        schedule: waits after the first, the second, … attempt; one more attempt than these is made.
    """
    outcome = classify(result)
    if outcome in _FINAL:
        return _FINAL[outcome]
    if outcome is Outcome.BLOCKED:
        return Held(reason=explain(result), endpoint_state=EndpointState.MISCONFIGURED)
    if outcome is Outcome.INTERNAL:
        return _own_fault(result, now=now, jitter=jitter)
    return _retry(result, outcome, attempt_number=attempt_number, now=now, jitter=jitter, schedule=schedule)


_FINAL: Mapping[Outcome, Decision] = {
    Outcome.DELIVERED: Delivered(),
    Outcome.GONE: Dead(reason=DeadReason.GONE, endpoint_state=EndpointState.GONE),
    Outcome.ERASED: Dead(reason=DeadReason.ERASED),
    Outcome.FILTERED: Skipped(),
}
"""Outcomes after which a delivery is not tried again."""


def _own_fault(result: AttemptResult, *, now: datetime, jitter: float) -> Retry:
    """Retry without counting; a secret that does not open fails every delivery of the endpoint, so the lane rests."""
    due_at = now + _spread(OWN_FAULT_PAUSE, jitter)
    return Retry(
        due_at=due_at,
        lane_blocked_until=now + OWN_FAULT_PAUSE if result.failure is Failure.NO_KEY else None,
        is_counted=False,
    )


def _retry(
    result: AttemptResult,
    outcome: Outcome,
    *,
    attempt_number: int,
    now: datetime,
    jitter: float,
    schedule: Sequence[timedelta],
) -> Retry | Dead:
    floor = _floor(result, now) if outcome is Outcome.THROTTLED else None
    blocked_until = None if floor is None else now + floor
    if result.status in _UNSUITABLE and attempt_number >= TRIES_OF_UNSUITABLE:
        return Dead(reason=DeadReason.UNSUITABLE)
    if attempt_number > len(schedule):
        return Dead(reason=DeadReason.EXHAUSTED, lane_blocked_until=blocked_until)
    if outcome is Outcome.UNKNOWN:
        return Retry(due_at=now + REPEAT_SPREAD * jitter)
    wait = _spread(schedule[attempt_number - 1], jitter)
    if floor is not None:
        wait = max(wait, floor * (1 + SPREAD * jitter))
    return Retry(due_at=now + min(wait, LONGEST_WAIT), lane_blocked_until=blocked_until)


def _floor(result: AttemptResult, now: datetime) -> timedelta:
    asked = parse_retry_after(result.retry_after, now=now)
    return THROTTLE_PAUSE if asked is None else asked


def _spread(wait: timedelta, jitter: float) -> timedelta:
    return wait * (1 - SPREAD + 2 * SPREAD * jitter)


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Return how long a receiver asks us to wait, between nothing and `LONGEST_WAIT`; None if it does not say.

    Source: RFC 9110 §10.2.3, seconds or an HTTP date.

    >>> parse_retry_after("120", now=datetime(2026, 1, 15, 9, 30, tzinfo=UTC))
    datetime.timedelta(seconds=120)
    >>> parse_retry_after("Thu, 15 Jan 2026 09:31:00 GMT", now=datetime(2026, 1, 15, 9, 30, tzinfo=UTC))
    datetime.timedelta(seconds=60)
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(timedelta(seconds=int(text[:12])), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(text[:_LONGEST_DATE])
        wait = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), LONGEST_WAIT)
