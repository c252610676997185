"""A country by any of its common names, as ISO 3166-1 alpha-2.

The match is exact on the folded name. Fuzzy search was rejected: it reads `Niger` as Nigeria and `Korea` as the
Democratic People's Republic. A name that means two countries is refused, so that somebody asks.

`countries.txt` holds one country a line: alpha-2, alpha-3, then its names in English, in everyday use and in other
languages. `XK` (Kosovo) is user-assigned, not in the standard, but numbering plans and postal services use it.
"""

import re
from importlib.resources import files

from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 200
_AMBIGUOUS = frozenset(
    {
        "congo",
        "kongo",
        "korea",
        "corea",
        "coree",
        "coreia",
        "kore",
        "virgin islands",
        "islas virgenes",
        "jungferninseln",
    }
)
"""Names of two countries at once, folded."""
_DROPPED = re.compile("[.'`\u2019\u00b4]")
_NOT_WORD = re.compile(r"[\W_]+")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
_FLAG_LETTERS = {0x1F1E6 + i: chr(0x41 + i) for i in range(26)}
"""Regional indicator symbols: a flag emoji is a country code in disguise."""


def _key(text: str) -> str:
    """Return what two spellings of a country's name share.

    >>> _key("The U.S.A."), _key("Trinidad & Tobago")
    ('usa', 'trinidad and tobago')
    """
    words = _NOT_WORD.sub(" ", _DROPPED.sub("", fold(text).replace("&", " and "))).split()
    if len(words) > 1 and words[0] == "the":
        del words[0]
    return " ".join("saint" if word == "st" else word for word in words)


def _load() -> tuple[dict[str, str], dict[str, str]]:
    """Read the table: code → alpha-2, folded name → alpha-2."""
    codes: dict[str, str] = {"UK": "GB", "EL": "GR"}
    names: dict[str, str] = {}
    table = files(__package__).joinpath("countries.txt").read_text(encoding="utf-8")
    for line in table.splitlines():
        alpha2, alpha3, spellings = line.split(" ", 2)
        codes |= {alpha2: alpha2, alpha3: alpha2}
        names |= dict.fromkeys((_key(name) for name in spellings.split(" | ")), alpha2)
    return codes, {name: code for name, code in names.items() if name not in _AMBIGUOUS}


CODES, _NAMES = _load()
"""Upper-case alpha-2 or alpha-3 → alpha-2."""


def normalise_country(raw: str) -> str | Refused:
    """Return the alpha-2 code of a country, given by a code or by a name in a common language.

    >>> normalise_country("Deutschland"), normalise_country("u.s.a."), normalise_country("日本")
    ('DE', 'US', 'JP')
    >>> normalise_country("Korea").reason.value
    'ambiguous'
    """
    if code := CODES.get(raw):
        return code
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    text = clean_line(raw)
    if text.isascii():  # the ordinary name is its own key
        return CODES.get(text.upper()) or _NAMES.get(text.lower()) or _by_name(text)
    text = text.translate(_FLAG_LETTERS)
    return CODES.get(text.upper()) or _by_name(text)


def _by_name(text: str) -> str | Refused:
    """Look the name up as it is, then without what a form's label adds in parentheses: `Germany (+49)`."""
    key = _key(text)
    if not key:
        return Refused(Reason.EMPTY if not text else Reason.UNKNOWN_COUNTRY)
    for candidate in dict.fromkeys((key, _key(_IN_PARENTHESES.sub(" ", text)))):
        if candidate in _AMBIGUOUS:
            return Refused(Reason.AMBIGUOUS)
        if code := _NAMES.get(candidate) or CODES.get(candidate.upper()):
            return code
    return Refused(Reason.UNKNOWN_COUNTRY)
