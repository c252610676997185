"""What became of fetching a lead at its platform, and when to try again."""

from dataclasses import dataclass
from datetime import timedelta

from leadhub.domain.errors import LeadHubError

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


@dataclass(frozen=True, slots=True)
class Fetched:
    """The lead as the platform tells it, JSON."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: this lead is tried again by our schedule."""

    because: str


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


FetchResult = Fetched | Later | Throttled | NeedsReauth | Gone


class Unreadable(LeadHubError):
    """The platform answered with something that is no lead."""


def next_wait(attempts: int) -> timedelta | None:
    """Return how long to wait after the n-th try, or None when there were enough.

    >>> next_wait(1), next_wait(9)
    (datetime.timedelta(seconds=5), None)
    """
    return _WAITS[attempts - 1] if attempts <= len(_WAITS) else None
