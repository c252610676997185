"""Scoring rules compiled to awards: how many points, why, and when time alone changes them.

Points are whole numbers and fading is counted in whole percent, so sums are exact; halves are rounded away from zero,
once a rule.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from leadhub.domain.context import Context, NextChange, Scope, days, earliest, idle_time
from leadhub.domain.facts import Query, compile_query, later
from leadhub.domain.model import Fact
from leadhub.domain.playbook_conditions import EventCondition, IdleSinceCondition
from leadhub.domain.playbook_rules import Decay, Rule
from leadhub.domain.playbook_values import duration_text
from leadhub.domain.predicates import compile_condition

Units = Callable[[Sequence[Fact]], Iterator[tuple[int, datetime]]]
"""What facts are worth: how many awards, and from when each ages."""

_NOTHING = timedelta(0)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Award:
    """A compiled scoring rule."""

    rule: str
    """Group and id: "fit.title"."""
    answer: Callable[[Context], int | None]
    """The points; for a rule that gives `once` points, whether it does."""
    once: int | None
    because: Callable[[Context, int], str]
    """Why it gives so many points, or why none."""
    possible: int
    """The points of one award (of the first tier): what an explanation shows for a rule that gave nothing."""
    changes: tuple[NextChange, ...]
    """Each names the next instant after now at which time alone may change the points; empty when time cannot."""
    passing: Callable[[Context], str]
    """What happens then, in words: "idle 30d"."""


def compile_rule(rule: Rule, group: str, decay: Decay | None, scope: Scope) -> Award:
    """Compile one scoring rule of a group."""
    name = f"{group}.{rule.id}"
    if rule.tiers is not None and isinstance(rule.when, IdleSinceCondition):
        return _tiers(name, rule, rule.tiers, rule.when.idle_since)
    fades = decay if rule.points is not None and rule.points > 0 else None
    if isinstance(rule.when, EventCondition) and (rule.per or rule.each or fades):
        return _counted(name, rule, compile_query(rule.when, scope.expand), fades, scope)
    return _once(name, rule, scope)


def _once(name: str, rule: Rule, scope: Scope) -> Award:
    """Compile a rule that gives its points when its condition holds."""
    predicate, points = compile_condition(rule.when, scope), rule.points or 0
    is_event, reason = isinstance(rule.when, EventCondition), predicate.because

    def because(context: Context, won: int) -> str:
        return f"{reason(context)}, counts once" if is_event and won else reason(context)

    return Award(
        rule=name,
        answer=predicate.holds,
        once=points,
        because=because,
        possible=points,
        changes=predicate.changes,
        passing=lambda _: _older(rule),
    )


def _older(rule: Rule) -> str:
    """Return what time does to a rule: "opens5 older than 90d"."""
    within = rule.when.within if isinstance(rule.when, EventCondition) else None
    return f"{rule.id} older than {duration_text(within)}" if within else rule.id


def _tiers(name: str, rule: Rule, tiers: dict[timedelta, int], since: str) -> Award:
    """Compile a rule whose points depend on the longest of several times that has passed."""
    steps = sorted(tiers)
    from_creation = since == "created"
    points_by_step = (0, *(tiers[step] for step in steps))
    reached_words = (f"{duration_text(steps[0])} is next", *(f"{duration_text(step)} reached" for step in steps))
    waits = "here" if from_creation else "idle"

    def start(context: Context) -> datetime:
        return context.view.created_at if from_creation else context.idle_from

    def passed(context: Context) -> timedelta:
        return max(context.now - start(context), _NOTHING) if from_creation else idle_time(context)

    def because(context: Context, _: int) -> str:
        time = passed(context)
        return f"{waits} {days(time // _DAY)}, {reached_words[bisect_right(steps, time)]}"

    def changes(context: Context) -> datetime | None:
        reached = bisect_right(steps, passed(context))
        return later(start(context), steps[reached]) if reached < len(steps) else None

    def passing(context: Context) -> str:
        reached = bisect_right(steps, passed(context))
        return f"{rule.id} {duration_text(steps[reached - 1])}" if reached else rule.id

    return Award(
        rule=name,
        answer=lambda context: points_by_step[bisect_right(steps, passed(context))],
        once=None,
        because=because,
        possible=tiers[steps[0]],
        changes=(changes,),
        passing=passing,
    )


def _counted(name: str, rule: Rule, query: Query, decay: Decay | None, scope: Scope) -> Award:
    """Compile a rule that counts activities, or whose points fade with the age of the activity."""
    points, units, select = rule.points or 0, _units(rule, query), query.select

    def fading(context: Context, decay: Decay) -> int:
        found = units(select(context.facts, context.now))
        percent = sum(times * weight(decay, context.now - at) for times, at in found)
        return capped(half_up(points * percent), rule.max_points)

    def whole(context: Context) -> int:
        found = select(context.facts, context.now)
        return capped(points * _times(rule, query, found), rule.max_points) if found else 0

    def because(context: Context, won: int) -> str:
        found, most = select(context.facts, context.now), won if decay is None else whole(context)
        return query.words(found, scope.zone) + _remarks(rule, most, won) if most else query.missing(found)

    return Award(
        rule=name,
        answer=whole if decay is None else lambda context: fading(context, decay),
        once=None,
        because=because,
        possible=points,
        changes=_counted_changes(rule, query, units, decay),
        passing=lambda _: f"{rule.id} fades" if decay is not None else _older(rule),
    )


def _counted_changes(rule: Rule, query: Query, units: Units, decay: Decay | None) -> tuple[NextChange, ...]:
    """Return when the next activity leaves the window or loses a share of its points."""
    if decay is None and query.condition.within is None:
        return ()
    leaves = query.next_out if rule.per or rule.each else query.ends

    def changes(context: Context) -> datetime | None:
        found = units(query.select(context.facts, context.now)) if decay else ()
        steps = (next_step(decay, at, context.now) for _, at in found) if decay else ()
        return earliest((leaves(context.facts, context.now), *steps))

    return (changes,)


def _times(rule: Rule, query: Query, found: Sequence[Fact]) -> int:
    """Return how many awards facts are worth while nothing fades."""
    if (per := rule.per) is not None:
        return len({fact.attributes.get(per) for fact in found})
    if rule.each:
        return sum([_apart(fact, rule.cooldown) for fact in found])
    return 1 if query.count(found) >= query.condition.at_least else 0


def _units(rule: Rule, query: Query) -> Units:
    per, cooldown, condition = rule.per, rule.cooldown, query.condition

    def per_value(found: Sequence[Fact]) -> Iterator[tuple[int, datetime]]:
        newest: dict[str | None, datetime] = {}
        for fact in found:
            value = fact.attributes.get(per or "")
            newest[value] = max(newest.get(value, fact.last_at), fact.last_at)
        return ((1, at) for at in newest.values())

    def each_activity(found: Sequence[Fact]) -> Iterator[tuple[int, datetime]]:
        return ((_apart(fact, cooldown), fact.last_at) for fact in found)

    def once(found: Sequence[Fact]) -> Iterator[tuple[int, datetime]]:
        if found and query.count(found) >= condition.at_least:
            yield 1, max(fact.last_at for fact in found)

    return per_value if per else each_activity if rule.each else once


def _apart(fact: Fact, cooldown: timedelta | None) -> int:
    """Return how many activities of a fact count when closer ones are one.

    A fact keeps its first and last time only, so this is the most that can have been so far apart.
    """
    if cooldown is None:
        return fact.count
    return min(fact.count, max(fact.last_at - fact.first_at, _NOTHING) // cooldown + 1)


def _remarks(rule: Rule, whole: int, given: int) -> str:
    remarks = "" if rule.per else f", {rule.points} each" if rule.each else ", counts once"
    if rule.max_points is not None and whole == rule.max_points:
        remarks += f", at most {rule.max_points}"
    return remarks + (f", faded from {whole}" if whole != given else "")


def weight(decay: Decay, age: timedelta) -> int:
    """Return how much of its points an activity of this age still has, in percent.

    >>> decay = Decay(every=timedelta(days=30), lose=25)
    >>> [weight(decay, timedelta(days=days)) for days in (0, 29, 30, 65, 200)]
    [100, 100, 75, 50, 0]
    """
    return max(0, 100 - decay.lose * (max(age, _NOTHING) // decay.every))


def next_step(decay: Decay, at: datetime, now: datetime) -> datetime | None:
    """Return when an activity loses its next share, or None when nothing is left."""
    if not weight(decay, now - at):
        return None
    return later(at, (max(now - at, _NOTHING) // decay.every + 1) * decay.every)


def half_up(hundredths: int) -> int:
    """Round hundredths to whole points, halves away from zero.

    >>> half_up(1850), half_up(1849), half_up(-1850)
    (19, 18, -19)
    """
    size = (2 * abs(hundredths) + 100) // 200
    return size if hundredths >= 0 else -size


def capped(points: int, most: int | None) -> int:
    """Return points cut at a rule's `max_points`, which has the sign of the points."""
    if most is None:
        return points
    return min(points, most) if most > 0 else max(points, most)
