"""What became of mail to somebody's addresses: which one bounced, and which one somebody has answered from.

Kept of each mailbox under its SHA-256, so that it counts for every spelling of the address, for one that is named as
a hash, and for one that the lead states later only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from leadhub.domain.normalisation import Refused, hashed_email, hashed_forms, normalise_email

Mail = Mapping[str, Mapping[str, str]]
"""SHA-256 of a mailbox → `bounced`, `confirmed` → when that happened last, RFC 3339 in UTC."""

NO_MAIL: Final[Mail] = {}
BOUNCED: Final = "bounced"
CONFIRMED: Final = "confirmed"
TELLING: Final = {
    "hard_bounce": BOUNCED,
    "email_bounced": BOUNCED,
    "email_confirmed": CONFIRMED,
    "email_verified": CONFIRMED,
    "email_replied": CONFIRMED,
}
"""Types of activities that say what became of mail → what. An opened mail or a click says nothing: robots do both."""


@dataclass(frozen=True, slots=True)
class MailState:
    """What became of mail to one address."""

    has_bounced: bool = False
    """And nobody has answered from it since."""
    is_confirmed: bool = False
    """Somebody has answered from it, or clicked what was sent there to confirm it, and it has not bounced since."""


_UNKNOWN = MailState()


def mailbox_of(text: str) -> str | None:
    """Return the SHA-256 by which a mailbox is known, of an address or of one that came hashed; None of neither.

    >>> mailbox_of("A.da+x@gmail.com") == mailbox_of("ada@googlemail.com"), mailbox_of("ada")
    (True, None)
    """
    if (digest := hashed_email(text)) is not None:
        return digest
    forms = _forms(text)
    return forms[-1] if forms else None


def _forms(address: str) -> tuple[str, ...]:
    read = normalise_email(address)
    return () if isinstance(read, Refused) else hashed_forms(read)


def is_of(address: str, mailbox: str) -> bool:
    """Whether a mailbox is the one behind an address."""
    return mailbox in _forms(address)


def told(mailbox: str, what: str, *, at: datetime) -> Mail:
    """Return one word of what became of mail.

    Args:
        mailbox: as `mailbox_of` has it.
        what: BOUNCED or CONFIRMED.
        at: when.
    """
    return {mailbox: {what: at.astimezone(UTC).isoformat()}}


def unite(one: Mail, other: Mail) -> dict[str, dict[str, str]]:
    """Return what two know together: of each mailbox the newest of each kind."""
    united = {mailbox: dict(words) for mailbox, words in one.items()}
    for mailbox, words in other.items():
        known = united.setdefault(mailbox, {})
        for what, at in words.items():
            known[what] = max(known.get(what, at), at, key=datetime.fromisoformat)
    return united


def state_of(address: str, mail: Mail) -> MailState:
    """Return what became of mail to an address.

    >>> mail = {sha256(b"ada@example.org").hexdigest(): {"bounced": "2026-01-02T00:00:00+00:00"}}
    >>> state_of("ada@example.org", mail).has_bounced, state_of("bob@example.org", mail).has_bounced
    (True, False)
    """
    if not mail:
        return _UNKNOWN
    at: dict[str, datetime] = {}
    for form in _forms(address) or (sha256(address.encode()).hexdigest(),):
        for what, when in mail.get(form, {}).items():
            instant = datetime.fromisoformat(when)
            at[what] = max(at.get(what, instant), instant)
    bounced, confirmed = at.get(BOUNCED), at.get(CONFIRMED)
    has_bounced = bounced is not None and (confirmed is None or bounced >= confirmed)
    return MailState(has_bounced, confirmed is not None and not has_bounced)
