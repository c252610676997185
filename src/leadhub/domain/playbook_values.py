"""The small values of a playbook as people write them: `90d`, `25%`, `$personas`, names of fields, teams and promises.

Every type checks itself while the document is validated, so all findings of a document come at once. A name that must
exist elsewhere in the document is checked against `Names`, which the loader passes as pydantic's context; a model that
Python code builds has no context and is trusted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from leadhub.domain import fields
from leadhub.domain.playbook_part import complaint, did_you_mean

TERRITORY: Final = "territory"
"""In place of a team's name: the team whose territory the lead is in."""

_UNITS: Final[Mapping[str, timedelta]] = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_LONGEST = timedelta(days=3660)
_CUSTOM = "custom."
_LONGEST_WORD: Final = 200


@dataclass(frozen=True, slots=True)
class Names:
    """What a document names itself, by kind: {"list": {"personas", …}, "team": {"na", …}}."""

    known: Mapping[str, Mapping[str, None]]

    @classmethod
    def of(cls, tree: Any) -> Self:
        """Collect the names that a document defines, whatever else is wrong with it."""
        nurture = _mapping(_mapping(tree).get("nurture")).get("tracks")
        kinds = {"list": "vocab", "team": "teams", "promise": "sla", "calendar": "calendars"}
        kinds |= {"signal": "signals", "framework": "frameworks"}
        known = {kind: dict.fromkeys(_mapping(_mapping(tree).get(section))) for kind, section in kinds.items()}
        groups = _mapping(_mapping(_mapping(tree).get("scoring")).get("groups"))
        tracks = [_mapping(track).get("id") for track in nurture] if isinstance(nurture, list) else []
        known["score"] = dict.fromkeys((*groups, "total"))
        known["track"] = dict.fromkeys(str(track) for track in tracks if track is not None)
        return cls(known)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def parse_duration(written: Any) -> timedelta:
    """Read a whole number and its unit: seconds, minutes, hours, days or weeks; up to ten years.

    >>> parse_duration("90d")
    datetime.timedelta(days=90)
    """
    if isinstance(written, timedelta):
        return written
    found = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if found is None:
        raise complaint("a duration is a whole number and a unit (s, m, h, d, w): 90d, 15m")
    if not timedelta(0) < (value := int(found[1]) * _UNITS[found[2]]) <= _LONGEST:
        raise complaint("a duration is more than nothing and at most ten years")
    return value


def duration_text(value: timedelta) -> str:
    """Return a duration in its largest whole unit, days at most.

    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(days=14))
    ('36h', '14d')
    """
    for unit in "dhm":
        if value % _UNITS[unit] == timedelta(0):
            return f"{value // _UNITS[unit]}{unit}"
    return f"{value // _UNITS['s']}s"


def parse_percent(written: Any) -> int:
    """Read whole percent.

    >>> parse_percent("25%")
    25
    """
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    if not isinstance(written, str) or not re.fullmatch(r"[0-9]{1,4}%", written):
        raise complaint("a share is written in whole percent: 25%")
    return int(written[:-1])


def resolve_field(name: str) -> str | None:
    """Return the canonical name of a field as a playbook may write it, or None.

    `custom.` and a key reads what a sender said under a key of its own.

    >>> resolve_field("title"), resolve_field("email_domain"), resolve_field("custom.growth"), resolve_field("colour")
    ('job_title', 'email_domain', 'custom.growth', None)
    """
    if name.startswith(_CUSTOM) and len(name) > len(_CUSTOM):
        return name
    return name if fields.kind_of(name) else fields.canonical_name(name)


def _known_field(name: str) -> str:
    if resolve_field(name) is None:
        suggestion = did_you_mean(name, (*fields.ALIASES, *fields.DERIVED))
        raise complaint(f"unknown field '{name}'{suggestion}")
    return name


def check_name(kind: str, name: str, info: ValidationInfo) -> str:
    """Return a name that the document defines; complain with a suggestion otherwise."""
    if isinstance(info.context, Names) and name not in (known := info.context.known[kind]):
        raise complaint(f"unknown {kind} '{name}'{did_you_mean(name, known)}")
    return name


def _named(kind: str) -> AfterValidator:
    return AfterValidator(lambda name, info: check_name(kind, name, info))


def _one_or_many(written: Any) -> Any:
    """Let a name of a list, or one word, stand where a list is expected."""
    return (written,) if isinstance(written, str) else written


def _plain_value(value: Any) -> Any:
    # Checked before pydantic tries each type of the union and reports all of them.
    if not isinstance(value, (str, int, float, bool)):
        raise complaint("a word or a number is expected here")
    if isinstance(value, str) and not 0 < len(value) <= _LONGEST_WORD:
        raise complaint(f"a value has 1 to {_LONGEST_WORD} characters")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise complaint("a number is expected here")
    return value


def _known_list(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str) and value.startswith("$"):
        check_name("list", value[1:], info)
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$", "examples": ["90d", "15m"]}),
]
Percent = Annotated[
    int,
    BeforeValidator(parse_percent),
    PlainSerializer(lambda value: f"{value}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,4}%$", "examples": ["25%"]}),
]
Word = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=_LONGEST_WORD)]
"""A text of a person's own choosing."""
Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$", max_length=64)]
"""A name that rules are referred to by."""
Attribute = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
"""An attribute of an activity: asset_id."""
_EVENT_TYPE: Final = r"^(\$[A-Za-z0-9_+-]+|[a-z][a-z0-9_.]*)$"
EventType = Annotated[str, StringConstraints(strict=True, pattern=_EVENT_TYPE, max_length=64)]
Points = Annotated[StrictInt, Field(ge=-1000, le=1000)]
Number = Annotated[StrictInt | StrictFloat, BeforeValidator(_number)]
PlainValue = Annotated[Word | StrictInt | StrictFloat | StrictBool, BeforeValidator(_plain_value)]
"""One word, number, yes or no."""
Value = Annotated[PlainValue, AfterValidator(_known_list)]
PlainValues = Annotated[tuple[PlainValue, ...], Field(min_length=1, max_length=20_000)]
_ONE: Final = {"type": ["string", "number", "boolean"]}
Values = Annotated[
    tuple[Value, ...],
    BeforeValidator(_one_or_many),
    Field(min_length=1, max_length=20_000),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1, "items": _ONE}]}),
]
"""A list of values; `$personas` stands for the list of that name."""
EventTypes = Annotated[
    tuple[Annotated[EventType, AfterValidator(_known_list)], ...],
    BeforeValidator(_one_or_many),
    Field(min_length=1, max_length=500),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _EVENT_TYPE},
                {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": _EVENT_TYPE}},
            ]
        }
    ),
]
FieldName = Annotated[Word, AfterValidator(_known_field)]
TeamName = Annotated[Word, _named("team")]
TeamOrTerritory = Annotated[
    Word,
    AfterValidator(lambda name, info: name if name == TERRITORY else check_name("team", name, info)),
]
PromiseName = Annotated[Word, _named("promise")]
CalendarName = Annotated[Word, _named("calendar")]
SignalName = Annotated[Word, _named("signal")]
FrameworkName = Annotated[Word, _named("framework")]
ScoreName = Annotated[Word, _named("score")]
TrackName = Annotated[Word, _named("track")]
