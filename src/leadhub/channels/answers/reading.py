"""Answers under the names of their sender, turned into fields, other answers and consents.

What is wrong is collected, so that a person is told everything at once, and so that spam can be kept without it.
"""

from collections import defaultdict

from leadhub.channels.answers.names import FormNames, Place, Use, key_of
from leadhub.channels.answers.options import ConsentField
from leadhub.channels.decoding import FormFields
from leadhub.channels.pointers import pointer
from leadhub.domain.errors import FieldError
from leadhub.domain.fields import FIELDS
from leadhub.domain.normalisation.text import clean_block, clean_line, fold
from leadhub.domain.submission import CustomValue, StatedConsent

_YES = frozenset({"on", "1", "true", "yes", "y", "checked", "ja", "oui", "si", "sim"})
_LONG_ANSWER = 2_000
"""A field that takes this many characters takes several choices as one answer."""

Group = dict[str, tuple[Place, list[str]]]
"""Key of a name → its place and its cleaned values: none blank, at least one."""
Groups = dict[Use, Group]


def grouped(sent: FormFields, names: FormNames) -> Groups:
    """Return what was sent by what it is for, cleaned, blanks left out."""
    groups: Groups = defaultdict(dict)
    for name, values in sent.items():
        if texts := [text for value in values if (text := clean_block(value))]:
            place = names.place(name)
            group = groups[place.use]
            if place.key in group:
                group[place.key][1].extend(texts)
            else:
                group[place.key] = (place, texts)
    return groups


def read_fields(groups: Groups, errors: list[FieldError]) -> tuple[dict[str, str], dict[str, CustomValue]]:
    """Return canonical fields and other answers; a second answer to one field is kept as an answer of its own."""
    fields: dict[str, str] = {}
    custom = {place.target: _answer(values) for place, values in groups[Use.CUSTOM].values()}
    for place, values in sorted(groups[Use.FIELD].values(), key=_by_rank):
        spare = values
        if place.target not in fields:
            fields[place.target], spare = _one(place, values, errors)
        if spare:
            custom.setdefault(clean_line(place.name) or "_", _answer(spare))
    return fields, custom


def _by_rank(named: tuple[Place, list[str]]) -> int:
    return named[0].rank


def _one(place: Place, values: list[str], errors: list[FieldError]) -> tuple[str, list[str]]:
    """Return a field's one text and what is left over."""
    limit = FIELDS[place.target].limit
    if len(values) == 1 and len(values[0]) <= limit:
        return values[0], []
    text, spare = values[0], [value for value in values[1:] if value != values[0]]
    if spare and limit >= _LONG_ANSWER:
        text, spare = ", ".join([text, *spare]), []
    if len(text) > limit:
        errors.append(too_long(place.name, limit))
        text = text[:limit]
    return text, spare


def _answer(values: list[str]) -> CustomValue:
    return values[0] if len(values) == 1 else values


def read_consent(groups: Groups, consent: ConsentField, errors: list[FieldError]) -> StatedConsent:
    """Return the answer to one box; an unticked box is not sent, so its absence is a no."""
    _, values = groups[Use.CONSENT].get(key_of(consent.field), (None, ()))
    granted = any(is_yes(value, consent.wording) for value in values)
    if consent.required and not granted:
        errors.append(FieldError(pointer(consent.field), "This consent is required."))
    return consent.stated(granted=granted, version=next(iter(texts_of(groups[Use.CONSENT_VERSION])), None))


def is_yes(value: str, wording: str | None) -> bool:
    """Whether a box says yes: by a usual word, or with its own label as its value."""
    return fold(value) in _YES or (wording is not None and clean_line(value) == clean_line(wording))


def texts_of(group: Group) -> list[str]:
    """Return all texts of a group."""
    return [text for _, values in group.values() for text in values] if group else []


def too_long(name: str, limit: int) -> FieldError:
    """Return what is wrong with a text beyond its limit."""
    return FieldError(pointer(name), f"At most {limit} characters are accepted.")
