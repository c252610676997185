"""What a posted form says: its fields under canonical names, and everything that came along."""

from dataclasses import dataclass

from leadhub.channels.answers.names import Use
from leadhub.channels.answers.page import Browser, Page
from leadhub.channels.answers.reading import Groups, grouped, is_yes, read_consent, read_fields, texts_of, too_long
from leadhub.channels.contact import contact_problem
from leadhub.channels.decoding import FormFields
from leadhub.channels.form.options import FormOptions
from leadhub.channels.pointers import pointer
from leadhub.channels.protocol import Inbound
from leadhub.domain.errors import FieldError
from leadhub.domain.submission import Content, StatedActivity

_NOT_FILLED = frozenset({"false", "0"})
"""What scripts send for an empty honeypot."""
_MAX_ATTRIBUTES = 20
_MAX_ATTRIBUTE = 500
_MAX_ATTRIBUTE_NAME = 64
_MAX_ID = 255


@dataclass(frozen=True, slots=True)
class FormReading:
    """A form as read; with errors in it the content lacks what was wrong."""

    content: Content
    errors: tuple[FieldError, ...]
    is_spam: bool


def read_form(sent: FormFields, options: FormOptions, inbound: Inbound) -> FormReading:
    """Return what a form says.

    Args:
        sent: as decoded.
        options: the source's.
        inbound: the request, for its address and headers.
    """
    groups = grouped(sent, options.names)
    errors: list[FieldError] = []
    fields, custom = read_fields(groups, errors)
    if (problem := _contact_problem(fields, groups, errors)) is not None:
        errors.append(problem)
    is_spam = any(text.lower() not in _NOT_FILLED for text in texts_of(groups[Use.HONEYPOT]))
    page = Page(groups[Use.PAGE], _browser(inbound))
    content = Content(
        fields=fields,
        custom=custom,
        attribution=page.attribution(groups[Use.ATTRIBUTION]),
        activities=[_activity(groups, options, errors)],
        consents=[read_consent(groups, consent, errors) for consent in options.consents],
        evidence=page.evidence(),
        visitor_id=next((text for text in texts_of(groups[Use.VISITOR]) if len(text) <= _MAX_ID), None),
        is_test=any(is_yes(text, None) for text in texts_of(groups[Use.TEST])),
        doubts=["form: the honeypot was filled in"] if is_spam else [],
    )
    return FormReading(content, tuple(errors), is_spam)


def _contact_problem(fields: dict[str, str], groups: Groups, errors: list[FieldError]) -> FieldError | None:
    """Return what is wrong when nobody can be reached, at the field that should have said it, or None."""
    problem = contact_problem(fields.get("email", ""), fields.get("phone", ""))
    if problem is None:
        return None
    places = [place for place, _ in groups[Use.FIELD].values() if place.target == "email"]
    name = pointer(min(places, key=lambda place: place.rank).name if places else "email")
    return None if any(each.pointer == name for each in errors) else FieldError(name, problem)


def _browser(inbound: Inbound) -> Browser:
    return Browser(inbound.client_ip, inbound.header("user-agent") or "", inbound.header("referer") or "")


def _activity(groups: Groups, options: FormOptions, errors: list[FieldError]) -> StatedActivity:
    """Return what the form counts as: only what its source allows, a stranger's hidden field decides nothing."""
    if not groups[Use.ACTIVITY] and not groups[Use.ATTRIBUTE]:
        return options.plain_activity
    named = next(iter(texts_of(groups[Use.ACTIVITY])), "")
    attributes: dict[str, str] = {}
    for place, values in groups[Use.ATTRIBUTE].values():
        text = ", ".join(values)
        if len(place.target) > _MAX_ATTRIBUTE_NAME or len(text) > _MAX_ATTRIBUTE:
            errors.append(too_long(place.name, _MAX_ATTRIBUTE))
        else:
            attributes[place.target] = text
    attributes |= options.activity_attributes
    if len(attributes) > _MAX_ATTRIBUTES:
        errors.append(FieldError("#", f"At most {_MAX_ATTRIBUTES} attributes of the activity are accepted."))
        attributes = options.activity_attributes
    kind = named if named in options.allowed_activities else options.activity
    return StatedActivity(type=kind, attributes=attributes)
