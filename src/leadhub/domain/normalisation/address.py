"""A postal address: the postcode as its country writes it, and what two spellings of one building share.

`Hauptstr. 12a, 3. OG` and `HAUPTSTRASSE 12 A` are one building, so are `500 W Main St Apt 4` and
`500 West Main Street`.
The text of street and city is shown as sent; only the comparable form knows abbreviations, and it drops the flat.
"""

import re
from dataclasses import dataclass

from leadhub.domain.normalisation import word_lists
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 400
_LISTS = word_lists.read("streets")
_SPELT_OUT = dict(entry.split("=", 1) for entry in _LISTS["spelt_out"])
_ENDINGS = tuple(entry.split("=", 1) for entry in _LISTS["endings"])
_UNITS = frozenset(_LISTS["units"])

_NUMBER = re.compile(r"\d+(?:[./-]\d+)*(?:[a-z]| [a-z]| (?:bis|ter|quater))?")
_WORD = re.compile(
    r"\d+(?:st|nd|rd|th)\b|\d+(?:[./-]\d+)*(?:[a-z](?!\w)| [a-z](?=\s*(?:,|$))| (?:bis|ter|quater)\b)?\.?"
    r"|[^\W\d_]+|\d\w*"
)
_JOINED = re.compile("['`\u2019\u00b4]")
_BEHIND_CITY = re.compile(r"[(/,].*", re.DOTALL)
"""A district or a region: `Frankfurt (Main)`."""
_COUNTRY_PREFIX = re.compile(r"(?:[A-Z]{1,3})[- ]+(?=\d{3})")
_POSTCODE = re.compile(r"[0-9A-Z][0-9A-Z -]{1,14}", re.ASCII)
_FLOAT = re.compile(r"(\d{3,})\.0+")
_DIGITS = {"US": 5, "DE": 5, "FR": 5, "ES": 5, "IT": 5}
"""Countries whose postcodes have so many digits and may begin with the zero that a spreadsheet drops."""
_SHAPES = {
    "GB": (re.compile(r"([A-Z]{1,2}\d[A-Z\d]?)(\d[A-Z]{2})"), r"\1 \2"),
    "CA": (re.compile(r"([A-Z]\d[A-Z])(\d[A-Z]\d)"), r"\1 \2"),
    "NL": (re.compile(r"(\d{4})([A-Z]{2})"), r"\1 \2"),
    "SE": (re.compile(r"(\d{3})(\d{2})"), r"\1 \2"),
    "PL": (re.compile(r"(\d{2})(\d{3})"), r"\1-\2"),
    "PT": (re.compile(r"(\d{4})(\d{3})"), r"\1-\2"),
    "BR": (re.compile(r"(\d{5})(\d{3})"), r"\1-\2"),
    "JP": (re.compile(r"(\d{3})(\d{4})"), r"\1-\2"),
    "US": (re.compile(r"(\d{5})(\d{4})"), r"\1-\2"),
}
"""How a country writes the characters of its postcodes."""


@dataclass(frozen=True, slots=True)
class Address:
    """A building in comparable form; an absent part is the empty string."""

    street: str
    """Folded, abbreviations spelt out, without number and flat: `hauptstrasse`."""
    number: str
    """Of the house: `12a`."""
    postcode: str
    """Letters and digits only: `SW1A1AA`; of a US ZIP+4 the first five."""
    city: str
    """Folded."""


def normalise_postcode(text: str, country: str | None = None) -> str:
    """Return a postcode as its country writes it; what has not its shape is only cleaned.

    Args:
        text: as sent.
        country: alpha-2 of the lead.

    >>> normalise_postcode("sw1a1aa", "GB"), normalise_postcode("D-10115", "DE"), normalise_postcode("2134", "US")
    ('SW1A 1AA', '10115', '02134')
    """
    cleaned = clean_line(text).upper()
    if (number := _FLOAT.fullmatch(cleaned)) is not None:
        cleaned = number[1]
    if country is None:
        return cleaned
    cleaned = _COUNTRY_PREFIX.sub("", cleaned, count=1) if _COUNTRY_PREFIX.match(cleaned) else cleaned
    length = _DIGITS.get(country)
    if length is not None and cleaned.isdigit() and len(cleaned) == length - 1:
        cleaned = "0" + cleaned
    shape, written = _SHAPES.get(country, (None, ""))
    found = shape.fullmatch(_compact(cleaned)) if shape is not None and _POSTCODE.fullmatch(cleaned) else None
    return found.expand(written) if found else cleaned


def comparable_address(street: str, postcode: str, city: str, country: str | None = None) -> Address | None:
    """Return what two spellings of one building share; None where nothing tells one building from another.

    >>> one = comparable_address("Hauptstr. 12 A, 3. OG", "D-10115", "Berlin", "DE")
    >>> one == comparable_address("HAUPTSTRASSE 12a", "10115", "berlin", "DE"), one.street, one.number
    (True, 'hauptstrasse', '12a')
    """
    if len(street) > _MAX_INPUT or len(city) > _MAX_INPUT:
        return None
    line = clean_line(street)
    name, number = ("", "") if is_placeholder(line) else _street(fold(line))
    code = _compact(normalise_postcode(postcode, country))
    code = code[:5] if country == "US" else code
    town = " ".join(_spelt_out(_WORD.findall(_JOINED.sub("", fold(clean_line(_BEHIND_CITY.sub("", city)))))))
    if not name or not (code or town):
        return None
    return Address(name, number, code, town)


def _compact(postcode: str) -> str:
    return "".join(character for character in postcode if character.isalnum())


def _street(folded: str) -> tuple[str, str]:
    """Split a folded street into its name, spelt out, and its number; what follows a number behind is the flat.

    >>> _street("500 w main st apt 4"), _street("strasse des 17. juni 135"), _street("c/ mayor, 5, 3 b")
    (('west main street', '500'), ('strasse des 17 juni', '135'), ('calle mayor', '5'))
    """
    words = _WORD.findall(_JOINED.sub("", folded))
    if len(words) > 1 and _NUMBER.fullmatch(words[0]):
        return " ".join(_spelt_out(_before_unit(words[1:]))), _number(words[0])
    for at, word in enumerate(words):
        if at and _NUMBER.fullmatch(word):
            return " ".join(_spelt_out([part.rstrip(".") for part in words[:at]])), _number(word)
    return " ".join(_spelt_out([part.rstrip(".") for part in _before_unit(words)])), ""


def _number(word: str) -> str:
    return word.replace(" ", "").replace("/", "-")


def _before_unit(words: list[str]) -> list[str]:
    """Return the words in front of the flat: `apt 4`."""
    for at, word in enumerate(words):
        if at and word in _UNITS:
            return words[:at]
    return words


def _spelt_out(words: list[str]) -> list[str]:
    """Write abbreviations out; `St` in front is a saint, behind it is a street."""
    spelt = []
    for at, word in enumerate(words):
        if word == "st":
            spelt.append("saint" if at + 1 < len(words) else "street")
        elif word in _SPELT_OUT:
            spelt.append(_SPELT_OUT[word])
        else:
            spelt.append(next((word[: -len(short)] + long for short, long in _ENDINGS if _ends(word, short)), word))
    return spelt


def _ends(word: str, short: str) -> bool:
    return len(word) > len(short) + 2 and word.endswith(short)
