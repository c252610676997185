"""A person's name in its parts."""

from dataclasses import dataclass

from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name in its parts; an absent part is the empty string."""

    first: str
    last: str
    middle: str
    suffix: str
    raw: str


def normalise_name(
    *, first: str | None = None, last: str | None = None, full: str | None = None, country: str | None = None
) -> PersonName | Refused:
    """Return the parts of a name.

    >>> normalise_name(full="Ada Lovelace").last
    'Lovelace'
    """
    del country
    given, family, whole = (clean_line(part or "") for part in (first, last, full))
    raw = whole or f"{given} {family}".strip()
    if not raw:
        return Refused(Reason.EMPTY)
    if not given and not family:
        given, _, family = whole.partition(" ")
    return PersonName(given, family, "", "", raw)
