"""Questions about what a lead did, asked of its facts.

A fact is all activities of one type with the same attributes: a count, the first time and the last. Three readings
follow from that, and hold everywhere:

- A fact is inside a window while its newest activity is: `last_at + within` is the first instant outside.
- Without `distinct`, a count over a window includes the older activities of the facts inside it.
- Activities that lack an attribute count as one value of it, and are in no list of its values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from leadhub.domain.model import Fact
from leadhub.domain.playbook_conditions import EventCondition, Membership
from leadhub.domain.playbook_values import duration_text

FactsByType = Mapping[str, Sequence[Fact]]
Expand = Callable[[Sequence[str | float]], tuple[str | float, ...]]
"""Replaces `$lists` by their values."""
Select = Callable[[FactsByType, datetime], Sequence[Fact]]

_NONE: Final[tuple[Fact, ...]] = ()


def by_type(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """Group facts by their type."""
    grouped: dict[str, list[Fact]] = {}
    for fact in facts:
        name = fact.type
        if name in grouped:
            grouped[name].append(fact)
        else:
            grouped[name] = [fact]
    return grouped


def later(instant: datetime, by: timedelta) -> datetime | None:
    """Return an instant so much later, or None after the last year that a calendar knows."""
    try:
        return instant + by
    except OverflowError:
        return None


@dataclass(frozen=True, slots=True)
class Query:
    """An event condition, ready to be asked."""

    condition: EventCondition
    types: tuple[str, ...]
    select: Select
    """The facts that count at an instant."""
    always: bool
    """Whether every fact of these types counts, whatever its age and attributes."""
    suffix: str
    """What is counted, and the window, in words: " by message_id in 90d"; mostly nothing."""
    nothing: str
    """That there is none, in words: "no webinar_attended"."""

    def count(self, found: Sequence[Fact]) -> int:
        """Return how many (different) activities selected facts stand for."""
        if (distinct := self.condition.distinct) is not None:
            return len({fact.attributes.get(distinct) for fact in found})
        return sum([fact.count for fact in found])

    def ends(self, facts: FactsByType, now: datetime) -> datetime | None:
        """Return when the condition stops holding if nothing happens; time alone never makes it hold."""
        within = self.condition.within
        if within is None:
            return None
        found = self.select(facts, now)
        if not found:
            return None
        if self.condition.at_least == 1:
            return later(newest(found), within)
        distinct, seen, times = self.condition.distinct, set(), 0
        for fact in sorted(found, key=_last_at, reverse=True):
            if distinct is None:
                times += fact.count
            else:
                seen.add(fact.attributes.get(distinct))
                times = len(seen)
            if times >= self.condition.at_least:
                return later(fact.last_at, within)
        return None

    def next_out(self, facts: FactsByType, now: datetime) -> datetime | None:
        """Return when the next of the facts leaves the window."""
        found = self.select(facts, now)
        if self.condition.within is None or not found:
            return None
        return later(min(fact.last_at for fact in found), self.condition.within)

    def words(self, found: Sequence[Fact], zone: ZoneInfo) -> str:
        """Return what was found, for people: "2 content_downloaded in 90d, last 2025-03-10"."""
        if len(found) == 1:
            (fact,) = found
            times = 1 if self.condition.distinct else fact.count
            return f"{times} {fact.type}{self.suffix}, last {day(fact.last_at, zone)}"
        return f"{self.count(found)} {self._names(found)}{self.suffix}, last {day(newest(found), zone)}"

    def missing(self, found: Sequence[Fact]) -> str:
        """Return what is missing: "no webinar_attended", "2 of 5 email_opened by message_id in 90d"."""
        if not found:
            return self.nothing
        return f"{self.count(found)} of {self.condition.at_least} {self._names(found)}{self.suffix}"

    def _names(self, found: Sequence[Fact]) -> str:
        if len(self.types) == 1:
            return self.types[0]
        seen = {fact.type for fact in found}
        return " or ".join([name for name in self.types if name in seen])


def _last_at(fact: Fact) -> datetime:
    return fact.last_at


def newest(found: Sequence[Fact]) -> datetime:
    """Return when the last of some facts, at least one, happened."""
    return found[0].last_at if len(found) == 1 else max([fact.last_at for fact in found])


@lru_cache(maxsize=4096)
def day(instant: datetime, zone: ZoneInfo) -> str:
    """Return the local date of an instant; the reasons of one lead name the same few again and again."""
    try:
        return instant.astimezone(zone).isoformat()[:10]
    except OverflowError:
        return instant.astimezone(UTC).isoformat()[:10]


def _membership_words(member: Membership) -> str:
    values, word = (member.in_, "") if member.in_ is not None else (member.not_in or (), "not ")
    return word + "/".join(str(value) for value in values[:3]) + ("/…" if len(values) > 3 else "")


def compile_query(condition: EventCondition, expand: Expand) -> Query:
    """Make an event condition ready to be asked."""
    types = tuple(dict.fromkeys(str(name) for name in expand(condition.event)))
    select = _of_types(types)
    for name, member in condition.where.items():
        select = _with_attribute(select, name, member, expand)
    if condition.within is not None:
        select = _recent(select, condition.within)
    window = f" in {duration_text(condition.within)}" if condition.within else ""
    different = f" by {condition.distinct}" if condition.distinct else ""
    return Query(
        condition,
        types,
        select,
        always=not condition.where and condition.within is None,
        suffix=different + window,
        nothing=_nothing(types, condition) + window,
    )


def _nothing(types: Sequence[str], condition: EventCondition) -> str:
    names = " or ".join(types[:3]) + (" or …" if len(types) > 3 else "")
    parts = (f"{name} {_membership_words(member)}" for name, member in condition.where.items())
    return f"no {names}" + (" with " + " and ".join(parts) if condition.where else "")


# Each of these runs once a rule and lead, so each is one flat loop and skips what is empty.


def _of_types(types: Sequence[str]) -> Select:
    if len(types) == 1:
        (only,) = types
        return lambda facts, _: facts.get(only, _NONE)
    wanted = frozenset(types)

    def select(facts: FactsByType, _: datetime) -> Sequence[Fact]:
        if wanted.isdisjoint(facts):
            return _NONE
        return [fact for name in types if name in facts for fact in facts[name]]

    return select


def _with_attribute(before: Select, name: str, member: Membership, expand: Expand) -> Select:
    wanted = member.in_ is not None
    values = frozenset(str(value).casefold() for value in expand(member.in_ or member.not_in or ()))

    def select(facts: FactsByType, now: datetime) -> Sequence[Fact]:
        found = before(facts, now)
        # No value is empty, so what lacks the attribute is in no list.
        return found and [fact for fact in found if (fact.attributes.get(name, "").casefold() in values) is wanted]

    return select


def _recent(before: Select, within: timedelta) -> Select:
    def select(facts: FactsByType, now: datetime) -> Sequence[Fact]:
        found = before(facts, now)
        if not found:
            return _NONE
        edge = now - within
        return [fact for fact in found if fact.last_at > edge]

    return select
