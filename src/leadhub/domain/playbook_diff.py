"""What is different between two playbooks, rule by rule, and which leads that can touch.

A lead is touched only if it carries something that a changed condition looks at and that can make it hold: a field
that is known, an activity that happened. A condition that can hold for a lead without either (a score's bound, a lead
that is idle, something that must not be) touches everyone. Better too many than one too few: judging a lead again
changes nothing that need not change.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_conditions import (
    AllCondition,
    AnyCondition,
    Condition,
    EventCondition,
    FieldCondition,
    FrameworkCondition,
    SignalCondition,
    SourceCondition,
)
from leadhub.domain.playbook_followup import Track
from leadhub.domain.playbook_rules import Rule
from leadhub.domain.playbook_values import resolve_field

_LONGEST_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is different, in words for its author."""

    path: str
    """Where, by names: `scoring.engagement.pricing`, `signals.hand_raise`, `routing.rules`."""
    kind: str
    """added, removed, changed or moved."""
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Reach:
    """Which leads a change can touch: everyone, or those that carry one of some fields or activities."""

    everyone: bool = False
    fields: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()

    @property
    def nobody(self) -> bool:
        """Whether no lead is touched."""
        return not (self.everyone or self.fields or self.events)

    def __or__(self, other: Self) -> "Reach":
        if self.everyone or other.everyone:
            return EVERYONE
        return Reach(fields=self.fields | other.fields, events=self.events | other.events)

    def document(self) -> dict[str, Any]:
        """Return the reach as JSON: {"everyone": false, "fields": ["country"], "events": []}."""
        return {"everyone": self.everyone, "fields": sorted(self.fields), "events": sorted(self.events)}


EVERYONE: Final = Reach(everyone=True)
NOBODY: Final = Reach()

_CARRIED_BY_ALL: Final = frozenset({"source", "channel"})
"""Fields that every lead has."""


@dataclass(frozen=True, slots=True)
class _Item:
    """A named part of one playbook: what it says, with lists written out, and whom it can hold for."""

    says: str
    reach: Reach


Items = Mapping[str, _Item]


def differences(old: Playbook, new: Playbook) -> list[Difference]:
    """Return what is different, in the document's order; what only comments or layout changed is no difference."""
    found: list[Difference] = []
    for section, before, after in _sections(old, new):
        found += _item_differences(section, before, after)
    return found


def reach(old: Playbook, new: Playbook) -> Reach:
    """Return whom the change from one playbook to the other can touch."""
    touched = NOBODY
    for section, before, after in _sections(old, new):
        if section in _FOR_LATER:
            continue
        for one in _item_differences(section, before, after):
            name = one.path.removeprefix(f"{section}.")
            for items in (before, after):
                if name in items:
                    touched |= items[name].reach
            if name not in before and name not in after:
                touched = EVERYONE
    return touched


_FOR_LATER: Final = frozenset(
    {"metadata", "vocab", "teams", "calendars", "sla", "feedback", "tests", "nurture.steps", "nurture.later"}
)
"""Sections that change no judgement of a lead as it is: lists are written out where they are used."""


_NO_STEPS: Final[Mapping[str, Any]] = {"goal": None, "steps": (), "again_after": None, "push": False}
"""What a track is without: whom it is for is left."""


def _tracks(playbook: Playbook) -> Sequence[Track]:
    return playbook.nurture.tracks if playbook.nurture else ()


def _sections(old: Playbook, new: Playbook) -> Iterator[tuple[str, Items, Items]]:
    """Yield each section with its named parts in both playbooks."""
    before, after = dict(_items(old)), dict(_items(new))
    for section in dict.fromkeys((*before, *after)):
        yield section, before.get(section, {}), after.get(section, {})


def _items(playbook: Playbook) -> Iterator[tuple[str, Items]]:
    written = _Written(playbook)
    yield "metadata", written.plain(playbook.metadata.model_dump(mode="json", exclude={"version"}))
    yield "vocab", written.plain({name: list(values) for name, values in playbook.vocab.items()})
    yield "disqualify", written.listed([(one.id, one, one.when) for one in playbook.disqualify])
    scoring = playbook.scoring
    yield "scoring", written.whole({"clamp": scoring.clamp.model_dump(), "groups": sorted(scoring.groups)})
    for name, group in scoring.groups.items():
        bounds = {"min": group.min, "max": group.max, "decay": group.decay and group.decay.model_dump(mode="json")}
        yield (
            f"scoring.{name}",
            {**written.listed([(rule.id, rule, rule.when) for rule in group.rules]), **written.whole(bounds)},
        )
    for name, items in playbook.frameworks.items():
        # What is open in a checklist is shown for everyone, so everyone is touched.
        yield f"frameworks.{name}", written.whole({item: written.json(one) for item, one in items.items()})
    yield "signals", written.listed([(name, one, one) for name, one in playbook.signals.items()])
    for section, entries in (
        ("temperature", [(entry.level, entry, entry.when) for entry in playbook.temperature]),
        ("stages", [(entry.stage, entry, entry.when) for entry in playbook.stages]),
        ("routing.rules", [(rule.id, rule, rule.when) for rule in playbook.routing.rules]),
        ("territories", [(entry.team, entry, entry.when) for entry in playbook.territories or ()]),
        (
            "nurture.tracks",
            [(track.id, track.model_copy(update=_NO_STEPS), track.when) for track in _tracks(playbook)],
        ),
    ):
        yield section, written.ordered(entries)
    yield "teams", written.plain({name: team.model_dump(mode="json") for name, team in playbook.teams.items()})
    yield "calendars", written.plain({name: one.model_dump(mode="json") for name, one in playbook.calendars.items()})
    yield "sla", written.plain({name: one.model_dump(mode="json") for name, one in playbook.sla.items()})
    yield "feedback", written.plain(playbook.feedback.model_dump(mode="json"))
    if playbook.nurture is not None:
        nurture = playbook.nurture.model_dump(mode="json", exclude={"tracks"})
        yield "nurture", written.whole({name: nurture[name] for name in ("requires", "suppress_on")})
        # Who leaves, and who has reached a goal, is judged for everyone.
        goals = {track.id: track.goal and written.json(track.goal) for track in playbook.nurture.tracks}
        yield "nurture.leaving", written.whole({"exits": nurture["exits"], "goals": goals})
        # What is sent on a track, and when, decides of nobody whether to be on it.
        sent = {*_NO_STEPS} - {"goal"}
        steps = {one.id: one.model_dump(mode="json", include=sent, exclude_defaults=True) for one in _tracks(playbook)}
        yield "nurture.steps", written.plain(steps)
        yield "nurture.later", written.plain({name: nurture[name] for name in ("cap", "caps")})
    yield "routing", written.plain(playbook.routing.model_dump(mode="json", exclude={"rules"}))
    yield "tests", written.plain({one.name: one.model_dump(mode="json", exclude_none=True) for one in playbook.tests})


