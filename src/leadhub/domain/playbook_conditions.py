"""The conditions of a playbook as they are written; `domain.predicates` compiles them.

A condition is a mapping that one key tells apart: `{field: country, in: [DE]}`, `{signal: hand_raise}`,
`{all: […]}`. What may be asked depends on where: decisions are made in a fixed order (scores, signals, frameworks,
disqualification, temperature, stage, route, track), and a condition may only look back.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, StrictInt, Tag, model_validator

from leadhub.domain import fields
from leadhub.domain.model import Route, Stage, Temperature
from leadhub.domain.playbook_part import Loc, Part, complain, complaint, did_you_mean
from leadhub.domain.playbook_values import (
    Attribute,
    Duration,
    EventTypes,
    FieldName,
    FrameworkName,
    Number,
    ScoreName,
    SignalName,
    Values,
    resolve_field,
)


class Step(IntEnum):
    """The order of decisions: a condition may be used after the step that makes it known."""

    LEAD = 0
    SCORES = 1
    SIGNALS = 2
    FRAMEWORKS = 3
    DISQUALIFICATION = 4
    TEMPERATURE = 5
    STAGE = 6
    ROUTE = 7
    FEEDBACK = 8
    TIERS = 9
    """`idle_since` belongs to `tiers` and is no condition elsewhere."""


_NUMERIC: Final = frozenset({fields.Kind.NUMBER, fields.Kind.EMPLOYEES})


class FieldCondition(Part):
    """What a field of the lead or company holds. Unknown is neither true nor false."""

    known_from: ClassVar = Step.LEAD

    field: FieldName
    in_: Values | None = Field(None, alias="in")
    not_in: Values | None = None
    words: Values | None = None
    """Whole words or phrases, without regard to case and accents: `intern` does not match `internal`."""
    between: tuple[Number, Number] | None = None
    gte: Number | None = None
    lte: Number | None = None
    present: StrictBool | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> "FieldCondition":
        complain("FieldCondition", list(self._complaints()))
        return self

    def operators(self) -> list[str]:
        """Return which of the operators are given, as written."""
        lists = ("in", self.in_), ("not_in", self.not_in), ("words", self.words), ("between", self.between)
        others = ("gte", self.gte), ("lte", self.lte), ("present", self.present)
        return [name for name, value in (*lists, *others) if value is not None]

    def _complaints(self) -> Iterator[tuple[Loc, str]]:
        given = self.operators()
        if not given:
            yield (), "a field needs one of in, not_in, words, between, gte, lte, present"
        elif len(given) > 1 and given != ["gte", "lte"]:
            yield (given[1],), f"'{given[0]}' and '{given[1]}' need a condition each, inside 'all'"
        if self.between and self.between[0] > self.between[1]:
            yield ("between",), "the first number of 'between' is greater than the second"
        kind = fields.kind_of(resolve_field(self.field) or "")
        if kind is not None:
            yield from self._mismatches(given, kind)

    def _mismatches(self, given: list[str], kind: fields.Kind) -> Iterator[tuple[Loc, str]]:
        for operator in given:
            if operator in {"between", "gte", "lte"} and kind not in _NUMERIC:
                yield (operator,), f"'{operator}' compares numbers, but '{self.field}' holds text ({kind})"
            if operator == "words" and kind in _NUMERIC:
                yield (operator,), f"'words' looks into text, but '{self.field}' holds a number"
        for operator, values in (("in", self.in_), ("not_in", self.not_in)):
            for index, value in enumerate(values or ()):
                if problem := mismatch(kind, value):
                    yield (operator, index), problem


def mismatch(kind: fields.Kind, value: str | float) -> str | None:
    """Return what is wrong with comparing a field of this kind with a value; a `$list` is checked with its list."""
    if isinstance(value, str) and value.startswith("$"):
        return None
    if kind in _NUMERIC and (isinstance(value, (str, bool))):
        return "this field holds a number"
    if kind not in _NUMERIC and not isinstance(value, str):
        return f"this field holds text: write '{value}' in quotes"
    if kind is fields.Kind.COUNTRY and not (isinstance(value, str) and len(value) == 2 and value.isalpha()):
        return "a country is its two-letter code (ISO 3166-1): DE, GB, US"
    if kind is fields.Kind.COUNTRY and str(value).upper() == "UK":
        return "the code of the United Kingdom is 'GB'"
    return None


class Membership(Part):
    """Which values an attribute of an activity may have. An activity without the attribute is in no list."""

    in_: Values | None = Field(None, alias="in")
    not_in: Values | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Membership":
        if (self.in_ is None) == (self.not_in is None):
            raise complaint("an attribute needs either in or not_in")
        return self


class EventCondition(Part):
    """How often the lead did something.

    Counted are facts: all activities of one type with the same attributes. A fact is inside `within` if its newest
    activity is; a count without `distinct` then includes the fact's older activities too.
    """

    known_from: ClassVar = Step.LEAD

    event: EventTypes
    where: dict[Attribute, Membership] = Field(default_factory=dict)
    within: Duration | None = None
    distinct: Attribute | None = None
    at_least: StrictInt = Field(1, ge=1, le=1_000_000)


class SignalCondition(Part):
    """A named fact of the playbook holds."""

    known_from: ClassVar = Step.SIGNALS

    signal: SignalName


class FrameworkCondition(Part):
    """At least so many items of a checklist are met."""

    known_from: ClassVar = Step.FRAMEWORKS

    framework: FrameworkName
    met: StrictInt = Field(ge=1)


class ScoreCondition(Part):
    """A group's points or the total lie within bounds, both inclusive."""

    known_from: ClassVar = Step.SCORES

    score: ScoreName
    gte: StrictInt | None = None
    lte: StrictInt | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "ScoreCondition":
        _check_bounds(self.gte, self.lte)
        return self


