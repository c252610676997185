"""Everything LeadHub raises on purpose.

LeadHubError
├── InvalidInput            a value that the sender can correct; carries the field
│   ├── InvalidDocument     a playbook that does not hold; carries all its findings
│   └── InvalidCursor       a page marker that we did not issue
├── NotAllowed              the caller is known but may not do this
├── NotAuthenticated        the caller is not known
├── NotFound                no such thing, or not for this caller
├── Conflict                the request contradicts what is stored
│   ├── IdempotencyConflict the key was used before with another body
│   └── PreconditionFailed  somebody else changed it since the caller read it
├── TooLarge                over a size limit
├── UnsupportedMedia        a content type or encoding that the door does not read
├── ReceiveTimeout          the body did not arrive in time
├── TooMany                 over a rate limit; carries when to try again
└── Unavailable             a part that we need is down or full; carries when to try again
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field. Never carries the value: it may be personal."""

    pointer: str
    """Where, as a JSON pointer fragment: `#/email`."""
    detail: str
    """What is wrong and what would be right."""


class LeadHubError(Exception):
    """Root of everything LeadHub raises on purpose; its text is safe to show to the sender."""


class InvalidInput(LeadHubError):
    """The sender can correct this; `errors` names each field."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidInput":
        """Build the common case of one wrong field."""
        return cls(detail, [FieldError(pointer, detail)])


class InvalidDocument(InvalidInput):
    """A playbook document that does not hold; all findings at once."""


class InvalidCursor(InvalidInput):
    """A page marker that this deployment did not issue."""


class NotAuthenticated(LeadHubError):
    """No credential, or one that is unknown, expired or revoked: all alike to the caller."""


class NotAllowed(LeadHubError):
    """The caller is known but lacks the scope or the origin."""


class NotFound(LeadHubError):
    """No such thing, or not for this caller: both look the same."""


class Conflict(LeadHubError):
    """The request contradicts what is stored."""


class IdempotencyConflict(Conflict):
    """The Idempotency-Key was used before with another body."""


class PreconditionFailed(Conflict):
    """Somebody else changed it since the caller read it: the version named in `If-Match` is no longer the newest."""


class TooLarge(LeadHubError):
    """The request is over a size limit."""


class UnsupportedMedia(LeadHubError):
    """A content type, charset or content encoding that is not read here."""


class ReceiveTimeout(LeadHubError):
    """The request did not arrive whole within its deadline."""


class TooMany(LeadHubError):
    """More posts than the source takes in a minute; the sender should wait."""

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(LeadHubError):
    """A part that we need is down or full; the sender should repeat the request."""

    def __init__(self, detail: str, *, retry_after_seconds: int = 2) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
