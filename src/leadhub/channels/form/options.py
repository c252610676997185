"""What a form's source lets its owner choose."""

import re
from functools import cached_property
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from leadhub.channels.cors import origin
from leadhub.channels.form.names import CUSTOM, IGNORE, FormNames, Use
from leadhub.channels.options import CommonOptions
from leadhub.domain.fields import FIELDS
from leadhub.domain.submission import MAX_CONSENTS, AttributeName, AttributeValue, StatedActivity, StatedConsent, Word

_TARGET = re.compile(r"https?://([A-Za-z0-9.-]+(?::[0-9]{1,5})?)(?:[/?#][!#$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?", re.ASCII)
"""An absolute address in plain spelling. Backslashes, user names and control characters are read differently by
different browsers, so they are not part of it."""
_MAX_TARGET = 2_000

FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def redirect_host(url: str) -> str | None:
    r"""Return host and port of a plain absolute http address, lower-case, or None.

    >>> redirect_host("https://Example.org/thanks?a=b"), redirect_host("https://example.org\\@evil.test/")
    ('example.org', None)
    """
    found = _TARGET.fullmatch(url) if len(url) <= _MAX_TARGET else None
    return found[1].lower() if found else None


def _target(url: str) -> str:
    if redirect_host(url) is None:
        raise ValueError("An absolute http or https address is expected.")
    return url


def _host(text: str) -> str:
    if redirect_host(f"https://{text}/") != text.lower():
        raise ValueError("A host name is expected, for example www.example.org, with its port if it has one.")
    return text.lower()


class ConsentField(BaseModel):
    """One box of the form and what ticking it means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: FieldName
    purpose: Word = "marketing"
    channel: Word = "email"
    wording: Annotated[str, StringConstraints(max_length=4000)] | None = None
    """The exact text beside the box, or its version."""
    required: bool = False
    """Refuse the form when the box is not ticked."""

    @cached_property
    def yes(self) -> StatedConsent:
        """The consent of somebody who ticked the box."""
        return self._stated(granted=True)

    @cached_property
    def no(self) -> StatedConsent:
        """The refusal of somebody who did not."""
        return self._stated(granted=False)

    def _stated(self, *, granted: bool) -> StatedConsent:
        return StatedConsent(purpose=self.purpose, channel=self.channel, granted=granted, wording=self.wording)


class FormOptions(CommonOptions):
    """Options of a `form` source."""

    allowed_origins: tuple[Annotated[str, AfterValidator(origin)], ...] = Field(default=(), max_length=100)
    """Pages that may post: `https://www.example.org`; `null` for sandboxed frames; `*` for all."""
    require_origin: bool = False
    """Refuse posts without an Origin header, that is from servers."""
    field_map: dict[FieldName, FieldName] = Field(default_factory=dict, max_length=200)
    """The form's name → canonical field, or `custom`, or `ignore`; wins over the known aliases."""
    consents: tuple[ConsentField, ...] = Field(default=(), max_length=MAX_CONSENTS)
    honeypot: FieldName | None = "_gotcha"
    """A field that people do not see; filled in, the submission is spam."""
    thank_you_url: Annotated[str, AfterValidator(_target)] | None = None
    redirect_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(default=(), max_length=100)
    """Hosts to which the form's own `_redirect` or `_next` may lead."""
    activity: Word = "form_submitted"
    """What submitting this form counts as."""
    activity_attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=20)
    activity_field: FieldName | None = None
    """A hidden field that names the activity instead, if its value is among `allowed_activities`."""
    allowed_activities: tuple[Word, ...] = Field(default=(), max_length=50)
    repeat_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """An identical body within this window is the same submission (a double click); 0: it is one more activity.

    Off by default: a repeat joins the same lead and scores nothing twice, while two people behind one form that asks
    for very little (a newsletter, a check-in) can well send the same bytes.
    """

    @field_validator("field_map")
    @classmethod
    def _known_targets(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(value.values()) - {*FIELDS, CUSTOM, IGNORE})
        if unknown:
            raise ValueError(f"Unknown target `{unknown[0]}`: use a canonical field, `custom` or `ignore`.")
        return value

    @model_validator(mode="after")
    def _activity_is_allowed(self) -> Self:
        if self.activity_field is not None and not self.allowed_activities:
            raise ValueError("activity_field needs allowed_activities.")
        return self

    @cached_property
    def names(self) -> FormNames:
        """What this form's names stand for."""
        special = {consent.field: Use.CONSENT for consent in self.consents}
        if self.activity_field is not None:
            special[self.activity_field] = Use.ACTIVITY
        if self.honeypot is not None:
            special[self.honeypot] = Use.HONEYPOT
        return FormNames(special, self.field_map)

    @cached_property
    def plain_activity(self) -> StatedActivity:
        """What the form counts as when it says nothing of it itself."""
        return StatedActivity(type=self.activity, attributes=self.activity_attributes)
