"""JSON pointers to what is wrong, and pydantic's findings turned into ours.

A pointer carries a name that the sender chose, so it is cleaned and cut; a value is never shown.
"""

from collections.abc import Callable, Sequence
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from leadhub.domain.errors import FieldError, InvalidInput
from leadhub.domain.normalisation.text import clean_line

MOST_FINDINGS = 100
"""Findings told in one answer; a batch can have thousands."""
_LONGEST_NAME = 64

_REASONS = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field.",
    "string_type": "Text is expected.",
    "bool_type": "true or false is expected.",
    "bool_parsing": "true or false is expected.",
}
"""pydantic's kinds of error → how we say them."""

Describe = Callable[[ErrorDetails], str | None]
"""Says a finding better than pydantic does, or returns None."""


def shown_name(name: str) -> str:
    r"""Return a sender's field name fit to be shown: on one line, without what cannot be seen, not too long.

    >>> shown_name("e\x00mail\u202e")
    'email'
    """
    name = clean_line(name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def pointer(*path: str | int) -> str:
    """Return the URI fragment that points at a path.

    Source: RFC 6901 §6.

    >>> pointer("activities", 0, "type"), pointer("a/b"), pointer()
    ('#/activities/0/type', '#/a~1b', '#')
    """
    names = (shown_name(str(part)).replace("~", "~0").replace("/", "~1") for part in path)
    return "#" + "".join("/" + quote(name, safe="~!$&'()*+,;=:@[]") for name in names)


def invalid(
    error: ValidationError, *, prefix: Sequence[str | int] = (), describe: Describe | None = None
) -> InvalidInput:
    """Return pydantic's findings as ours: pointers and reasons, without any value."""
    details = error.errors(include_url=False, include_input=False)[:MOST_FINDINGS]
    errors = [FieldError(pointer(*prefix, *_path(each["loc"])), _reason(each, describe)) for each in details]
    return InvalidInput(_summary(errors), errors)


def refused(errors: Sequence[FieldError]) -> InvalidInput:
    """Return collected findings as one refusal."""
    return InvalidInput(_summary(errors), errors[:MOST_FINDINGS])


def _summary(errors: Sequence[FieldError]) -> str:
    if len(errors) == 1:
        return errors[0].detail
    return f"{len(errors)} fields are not as they should be."


def _path(loc: tuple[int | str, ...]) -> list[str | int]:
    """Drop pydantic's own steps: `[key]` after the key of a map that is wrong itself."""
    return [part for part in loc if part != "[key]"]


def _reason(each: ErrorDetails, describe: Describe | None) -> str:
    if describe is not None and (better := describe(each)) is not None:
        return better
    kind, limits = each["type"], each.get("ctx", {})
    if kind in {"string_too_long", "too_long"}:
        return f"At most {limits['max_length']} {'characters' if kind == 'string_too_long' else 'items'} are accepted."
    if kind in {"value_error", "assertion_error"}:
        return each["msg"].partition(", ")[2]
    return _REASONS.get(kind) or each["msg"].rstrip(".") + "."
