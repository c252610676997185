"""What a playbook must hold beyond its shape, and what its author should look at.

Errors are checked on the sections that are well formed, so that one unreadable section does not hide what is wrong
with the others.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Self

from pydantic import TypeAdapter, ValidationError
from rapidfuzz import fuzz, process

from leadhub.domain import fields
from leadhub.domain.model import Stage
from leadhub.domain.playbook import Playbook, conditions_in
from leadhub.domain.playbook_conditions import (
    AllCondition,
    AnyCondition,
    Condition,
    EventCondition,
    FieldCondition,
    FrameworkCondition,
    ScoreCondition,
    SourceCondition,
    mismatch,
)
from leadhub.domain.playbook_part import Loc
from leadhub.domain.playbook_people import Routing, ToTeam
from leadhub.domain.playbook_rules import Group, Rule, Scoring, StageEntry
from leadhub.domain.playbook_values import TERRITORY, Names, resolve_field
from leadhub.domain.words import words_of

Finding = tuple[Loc, str]
"""Where in the document, and what."""


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a document that are well formed; one that is not is None or empty."""

    written: frozenset[str]
    """The keys at the top of the document, well formed or not."""
    conditions: tuple[tuple[Loc, Condition], ...]
    vocab: Mapping[str, tuple[str | float, ...]] = field(default_factory=dict)
    frameworks: Mapping[str, Mapping[str, Condition]] = field(default_factory=dict)
    scoring: Scoring | None = None
    routing: Routing | None = None

    @classmethod
    def of(cls, playbook: Playbook) -> Self:
        """Take the sections of a playbook that is well formed throughout."""
        return cls._of({name: getattr(playbook, name) for name in playbook.model_fields_set})

    @classmethod
    def of_tree(cls, tree: Any, names: Names) -> Self:
        """Take from a document what is well formed."""
        found: dict[str, Any] = {}
        for name, written in tree.items() if isinstance(tree, dict) else ():
            try:
                found[name] = _adapter(name).validate_python(written, context=names) if name in _SECTIONS else None
            except ValidationError:
                found[name] = None
        return cls._of(found)

    @classmethod
    def _of(cls, found: Mapping[str, Any]) -> Self:
        return cls(
            written=frozenset(found),
            conditions=tuple(conditions_in(dict(found))),
            vocab=found.get("vocab") or {},
            frameworks=found.get("frameworks") or {},
            scoring=found.get("scoring"),
            routing=found.get("routing"),
        )


_NEARLY: Final = 90
"""From which likeness on, in percent, one word is taken for a slip of another."""
_SECTIONS = frozenset(Playbook.model_fields)


@cache
def _adapter(section: str) -> TypeAdapter[Any]:
    return TypeAdapter(Playbook.model_fields[section].rebuild_annotation())


def errors(sections: Sections) -> Iterator[Finding]:
    """Yield what keeps a document from being published."""
    for loc, condition in sections.conditions:
        match condition:
            case ScoreCondition() if sections.scoring is not None:
                yield from _unreachable(loc, condition, sections.scoring)
            case FrameworkCondition() if condition.framework in sections.frameworks:
                yield from _too_many(loc, condition, sections.frameworks)
            case FieldCondition():
                yield from _listed_values(loc, condition, sections.vocab)
            case _:
                pass
    if sections.routing is not None:
        yield from _nowhere(sections.routing, sections.written)


def _unreachable(loc: Loc, condition: ScoreCondition, scoring: Scoring) -> Iterator[Finding]:
    low, high = reach(scoring).get(condition.score, (-math.inf, math.inf))
    if condition.gte is not None and condition.gte > high:
        yield (*loc, "gte"), f"never true: {condition.score} reaches {high} at most"
    if condition.lte is not None and condition.lte < low:
        yield (*loc, "lte"), f"never true: {condition.score} is at least {low}"


def _too_many(
    loc: Loc, condition: FrameworkCondition, frameworks: Mapping[str, Mapping[str, Condition]]
) -> Iterator[Finding]:
    items = len(frameworks[condition.framework])
    if condition.met > items:
        yield (*loc, "met"), f"never true: '{condition.framework}' has {items} items"


