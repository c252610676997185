"""Which field each column is: by its name, by its values, and how sure that is."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from leadhub.channels.answers.names import CUSTOM, FormNames, Place, Use
from leadhub.channels.decoding import FormFields

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"(?:tel:|p:)?[+(]?[0-9][0-9 ()./-]{6,24}")
_BY_VALUE = {"email": _EMAIL, "phone": _PHONE}
_MOST = 0.8
"""The share of a column's values that must look like it."""
_NAMED, _ALIAS, _CONTRADICTED = 1.0, 0.9, 0.4


class Guess(NamedTuple):
    """What a column is taken for."""

    column: str
    target: str
    """A field, a parameter, `external_id`, … or `custom`."""
    confidence: float
    """0 to 1; 0 means that nobody knows, and the column is kept under its own name."""
    because: str


def guess(columns: Sequence[str], sample: Sequence[FormFields], names: FormNames) -> list[Guess]:
    """Return what each column is taken for, in their order.

    Args:
        columns: as the file has them.
        sample: some of its rows.
        names: what the source, and whoever imports, say of names.
    """
    by_name = [_by_name(column, names.place(column), _values(column, sample)) for column in columns]
    taken = {one.target for one in by_name}
    return [_by_value(one, _values(one.column, sample), taken) if one.target == CUSTOM else one for one in by_name]


def mapping_of(guesses: Sequence[Guess]) -> dict[str, str]:
    """Return what only values tell, as a mapping: names tell the rest again."""
    return {one.column: one.target for one in guesses if one.target in _BY_VALUE and one.confidence < _ALIAS}


def _by_name(column: str, place: Place, values: Sequence[str]) -> Guess:
    if place.use is Use.CUSTOM:
        return Guess(column, CUSTOM, 0.0, "no field has this name")
    if place.use is not Use.FIELD:
        return Guess(column, place.target, _NAMED, "its name")
    pattern = _BY_VALUE.get(place.target)
    if pattern is not None and values and _share(pattern, values) < 1 - _MOST:
        return Guess(column, place.target, _CONTRADICTED, "its name, though its values do not look like it")
    return Guess(column, place.target, _NAMED if place.rank <= 1 else _ALIAS, "its name")


def _by_value(unknown: Guess, values: Sequence[str], taken: set[str]) -> Guess:
    for target, pattern in _BY_VALUE.items():
        share = _share(pattern, values) if values else 0.0
        if target not in taken and share >= _MOST:
            taken.add(target)
            return Guess(unknown.column, target, round(share * _MOST, 2), "its values look like it")
    return unknown


def _values(column: str, sample: Sequence[Mapping[str, Sequence[str]]]) -> list[str]:
    return [row[column][0].strip() for row in sample if row.get(column)]


def _share(pattern: re.Pattern[str], values: Sequence[str]) -> float:
    return sum(pattern.fullmatch(value) is not None for value in values) / len(values)
