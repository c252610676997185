"""Capitals for a name that came in one case only: GUIDO VAN ROSSUM, flora mcdougal."""

import re

from leadhub.domain.normalisation import name_tables as tables
from leadhub.domain.normalisation.text import fold

_HYPHENS = "-\u2010"
_APOSTROPHES = "'\u2019"
_PIECES = re.compile(f"([{_HYPHENS}{_APOSTROPHES}.])")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?\.?")
_CAPITAL_AFTER_APOSTROPHE = frozenset({"o", "d", "l", "n", "m", "dell", "dall", "sant"})
_TURKIC = frozenset({"TR", "AZ"})
_DOTLESS_I = "\u0131"
_VOWELS = frozenset("aeiouy")


def recased_given(text: str, country: str | None = None) -> str:
    """Return a given name with capitals if it came in one case only; initials are left alone.

    >>> recased_given("HANS-PETER"), recased_given("anna maria"), recased_given("JD"), recased_given("deShawn")
    ('Hans-Peter', 'Anna Maria', 'JD', 'deShawn')
    """
    if not _is_one_case(text) or _looks_like_initials(text):
        return text
    return " ".join(_recased_word(word, country) for word in text.split())


def recased_family(text: str, country: str | None = None) -> str:
    """Return a family name with capitals if it came in one case only; particles in lower case.

    >>> recased_family("VAN ROSSUM"), recased_family("mcdougal"), recased_family("O'BRIEN"), recased_family("van")
    ('van Rossum', 'McDougal', "O'Brien", 'Van')
    """
    if not _is_one_case(text):
        return text
    words = text.split()
    keep_capital = country in tables.CAPITAL_PARTICLES or all(fold(word) in tables.RECASED_LOWER for word in words)
    return " ".join(
        word.lower()
        if fold(word) in tables.RECASED_LOWER and not (keep_capital and position == 0)
        else _recased_word(word, country)
        for position, word in enumerate(words)
    )


def is_shouted(word: str) -> bool:
    """Say whether a word is in capitals, and more than an initial.

    >>> is_shouted("DUBOIS"), is_shouted("J."), is_shouted("Dubois")
    (True, False, False)
    """
    return word.isupper() and sum(map(str.isalpha, word)) > 1 and not _INITIALS.fullmatch(word)


def _is_one_case(text: str) -> bool:
    """Say whether a text of several letters has only capitals or none."""
    return text.islower() or (text.isupper() and sum(map(str.isalpha, text)) > 1)


def _looks_like_initials(text: str) -> bool:
    """Say whether capitals are meant: J.R., JD, TJ."""
    if not text.isupper():
        return False
    if _INITIALS.fullmatch(text):
        return True
    return len(text) <= 3 and text.isascii() and (text.endswith("J") or not _VOWELS & set(text.lower()))


def _recased_word(word: str, country: str | None) -> str:
    """Return one word with its capitals: behind a hyphen, O' and Mc as well."""
    if _INITIALS.fullmatch(word):
        return word.upper()
    pieces = _PIECES.split(_lowered(word, country))
    shown: list[str] = []
    for position, piece in enumerate(pieces):
        before = pieces[position - 1] if position else ""
        is_inside = before in {*_APOSTROPHES} and pieces[position - 2] not in _CAPITAL_AFTER_APOSTROPHE
        is_particle = before in {*_HYPHENS} and piece in {"al", "el", "ul", "de", "la"} and position + 1 < len(pieces)
        shown.append(piece if is_inside or is_particle else _capitalised(piece, country))
    return "".join(shown)


def _lowered(word: str, country: str | None) -> str:
    """Return a word in lower case; the Turkish I has two of them."""
    if country in _TURKIC:
        word = word.replace("I", _DOTLESS_I).replace("İ", "i")
    return word.lower().replace("i\u0307", "i")


def _capitalised(piece: str, country: str | None) -> str:
    """Return a piece with its first letter as capital, and the second of Mc and Mac names."""
    if piece.startswith("mc") and len(piece) > 3:
        return "Mc" + piece[2:].title()
    if piece in tables.MAC:
        return "Mac" + piece[3:].title()
    if country in _TURKIC and piece.startswith("i"):
        return "İ" + piece[1:]
    return piece[:1].title() + piece[1:]