def _listed_values(
    loc: Loc, condition: FieldCondition, vocab: Mapping[str, tuple[str | float, ...]]
) -> Iterator[Finding]:
    kind = fields.kind_of(resolve_field(condition.field) or "")
    for operator, values in (("in", condition.in_), ("not_in", condition.not_in)):
        for index, value in enumerate(values or ()):
            if kind is None or not isinstance(value, str) or not value.startswith("$"):
                continue
            for entry in vocab.get(value[1:], ()):
                if problem := mismatch(kind, entry):
                    yield (*loc, operator, index), f"'{entry}' in list '{value[1:]}': {problem}"
                    break


def _nowhere(routing: Routing, written: frozenset[str]) -> Iterator[Finding]:
    for index, rule in enumerate(routing.rules):
        loc = ("routing", "rules", index, "to")
        if isinstance(rule.to, ToTeam) and rule.to.team == TERRITORY and "territories" not in written:
            yield (*loc, "team"), "'territory' needs the section 'territories'"
        if rule.to == "nurture" and "nurture" not in written:
            yield loc, "'nurture' needs the section 'nurture'"


def reach(scoring: Scoring) -> dict[str, tuple[float, float]]:
    """Return the least and the most that each group, and the total, can come to: {"fit": (-25, 50), …}."""
    groups = {name: _group_reach(group) for name, group in scoring.groups.items()}
    clamp = scoring.clamp
    low = sum(low for low, _ in groups.values())
    high = sum(high for _, high in groups.values())
    within = (max(clamp.min, min(clamp.max, low)), max(clamp.min, min(clamp.max, high)))
    return groups | {"total": within}


def _group_reach(group: Group) -> tuple[float, float]:
    low: float = sum(min(_rule_reach(rule)) for rule in group.rules)
    high: float = sum(max(_rule_reach(rule)) for rule in group.rules)
    if group.min is not None:
        low, high = max(low, group.min), max(high, group.min)
    if group.max is not None:
        low, high = min(low, group.max), min(high, group.max)
    return low, high


def _rule_reach(rule: Rule) -> tuple[float, ...]:
    """Return what a rule may give; the least and the most of it matter."""
    if rule.tiers is not None:
        return (0, *rule.tiers.values())
    points = rule.points or 0
    if rule.max_points is not None:
        return 0, rule.max_points
    return (0, points * math.inf) if rule.per or rule.each else (0, points)


def events_of(playbook: Playbook) -> set[str]:
    """Return the types of activities that a playbook looks for."""
    conditions = (condition for _, condition in playbook.conditions())
    events = (playbook.expand(one.event) for one in conditions if isinstance(one, EventCondition))
    return {str(name) for names in events for name in names}


def warnings(playbook: Playbook, well_known_events: Collection[str]) -> Iterator[Finding]:
    """Yield what is allowed, but seldom meant.

    Args:
        playbook: one without errors.
        well_known_events: types of activities; one that is nearly one of them is likely misspelt.
    """
    for index, entry in enumerate(playbook.stages):
        yield from _fit_alone(index, entry, playbook.scoring)
    for name, group in playbook.scoring.groups.items():
        for index, rule in enumerate(group.rules):
            yield from _odd_rule(("scoring", "groups", name, "rules", index), rule, group)
    yield from _odd_lists(playbook)
    yield from _odd_events(playbook, well_known_events)
    yield from _without_effect(playbook)


def _odd_events(playbook: Playbook, well_known: Collection[str]) -> Iterator[Finding]:
    """Warn of types that are nearly well-known ones: what nobody ever sends gives no points, and nobody notices."""
    near = {name: _nearly(name, well_known) for name in events_of(playbook) - set(well_known)}
    for loc, condition in playbook.conditions():
        if isinstance(condition, EventCondition):
            for name in playbook.expand(condition.event):
                if meant := near.get(str(name)):
                    yield (*loc, "event"), f"event '{name}' is nearly '{meant}': is it meant?"


def _nearly(name: str, known: Collection[str]) -> str | None:
    found = process.extractOne(name, known, scorer=fuzz.ratio, score_cutoff=_NEARLY)
    return found[0] if found else None


