"""What a posted form says: its fields under canonical names, and everything that came along.

What is wrong is collected, so that a person is told everything at once, and so that spam can be kept without it.
"""

from collections import defaultdict
from dataclasses import dataclass

from leadhub.channels.attribution import attribution, bare_url, stated_by_url, stated_value
from leadhub.channels.contact import contact_problem
from leadhub.channels.decoding import FormFields
from leadhub.channels.form.names import FormNames, Place, Use, key_of
from leadhub.channels.form.options import ConsentField, FormOptions
from leadhub.channels.pointers import pointer
from leadhub.channels.protocol import Inbound
from leadhub.domain.errors import FieldError
from leadhub.domain.fields import FIELDS
from leadhub.domain.normalisation.text import clean_block, clean_line, fold
from leadhub.domain.submission import Content, CustomValue, Evidence, StatedActivity, StatedConsent

_YES = frozenset({"on", "1", "true", "yes", "y", "checked", "ja", "oui", "si", "sim"})
_NOT_FILLED = frozenset({"false", "0"})
"""What scripts send for an empty honeypot."""
_MAX_ATTRIBUTES = 20
_MAX_ATTRIBUTE = 500
_MAX_ATTRIBUTE_NAME = 64
_MAX_AGENT = 1_000
_MAX_ADDRESS = 45
_LONG_ANSWER = 2_000
"""A field that takes this many characters takes several choices as one answer."""


@dataclass(frozen=True, slots=True)
class FormReading:
    """A form as read; with errors in it the content lacks what was wrong."""

    content: Content
    errors: tuple[FieldError, ...]
    is_spam: bool


_Group = dict[str, tuple[Place, list[str]]]
"""Key of a name → its place and its cleaned values: none blank, at least one."""
_Groups = dict[Use, _Group]


def read_form(sent: FormFields, options: FormOptions, inbound: Inbound) -> FormReading:
    """Return what a form says.

    Args:
        sent: as decoded.
        options: the source's.
        inbound: the request, for its address and headers.
    """
    groups = _grouped(sent, options.names)
    errors: list[FieldError] = []
    fields, custom = _fields(groups, errors)
    page = _Page(groups[Use.PAGE], inbound)
    content = Content(
        fields=fields,
        custom=custom,
        attribution=page.attribution(groups[Use.ATTRIBUTION]),
        activities=[_activity(groups, options, errors)],
        consents=[_consent(groups[Use.CONSENT], consent, errors) for consent in options.consents],
        evidence=page.evidence(),
        is_test=any(_is_yes(text, None) for text in _texts(groups[Use.TEST])),
    )
    is_spam = any(text.lower() not in _NOT_FILLED for text in _texts(groups[Use.HONEYPOT]))
    return FormReading(content, tuple(errors), is_spam)


def _grouped(sent: FormFields, names: FormNames) -> _Groups:
    groups: _Groups = defaultdict(dict)
    for name, values in sent.items():
        if texts := [text for value in values if (text := clean_block(value))]:
            place = names.place(name)
            group = groups[place.use]
            if place.key in group:
                group[place.key][1].extend(texts)
            else:
                group[place.key] = (place, texts)
    return groups


def _fields(groups: _Groups, errors: list[FieldError]) -> tuple[dict[str, str], dict[str, CustomValue]]:
    """Return canonical fields and other answers; a second answer to one field is kept as an answer of its own."""
    fields: dict[str, str] = {}
    custom = {place.target: _answer(values) for place, values in groups[Use.CUSTOM].values()}
    email = "email"
    for place, values in sorted(groups[Use.FIELD].values(), key=_by_rank):
        spare = values
        if place.target not in fields:
            fields[place.target], spare = _one(place, values, errors)
            email = place.name if place.target == "email" else email
        if spare:
            custom.setdefault(clean_line(place.name) or "_", _answer(spare))
    problem = contact_problem(fields.get("email", ""), fields.get("phone", ""))
    if problem is not None and all(each.pointer != pointer(email) for each in errors):
        errors.append(FieldError(pointer(email), problem))
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
        errors.append(_too_long(place.name, limit))
        text = text[:limit]
    return text, spare


