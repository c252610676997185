"""What a parameter or a body's text may be: stricter than pydantic is by itself.

Left alone, pydantic reads `1_0` as ten, `yes` as true, `1768469400` as a date and `{…}` around an id; PostgreSQL then
meets NUL characters, and dates that leave the calendar when they are moved to UTC. Here each has one spelling.
"""

import math
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_DEEPEST: Final = 8
_YEARS: Final = range(2000, 9999)
"""Years that stay in the calendar, whatever their offset, and that a UUIDv7 can say."""


def _whole(value: Any) -> Any:
    if isinstance(value, str) and _WHOLE.fullmatch(value) is None:
        raise ValueError("a whole number, in digits only")
    return value


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("true or false")
    return value == "true" if isinstance(value, str) else value


def _uuid(value: Any) -> Any:
    if isinstance(value, str) and _UUID.fullmatch(value) is None:
        raise ValueError("a UUID, as in 019bc0fd-89c0-7000-8000-000000000000")
    return value


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or _MOMENT.fullmatch(value) is None:
        raise ValueError("a date and time with offset, as in 2026-01-15T09:30:00Z; in a URL, + is written %2B")
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("there is no such date, time or offset") from None
    if moment.year not in _YEARS:
        raise ValueError("a year from 2000 on")
    return moment.astimezone(UTC)


def _one_line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("no control characters")
    return value


Id = Annotated[UUID, BeforeValidator(_uuid)]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
Flag = Annotated[bool, BeforeValidator(_flag)]
"""A boolean in a query."""
Limit = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=200)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_one_line)]
"""One line of text that people wrote: a name, a description."""
Named = Annotated[Line, Field(min_length=1)]
"""A line that is not empty."""


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON can say and PostgreSQL's jsonb cannot keep."""
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"at most {_DEEPEST} levels deep")
        match part:
            case dict():
                waiting += [(one, depth + 1) for pair in part.items() for one in pair]
            case list():
                waiting += [(one, depth + 1) for one in part]
            case str() if "\0" in part or not _is_unicode(part):
                raise ValueError("no NUL characters and no lone surrogates")
            case float() if not math.isfinite(part):
                raise ValueError("no NaN and no infinity")
            case _:
                pass
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable_text(value: str) -> str:
    if "\0" in value or not _is_unicode(value):
        raise ValueError("no NUL characters and no lone surrogates")
    return value


Storable = Annotated[str, AfterValidator(_storable_text)]
"""A text of several lines that is judged elsewhere."""
Document = Annotated[dict[str, Any], AfterValidator(_storable)]
"""A JSON object whose members are judged elsewhere."""
