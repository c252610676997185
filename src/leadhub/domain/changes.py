"""What time alone will change about a decision, and when: so that a lead is judged again then, and not every night."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from leadhub.domain.awards import Award
from leadhub.domain.context import Context, NextChange
from leadhub.domain.model import Route

_LOOK_AHEAD: Final = 12
"""How many instants to try for the next one that changes something; beyond it the last one tried is named."""


class Scores(NamedTuple):
    """Points by group within the group's bounds, their clamped sum, and the sum of all awards before any bounds."""

    groups: Mapping[str, int]
    total: int
    raw: int


@dataclass(slots=True)
class Decision:
    """What was decided about one lead, without words; `context` is where the words come from."""

    context: Context
    points: list[int]
    """Of each award, in the document's order."""
    scores: Scores
    temperature: int
    """Index of the entry that matched; so are stage and rule."""
    stage: int
    rule: int
    route: Route
    team: str | None
    track: str | None

    def outcome(self) -> tuple[object, ...]:
        """Return all that people can see of a decision; two that are equal need no new evaluation."""
        context = self.context
        seen = (context.signals, context.met, context.disqualified, context.temperature, context.stage)
        return (self.points, *seen, self.rule, self.route, self.team, self.track)


def next_change(
    before: Decision,
    decide: Callable[[datetime], Decision],
    changes: Sequence[NextChange],
    awards: Sequence[Award],
    signals: Sequence[str],
) -> tuple[datetime | None, str | None]:
    """Return the next instant, in UTC, at which time alone changes the outcome, and what it changes.

    An answer that flips without any consequence is passed over.
    """
    ahead = before
    for _ in range(_LOOK_AHEAD):
        context, at = ahead.context, None
        for change in changes:
            instant = change(context)
            if instant is not None and (at is None or instant < at):
                at = instant
        if at is None:
            return None, None
        ahead = decide(at)
        if ahead.outcome() != before.outcome():
            return at.astimezone(UTC), _difference(before, ahead, awards, signals)
    return ahead.context.now.astimezone(UTC), "nothing that counts"


def _difference(before: Decision, after: Decision, awards: Sequence[Award], signals: Sequence[str]) -> str:
    """Say what time changed: "idle 30d: -10 → total 70"."""
    causes = [
        f"{award.passing(after.context)}: {new - old:+d}"
        for award, old, new in zip(awards, before.points, after.points, strict=True)
        if old != new
    ]
    old_signals, new_signals = before.context.signals, after.context.signals
    causes += [
        f"{name} {'begins' if new_signals[name] else 'ends'}"
        for name in signals
        if new_signals[name] != old_signals[name]
    ]
    effects = _effects(before, after)
    return f"{', '.join(causes) or 'time passes'} → {', '.join(effects) or 'nothing else'}"


def _effects(before: Decision, after: Decision) -> list[str]:
    """Return what is different, most important first: ["total 70", "warm"]."""
    old, new = before.context, after.context
    found = []
    if before.scores.total != after.scores.total:
        found.append(f"total {after.scores.total}")
    elif before.scores.raw != after.scores.raw:
        # The points beyond the bounds of the total took the change.
        found.append(f"total stays {after.scores.total}")
    if old.disqualified != new.disqualified:
        found.append(f"disqualified: {new.disqualified}" if new.disqualified else "qualified")
    if old.temperature is not new.temperature:
        found.append(new.temperature.value)
    if old.stage is not new.stage:
        found.append(f"stage {new.stage}")
    if (before.route, before.team) != (after.route, after.team):
        found.append(f"routed to {after.team or after.route}")
    if before.track != after.track:
        found.append(f"track {after.track or 'none'}")
    return found
