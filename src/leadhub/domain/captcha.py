"""What a captcha's provider says of a token, and what that means for the form that carried it.

Sources: Cloudflare, "Validate the token" (Turnstile); Google, "Verifying the user's response" (reCAPTCHA); hCaptcha,
"Verify the user response server side". All three answer JSON with `success` and `error-codes`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Otherwise(StrEnum):
    """What becomes of a form that did not prove that a person sent it."""

    REVIEW = "review"
    """Kept apart and answered as if accepted; a person may release it."""
    REFUSE = "refuse"


class Expected(NamedTuple):
    """What a token must have been made for; empty and None ask for nothing."""

    hostnames: Collection[str] = ()
    """Lower-case."""
    action: str | None = None
    min_score: float | None = None
    """0 to 1, from reCAPTCHA v3 and hCaptcha Enterprise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A token to be verified before its form is taken."""

    provider: str
    token: str
    field: str
    """Where the form had it."""
    expected: Expected
    failed: Otherwise
    unreachable: Otherwise
    """While the provider gives no usable answer."""
    wants_page: bool
    """Whether a person looks at the answer."""


class Passed(NamedTuple):
    """The provider vouches for it."""


class Failed(NamedTuple):
    """It does not, or for something else."""

    because: str


class Unreachable(NamedTuple):
    """It gave no usable answer: nothing is known of the token."""

    because: str


Verdict = Passed | Failed | Unreachable

_OURS = {
    "missing-input-secret": "the source has no secret for its captcha",
    "invalid-input-secret": "the captcha's secret is not right",
    "sitekey-secret-mismatch": "the captcha's secret belongs to another site",
    "bad-request": "the provider did not understand the request",
    "internal-error": "the provider had a fault",
}
"""Errors that are not the visitor's."""


def judge(document: object, expected: Expected) -> Verdict:
    """Return what a provider's answer means.

    >>> judge({"success": True, "hostname": "example.org"}, Expected(hostnames={"example.org"}))
    Passed()
    >>> judge({"success": False, "error-codes": ["timeout-or-duplicate"]}, Expected())
    Failed(because='captcha: expired or used before')
    """
    match document:
        case {"success": True, **rest}:
            return _fits(rest, expected)
        case {"success": False, "error-codes": [*codes]}:
            ours = [_OURS[code] for code in codes if isinstance(code, str) and code in _OURS]
            return Unreachable(f"captcha: {ours[0]}") if ours else Failed(f"captcha: {_said(codes)}")
        case {"success": False}:
            return Failed("captcha: not solved")
        case _:
            return Unreachable("captcha: the provider's answer makes no sense")


def _said(codes: Collection[object]) -> str:
    said = " ".join(code for code in codes if isinstance(code, str))
    return "expired or used before" if "duplicate" in said or "seen" in said or "expired" in said else "not solved"


def _fits(document: Mapping[Any, object], expected: Expected) -> Verdict:
    hostname, score = document.get("hostname"), document.get("score")
    if expected.hostnames and not (isinstance(hostname, str) and hostname.lower() in expected.hostnames):
        return Failed("captcha: solved on another site")
    if expected.action is not None and document.get("action") != expected.action:
        return Failed("captcha: solved for another action")
    if expected.min_score is not None and not (isinstance(score, int | float) and score >= expected.min_score):
        return Failed("captcha: the score is too low")
    return Passed()
