"""The playbook: one document that scores, qualifies, routes and nurtures.

These models are the document as a person writes it; nothing is resolved or reordered, so a playbook can be shown,
compared and exported as it was published. `playbook_loading.load` makes one from text, `scoring.compile_playbook`
makes it run.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from leadhub.domain.model import Stage, Temperature
from leadhub.domain.playbook_conditions import AfterSignals, Condition, SignalCondition, walk
from leadhub.domain.playbook_followup import Feedback, Nurture
from leadhub.domain.playbook_lists import distinct, first_match
from leadhub.domain.playbook_part import Loc, Part, complain
from leadhub.domain.playbook_people import Calendar, Promise, Routing, Team, Territory, ZoneName
from leadhub.domain.playbook_rules import Disqualification, Scoring, StageEntry, TemperatureEntry
from leadhub.domain.playbook_values import (
    Attribute,
    Duration,
    EventType,
    FieldName,
    FrameworkName,
    Id,
    PlainValue,
    PlainValues,
    Word,
)


class Metadata(Part):
    """Whose playbook this is; name and version together name it for ever."""

    name: Id
    version: StrictInt = Field(ge=1)
    owner: Word | None = None
    note: Annotated[str, Field(max_length=2000)] | None = None
    timezone: ZoneName = "UTC"
    """In which the dates in explanations are written."""


class GivenActivity(Part):
    """An activity of a test's lead, so long ago."""

    event: EventType
    attributes: dict[Attribute, Word] = Field(default_factory=dict)
    count: StrictInt = Field(1, ge=1)
    ago: Duration | None = None


class Given(Part):
    """The lead of a test: a person who may be contacted and has consented, unless said otherwise."""

    fields: dict[FieldName, PlainValue] = Field(default_factory=dict)
    events: tuple[GivenActivity, ...] = ()
    created: Duration | None = None
    contactable: StrictBool = True
    consent: StrictBool = True


class Expect(Part):
    """What a test demands; what is left out may be anything."""

    total: StrictInt | None = None
    scores: dict[Id, StrictInt] = Field(default_factory=dict)
    temperature: Temperature | None = None
    stage: Stage | None = None
    rule: Word | None = None
    route: Word | None = None
    """As in an explanation: "sales:na", "nurture:beginner", "none"."""
    disqualified: Word | None = None
    frameworks: dict[FrameworkName, StrictInt] = Field(default_factory=dict)
    """How many items of each checklist are met."""


class Example(Part):
    """A test that the document carries: given this lead, expect that."""

    name: Word
    given: Given
    expect: Expect


def _look_back(signals: dict[str, Condition]) -> dict[str, Condition]:
    """Require that a signal uses only signals above it."""
    found: list[tuple[Loc, str]] = []
    above: set[str] = set()
    for name, condition in signals.items():
        for loc, part in walk(condition):
            if isinstance(part, SignalCondition) and part.signal not in above and part.signal in signals:
                found.append(((name, *loc, "signal"), f"signal '{part.signal}' stands below; move it up"))
        above.add(name)
    complain("signals", found)
    return signals


class Playbook(Part):
    """The whole document."""

    api_version: Literal["leadhub/v1"] = Field(alias="apiVersion")
    kind: Literal["Playbook"]
    metadata: Metadata
    vocab: dict[Id, PlainValues] = Field(default_factory=dict)
    disqualify: Annotated[tuple[Disqualification, ...], Field(max_length=500), distinct("id")] = ()
    scoring: Scoring
    frameworks: dict[Id, Annotated[dict[Id, AfterSignals], Field(min_length=1)]] = Field(default_factory=dict)
    signals: Annotated[dict[Id, AfterSignals], AfterValidator(_look_back)] = Field(default_factory=dict)
    temperature: Annotated[tuple[TemperatureEntry, ...], Field(min_length=1, max_length=100), first_match]
    stages: Annotated[tuple[StageEntry, ...], Field(min_length=1, max_length=100), first_match]
    teams: dict[Id, Team] = Field(default_factory=dict)
    calendars: dict[Id, Calendar] = Field(default_factory=dict)
    territories: Annotated[tuple[Territory, ...], Field(min_length=1, max_length=500), first_match] | None = None
    routing: Routing
    sla: dict[Id, Promise] = Field(default_factory=dict)
    feedback: Feedback = Feedback()
    nurture: Nurture | None = None
    tests: Annotated[tuple[Example, ...], Field(max_length=500), distinct("name")] = ()

    @property
    def reference(self) -> str:
        """`name@version`, as results name their playbook."""
        return f"{self.metadata.name}@{self.metadata.version}"

    def expand(self, values: Sequence[str | float]) -> tuple[str | float, ...]:
        """Return values with each `$list` replaced by what it stands for, in order."""
        return tuple(part for value in values for part in self._expanded(value))

    def _expanded(self, value: str | float) -> Sequence[str | float]:
        if isinstance(value, str) and value.startswith("$"):
            return self.vocab.get(value[1:], ())
        return (value,)

    def conditions(self) -> Iterator[tuple[Loc, Condition]]:
        """Yield every condition of the document, nested ones too, with its place."""
        return conditions_in(self)


def conditions_in(part: object, loc: Loc = ()) -> Iterator[tuple[Loc, Condition]]:
    """Yield every condition within any part of a playbook, nested ones too, with its place."""
    if hasattr(type(part), "known_from"):
        yield from walk(cast("Condition", part), loc)
    elif isinstance(part, Part):
        for name, spec in type(part).model_fields.items():
            yield from conditions_in(getattr(part, name), (*loc, spec.alias or name))
    elif isinstance(part, dict):
        for key, value in part.items():
            yield from conditions_in(value, (*loc, key))
    elif isinstance(part, tuple):
        for index, value in enumerate(part):
            yield from conditions_in(value, (*loc, index))
