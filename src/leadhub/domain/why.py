"""Why a delivery is where it is, and what would help: in words for whoever misses a lead in the CRM."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from leadhub.domain.attempt import Outcome
from leadhub.domain.lane import PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a delivery and its endpoint."""

    state: str
    outcome: str | None
    """Class of the newest attempt."""
    last: str | None
    """The newest attempt in plain words."""
    attempts: int
    due_at: datetime
    endpoint_state: str | None
    """None: the endpoint was deleted."""
    endpoint_because: str | None
    blocked_until: datetime | None = None
    openings: int = 0
    """Of the endpoint's circuit; above 0 it is open."""
    failing_since: datetime | None = None
    ahead: int = 0
    """Deliveries to the same endpoint that are due before it."""
    behind: UUID | None = None
    """The delivery of an earlier event of its lead that has to come to an end first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The reason, and the remedy if somebody has to do something."""

    because: str
    remedy: str | None = None


_SHOWN = "%Y-%m-%d %H:%M:%S UTC"
_RESEND = "correct the receiver, then send it again"
_REMEDIES = {
    Outcome.REDIRECTED: "change the endpoint's URL to the one that it redirects to",
    Outcome.REJECTED: "see what the receiver answered; its owner has to accept the request",
    Outcome.DNS: "check the host name of the endpoint's URL",
    Outcome.TLS: "renew or complete the certificate of the receiver",
    Outcome.CONNECTION: "check that the receiver runs and that no firewall is in the way",
    Outcome.TIMEOUT: "have the receiver answer first and work afterwards",
    Outcome.SERVER_ERROR: "look into the receiver's own log",
    Outcome.PROTOCOL: "check that the URL leads to the receiver itself",
    Outcome.DISK: "give LeadHub the right to write in the folder of LEADHUB_SINK_DIRECTORY, and room",
    Outcome.THROTTLED: "wait, or set a limit a minute that the receiver bears",
    Outcome.INTERNAL: "look into LeadHub's log; is its secret key the one that it had before?",
}


def why(situation: Situation, *, now: datetime) -> Why:
    """Say why a delivery is where it is.

    >>> instant = datetime(2026, 1, 15, 9, 30)
    >>> why(Situation(state="delivered", outcome="delivered", last="the receiver answered 200: it has the event",
    ...     attempts=1, due_at=instant, endpoint_state="active", endpoint_because=None), now=instant).because
    'the receiver answered 200: it has the event'
    """
    match situation.state:
        case "delivered":
            return Why(because=situation.last or "it was delivered")
        case "leased":
            return Why(because="it is being sent right now")
        case "dead":
            return _dead(situation)
        case "held":
            return _held(situation)
        case "cancelled":
            return _cancelled(situation)
        case _:
            return _pending(situation, now=now)


def _dead(situation: Situation) -> Why:
    tries = "1 attempt" if situation.attempts == 1 else f"{situation.attempts} attempts"
    if situation.outcome == Outcome.ERASED:
        return Why(because=situation.last or "its content was erased")
    if situation.outcome == Outcome.EXPIRED:
        return Why(because="it was held for too long and given up", remedy="send it again within a week of that")
    return Why(because=f"it was given up after {tries}; the last: {situation.last or 'unknown'}", remedy=_RESEND)


def _held(situation: Situation) -> Why:
    because = f"its endpoint is {situation.endpoint_state}: {situation.endpoint_because or 'resume it'}"
    if situation.endpoint_state == "paused":
        return Why(because=because, remedy="resume the endpoint")
    return Why(because=because, remedy="correct what is wrong, then resume the endpoint: what was held is sent first")


def _cancelled(situation: Situation) -> Why:
    if situation.endpoint_state is None:
        return Why(because="its endpoint was deleted")
    if situation.outcome == Outcome.FILTERED:
        return Why(because=situation.last or "its endpoint's filter passed it over", remedy="change the filter")
    return Why(because="it was cancelled")


def _pending(situation: Situation, *, now: datetime) -> Why:
    remedy = _remedy(situation)
    said = f"{situation.last}; " if situation.last else ""
    rests = situation.blocked_until is not None and situation.blocked_until > now
    if situation.openings and situation.blocked_until is not None:
        probe = f"the next request is a probe, at {situation.blocked_until:{_SHOWN}}" if rests else "a probe is due now"
        return Why(because=f"{said}the endpoint kept failing and is left alone for a while: {probe}", remedy=remedy)
    if rests and situation.blocked_until is not None:
        return Why(because=f"{said}the endpoint rests until {situation.blocked_until:{_SHOWN}}", remedy=remedy)
    if situation.behind:
        return Why(
            because=f"{said}it waits for an earlier event of the same lead: delivery {situation.behind}",
            remedy=f"see why {situation.behind} does not arrive; cancel it to go on without it",
        )
    if situation.due_at > now:
        return Why(because=f"{said}it is tried again from {situation.due_at:{_SHOWN}} on", remedy=remedy)
    if situation.ahead:
        return Why(because=f"{said}it waits behind {situation.ahead} older ones to the same endpoint", remedy=remedy)
    return Why(because=f"{said}it is next", remedy=None if situation.last is None else remedy)


def _remedy(situation: Situation) -> str | None:
    remedy = _REMEDIES.get(Outcome(situation.outcome)) if situation.outcome else None
    if remedy and situation.failing_since:
        return f"{remedy}; without a success the endpoint is disabled on {situation.failing_since + PATIENCE:%Y-%m-%d}"
    return remedy
