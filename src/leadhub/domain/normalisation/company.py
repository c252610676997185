"""A company's name for display, and the key that two spellings of it share.

The key drops what changes from form to form: case, accents, the legal form in front or behind, a leading `The`. It ties
leads to one company only together with a person's name; it is no identity.
"""

import re
from dataclasses import dataclass

from leadhub.domain.normalisation import company_tables as tables
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 300
_ALNUM = re.compile(r"[^\W_]")
_JOINED = re.compile("[.'`\u2019\u00b4]")
_AND = re.compile(r"[&+]")
_NOT_WORD = re.compile(r"[^\w\u0300-\u036f\u0e31-\u0e4e]+|_+")  # Thai vowel signs belong to the word
_UMLAUTS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "ae", "Ö": "oe", "Ü": "ue", "ø": "oe", "Ø": "oe", "å": "aa", "Å": "aa"}
)


@dataclass(frozen=True, slots=True)
class Company:
    """A company's name."""

    raw: str
    """As sent."""
    name: str
    """For display: as sent, cleaned."""
    keys: tuple[str, ...]
    """For matching: the folded name without legal form; with umlauts also its ASCII spelling (`koehler`)."""


def normalise_company(raw: str) -> Company | Refused:
    """Return a company's name and match keys, or why there is none.

    >>> normalise_company("The Köhler & Töchter GmbH & Co. KG").keys
    ('kohler and tochter', 'koehler and toechter')
    >>> normalise_company("AB Electrolux").keys, normalise_company("self-employed").reason.value
    (('electrolux',), 'not_a_company')
    """
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    name = clean_line(raw)
    if not name:
        return Refused(Reason.EMPTY)
    folded = fold(name)
    joined = " ".join(_words(folded))
    if joined in tables.NO_COMPANY:
        return Refused(Reason.NOT_A_COMPANY)
    if not joined or is_placeholder(joined) or (joined != folded and is_placeholder(name)):
        return Refused(Reason.PLACEHOLDER)
    keys = [_key(folded)]
    if not name.isascii() and (spelt_out := name.translate(_UMLAUTS)) != name:
        keys.append(_key(fold(spelt_out)))
    return Company(raw, name, tuple(dict.fromkeys(keys)))


def _words(text: str) -> list[str]:
    """Split folded text into words, without dots and apostrophes; `&` becomes a word.

    >>> _words("mcdonald's & co., s.p.a.")
    ['mcdonalds', 'and', 'co', 'spa']
    """
    if text.replace(" ", "").isalnum():
        return text.split()
    return _NOT_WORD.sub(" ", _AND.sub(" and ", _JOINED.sub("", text))).split()


def _key(folded: str) -> str:
    """Return a folded name without its legal forms; never nothing: a company may be called `Company`."""
    bare = tables.ATTACHED.sub("", folded).strip() if not folded.isascii() else folded
    words = _words(bare) or _words(folded)
    if len(words) > 1 and words[0] == "the":
        del words[0]
    return " ".join(_without_front(_without_behind(words)))


def _without_behind(words: list[str]) -> list[str]:
    """Drop the legal forms behind, the longest first, several if there are.

    >>> _without_behind(["acme", "gmbh", "and", "co", "kg"]), _without_behind(["company"])
    (['acme'], ['company'])
    """
    longest = min(len(words) - 1, tables.LONGEST_FORM_WORDS)
    for count in range(longest, 0, -1):
        if "".join(words[-count:]) in tables.BEHIND:
            rest = words[:-count]
            return _without_behind(rest[:-1] if len(rest) > 1 and rest[-1] == "and" else rest)
    return words


def _without_front(words: list[str]) -> list[str]:
    """Drop a legal form in front where that is the custom.

    >>> _without_front(["ab", "electrolux"]), _without_front(["sas", "travel"])
    (['electrolux'], ['sas', 'travel'])
    """
    for count in range(min(len(words) - 1, 4), 0, -1):
        if "".join(words[:count]) in tables.FRONT:
            return words[count:]
    return words
