"""What each name under which a sender puts an answer stands for.

Decided once a name and not once a request: a form posts the same names all day.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from leadhub.channels.attribution import is_attribution
from leadhub.domain.fields import FIELDS, canonical_name
from leadhub.domain.normalisation.text import clean_line

CUSTOM = "custom"
IGNORE = "ignore"
EXTERNAL_ID = "external_id"
SUBMITTED_AT = "submitted_at"
_CUSTOM_AS = "custom."
_QUESTION = re.compile(
    r"(?:(?:what(?:'s|\u2019s| is)|please enter|enter) )?(?:(?:your|my|the|ihre?|deine?|su|tu|votre|seu|sua) )?(.+?)"
    r"[\s*:?]*",
    re.IGNORECASE,
)
"""How people label a field: `Your e-mail address *`, `What's your company?`."""
VISITORS = ("visitor_id", "anonymous_id", "anonymousid", "ajs_anonymous_id")
"""Under these a page says which browser it is, in the words of the usual trackers."""
REDIRECTS = ("_redirect", "_next")
PAGES = ("page_url", "landing_page", "referrer", "referer")
_ATTRIBUTE = "activity_"
"""Prefix of fields that say more about the activity: `activity_asset_id`."""
_WRAPPERS = frozenset(
    {
        *("answers", "attributes", "body", "contact", "customer", "data", "fields", "form_data", "lead", "payload"),
        *("person", "properties", "submission", "subscriber", "traits", "user", "values", "visitor"),
    }
)
_MACHINES = frozenset(
    {
        *REDIRECTS,
        *("_subject", "_charset_", "_gotcha", "_form_token"),
        *("cf-turnstile-response", "h-captcha-response", "g-recaptcha-response"),
        *("csrf_token", "_csrf", "_csrf_token", "csrfmiddlewaretoken", "authenticity_token", "_token", "_wpnonce"),
        "__requestverificationtoken",
    }
)
"""Lower-case names of what forms send for machines; no answers of a person."""
_REMEMBERED = 1_000
"""Names kept; a stranger who sends ever new ones empties the memory, that is all."""


class Use(StrEnum):
    """What becomes of a value."""

    __hash__ = str.__hash__  # an enum's own is Python, and this is the key of every look-up of a group

    FIELD = "field"
    CUSTOM = "custom"
    ATTRIBUTION = "attribution"
    PAGE = "page"
    ATTRIBUTE = "attribute"
    CONSENT = "consent"
    CONSENT_VERSION = "consent_version"
    ACTIVITY = "activity"
    HONEYPOT = "honeypot"
    TEST = "test"
    EXTERNAL_ID = "external_id"
    SUBMITTED_AT = "submitted_at"
    VISITOR = "visitor"
    NOTHING = "nothing"


_USES = {
    "_test": Use.TEST,
    "_consent_version": Use.CONSENT_VERSION,
    **dict.fromkeys(PAGES, Use.PAGE),
    **dict.fromkeys(VISITORS, Use.VISITOR),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name's values go."""

    use: Use
    target: str
    """Canonical field, name in `custom`, parameter or attribute."""
    name: str
    """As the form spells it, to point at."""
    key: str
    """As fields are compared."""
    rank: int = 0
    """Of two names for one field the lower wins: mapped by the source, spelt exactly, known by an alias."""


class FormNames:
    """The names of one form."""

    def __init__(self, special: Mapping[str, Use], field_map: Mapping[str, str]) -> None:
        """Take the names that the source's options give a meaning, and its own mapping of fields."""
        self._special = {key_of(name): use for name, use in special.items()}
        self._mapped = {key_of(name): target for name, target in field_map.items()}
        self._known: dict[str, Place] = {}

    def place(self, sent: str) -> Place:
        """Return what a name stands for."""
        place = self._known.get(sent)
        if place is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            place = self._known[sent] = self._decide(sent)
        return place

    def _decide(self, sent: str) -> Place:
        name, key = sent.removesuffix("[]").strip(), key_of(sent)
        if key in self._special:
            return Place(self._special[key], key, name, key)
        mapped = self._mapped.get(key)
        if mapped is not None:
            return Place(*_mapped(mapped, name), name, key)
        if (context := _context(key) or _context(_unwrapped(key))) is not None:
            return Place(*context, name, key)
        field = canonical_name(name) or canonical_name(_asked(name)) or canonical_name(_unwrapped(name))
        if field is None:
            return Place(Use.CUSTOM, clean_line(name) or "_", name, key)
        return Place(Use.FIELD, field, name, key, rank=1 if key in FIELDS else 2)


def key_of(name: str) -> str:
    """Return the name by which fields are compared: lower case, without PHP's mark of a list.

    >>> key_of(" Topics[]")
    'topics'
    """
    return name.removesuffix("[]").strip().lower()


def is_target(text: str) -> bool:
    """Whether a mapping may lead there.

    >>> is_target("email"), is_target("utm_source"), is_target("custom.colour"), is_target("colour")
    (True, True, True, False)
    """
    return (
        text in {*FIELDS, CUSTOM, IGNORE, EXTERNAL_ID, SUBMITTED_AT}
        or text.startswith(_CUSTOM_AS)
        or is_attribution(text)
    )


def _asked(name: str) -> str:
    """Return what a label asks for.

    >>> _asked("What\u2019s your e-mail?"), _asked("Company:*")
    ('e-mail', 'Company')
    """
    found = _QUESTION.fullmatch(name)
    return found[1] if found else name


def _unwrapped(name: str) -> str:
    """Return a dotted name without the objects that only hold a person's answers.

    >>> _unwrapped("data.contact.first_name"), _unwrapped("data.company.name"), _unwrapped("form.name")
    ('first_name', 'company_name', 'form_name')
    """
    steps = name.split(".")
    while len(steps) > 1 and steps[0].lower() in _WRAPPERS:
        del steps[0]
    return "_".join(steps)


def _mapped(target: str, name: str) -> tuple[Use, str]:
    if target in FIELDS:
        return Use.FIELD, target
    if target == IGNORE:
        return Use.NOTHING, target
    if target in {EXTERNAL_ID, SUBMITTED_AT}:
        return Use(target), target
    if is_attribution(target):
        return Use.ATTRIBUTION, target
    return Use.CUSTOM, clean_line(target.removeprefix(_CUSTOM_AS) if target != CUSTOM else name) or "_"


def _context(key: str) -> tuple[Use, str] | None:
    """Return what a name means in any form besides a field or an answer."""
    if key in _MACHINES:
        return Use.NOTHING, key
    if key in _USES:
        return _USES[key], key
    if is_attribution(key):
        return Use.ATTRIBUTION, key
    if key.startswith(_ATTRIBUTE) and (attribute := clean_line(key.removeprefix(_ATTRIBUTE))):
        return Use.ATTRIBUTE, attribute
    return None