def _answer(values: list[str]) -> CustomValue:
    return values[0] if len(values) == 1 else values


def _activity(groups: _Groups, options: FormOptions, errors: list[FieldError]) -> StatedActivity:
    """Return what the form counts as: only what its source allows, a stranger's hidden field decides nothing."""
    if not groups[Use.ACTIVITY] and not groups[Use.ATTRIBUTE]:
        return options.plain_activity
    named = next(iter(_texts(groups[Use.ACTIVITY])), "")
    attributes: dict[str, str] = {}
    for place, values in groups[Use.ATTRIBUTE].values():
        text = ", ".join(values)
        if len(place.target) > _MAX_ATTRIBUTE_NAME or len(text) > _MAX_ATTRIBUTE:
            errors.append(_too_long(place.name, _MAX_ATTRIBUTE))
        else:
            attributes[place.target] = text
    attributes |= options.activity_attributes
    if len(attributes) > _MAX_ATTRIBUTES:
        errors.append(FieldError("#", f"At most {_MAX_ATTRIBUTES} attributes of the activity are accepted."))
        attributes = options.activity_attributes
    kind = named if named in options.allowed_activities else options.activity
    return StatedActivity(type=kind, attributes=attributes)


def _consent(group: _Group, consent: ConsentField, errors: list[FieldError]) -> StatedConsent:
    """Return the answer to one box; an unticked box is not sent, so its absence is a no."""
    _, values = group.get(key_of(consent.field), (None, ()))
    granted = any(_is_yes(value, consent.wording) for value in values)
    if consent.required and not granted:
        errors.append(FieldError(pointer(consent.field), "This consent is required."))
    return consent.yes if granted else consent.no


def _is_yes(value: str, wording: str | None) -> bool:
    """Whether a box says yes: by a usual word, or with its own label as its value."""
    return fold(value) in _YES or (wording is not None and clean_line(value) == clean_line(wording))


class _Page:
    """Where the form stood, as far as it or the browser says."""

    def __init__(self, group: _Group, inbound: Inbound) -> None:
        self.said = {key: values[0] for key, (_, values) in group.items()}
        self.inbound = inbound
        self.referer = inbound.header("referer") or ""
        """The browser's word for the page that posted."""
        self.landing = self.said.get("landing_page", "")
        self.referrer = bare_url(self.said.get("referrer") or self.said.get("referer") or "")
        """The form's word for the page before."""

    def attribution(self, group: _Group) -> dict[str, str]:
        """Return hidden fields first, then what the page's, the landing page's and the browser's addresses say."""
        hidden = {place.target: text for place, values in group.values() if (text := stated_value(values[0]))}
        urls = (self.said.get("page_url", ""), self.landing, self.referer)
        found = attribution([hidden, *map(stated_by_url, urls)])
        if (landing := bare_url(self.landing)) is not None:
            found["landing_page"] = landing
        if self.referrer is not None:
            found["referrer"] = self.referrer
        return found

    def evidence(self) -> Evidence:
        """Return what proves the visit; addresses without their queries, which may hold personal data."""
        address = self.inbound.client_ip
        agent = clean_line(self.inbound.header("user-agent") or "")[:_MAX_AGENT]
        return Evidence(
            ip=address if address and len(address) <= _MAX_ADDRESS else None,
            user_agent=agent or None,
            page_url=bare_url(self.said.get("page_url", "")) or bare_url(self.referer),
            referrer=self.referrer,
        )


def _texts(group: _Group) -> list[str]:
    return [text for _, values in group.values() for text in values] if group else []


def _too_long(name: str, limit: int) -> FieldError:
    return FieldError(pointer(name), f"At most {limit} characters are accepted.")