class TemperatureCondition(Part):
    """The temperature is one of these."""

    known_from: ClassVar = Step.TEMPERATURE

    temperature: tuple[Temperature, ...] = Field(min_length=1)


class StageCondition(Part):
    """The stage is one of these."""

    known_from: ClassVar = Step.STAGE

    stage: tuple[Stage, ...] = Field(min_length=1)


class WholeDays(Part):
    """Bounds in whole days, both inclusive."""

    gte: StrictInt | None = Field(None, ge=0, le=3660)
    lte: StrictInt | None = Field(None, ge=0, le=3660)

    @model_validator(mode="after")
    def _bounded(self) -> "WholeDays":
        _check_bounds(self.gte, self.lte)
        return self


class IdleCondition(Part):
    """Whole days since the last activity, or since the lead came if there was none."""

    known_from: ClassVar = Step.LEAD

    idle_days: WholeDays


class IdleSinceCondition(Part):
    """From when a rule's `tiers` count."""

    known_from: ClassVar = Step.TIERS

    idle_since: Literal["last_activity", "created"]


class GainedCondition(Part):
    """Points won since sales gave the lead back."""

    known_from: ClassVar = Step.FEEDBACK

    gained: ScoreName
    gte: StrictInt


class ContactableCondition(Part):
    """There is a way to reach the person."""

    known_from: ClassVar = Step.LEAD

    contactable: StrictBool


class DisqualifiedCondition(Part):
    """A disqualification holds, the playbook's own or a person's."""

    known_from: ClassVar = Step.DISQUALIFICATION

    disqualified: StrictBool


class RoutedCondition(Part):
    """The lead goes to sales, to nurture or nowhere."""

    known_from: ClassVar = Step.ROUTE

    routed: Route


class SourceCondition(Part):
    """Where the lead came from; short for the field `source`."""

    known_from: ClassVar = Step.LEAD

    source: Values


class AllCondition(Part):
    """Every one holds."""

    known_from: ClassVar = Step.LEAD

    all: tuple["Condition", ...] = Field(min_length=1, max_length=200)


class AnyCondition(Part):
    """At least one holds."""

    known_from: ClassVar = Step.LEAD

    any: tuple["Condition", ...] = Field(min_length=1, max_length=200)


class NoneCondition(Part):
    """Not one holds."""

    known_from: ClassVar = Step.LEAD

    none: tuple["Condition", ...] = Field(min_length=1, max_length=200)


def _check_bounds(gte: int | None, lte: int | None) -> None:
    if gte is None and lte is None:
        raise complaint("needs gte or lte")
    if gte is not None and lte is not None and gte > lte:
        raise complaint("gte is greater than lte: nothing lies between")


_KEYS: Final = (
    *("field", "event", "signal", "framework", "score", "temperature", "stage", "idle_days", "idle_since", "gained"),
    *("contactable", "disqualified", "routed", "source", "all", "any", "none"),
)


