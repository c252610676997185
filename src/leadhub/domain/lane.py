"""What attempts say of their endpoint: how many at once, whether to stop for a while, when to switch it off.

A delivery's own fate is decided in `domain.delivery`; here is what its neighbours learn from it. Everything is kept in
the lane's row, so all workers know it: a circuit that opens in one is open in all.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leadhub.domain.attempt import Outcome

FEWEST_FAILURES = 10
"""So many failures in a row open the circuit, and so many attempts in a window are needed to judge it."""
FAILING_SHARE = 0.7
WINDOW = timedelta(minutes=5)
FIRST_OPENING = timedelta(seconds=30)
LONGEST_OPENING = timedelta(minutes=15)

CLEAN_STREAK = 20
"""After so many quick successes one more request may be in flight."""
QUICK_MS = 1_000

WARNINGS = (timedelta(hours=1), timedelta(hours=24), timedelta(hours=72))
"""How long nothing has succeeded when the administrator is told of it."""
PATIENCE = timedelta(days=5)
"""Without one success for so long an endpoint is disabled; what waits for it is held."""
FEWEST_TRIES = 20
"""An endpoint that was hardly tried is not disabled."""
REDIRECTS = 3
"""So many redirects in a row will not pass by themselves: the first warning comes at once."""

_ILL = frozenset(
    {
        Outcome.SERVER_ERROR,
        Outcome.DNS,
        Outcome.CONNECTION,
        Outcome.TLS,
        Outcome.TIMEOUT,
        Outcome.PROTOCOL,
        Outcome.DISK,
    }
)
"""The receiver is down or broken. One that answers 4xx is up: its owner has to act, and waiting longer helps nobody."""
_SLOW_DOWN = frozenset({Outcome.THROTTLED, Outcome.TIMEOUT})
_SAYS_NOTHING = frozenset({Outcome.BLOCKED, Outcome.INTERNAL, Outcome.UNKNOWN, Outcome.ERASED, Outcome.FILTERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneHealth:
    """How an endpoint does."""

    cap: int
    """Most requests in flight over all workers, as its owner wants it."""
    width: int
    """How many of these it bears at present."""
    clean: int = 0
    """Quick successes in a row while `width` is below `cap`."""
    blocked_until: datetime | None = None
    """Nothing is sent before: it asked for rest, or its circuit is open."""
    failures: int = 0
    """In a row."""
    window_from: datetime | None = None
    window_attempts: int = 0
    window_failures: int = 0
    openings: int = 0
    """How often the circuit opened since it was last closed; above 0, one request at a time is the probe."""
    failing_since: datetime | None = None
    """When the first attempt after the last success failed."""
    failing_attempts: int = 0
    warnings: int = 0
    """How many of `WARNINGS` were given."""
    redirects: int = 0
    """In a row."""
    because: str | None = None
    """The newest failure since the last success, in plain words."""

    @property
    def is_well(self) -> bool:
        """Whether another success would change nothing."""
        return self == LaneHealth(cap=self.cap, width=self.cap, blocked_until=self.blocked_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What one attempt says of its endpoint."""

    outcome: Outcome
    duration_ms: int
    openings: int
    """Of the lane when it was claimed: what set out before the circuit opened says nothing of what is now."""
    floor: datetime | None = None
    """It asks for rest until then."""
    because: str | None = None
    """What happened, in plain words."""


def after(health: LaneHealth, sign: Sign, *, now: datetime) -> LaneHealth:
    """Return how an endpoint does after one more attempt."""
    if sign.floor is not None:
        health = replace(health, blocked_until=max(sign.floor, health.blocked_until or sign.floor))
    if sign.outcome in _SAYS_NOTHING:
        return health
    if sign.outcome is Outcome.DELIVERED:
        health = replace(health, failing_since=None, failing_attempts=0, warnings=0, redirects=0, because=None)
    else:
        health = replace(
            health,
            failing_since=health.failing_since or now,
            failing_attempts=health.failing_attempts + 1,
            redirects=health.redirects + 1 if sign.outcome is Outcome.REDIRECTED else 0,
            because=sign.because,
        )
    if sign.openings != health.openings:
        return health
    return _circuit(_width(health, sign), sign.outcome, now=now)


def _width(health: LaneHealth, sign: Sign) -> LaneHealth:
    if sign.outcome in _SLOW_DOWN:
        return replace(health, width=max(1, health.width // 2), clean=0)
    if health.width >= health.cap:
        return replace(health, width=health.cap, clean=0)
    if sign.outcome is not Outcome.DELIVERED or sign.duration_ms > QUICK_MS:
        return replace(health, clean=0)
    if health.clean + 1 < CLEAN_STREAK:
        return replace(health, clean=health.clean + 1)
    return replace(health, width=health.width + 1, clean=0)


def _circuit(health: LaneHealth, outcome: Outcome, *, now: datetime) -> LaneHealth:
    is_ill = outcome in _ILL
    if health.openings:
        if outcome is Outcome.THROTTLED:
            return health
        return _open(health, now=now) if is_ill else _closed(health)
    if outcome is Outcome.THROTTLED:
        return health
    if health.window_from is None or now - health.window_from > WINDOW:
        health = replace(health, window_from=now if is_ill else None, window_attempts=0, window_failures=0)
    if health.window_from is None:
        return replace(health, failures=0)
    health = replace(
        health,
        failures=health.failures + 1 if is_ill else 0,
        window_attempts=health.window_attempts + 1,
        window_failures=health.window_failures + is_ill,
    )
    is_mostly_ill = (
        health.window_attempts >= FEWEST_FAILURES and health.window_failures >= FAILING_SHARE * health.window_attempts
    )
    return _open(health, now=now) if health.failures >= FEWEST_FAILURES or is_mostly_ill else health


def _open(health: LaneHealth, *, now: datetime) -> LaneHealth:
    """Stop for 30 s, and for twice as long after each probe that fails."""
    until = now + min(FIRST_OPENING * 2 ** min(health.openings, 16), LONGEST_OPENING)
    return replace(
        _closed(health), openings=health.openings + 1, blocked_until=max(until, health.blocked_until or until)
    )


def _closed(health: LaneHealth) -> LaneHealth:
    return replace(health, openings=0, failures=0, window_from=None, window_attempts=0, window_failures=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn:
    """Tell the administrator that nothing succeeds."""

    since: datetime
    disabled_at: datetime
    """When the endpoint will be disabled, unless something succeeds before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disable:
    """Switch the endpoint off."""

    since: datetime


def next_step(health: LaneHealth, *, now: datetime) -> Warn | Disable | None:
    """Say what is due on the ladder from the first failure to the switching off; None if nothing is."""
    since = health.failing_since
    if since is None:
        return None
    if now - since >= PATIENCE and health.failing_attempts >= FEWEST_TRIES:
        return Disable(since=since)
    leads_elsewhere = health.warnings == 0 and health.redirects >= REDIRECTS
    if leads_elsewhere or (health.warnings < len(WARNINGS) and now - since >= WARNINGS[health.warnings]):
        return Warn(since=since, disabled_at=max(since + PATIENCE, now))
    return None