def _without_effect(playbook: Playbook) -> Iterator[Finding]:
    """Warn of what changes nothing: tracks that send nothing; teams, promises and hours that nobody uses."""
    for index, track in enumerate(playbook.nurture.tracks if playbook.nurture else ()):
        if not track.steps:
            yield ("nurture", "tracks", index), f"track '{track.id}' has no steps: who is on it gets nothing"
    targets = [rule.to.team for rule in playbook.routing.rules if isinstance(rule.to, ToTeam)]
    if TERRITORY in targets:
        targets += [territory.team for territory in playbook.territories or ()]
    made = [rule.sla for rule in playbook.routing.rules]
    hours = [promise.calendar for promise in playbook.sla.values()]
    hours += [team.calendar for team in playbook.teams.values()]
    hours += [member.calendar for team in playbook.teams.values() for member in team.members]
    hours += [step.window for track in (playbook.nurture.tracks if playbook.nurture else ()) for step in track.steps]
    for section, names, used, detail in (
        ("teams", playbook.teams, targets, "gets no leads: no rule or territory names it"),
        ("sla", playbook.sla, made, "is made by no rule"),
        ("calendars", playbook.calendars, hours, "is used nowhere"),
    ):
        yield from (((section, name), f"'{name}' {detail}") for name in names if name not in used)


def _fit_alone(index: int, entry: StageEntry, scoring: Scoring) -> Iterator[Finding]:
    """Warn of a threshold that a perfect profile passes without having done anything."""
    if entry.stage is not Stage.MQL or entry.when is None or "fit" not in scoring.groups:
        return
    needed = _needed_of_scores(entry.when)
    if needed is not None and needed <= reach(scoring)["fit"][1]:
        detail = f"fit alone reaches {needed}: leads that did nothing become MQL; add {{score: engagement, gte: …}}"
        yield ("stages", index, "when"), detail


def _needed_of_scores(condition: Condition) -> float | None:
    """Return the total (or fit) that fulfils a condition by itself, or None if it takes something else."""
    match condition:
        case ScoreCondition(score="total" | "fit"):
            return condition.gte if condition.gte is not None else -math.inf
        case AllCondition():
            parts = [_needed_of_scores(part) for part in condition.all]
            known = [part for part in parts if part is not None]
            return max(known) if len(known) == len(parts) else None
        case AnyCondition():
            return min((part for one in condition.any if (part := _needed_of_scores(one)) is not None), default=None)
        case _:
            return None


def _odd_rule(loc: Loc, rule: Rule, group: Group) -> Iterator[Finding]:
    if rule.max_points is not None and rule.points is not None and abs(rule.max_points) < abs(rule.points):
        yield (*loc, "max_points"), "the cap is smaller than one award"
    fades = isinstance(rule.when, EventCondition) or rule.tiers is not None
    if group.decay is not None and not fades and (rule.points or 0) > 0:
        yield (*loc, "when"), "does not fade with its group: only a rule whose 'when' is one event has an age"


def _odd_lists(playbook: Playbook) -> Iterator[Finding]:
    used: set[str] = set()
    for _, condition in playbook.conditions():
        listed = {part[1:] for part in _values_of(condition) if isinstance(part, str) and part.startswith("$")}
        used |= listed
        for name in sorted(listed) if isinstance(condition, FieldCondition) and condition.words else ():
            if short := [word for word in playbook.vocab[name] if len(words_of(str(word)).line) == 3]:
                yield ("vocab", name), f"one-letter words match more than they should: {', '.join(map(str, short[:3]))}"
    for name in playbook.vocab:
        if name not in used:
            yield ("vocab", name), f"list '{name}' is used nowhere"


def _values_of(condition: Condition) -> Iterator[object]:
    """Yield every value that a condition compares with, lists by their names."""
    match condition:
        case FieldCondition():
            yield from (*(condition.in_ or ()), *(condition.not_in or ()), *(condition.words or ()))
        case SourceCondition():
            yield from condition.source
        case EventCondition():
            yield from condition.event
            for member in condition.where.values():
                yield from (*(member.in_ or ()), *(member.not_in or ()))
        case _:
            pass
