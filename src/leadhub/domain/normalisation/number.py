"""Numbers as people write them: head counts, budgets, timelines.

A form offers ranges, people type prose, and a playbook compares one number. Each reader says which end of a range it
takes, and why. Nothing here knows today's date: `Q3` or `2027-01-15` is refused, not guessed.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from leadhub.domain.normalisation import number_tables as tables
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 200
_LARGEST = Decimal(10) ** 15
"""Above every budget and head count; a float still holds each whole number up to here exactly."""

_PLAIN = re.compile(r"(?:0|[1-9]\d{0,14})", re.ASCII)
_PLAIN_RANGE = re.compile(r"([1-9]\d{0,8}) ?- ?([1-9]\d{0,8})", re.ASCII)
_DASHES = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212~\u301c\uff5e", "-") | dict.fromkeys("`\u00b4\u2019", "'")
)
"""Hyphens, dashes, the minus sign and tildes; typographic apostrophes."""
_NUMBER = re.compile(r"\d{1,3}(?:[ ']\d{3})+(?!\d)(?:[.,]\d{1,2}(?!\d))?|\d+(?:[.,]\d+)*")
_TO = re.compile(
    r"(?:\s*(?:-+|_|to|bis|ate|hasta|till?|through|до|至|から)|\s(?:a|al|und|and|do|y|e|et)(?=\s))\s*[$€£¥₹]?\s*(?=\d)"
)
_GLUED_BEFORE = re.compile(r"([^\W\d_]+)(?:[$€£¥₹]\s*)?$")
_WORD_AFTER = re.compile(r"\s*([^\W\d_]++)(?!\d)")
_SYMBOLS_BEFORE = re.compile(r"[$€£¥₹\s]+$")


_GROUPED = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_GOES_ON = re.compile(r"\s*%|[-/:.,]\d")
"""A percentage, a date, a time of day."""


@dataclass(frozen=True, slots=True)
class _Number:
    """One number: its value with the multiplier in it, and where in the text both end."""

    value: Decimal
    factor: int
    end: int


@dataclass(frozen=True, slots=True)
class _Range:
    """One number (`low` equals `high`) or two, and what was said about them."""

    low: Decimal
    high: Decimal
    before: str
    """The text in front: `less than `."""
    rest: str
    """The text behind, without a multiplier."""

    @property
    def below(self) -> bool:
        """Less than the number was meant."""
        return tables.BELOW.search(self.before) is not None

    @property
    def at_most(self) -> bool:
        """The number is an upper bound."""
        return tables.AT_MOST.search(self.before) is not None

    @property
    def or_more(self) -> bool:
        """The number is a lower bound."""
        return tables.AT_LEAST.search(self.before) is not None or tables.AND_MORE.search(self.rest) is not None


def employees(raw: str) -> int | Refused:
    """Return a head count: the lower end of a range, because that many are certain.

    >>> employees("51-200"), employees("1,000+"), employees("10k"), employees("1.000 Mitarbeiter")
    (51, 1000, 10000, 1000)
    >>> employees("fewer than 10"), employees("just me")
    (1, 1)
    """
    if _PLAIN.fullmatch(raw):
        return int(raw)
    if (ordinary := _PLAIN_RANGE.fullmatch(raw)) is not None:
        return min(int(ordinary[1]), int(ordinary[2]))
    text = _prepared(raw)
    if isinstance(text, Refused):
        return text
    if text in tables.ALONE:
        return 1
    found = _range(text)
    if isinstance(found, Refused):
        return found
    return 1 if found.below or found.at_most else int(found.low)


def amount(raw: str) -> int | float | Refused:
    """Return an amount of money without its currency: the lower end of a range, the number itself of `up to`.

    >>> amount("€5.000"), amount("5k"), amount("10,000 USD"), amount("$5,000 - $10,000"), amount("12,50 EUR")
    (5000, 5000, 10000, 5000, 12.5)
    >>> amount("less than 5k"), amount("up to 10k"), amount("10 mil").reason.value
    (0, 10000, 'ambiguous')
    """
    if _PLAIN.fullmatch(raw):
        return int(raw)
    text = _prepared(raw)
    found = text if isinstance(text, Refused) else _range(text)
    if isinstance(found, Refused):
        return found
    return 0 if found.below else _shortest(found.low)


def months(raw: str) -> int | float | Refused:
    """Return a timeline in months: the latest that the words allow, so that nobody is taken for readier than they are.

    >>> months("3 months"), months("ASAP"), months("this quarter"), months("1 year"), months("3-6 Monate")
    (3, 0, 3, 12, 6)
    >>> months("more than 12 months"), months("six weeks"), months("Q3").reason.value
    (13, 1.38, 'not_a_number')
    """
    text = _prepared(raw)
    if isinstance(text, Refused):
        return text
    near = tables.TIMELINES.get(text.rstrip(" .!"))
    if near is not None:
        return near
    found = _range(tables.spelt_out_numbers(text), time=True)
    if isinstance(found, Refused):
        return found
    length = tables.time_unit(found.rest)
    if length is None or found.high * length > tables.LONGEST_MONTHS:
        return Refused(Reason.NOT_A_NUMBER)
    return _shortest(found.high * length + (1 if found.or_more else 0))


def _prepared(raw: str) -> str | Refused:
    """Return the text folded, its digits and dashes in ASCII, or why there is nothing to read."""
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    text = clean_line(raw)
    if not text:
        return Refused(Reason.EMPTY)
    if is_placeholder(text) and not any(character.isdigit() for character in text):
        return Refused(Reason.PLACEHOLDER)
    text = fold(text).translate(_DASHES)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(c, c)) for c in text)
    return text


def _range(text: str, *, time: bool = False) -> _Range | Refused:
    """Find the first number or range in a prepared text; in a timeline `m` is the month, not the million."""
    first = _NUMBER.search(text)
    if first is None or tables.DATE.search(text) or not _stands_free(text[: first.start()]):
        return Refused(Reason.NOT_A_NUMBER)
    low = _read(text, first, time=time)
    second = _second(text, low, time=time) if isinstance(low, _Number) else None
    high = _read(text, second, time=time) if second else low
    if isinstance(low, Refused):
        return low
    if isinstance(high, Refused):
        return high
    if _GOES_ON.match(text, high.end):
        return Refused(Reason.NOT_A_NUMBER)
    # `5-10k` is five thousand to ten thousand; `500-1k` is not five hundred thousand to one thousand.
    bottom = low.value * high.factor if low.factor == 1 and low.value * high.factor <= high.value else low.value
    return _Range(
        min(bottom, high.value),
        max(bottom, high.value),
        _SYMBOLS_BEFORE.sub("", text[: first.start()]),
        text[high.end :],
    )


def _stands_free(before: str) -> bool:
    """Say whether a number may begin here: not behind a minus or a letter, unless that is a currency.

    >>> _stands_free("r$"), _stands_free("about "), _stands_free("b"), _stands_free("nov-")
    (True, True, False, False)
    """
    glued = _GLUED_BEFORE.search(before)
    if before.endswith("-"):
        return False
    # Chinese and its like put no blanks: `约50人`.
    return glued is None or glued[1] in tables.CURRENCIES or not glued[1].isascii()


def _read(text: str, digits: re.Match[str], *, time: bool) -> _Number | Refused:
    """Read one number together with the word that multiplies it."""
    factor, end = 1, digits.end()
    word = _WORD_AFTER.match(text, end)
    if word and not _TO.match(text, end):
        is_glued = word.start(1) == end
        multiplier = 1 if time else _multiplier(word[1], is_glued=is_glued)
        if multiplier is None:
            return Refused(Reason.AMBIGUOUS)
        if multiplier > 1:
            factor, end = multiplier, word.end()
        elif is_glued and word[1] not in tables.MAY_FOLLOW:
            return Refused(Reason.NOT_A_NUMBER)
    value = _value(digits[0], factor)
    return Refused(Reason.NOT_A_NUMBER) if value is None else _Number(value, factor, end)


def _multiplier(word: str, *, is_glued: bool) -> int | None:
    """Return what the word behind a number multiplies it by, or None when that depends on who says it.

    >>> _multiplier("k", is_glued=True), _multiplier("keur", is_glued=True), _multiplier("staff", is_glued=False)
    (1000, 1000, 1)
    """
    if word in tables.AMBIGUOUS:
        return None
    if is_glued and word[0] == "k" and word[1:] in tables.CURRENCIES:
        return 1000
    return tables.MULTIPLIERS.get(word, 1)


def _second(text: str, low: _Number, *, time: bool) -> re.Match[str] | None:
    """Return the other end of a range; in a timeline the first may have its own unit: `1 week to 2 months`."""
    word = _WORD_AFTER.match(text, low.end) if time else None
    for start in (low.end, word.end() if word and word[1] in tables.TIME_WORDS else None):
        if start is not None and (joint := _TO.match(text, start)):
            return _NUMBER.match(text, joint.end())
    return None


def _value(digits: str, factor: int) -> Decimal | None:
    """Return the value of digits with their separators, or None if they are no number (`1.2.3`).

    A lone separator before exactly three digits groups thousands, whichever it is: nobody states a budget or a head
    count to three decimals. Before a multiplier it is decimal: `1.250 million`.

    >>> [str(_value(text, 1)) for text in ("1.000", "1,234.50", "1.234,5", "1,00,000", "2.5", "1'000")]
    ['1000', '1234.50', '1234.5', '100000', '2.5', '1000']
    """
    digits = digits.replace(" ", "").replace("'", "")
    decimal = max(",.", key=digits.rfind)
    groups = digits.replace("," if decimal == "." else ".", "").split(decimal)
    is_mixed = "," in digits and "." in digits
    if len(groups) > 2:
        if is_mixed or len(groups[-1]) != 3:
            return None
        groups = ["".join(groups)]
    elif len(groups) == 2 and not is_mixed and factor == 1 and _GROUPED.fullmatch(digits):
        groups = ["".join(groups)]
    value = Decimal(".".join(groups)) * factor
    return value if value <= _LARGEST else None


def _shortest(value: Decimal) -> int | float:
    """Return a whole number as int, another as float to two places.

    >>> _shortest(Decimal("3.00")), _shortest(Decimal("0.4615"))
    (3, 0.46)
    """
    rounded = round(value, 2)
    return int(rounded) if rounded == rounded.to_integral_value() else float(rounded)
