"""When a person cannot be reached at all, and the key under which a client repeats itself: the same at every door."""

import re

from leadhub.channels.protocol import Inbound
from leadhub.domain.errors import InvalidInput
from leadhub.domain.normalisation import hashed_email

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def contact_problem(email: str, phone: str) -> str | None:
    """Return what is wrong when neither text can reach anybody, or None.

    Only the hopeless is refused here; an address may come as its SHA-256. Whether an address is valid is for
    normalisation to say, with a phone number beside it a broken one is just a note.

    >>> contact_problem("ada", "+14155550123"), contact_problem("ada", "")
    (None, 'This is not an e-mail address, and there is no phone number.')
    >>> contact_problem("0f" * 32, "")
    """
    if phone.strip():
        return None
    email = email.strip()
    if not email:
        return "An e-mail address or a phone number is required."
    if hashed_email(email) is None and ("@" not in email or "\n" in email or "\r" in email):
        return "This is not an e-mail address, and there is no phone number."
    return None


def idempotency_key(inbound: Inbound) -> str | None:
    """Return the client's key for this request, or None.

    Raises:
        InvalidInput: the header is repeated, empty, too long, or not visible ASCII.
    """
    values = inbound.headers.get("idempotency-key", ())
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise InvalidInput.at("#", "The Idempotency-Key header takes 1 to 255 visible ASCII characters, once.")
    return values[0]
