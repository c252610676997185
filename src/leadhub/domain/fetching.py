"""What became of asking a platform for leads, and when to ask again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

_WAITS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""A lead can be announced seconds before it can be read; after two days it is a person's turn."""
_WAITS_OF_LEAD = 5
"""Waits for a lead that alone cannot be read: if it cannot after an hour, it was deleted, or is hidden from us."""
_SPARING = 75
"""Percent of what a platform allows, from which on only what cannot wait is asked."""
_FULL = 95
"""Percent from which on nothing is asked: what is left is for whoever shares the limit."""
_A_WHILE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of what a platform allows is used up, as it said along with an answer."""

    percent: int = 0
    wait: timedelta = timedelta()
    """How long it wants to be left alone."""

    @property
    def pause(self) -> timedelta | None:
        """How long to ask for nothing at all; None: go on.

        >>> Usage(96).pause, Usage(80).pause
        (datetime.timedelta(seconds=300), None)
        """
        return min(self.wait or _A_WHILE, _LONGEST_PAUSE) if self.wait or self.percent >= _FULL else None

    @property
    def sparing(self) -> timedelta | None:
        """How long to ask for nothing that can wait; None: go on."""
        return self.pause or (_A_WHILE if self.percent >= _SPARING else None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The lead as the platform tells it, JSON."""

    body: bytes
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a feed's leads, each as JSON as if it had been fetched alone."""

    leads: tuple[bytes, ...]
    cursor: str | None
    """Where the next page begins; None: this is the last."""
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class FeedSeen:
    """A list of leads that the platform keeps: a form of Meta's, all forms of an owner at LinkedIn."""

    feed_id: str
    name: str
    form: Mapping[str, Any] | None = None
    """What its questions and boxes mean, where a lead does not bring that along."""


@dataclass(frozen=True, slots=True)
class Feeds:
    """What there is to read through."""

    feeds: tuple[FeedSeen, ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Checked:
    """How the platform's own side of a connection is."""

    subscription: str
    """subscribed, renewed (it had vanished), or unknown."""
    expires_at: datetime | None = None
    """Of the token, where the platform says it."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """A new token in place of one that ends soon."""

    token: str = field(repr=False)
    expires_at: datetime | None
    refresh_token: str | None = field(repr=False, default=None)
    refresh_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: it is tried again by our schedule."""

    because: str
    is_of_lead: bool = False
    """Whether only this lead is meant; nothing is then said of its connection."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """Not now, and nothing else of this connection either."""

    because: str
    wait: timedelta


@dataclass(frozen=True, slots=True)
class NeedsReauth:
    """The token is dead: everything of this connection waits until a person renews it."""

    because: str


@dataclass(frozen=True, slots=True)
class Gone:
    """There is nothing to fetch any more."""

    because: str


Refusal = Later | Throttled | NeedsReauth | Gone
FetchResult = Fetched | Refusal


def next_wait(attempts: int, *, is_of_lead: bool = False) -> timedelta | None:
    """Return how long to wait after the n-th try, or None when there were enough.

    >>> next_wait(1), next_wait(6, is_of_lead=True), next_wait(9)
    (datetime.timedelta(seconds=5), None, None)
    """
    return _WAITS[attempts - 1] if attempts <= (_WAITS_OF_LEAD if is_of_lead else len(_WAITS)) else None


_RENEWAL = 0.8
"""Share of its life after which a token is renewed."""
_NOTICE = timedelta(days=30)
"""How long before the end that no renewal can move a person is told."""


def renewal_due(*, since: datetime, until: datetime) -> datetime:
    """Return when to renew a token.

    >>> renewal_due(since=datetime(2026, 1, 1), until=datetime(2026, 3, 2))
    datetime.datetime(2026, 2, 18, 0, 0)
    """
    return since + (until - since) * _RENEWAL


def is_ending(until: datetime | None, *, now: datetime) -> bool:
    """Whether a person should reconnect soon, because nothing but that can keep the connection alive."""
    return until is not None and until - now <= _NOTICE