class _Written:
    """Writes the parts of one playbook as comparable text, lists written out."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook

    def json(self, part: Any) -> Any:
        """Return a model as JSON, with each `$list` replaced by its values."""
        return self._expanded(part.model_dump(mode="json", exclude_none=True, exclude_defaults=True))

    def _expanded(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._expanded(part) for key, part in value.items()}
        if isinstance(value, list):
            parts = [self._expanded(part) for part in value]
            return (
                list(self._playbook.expand(parts))
                if all(isinstance(part, (str, int, float)) for part in parts)
                else parts
            )
        return value

    def plain(self, parts: Mapping[str, Any]) -> Items:
        """Return parts that touch nobody."""
        return {name: _Item(_words(value), NOBODY) for name, value in parts.items() if value not in (None, {}, [])}

    def whole(self, parts: Mapping[str, Any]) -> Items:
        """Return parts that touch everyone."""
        return {name: _Item(_words(value), EVERYONE) for name, value in parts.items() if value is not None}

    def listed(self, entries: Iterable[tuple[str, Any, Condition | None]]) -> Items:
        """Return parts whose order does not matter."""
        return {name: self._item(part, when) for name, part, when in entries}

    def ordered(self, entries: Sequence[tuple[str, Any, Condition | None]]) -> Items:
        """Return entries of which the first match counts; several may have one name, and the order is part of them."""
        counted: dict[str, int] = {}
        items: dict[str, _Item] = {}
        for name, part, when in entries:
            counted[name] = counted.get(name, 0) + 1
            items[name if counted[name] == 1 else f"{name} ({counted[name]})"] = self._item(part, when)
        return items

    def _item(self, part: Any, when: Condition | None) -> _Item:
        tiers = isinstance(part, Rule) and part.tiers is not None
        holders = None if when is None or tiers else holds_for(when, self._playbook)
        return _Item(_words(self.json(part)), EVERYONE if holders is None else holders)


def _item_differences(section: str, before: Items, after: Items) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old.says != new.says:
            kind = "added" if old is None else "removed" if new is None else "changed"
            yield Difference(f"{section}.{name}", kind, _said(old), _said(new))
    if section in _ORDERED:
        both = [name for name in before if name in after]
        moved = [name for name in after if name in before]
        for index, name in enumerate(moved):
            if both[index] != name:
                yield Difference(f"{section}.{name}", "moved", f"place {both.index(name) + 1}", f"place {index + 1}")


_ORDERED: Final = frozenset({"temperature", "stages", "routing.rules", "territories", "nurture.tracks"})


def _words(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _said(item: _Item | None) -> str | None:
    if item is None or len(item.says) <= _LONGEST_SHOWN:
        return item.says if item else None
    return f"{item.says[:_LONGEST_SHOWN]}…"


def holds_for(condition: Condition, playbook: Playbook) -> Reach | None:  # noqa: PLR0911  # one case a kind
    """Return whom a condition can hold for, or None if that may be anyone."""
    match condition:
        case FieldCondition(present=False):
            return None
        case FieldCondition():
            name = resolve_field(condition.field) or condition.field
            return None if name in _CARRIED_BY_ALL else Reach(fields=frozenset({name}))
        case SourceCondition():
            return None
        case EventCondition():
            return Reach(events=frozenset(str(name) for name in playbook.expand(condition.event)))
        case SignalCondition():
            return holds_for(playbook.signals[condition.signal], playbook)
        case FrameworkCondition():
            return _of_any(playbook.frameworks[condition.framework].values(), playbook)
        case AllCondition():
            # Each part must hold, so the narrowest says it.
            parts = [part for one in condition.all if (part := holds_for(one, playbook)) is not None]
            return min(parts, key=lambda part: len(part.fields) + len(part.events), default=None)
        case AnyCondition():
            return _of_any(condition.any, playbook)
        case _:
            return None


def _of_any(conditions: Iterable[Condition], playbook: Playbook) -> Reach | None:
    found = NOBODY
    for one in conditions:
        part = holds_for(one, playbook)
        if part is None:
            return None
        found |= part
    return found
