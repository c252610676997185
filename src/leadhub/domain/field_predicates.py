"""Predicates about what a field of the lead or its company holds."""

import math
from collections.abc import Sequence

from leadhub.domain import fields
from leadhub.domain.context import Context, Predicate, Scope
from leadhub.domain.model import FieldValue
from leadhub.domain.normalisation.text import identifier
from leadhub.domain.playbook_conditions import FieldCondition
from leadhub.domain.playbook_values import resolve_field
from leadhub.domain.words import WordList, words_of

_LONGEST_SHOWN = 60


def compile_field(condition: FieldCondition, scope: Scope) -> Predicate:
    """Compile the one operator that a field condition has, or its pair of bounds."""
    name, label = resolve_field(condition.field) or condition.field, condition.field
    if condition.in_ is not None:
        return membership(name, label, condition.in_, scope, wanted=True)
    if condition.not_in is not None:
        return membership(name, label, condition.not_in, scope, wanted=False)
    if condition.words is not None:
        return _words(name, label, condition.words, scope)
    if condition.present is not None:
        return _present(name, label, wanted=condition.present)
    low, high = condition.between or (condition.gte, condition.lte)
    return _bounds(name, label, low, high)


def membership(name: str, label: str, values: Sequence[str | float], scope: Scope, *, wanted: bool) -> Predicate:
    """The value is one of a list, or, not `wanted`, none of it; unknown if there is no value."""
    members = frozenset(spelling for value in scope.expand(values) for spelling in _spellings(name, value))
    called, unknown = _list_name(values, scope), f"{label} is unknown"

    def holds(context: Context) -> bool | None:
        value = context.fields.get(name)
        if value is None or value == "":
            return None
        if type(value) is str:
            return (value.casefold() in members) is wanted
        return (comparable(value) in members) is wanted

    def because(context: Context) -> str:
        value = context.fields.get(name)
        if value is None or value == "":
            return unknown
        return f"{label} {show(value)} {'is in' if comparable(value) in members else 'is not in'} {called}"

    return Predicate(holds, because)


def _list_name(values: Sequence[str | float], scope: Scope) -> str:
    """Return how a list is called in a reason: by its name if it has one, else by its first values."""
    if len(values) == 1 and isinstance(values[0], str) and values[0].startswith("$"):
        return values[0][1:]
    shown = [str(value) for value in scope.expand(values)]
    return ", ".join(shown[:5]) + (", …" if len(shown) > 5 else "")


def _spellings(name: str, value: FieldValue) -> set[str | float]:
    """Return what counts as a value of a list: `health care` is how a person writes the keyword `health_care`."""
    spellings = {comparable(value)}
    if isinstance(value, str) and fields.kind_of(name) is fields.Kind.KEYWORD:
        spellings.add(identifier(value))
    return spellings


def comparable(value: FieldValue) -> str | float:
    """Return what membership compares: text without regard to case, yes and no apart from 1 and 0."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _words(name: str, label: str, values: Sequence[str | float], scope: Scope) -> Predicate:
    entries = WordList.of([str(value) for value in scope.expand(values)])
    called, unknown = _list_name(values, scope), f"{label} is unknown"

    def holds(context: Context) -> bool | None:
        value = context.fields.get(name)
        if value is None or value == "":
            return None
        return entries.occur_in(words_of(value if isinstance(value, str) else str(value)))

    def because(context: Context) -> str:
        value = context.fields.get(name)
        if value is None or value == "":
            return unknown
        words = words_of(value if isinstance(value, str) else str(value))
        end = f"'{entries.first_in(words)}'" if entries.occur_in(words) else f"none of {called}"
        return f"{label} {show(value)} contains {end}"

    return Predicate(holds, because)


def _present(name: str, label: str, *, wanted: bool) -> Predicate:
    def known(context: Context) -> bool:
        value = context.fields.get(name)
        return value is not None and value != ""

    def holds(context: Context) -> bool | None:
        if known(context):
            return wanted
        # Nobody said: for a checklist that is a question to ask, not a no.
        return None if wanted else True

    return Predicate(holds, lambda context: f"{label} is {'known' if known(context) else 'unknown'}")


def _bounds(name: str, label: str, low: float | None, high: float | None) -> Predicate:
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    inside, outside = relations(low, high)
    unknown = f"{label} is unknown"

    def holds(context: Context) -> bool | None:
        value = context.fields.get(name)
        kind = type(value)
        if kind is int:
            return least <= value <= most  # type: ignore[operator]  # type() does not narrow, and isinstance is slower
        if kind is float and not math.isnan(value):  # type: ignore[arg-type]  # as above
            return least <= value <= most  # type: ignore[operator]  # as above
        return None

    def because(context: Context) -> str:
        value = context.fields.get(name)
        if value is None or value == "":
            return unknown
        answer = holds(context)
        relation = "is not a number" if answer is None else inside if answer else outside
        return f"{label} {show(value)} {relation}"

    return Predicate(holds, because)


def relations(low: float | None, high: float | None) -> tuple[str, str]:
    """Return how a number inside its bounds is called, and one outside.

    >>> relations(50, None), relations(None, 6)
    (('is at least 50', 'is below 50'), ('is at most 6', 'is above 6'))
    """
    if low is not None and high is not None:
        between = f"between {show(low)} and {show(high)}"
        return f"is {between}", f"is not {between}"
    if low is not None:
        return f"is at least {show(low)}", f"is below {show(low)}"
    return f"is at most {show(high)}", f"is above {show(high)}"


def show(value: FieldValue | None) -> str:
    """Return a value for people: text in quotes and cut to a line, numbers bare.

    >>> show("Chief of Staff"), show(120.0), show(None)
    ("'Chief of Staff'", '120', 'nothing')
    """
    if isinstance(value, str):
        line = " ".join(value.split())
        return f"'{line[: _LONGEST_SHOWN - 1]}…'" if len(line) > _LONGEST_SHOWN else f"'{line}'"
    if type(value) is int:
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "nothing" if value is None else str(value)
