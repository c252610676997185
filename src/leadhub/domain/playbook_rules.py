"""Sections of the playbook that judge: scores, disqualification, temperature and stage."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, model_validator

from leadhub.domain.model import Stage, Temperature
from leadhub.domain.playbook_conditions import (
    AfterDisqualification,
    AfterFrameworks,
    AfterTemperature,
    Condition,
    EventCondition,
    IdleSinceCondition,
    Step,
    known_at,
)
from leadhub.domain.playbook_lists import distinct
from leadhub.domain.playbook_part import Loc, Part, complain, complaint
from leadhub.domain.playbook_values import Attribute, Duration, Id, Percent, Points


class Disqualification(Part):
    """A lead that is none, and the code that says why."""

    id: Id
    when: AfterFrameworks
    reason: Id


class Decay(Part):
    """How points for what a lead did fade: every `every` they lose `lose` of their full value, down to nothing.

    Only points won fade. A penalty stays, so time alone never makes a lead better.
    """

    every: Duration
    lose: Annotated[Percent, Field(ge=1, le=100)]


def _tiers_or_lead(condition: Condition) -> Condition:
    return condition if isinstance(condition, IdleSinceCondition) else known_at(Step.LEAD, condition)


class Rule(Part):
    """Points for what holds of a lead.

    `once` (the rule when nothing else is said): when the condition holds. `per`: for each different value of an
    attribute. `each`: for each activity; `cooldown` counts activities closer together than that as one. `tiers`: the
    points of the longest time reached. `max_points` is the most (or, for a penalty, the least) that a rule gives.
    """

    id: Id
    points: Points | None = None
    when: Annotated[Condition, AfterValidator(_tiers_or_lead)]
    once: StrictBool = False
    per: Attribute | None = None
    each: StrictBool = False
    max_points: Points | None = None
    tiers: Annotated[dict[Duration, Points], Field(min_length=1, max_length=24)] | None = None
    cooldown: Duration | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        complain("Rule", [*self._award_complaints(), *self._tier_complaints()])
        return self

    def _award_complaints(self) -> Iterator[tuple[Loc, str]]:
        modes = [name for name in ("once", "per", "each") if getattr(self, name)]
        if len(modes) > 1:
            yield (modes[1],), f"'{modes[0]}' and '{modes[1]}' exclude each other"
        if modes and modes[0] != "once":
            if not isinstance(self.when, EventCondition):
                yield (modes[0],), f"'{modes[0]}' counts activities: its 'when' must be an event"
            elif self.when.distinct is not None or self.when.at_least > 1:
                yield (modes[0],), f"'{modes[0]}' counts by itself: leave out distinct and at_least"
        if self.cooldown is not None and not self.each:
            yield ("cooldown",), "'cooldown' goes with 'each'"
        if self.points == 0:
            yield ("points",), "0 points change nothing"
        if self.max_points is not None and self.points is not None and self.max_points * self.points <= 0:
            yield ("max_points",), "'max_points' has another sign than 'points'"

    def _tier_complaints(self) -> Iterator[tuple[Loc, str]]:
        idle = isinstance(self.when, IdleSinceCondition)
        if idle != (self.tiers is not None):
            yield ("tiers" if self.tiers else "when",), "'tiers' and a 'when' of idle_since go together"
        if (self.points is None) == (self.tiers is None):
            yield (), "a rule needs either 'points' or 'tiers'"


class Group(Part):
    """Rules whose points are added and kept within bounds of their own."""

    min: StrictInt | None = None
    max: StrictInt | None = None
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=500), distinct("id")]
    decay: Annotated[
        Decay | None, BeforeValidator(lambda value: None if value == "none" else value, Decay | Literal["none"] | None)
    ] = None

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_order(self.min, self.max)
        return self


class Clamp(Part):
    """Bounds of the total; the raw sum is kept beside it."""

    min: StrictInt = 0
    max: StrictInt = 100

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_order(self.min, self.max)
        return self


def _check_order(low: int | None, high: int | None) -> None:
    if low is not None and high is not None and low > high:
        raise complaint("min is greater than max")


class Scoring(Part):
    """Groups of rules, and the bounds of their sum."""

    clamp: Clamp = Clamp()
    rounding: Literal["half_up"] = "half_up"
    """Halves away from zero, once a rule: 18.5 → 19, and -18.5 → -19."""
    groups: dict[Id, Group] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _total_is_the_sum(self) -> Self:
        if "total" in self.groups:
            detail = "'total' is the sum of the groups; call this group differently"
            complain("Scoring", [(("groups", "total"), detail)])
        return self


class TemperatureEntry(Part):
    """The first that matches is the temperature."""

    level: Temperature
    when: AfterDisqualification | None = None


class StageEntry(Part):
    """The first that matches is the stage."""

    stage: Stage
    when: AfterTemperature | None = None
