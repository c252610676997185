"""Standard Webhooks 1.0: sign what is sent, verify what is received.

The reference library is not used: it signs a wrong time for an aware datetime that is not UTC, drops illegal
characters of a secret silently, and fails with ValueError on a double space in a header.

Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme".
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leadhub.domain.errors import InvalidInput, NotAuthenticated

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret, no secret itself
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"
KEY_BYTES = range(24, 65)
"""Lengths of a key that the specification allows."""
TOLERANCE = timedelta(minutes=5)
"""How far a timestamp may be from now, either way and inclusive: what every reference library uses."""

_VERSION = b"v1"
_VERSION_OF_PAIRS = b"v1a"
_SEED_BYTES = 32

SigningKey = bytes | Ed25519PrivateKey
"""A shared secret, or one half of a pair whose public half verifies."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def parse_secret(text: str) -> bytes:
    """Return the key of a secret's text form, `whsec_` and padded standard base64.

    Raises:
        InvalidInput: another prefix, anything but canonical base64, or a key of a wrong length.

    >>> len(parse_secret("whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1"))
    24
    """
    if not text.startswith(SECRET_PREFIX):
        raise InvalidInput.at("#/secret", f"a signing secret starts with {SECRET_PREFIX}")
    encoded = text.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in KEY_BYTES or format_secret(key) != text:
        raise InvalidInput.at("#/secret", "a signing secret holds 24 to 64 bytes in padded base64, with + and /")
    return key


def format_secret(key: bytes) -> str:
    """Return the text form of a key."""
    return SECRET_PREFIX + base64.b64encode(key).decode("ascii")


def parse_signing_key(text: str) -> SigningKey:
    """Return the key of a text form: a shared secret, or a private key as `format_private_key` writes it.

    Raises:
        InvalidInput: neither.
    """
    if not text.startswith(PRIVATE_PREFIX):
        return parse_secret(text)
    try:
        raw = base64.b64decode(text.removeprefix(PRIVATE_PREFIX), validate=True)
        key = Ed25519PrivateKey.from_private_bytes(raw[:_SEED_BYTES])
    except (binascii.Error, ValueError):
        raise InvalidInput.at("#/secret", "a private key holds 32 or 64 bytes in padded base64") from None
    if text not in {format_private_key(key), PRIVATE_PREFIX + base64.b64encode(raw[:_SEED_BYTES]).decode()}:
        raise InvalidInput.at("#/secret", "a private key holds 32 or 64 bytes in padded base64")
    return key


def format_private_key(key: Ed25519PrivateKey) -> str:
    """Return the text form of a private key: its seed and, as Svix writes it, its public half."""
    return PRIVATE_PREFIX + base64.b64encode(key.private_bytes_raw() + _public(key)).decode("ascii")


def format_public_key(key: Ed25519PrivateKey) -> str:
    """Return the text form of the public half: what a receiver verifies with."""
    return PUBLIC_PREFIX + base64.b64encode(_public(key)).decode("ascii")


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def sign(*, message_id: str, timestamp: int, body: bytes, keys: Sequence[SigningKey]) -> str:
    """Return the `webhook-signature` header: one signature a key, the current key first.

    Args:
        message_id: the `webhook-id`; letters, digits, `_` and `-`. A dot would let a message be read as another
            one with the same signature: ("a.1", 5, "x") and ("a", 1, "5.x") sign the same bytes.
        timestamp: Unix seconds of this attempt.
        body: the bytes that are sent; never serialised again.
        keys: at least one.

    Raises:
        ValueError: an id that could be ambiguous, or no key.
    """
    if not _ID.fullmatch(message_id):
        raise ValueError("a message id has letters, digits, _ and - only")
    if not keys:
        raise ValueError("nothing to sign with")
    content = _content(message_id, str(timestamp), body)
    return b" ".join(_sign(key, content) for key in keys).decode("ascii")


def _sign(key: SigningKey, content: bytes) -> bytes:
    if isinstance(key, bytes):
        return _VERSION + b"," + _digest(key, content)
    return _VERSION_OF_PAIRS + b"," + base64.b64encode(key.sign(content))


def verify(
    *, message_id: str, timestamp: str, signatures: str, body: bytes, keys: Sequence[bytes], now: datetime
) -> None:
    """Accept a message that any of the keys signed just now.

    Args:
        message_id: the header `webhook-id` as received.
        timestamp: the header `webhook-timestamp` as received.
        signatures: the header `webhook-signature` as received; signatures of other versions are passed over.
        body: the raw body.
        keys: the keys that are valid now.
        now: aware.

    Raises:
        NotAuthenticated: the message is malformed, too old, too new, or signed by nobody we know.
    """
    if not message_id or "." in message_id:
        raise NotAuthenticated("webhook-id is missing or has a dot in it")
    if not _TIMESTAMP.fullmatch(timestamp):
        raise NotAuthenticated("webhook-timestamp is not in Unix seconds")
    if abs(int(now.timestamp()) - int(timestamp)) > TOLERANCE.total_seconds():
        raise NotAuthenticated("webhook-timestamp is more than five minutes away from now")
    content = _content(message_id, timestamp, body)
    expected = [_digest(key, content) for key in keys]
    # As bytes: compare_digest raises TypeError on a str that is not ASCII. Every pair is compared, whatever matched.
    given = [_signature(token) for token in signatures.split()]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not any(matches):
        raise NotAuthenticated("no signature matches")


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return b".".join((message_id.encode("utf-8", "surrogatepass"), timestamp.encode("ascii"), body))


def _digest(key: bytes, content: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256))


def _signature(token: str) -> bytes:
    """Return what follows `v1,`; nothing for another version, which matches no digest."""
    version, _, value = token.encode("utf-8", "surrogatepass").partition(b",")
    return value if version == _VERSION else b""
