"""Predicates about what a lead did, and about what has been decided of it so far."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from leadhub.domain.context import Answer, Context, NextChange, Predicate, Scope, days, idle_time
from leadhub.domain.facts import Query, compile_query, later
from leadhub.domain.field_predicates import relations
from leadhub.domain.playbook_conditions import (
    ContactableCondition,
    DisqualifiedCondition,
    EventCondition,
    FrameworkCondition,
    GainedCondition,
    IdleCondition,
    RoutedCondition,
    ScoreCondition,
    StageCondition,
    TemperatureCondition,
)

_DAY = timedelta(days=1)


def event(condition: EventCondition, scope: Scope) -> Predicate:
    """How often the lead did something."""
    query = compile_query(condition, scope.expand)

    def because(context: Context) -> str:
        found = query.select(context.facts, context.now)
        enough = query.count(found) >= condition.at_least
        return query.words(found, scope.zone) if enough else query.missing(found)

    return Predicate(_often_enough(query), because, changes_of(query))


def changes_of(query: Query) -> tuple[NextChange, ...]:
    """Return when time alone ends what a query finds; empty if it never does."""
    if query.condition.within is None:
        return ()
    return (lambda context: query.ends(context.facts, context.now),)


def _often_enough(query: Query) -> Answer:
    select, count, needed = query.select, query.count, query.condition.at_least
    if needed > 1:
        return lambda context: count(select(context.facts, context.now)) >= needed
    if query.always:
        return _ever(query.types)
    # A fact is at least one activity: found is enough.
    return lambda context: len(select(context.facts, context.now)) > 0


def _ever(types: Sequence[str]) -> Answer:
    """Return the commonest question, whether the lead ever did one of these, without any counting."""
    if len(types) == 1:
        (only,) = types
        return lambda context: only in context.facts
    wanted = frozenset(types)
    return lambda context: not wanted.isdisjoint(context.facts)


def signal(name: str, scope: Scope) -> Predicate:
    """A signal compiled before holds."""
    compiled = scope.signals[name]
    return Predicate(
        lambda context: context.signals[name],
        lambda context: f"{name}: {compiled.because(context)}",
        compiled.changes,
    )


def framework(condition: FrameworkCondition) -> Predicate:
    """Enough items of a checklist are met; unknown while the open ones could still make it enough."""
    name, needed = condition.framework, condition.met

    def holds(context: Context) -> bool | None:
        met, unknown = context.met[name]
        if met >= needed:
            return True
        return None if met + unknown >= needed else False

    def because(context: Context) -> str:
        met, unknown = context.met[name]
        return f"{name}: {met} met, {unknown} unknown, {needed} needed"

    return Predicate(holds, because)


def score(condition: ScoreCondition) -> Predicate:
    """A score lies within bounds."""
    name, low, high = condition.score, condition.gte, condition.lte
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    inside, outside = relations(low, high)

    def holds(context: Context) -> bool:
        return least <= context.scores[name] <= most

    return Predicate(holds, lambda context: f"{name} {context.scores[name]} {inside if holds(context) else outside}")


def temperature(condition: TemperatureCondition) -> Predicate:
    """The temperature is one of some."""
    levels = frozenset(condition.temperature)
    return Predicate(lambda context: context.temperature in levels, lambda context: f"is {context.temperature}")


def stage(condition: StageCondition) -> Predicate:
    """The stage is one of some."""
    stages = frozenset(condition.stage)
    return Predicate(lambda context: context.stage in stages, lambda context: f"stage is {context.stage}")


def idle(condition: IdleCondition) -> Predicate:
    """Whole days without activity lie within bounds."""
    low, high = condition.idle_days.gte, condition.idle_days.lte
    # Whole days: "at most 60" ends when the 61st day is complete.
    turns = sorted([*([low] if low is not None else []), *([high + 1] if high is not None else [])])

    def changes(context: Context) -> datetime | None:
        instants = (later(context.idle_from, turn * _DAY) for turn in turns)
        return next((instant for instant in instants if instant is not None and instant > context.now), None)

    def idle_days(context: Context) -> int:
        return idle_time(context) // _DAY

    least, most = 0 if low is None else low, math.inf if high is None else high
    inside, outside = relations(low, high)

    def holds(context: Context) -> bool:
        return least <= idle_days(context) <= most

    def because(context: Context) -> str:
        return f"idle {days(idle_days(context))}, {inside if holds(context) else outside}"

    return Predicate(holds, because, (changes,))


def gained(condition: GainedCondition) -> Predicate:
    """Points won since the lead was given back."""
    name, needed = condition.gained, condition.gte

    def gain(context: Context) -> int | None:
        if context.gained_from is None or name not in context.gained_from:
            return None
        return context.scores[name] - context.gained_from[name]

    def holds(context: Context) -> bool | None:
        gained = gain(context)
        return None if gained is None else gained >= needed

    def because(context: Context) -> str:
        gained = gain(context)
        return f"{name} then is unknown" if gained is None else f"{name} gained {gained}, {needed} needed"

    return Predicate(holds, because)


def contactable(condition: ContactableCondition) -> Predicate:
    """The person can be reached, or cannot."""
    wanted = condition.contactable
    return Predicate(
        lambda context: context.view.contactable is wanted,
        lambda context: "can be contacted" if context.view.contactable else "there is no way to contact them",
    )


def disqualified(condition: DisqualifiedCondition) -> Predicate:
    """A disqualification holds, or none."""
    wanted = condition.disqualified
    return Predicate(
        lambda context: (context.disqualified is not None) is wanted,
        lambda context: f"disqualified: {context.disqualified}" if context.disqualified else "not disqualified",
    )


def routed(condition: RoutedCondition) -> Predicate:
    """Where the lead goes."""
    wanted = condition.routed
    return Predicate(lambda context: context.routed is wanted, lambda context: f"routed to {context.routed}")
