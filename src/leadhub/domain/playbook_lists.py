"""Checks of lists: of entries the first match counts, and no id stands twice.

They look at the list as written, so that they report even when an entry is malformed.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Final

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from leadhub.domain.playbook_part import Loc, complain, details_of, raise_details

MOST_ENTRIES: Final = 500
Check = Callable[[Sequence[Any]], Iterator[tuple[Loc, str]]]


def _checked(check: Check) -> WrapValidator:
    """Return a validator whose findings come beside those of the entries themselves."""

    def validate(written: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        found = list(check(written)) if isinstance(written, (list, tuple)) else []
        try:
            value = handler(written)
        except ValidationError as error:
            raise_details("list", [*details_of(error), *details_of(found)])
        complain("list", found)
        return value

    return WrapValidator(validate)


def _of(entry: Any, key: str) -> Any:
    return entry.get(key) if isinstance(entry, dict) else getattr(entry, key, None)


def _ends_with_catch_all(entries: Sequence[Any]) -> Iterator[tuple[Loc, str]]:
    """Require that every lead matches something and that every entry can match."""
    # Longer lists are refused anyway, and comparing all with all has its price.
    conditions = [_of(entry, "when") for entry in entries[:MOST_ENTRIES]]
    if len(entries) <= MOST_ENTRIES and conditions and None not in conditions:
        detail = "the last entry must be a catch-all without 'when', so that every lead matches one"
        yield (len(entries) - 1,), detail
    above: list[Any] = []
    for index, condition in enumerate(conditions):
        if None in above:
            yield (index,), "never reached: an entry above matches every lead"
        elif condition in above:
            yield (index,), "never reached: an entry above has the same condition"
        else:
            above.append(condition)


def distinct(key: str) -> WrapValidator:
    """Return the check that no two entries of a list have the same id."""

    def repeated(entries: Sequence[Any]) -> Iterator[tuple[Loc, str]]:
        seen: set[Hashable] = set()
        for index, entry in enumerate(entries):
            name = _of(entry, key)
            if isinstance(name, str) and name in seen:
                yield (index, key), f"'{name}' stands twice"
            seen |= {name} if isinstance(name, str) else set()

    return _checked(repeated)


first_match = _checked(_ends_with_catch_all)
"""Requires that every lead matches an entry, and that every entry can match."""
