"""What a predicate looks at, and what it is: one lead at one instant, and a question about it.

A predicate says True, False or None, which is *unknown*: what nobody told us yet is not false, and a checklist turns
it into a question to ask. Answering and explaining are two functions: most answers of a score are never read, so no
text is built for them. Both read a `Context`, and neither has a memory of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from leadhub.domain.facts import Expand, FactsByType, by_type
from leadhub.domain.model import LeadView, Route, Stage, Temperature

_NOTHING = timedelta(0)


class Context:
    """One lead at one instant, and what has been decided about it so far."""

    # Defaults of the class, because what is decided later is not set for every lead that is only scored.
    disqualified: str | None = None
    temperature = Temperature.COLD
    stage = Stage.SUSPECT
    routed: Route | None = None
    gained_from: Mapping[str, int] | None = None
    """The scores at the moment from which `gained` counts."""
    scores: Mapping[str, int]
    """Points of each group, and `total`."""

    def __init__(self, view: LeadView, now: datetime, facts: FactsByType | None = None) -> None:
        self.view = view
        self.now = now
        self.fields = view.fields
        self.facts = by_type(view.facts) if facts is None else facts
        self.idle_from = view.last_activity_at or last_activity(view)
        self.signals: dict[str, bool] = {}
        self.met: dict[str, tuple[int, int]] = {}
        """Of each checklist, how many items are met and how many are unknown."""


def last_activity(view: LeadView) -> datetime:
    """Return from when a lead has been idle: its last activity, or when it came if it never did anything."""
    return view.last_activity_at or max((fact.last_at for fact in view.facts), default=view.created_at)


def idle_time(context: Context) -> timedelta:
    """Return how long the lead has done nothing; never less than nothing, though clocks may disagree."""
    return max(context.now - context.idle_from, _NOTHING)


def days(count: int) -> str:
    """Return a number of days for people.

    >>> days(1), days(30)
    ('1 day', '30 days')
    """
    return f"{count} day" if count == 1 else f"{count} days"


Answer = Callable[[Context], bool | None]
Reason = Callable[[Context], str]
NextChange = Callable[[Context], datetime | None]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A compiled condition."""

    holds: Answer
    """True, False, or None for unknown."""
    because: Reason
    """Why the answer is what it is."""
    changes: tuple[NextChange, ...] = ()
    """Each names the next instant after now at which time alone may change the answer; empty when time cannot."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a condition may refer to while it is compiled."""

    expand: Expand
    zone: ZoneInfo
    """In which dates are written."""
    signals: dict[str, Predicate] = field(default_factory=dict)
    """The signals compiled so far."""


def earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """Return the first of some instants, or None if there is none."""
    return min((instant for instant in instants if instant is not None), default=None)
