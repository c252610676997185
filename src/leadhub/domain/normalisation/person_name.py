"""A person's name in its parts.

Parts that were sent are believed: they are cleaned and, if they came in one case only, recased. A part that was not
sent is derived from the full name, and never the other way round.
"""

from dataclasses import dataclass, replace

from leadhub.domain.normalisation import name_tables as tables
from leadhub.domain.normalisation.name_case import recased_family, recased_given
from leadhub.domain.normalisation.name_split import Parts, split_full, without_ends
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 400
_MAX_ROUNDS = 5
"""Cleaning uncovers more at most so often: a title behind a comma, a degree behind a degree."""


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name in its parts; an absent part is the empty string."""

    first: str
    last: str
    middle: str
    suffix: str
    """The generation, as we write it: `Jr.`, `III`."""
    raw: str
    """As sent: the full name, else given and family name."""


def normalise_name(
    *, first: str | None = None, last: str | None = None, full: str | None = None, country: str | None = None
) -> PersonName | Refused:
    """Return the parts of a name, or why none of what was sent is a name.

    Args:
        first: given name as sent.
        last: family name as sent.
        full: both, as sent.
        country: alpha-2; tells in which order names are written there.

    >>> name = normalise_name(full="Dr. FLORA MCDOUGAL Jr")
    >>> name.first, name.last, name.suffix
    ('Flora', 'McDougal', 'Jr.')
    >>> normalise_name(first="Ada", full="Ada King Lovelace").last, normalise_name(full="N/A").reason.value
    ('Lovelace', 'placeholder')
    """
    raw = full or " ".join(part for part in (first, last) if part)
    parts = _settled(Parts(first=_line(first), last=_line(last)), country)
    if full and not (parts.first and parts.last):
        parts = _settled(_completed(parts, full, country), country)
    if not (parts.first or parts.last):
        return Refused(_why(first, last, full))
    return PersonName(parts.first, parts.last, recased_given(parts.middle, country), parts.suffix, raw)


def _line(text: str | None) -> str:
    """Return a part as one clean line; nothing if it is too long to be one, before anything reads all of it."""
    return clean_line(text) if text and len(text) <= _MAX_INPUT else ""


def refusal_of(text: str, beside: str = "") -> Reason | None:
    """Say why a text is no name, or None if it may be one; `beside` is the other part of the name.

    >>> refusal_of("asdf").value, refusal_of("Null", "Jennifer"), refusal_of("ada@example.org").value
    ('placeholder', None, 'not_a_name')
    """
    if len(text) > _MAX_INPUT:
        return Reason.TOO_LONG
    cleaned = clean_line(text)
    if not cleaned:
        return Reason.EMPTY
    folded = fold(cleaned)
    if _is_nobody(cleaned, folded, beside):
        return Reason.PLACEHOLDER
    has_letter = any(character.isalpha() for character in cleaned)
    if not has_letter or "@" in folded or "://" in folded or folded.startswith("www."):
        return Reason.NOT_A_NAME if has_letter or any(map(str.isdigit, cleaned)) else Reason.PLACEHOLDER
    return None


def _is_nobody(cleaned: str, folded: str, beside: str) -> bool:
    """Say whether a part of a name stands for nobody."""
    words = folded.split()
    if folded in tables.NOBODY_PHRASES or all(word in tables.NOBODY for word in words):
        return True
    if all(word in tables.NOBODY or word in tables.PERHAPS_NOBODY for word in words):
        return not (cleaned.istitle() and beside and refusal_of(beside) is None)
    return len(words) == 1 and folded not in tables.NAMES_LIKE_PLACEHOLDERS and is_placeholder(cleaned)


def _settled(parts: Parts, country: str | None) -> Parts:
    """Return parts without titles, degrees and placeholders, recased, such that doing so again changes nothing."""
    if (not parts.first or _is_ordinary(parts.first)) and (not parts.last or _is_ordinary(parts.last)):
        return parts
    return _settled_stepwise(parts, country)


def _is_ordinary(part: str) -> bool:
    """Say whether a part of a name is one capitalised word without a second meaning.

    >>> _is_ordinary("Grace"), _is_ordinary("GRACE"), _is_ordinary("Sir"), _is_ordinary("Lee-Ann")
    (True, False, False, False)
    """
    is_capitalised = part.isalpha() and part[0].isupper() and part[1:].islower()
    return is_capitalised and len(set(part.lower())) > 1 and fold(part) not in tables.SPECIAL


def _settled_stepwise(parts: Parts, country: str | None) -> Parts:
    """Clean and recase until nothing changes."""
    for _ in range(_MAX_ROUNDS):
        first, first_suffix = _cleaned(parts.first, parts.last, country)
        last, last_suffix = _cleaned(parts.last, parts.first, country)
        now = replace(
            parts,
            first=recased_given(first, country),
            last=recased_family(last, country),
            suffix=parts.suffix or last_suffix or first_suffix,
        )
        if now == parts:
            break
        parts = now
    return parts


def _cleaned(text: str, beside: str, country: str | None) -> tuple[str, str]:
    """Return a part without titles and degrees, and the generation in it; nothing if it is no name."""
    if refusal_of(text, beside) is not None:
        return "", ""
    words, suffix = without_ends(text.replace(",", " ").split(), country)
    return " ".join(words), suffix


def _completed(parts: Parts, full: str, country: str | None) -> Parts:
    """Fill in what was not sent from the full name."""
    if refusal_of(full) is not None or fold(clean_line(full)) == fold(parts.first or parts.last):
        return parts
    whole = split_full(clean_line(full), country)
    if not (parts.first or parts.last):
        return whole
    suffix = parts.suffix or whole.suffix
    if parts.first:
        return Parts(first=parts.first, middle=whole.middle, last=_other(whole.last, parts.first), suffix=suffix)
    return Parts(first=_other(whole.first, parts.last), middle=whole.middle, last=parts.last, suffix=suffix)


def _other(derived: str, given: str) -> str:
    """Return a derived part unless it repeats the one that was sent: `first=Teller, full=Teller`."""
    return "" if fold(derived) == fold(given) else derived


def _why(*sent: str | None) -> Reason:
    """Return the reason for the first text that was sent and is no name."""
    reasons = [reason for text in sent if text and (reason := refusal_of(text)) not in {None, Reason.EMPTY}]
    if reasons and reasons[0] is not None:
        return reasons[0]
    return Reason.PLACEHOLDER if any(_line(text) for text in sent) else Reason.EMPTY