def _key_of(written: Any) -> str | None:
    """Return the tag of a condition: its key in angle brackets, which no key of a document can look like."""
    if isinstance(written, dict):
        return next((f"<{key}>" for key in _KEYS if key in written), None)
    return next((f"<{key}>" for key in getattr(type(written), "model_fields", ()) if key in _KEYS), None)


def _one_condition(written: Any) -> Any:
    """Complain in plain words about what is no condition at all."""
    if isinstance(written, Part):
        return written
    if not isinstance(written, dict):
        raise complaint("a condition is a mapping such as {field: country, in: [DE]}")
    found = [key for key in _KEYS if key in written]
    if not found:
        unknown = next(iter(written), "")
        detail = f"unknown condition '{unknown}'{did_you_mean(str(unknown), _KEYS)}" if written else "empty condition"
        complain("condition", [((str(unknown),) if written else (), detail)])
    if len(found) > 1:
        complain("condition", [((found[1],), f"'{found[0]}' and '{found[1]}' need a condition each, inside 'all'")])
    return written


Condition = Annotated[
    Annotated[FieldCondition, Tag("<field>")]
    | Annotated[EventCondition, Tag("<event>")]
    | Annotated[SignalCondition, Tag("<signal>")]
    | Annotated[FrameworkCondition, Tag("<framework>")]
    | Annotated[ScoreCondition, Tag("<score>")]
    | Annotated[TemperatureCondition, Tag("<temperature>")]
    | Annotated[StageCondition, Tag("<stage>")]
    | Annotated[IdleCondition, Tag("<idle_days>")]
    | Annotated[IdleSinceCondition, Tag("<idle_since>")]
    | Annotated[GainedCondition, Tag("<gained>")]
    | Annotated[ContactableCondition, Tag("<contactable>")]
    | Annotated[DisqualifiedCondition, Tag("<disqualified>")]
    | Annotated[RoutedCondition, Tag("<routed>")]
    | Annotated[SourceCondition, Tag("<source>")]
    | Annotated[AllCondition, Tag("<all>")]
    | Annotated[AnyCondition, Tag("<any>")]
    | Annotated[NoneCondition, Tag("<none>")],
    Discriminator(_key_of),
    BeforeValidator(_one_condition),
]
"""One condition of any kind."""


def walk(condition: Condition, loc: Loc = ()) -> Iterator[tuple[Loc, Condition]]:
    """Yield a condition and all within it, each with its place in the document below the first."""
    yield loc, condition
    for key, parts in _nested(condition):
        for index, part in enumerate(parts):
            yield from walk(part, (*loc, key, index))


def _nested(condition: Condition) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    match condition:
        case AllCondition():
            yield "all", condition.all
        case AnyCondition():
            yield "any", condition.any
        case NoneCondition():
            yield "none", condition.none
        case _:
            pass


def known_at(step: Step, condition: Condition) -> Condition:
    """Return a condition that asks nothing decided after a step; complain otherwise."""
    found: list[tuple[Loc, str]] = []
    for loc, part in walk(condition):
        if part.known_from > step:
            key = (_key_of(part) or "")[1:-1]
            found.append(((*loc, key), _too_early(key, part.known_from)))
    complain("condition", found)
    return condition


def _known_at(step: Step) -> AfterValidator:
    return AfterValidator(lambda condition: known_at(step, condition))


def _too_early(key: str, known_from: Step) -> str:
    if known_from is Step.TIERS:
        return "'idle_since' goes with a rule's 'tiers'; elsewhere use idle_days"
    if known_from is Step.FEEDBACK:
        return f"'{key}' is known only in reopen_when"
    return f"'{key}' is not decided yet here: scores, signals, frameworks, disqualify, temperature, stage, route, track"


AfterSignals = Annotated[Condition, _known_at(Step.SIGNALS)]
AfterFrameworks = Annotated[Condition, _known_at(Step.FRAMEWORKS)]
AfterDisqualification = Annotated[Condition, _known_at(Step.DISQUALIFICATION)]
AfterTemperature = Annotated[Condition, _known_at(Step.TEMPERATURE)]
AfterStage = Annotated[Condition, _known_at(Step.STAGE)]
AfterRoute = Annotated[Condition, _known_at(Step.ROUTE)]
AfterFeedback = Annotated[Condition, _known_at(Step.FEEDBACK)]
