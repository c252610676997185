"""What every part of a playbook is made of, and how it says what is wrong with it.

All findings of a document come at once, in words for its author rather than pydantic's. A validator can therefore
raise several findings, each with its place, and an unknown key comes with the likely one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NoReturn, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from rapidfuzz import fuzz, process

Loc = tuple[str | int, ...]
"""Keys and indexes below the part that is being validated."""

MOST_FINDINGS: Final = 1000
"""Of one part of a document; whoever has more begins with these."""
_MOST_COMPARED: Final = 200
"""A document full of unknown names must not cost their number squared."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion to put behind a complaint, or nothing.

    >>> did_you_mean("employes", ["employees", "email"])
    "; did you mean 'employees'?"
    """
    near = process.extractOne(word.lower(), islice(known, _MOST_COMPARED), scorer=fuzz.ratio, score_cutoff=60)
    return f"; did you mean '{near[0]}'?" if near else ""


def complaint(detail: str) -> PydanticCustomError:
    """Return the error of one value; pydantic adds where it stands."""
    return PydanticCustomError("playbook", "{detail}", {"detail": detail})


def details_of(found: ValidationError | Sequence[tuple[Loc, str]], keys: Sequence[str] = ()) -> list[InitErrorDetails]:
    """Return findings in the form in which pydantic raises several at once; `keys` are those that the part knows."""
    if isinstance(found, ValidationError):
        errors = ((*_in_plain_words(one, keys), one["loc"]) for one in _meant(found.errors(include_url=False)))
    else:
        errors = (("playbook", detail, loc) for loc, detail in found)
    return [
        InitErrorDetails(type=PydanticCustomError(kind, "{detail}", {"detail": detail}), loc=loc, input=None)
        for kind, detail, loc in islice(errors, MOST_FINDINGS)
    ]


def _meant(errors: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Leave out that a list is too short where it is so only because its entries were refused."""
    above = {one["loc"][:length] for one in errors for length in range(len(one["loc"]))}
    return (one for one in errors if one["type"] != "too_short" or one["loc"] not in above)


def raise_details(title: str, details: list[InitErrorDetails]) -> NoReturn:
    """Raise several findings; pydantic adds where the part stands that they are of."""
    raise ValidationError.from_exception_data(title, details)


def complain(title: str, complaints: Sequence[tuple[Loc, str]]) -> None:
    """Raise several findings of one part at once, each with its place below that part; none, no error."""
    if complaints:
        raise_details(title, details_of(complaints))


class Part(BaseModel):
    """A part of a playbook: immutable, and every key must be known."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    @model_validator(mode="wrap")
    @classmethod
    def _suggest_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Name the likely key beside an unknown one, without losing the other findings of this part."""
        try:
            return handler(data)
        except ValidationError as error:
            keys = [spec.alias or name for name, spec in cls.model_fields.items()]
            raise_details(cls.__name__, details_of(error, keys))


_PLAIN_WORDS: Final[Mapping[str, str]] = {
    "model_type": "a mapping of keys and values is expected here",
    "model_attributes_type": "a mapping of keys and values is expected here",
    "dict_type": "a mapping of keys and values is expected here",
    "tuple_type": "a list is expected here: [one, two]",
    "string_type": "text is expected here",
    "int_type": "a whole number is expected here",
    "bool_type": "true or false is expected here",
    "string_pattern_mismatch": "a name is made of letters, digits, - and _",
}


def _in_plain_words(error: ErrorDetails, keys: Sequence[str]) -> tuple[str, str]:  # noqa: PLR0911  # one case a kind
    """Return the kind and the text of a finding, in the words of playbooks instead of pydantic's.

    Runs once at each part around a finding, so what is in plain words already stays as it is.
    """
    match error["type"]:
        case "playbook" | "unknown_key" as done:
            return done, error["msg"]
        case "extra_forbidden":
            key = str(error["loc"][-1])
            return "unknown_key", f"unknown key '{key}'{did_you_mean(key, keys)}"
        case "missing":
            return "playbook", f"'{error['loc'][-1]}' is required"
        case "enum" | "literal_error":
            expected = str(error["ctx"]["expected"])
            near = did_you_mean(str(error["input"]), re.findall("'([^']+)'", expected))
            return "playbook", f"must be {expected}{near}"
        case "too_long":
            return "playbook", f"at most {error['ctx']['max_length']} are read here"
        case "too_short":
            return "playbook", f"at least {error['ctx']['min_length']} is expected here"
        case other:
            return "playbook", _PLAIN_WORDS.get(other) or error["msg"].replace("Input should be", "must be")
