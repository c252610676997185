"""The words around numbers, prepared for looking up."""

import re
from collections.abc import Iterable
from decimal import Decimal

from leadhub.domain.normalisation import word_lists

_LISTS = word_lists.read("numbers")

_FACTORS = {
    "thousand": 10**3,
    "ten_thousand": 10**4,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "hundred_million": 10**8,
    "milliard": 10**9,
}
MULTIPLIERS = {word: factor for section, factor in _FACTORS.items() for word in _LISTS[section]}
AMBIGUOUS = frozenset(_LISTS["ambiguous"])
CURRENCIES = frozenset(_LISTS["currencies"])
ALONE = frozenset(_LISTS["alone"])


def _any_of(phrases: Iterable[str]) -> str:
    """Return a pattern for any of some phrases, the longest first."""
    return "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))


BELOW = re.compile(rf"(?:^|(?<=\W)|(?=<))(?:{_any_of(_LISTS['below'])})\s*$")
AT_MOST = re.compile(rf"(?:^|(?<=\W)|(?=[<≤]))(?:{_any_of(_LISTS['at_most'])})[.:]?\s*$")
AT_LEAST = re.compile(rf"(?:^|(?<=\W)|(?=[>≥]))(?:{_any_of(_LISTS['at_least'])})[.:]?\s*$")
AND_MORE = re.compile(rf"\s*(?:{_any_of(_LISTS['and_more'])})")

_LENGTHS = {
    "day": Decimal(12) / 365,
    "week": Decimal(12) / 52,
    "month": Decimal(1),
    "quarter": Decimal(3),
    "year": Decimal(12),
}
"""In months, such that 90 days are within 3 months, 26 weeks are 6 and a year is 12."""
_TIME_UNITS = {word: length for section, length in _LENGTHS.items() for word in _LISTS[section]}
TIME_WORDS = frozenset(_TIME_UNITS)
LONGEST_MONTHS = 600
"""Fifty years: anything longer is a year of the calendar."""
MAY_FOLLOW = CURRENCIES | frozenset(_LISTS["counted"]) | TIME_WORDS
"""Words that may stand directly behind a number: `50employees`, but not `50x`."""

_FIRST_WORD = re.compile(r"\s*\+?\s*([^\W\d_]+)")
_WORD = re.compile(r"[^\W\d_]+")
_HALF_YEAR = re.compile(rf"\b(?:{_any_of(_LISTS['half_year'])})\b")
_ONE_TO_TWELVE = "one two three four five six seven eight nine ten eleven twelve"
_SPELT_OUT = {
    word: str(number) for number, section in enumerate(_ONE_TO_TWELVE.split(), start=1) for word in _LISTS[section]
}


def spelt_out_numbers(text: str) -> str:
    """Return the text with the numbers up to twelve as digits.

    >>> spelt_out_numbers("six months"), spelt_out_numbers("half a year"), spelt_out_numbers("in einem jahr")
    ('6 months', '6 months', 'in 1 jahr')
    """
    text = _HALF_YEAR.sub("6 months", text)
    if any(character.isdigit() for character in text):
        return text
    return _WORD.sub(lambda found: _SPELT_OUT.get(found[0], found[0]), text)


def time_unit(rest: str) -> Decimal | None:
    """Return the length in months of the unit that follows a number; no word at all means months.

    >>> time_unit(" quarters"), time_unit(""), time_unit(" bananas")
    (Decimal('3'), Decimal('1'), None)
    """
    found = _FIRST_WORD.match(rest)
    return _TIME_UNITS.get(found[1]) if found else Decimal(1)


def _near(section: str, this: float, following: float) -> dict[str, float]:
    """Return `this week`, `next week` and their like → months."""
    words = _LISTS[section]
    return {
        **{f"{front} {word}": this for front in _LISTS["this"] for word in words},
        **{f"{word} {behind}": this for behind in _LISTS["this_behind"] for word in words},
        **{f"{front} {word}": following for front in _LISTS["next"] for word in words},
        **{f"{word} {behind}": following for behind in _LISTS["next_behind"] for word in words},
    }


TIMELINES: dict[str, float] = {
    **dict.fromkeys(_LISTS["within_0"], 0),
    **_near("week", 0.25, 0.5),
    **_near("month", 1, 2),
    **_near("quarter", 3, 6),
    **_near("year", 12, 24),
}
"""What is said without a number → the latest month that it allows."""

_MONTH_NAME = "(?:jan|feb|mar|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)"
DATE = re.compile(rf"{_MONTH_NAME}[a-z]*[-. ]{{0,2}}\d|\d(?:st|nd|rd|th)?[-. ]{{0,2}}{_MONTH_NAME}(?!ket)[a-z]*\b")
"""A date, or a range that a spreadsheet took for one: `11-50` becomes `Nov-50`."""
