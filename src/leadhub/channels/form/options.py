"""What a form's source lets its owner choose."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from typing_extensions import override

from leadhub.channels.answers.names import Use
from leadhub.channels.answers.options import AnswerOptions, FieldName
from leadhub.channels.cors import origin
from leadhub.domain.captcha import Otherwise
from leadhub.domain.submission import Word

_TARGET = re.compile(r"https?://([A-Za-z0-9.-]+(?::[0-9]{1,5})?)(?:[/?#][!#$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?", re.ASCII)
"""An absolute address in plain spelling. Backslashes, user names and control characters are read differently by
different browsers, so they are not part of it."""
_MAX_TARGET = 2_000


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


class CaptchaOptions(BaseModel):
    """A captcha that the form's page shows; the source's secret is the captcha's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Literal["turnstile", "hcaptcha", "recaptcha"]
    hostnames: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(default=(), max_length=100)
    """Where it may have been solved; the hosts of `allowed_origins` if empty."""
    action: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    min_score: Annotated[float, Field(ge=0, le=1)] | None = None
    """For reCAPTCHA v3 and hCaptcha Enterprise, which do not ask the visitor but guess."""
    failed: Otherwise = Otherwise.REFUSE
    unreachable: Otherwise = Otherwise.REVIEW
    """While the provider does not answer: keep the form apart, or ask the visitor to come again."""


class FormOptions(AnswerOptions):
    """Options of a `form` source."""

    allowed_origins: tuple[Annotated[str, AfterValidator(origin)], ...] = Field(default=(), max_length=100)
    """Pages that may post: `https://www.example.org`; `null` for sandboxed frames; `*` for all."""
    require_origin: bool = False
    """Refuse posts without an Origin header, that is from servers."""
    honeypot: FieldName | None = "_gotcha"
    """A field that people do not see; filled in, the submission is spam."""
    thank_you_url: Annotated[str, AfterValidator(_target)] | None = None
    redirect_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(default=(), max_length=100)
    """Hosts to which the form's own `_redirect` or `_next` may lead."""
    activity_field: FieldName | None = None
    """A hidden field that names the activity instead, if its value is among `allowed_activities`."""
    allowed_activities: tuple[Word, ...] = Field(default=(), max_length=50)
    repeat_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """An identical body within this window is the same submission (a double click); 0: it is one more activity.

    Off by default: a repeat joins the same lead and scores nothing twice, while two people behind one form that asks
    for very little (a newsletter, a check-in) can well send the same bytes.
    """

    captcha: CaptchaOptions | None = None
    form_token: Otherwise | None = None
    """What becomes of a form without a token of when it was opened, or one filled in faster than people can. The form
    script fetches the token where the form says `data-token`; each is good for one submission and for a day."""
    min_fill_seconds: Annotated[float, Field(ge=0, le=60)] = 2

    @model_validator(mode="after")
    def _activity_is_allowed(self) -> Self:
        if self.activity_field is not None and not self.allowed_activities:
            raise ValueError("activity_field needs allowed_activities.")
        return self

    @override
    def _special(self) -> dict[str, Use]:
        special = super()._special()
        if self.activity_field is not None:
            special[self.activity_field] = Use.ACTIVITY
        if self.honeypot is not None:
            special[self.honeypot] = Use.HONEYPOT
        return special
