"""API keys: how a token looks, what it may do, and how it is kept.

A token is 32 random bytes behind a prefix that leak scanners know. With that much entropy a plain SHA-256 is enough:
a slow hash would only cost the hot path.
"""

import base64
import hashlib
import re
from collections.abc import Collection
from enum import StrEnum

PREFIX = "lh_live_"
TOKEN_BYTES = 32
_TOKEN = re.compile(rb"lh_live_[A-Za-z0-9_-]{43}")


class Scope(StrEnum):
    """What a key may do. `admin` is all of it."""

    LEADS_WRITE = "leads:write"
    LEADS_READ = "leads:read"
    LEADS_EXPORT = "leads:export"
    LEADS_MERGE = "leads:merge"
    """Apart from writing: a website's key posts leads, and must not make two people one."""
    DELIVERIES_READ = "deliveries:read"
    DELIVERIES_WRITE = "deliveries:write"
    NURTURE_WRITE = "nurture:write"
    """For mail tools: lease steps and say that they were sent."""
    SOURCES_WRITE = "sources:write"
    ENDPOINTS_WRITE = "endpoints:write"
    PLAYBOOKS_READ = "playbooks:read"
    PLAYBOOKS_WRITE = "playbooks:write"
    KEYS_WRITE = "keys:write"
    ADMIN = "admin"


SCOPES = frozenset(scope.value for scope in Scope)
"""Every scope's name, as stored."""


def make_token(entropy: bytes) -> str:
    """Return the token of 32 random bytes.

    >>> make_token(bytes(32))
    'lh_live_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
    """
    return PREFIX + base64.urlsafe_b64encode(entropy[:TOKEN_BYTES]).rstrip(b"=").decode("ascii")


def hash_token(token: bytes | str) -> bytes:
    """Return what is stored of a token: the SHA-256 of the whole of it.

    Any text hashes, so that a malformed token costs the same look-up as a well-formed unknown one.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass") if isinstance(token, str) else token).digest()


def is_well_formed(token: bytes) -> bool:
    r"""Whether a token could be one of ours.

    >>> is_well_formed(b"lh_live_" + b"A" * 43), is_well_formed(b"lh_live_\xff")
    (True, False)
    """
    return _TOKEN.fullmatch(token) is not None


def bearer(authorization: bytes) -> bytes | None:
    """Return the token of an `Authorization` header's value, or None. RFC 6750 §2.1; the scheme ignores case.

    >>> bearer(b"Bearer lh_live_x"), bearer(b"Basic eDp5")
    (b'lh_live_x', None)
    """
    scheme, _, token = authorization.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def allows(held: Collection[str], needed: str) -> bool:
    """Whether a key with these scopes may do what needs this one.

    >>> allows({"admin"}, "leads:read"), allows({"leads:write"}, "leads:read")
    (True, False)
    """
    return needed in held or Scope.ADMIN in held
