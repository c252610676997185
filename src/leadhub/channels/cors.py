"""Which pages' scripts may post, and may read the answer.

CORS hides answers, it does not stop a forged post; refusing unlisted origins outright stops other people's pages from
posting with a visitor's browser. Credentials are never involved.
"""

import re
from collections.abc import Collection

from leadhub.channels.protocol import Inbound, Reply
from leadhub.domain.errors import NotAllowed

ANY = "*"
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?/?")
_DEFAULT_PORT = {"http": "80", "https": "443"}
_PREFLIGHT = (
    ("Access-Control-Allow-Methods", "POST, OPTIONS"),
    ("Access-Control-Allow-Headers", "Accept, Content-Type, Idempotency-Key, X-Requested-With"),
    ("Access-Control-Max-Age", "7200"),  # seconds; Chromium's own ceiling
)


def origin(text: str) -> str:
    """Return an allowed origin as browsers spell it; `null` and `*` are entries of their own.

    >>> origin("HTTPS://Www.Example.org:443/"), origin("null")
    ('https://www.example.org', 'null')

    Raises:
        ValueError: no origin.
    """
    text = text.strip().lower()
    if text in {ANY, "null"}:
        return text
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError("An origin is a scheme and a host, for example https://www.example.org.")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + (f":{port}" if port and port != _DEFAULT_PORT[scheme] else "")


def require_allowed(inbound: Inbound, allowed: Collection[str], *, required: bool) -> None:
    """Refuse a browser's post from an origin that is not listed.

    Args:
        inbound: the request; without an Origin header it comes from a server.
        allowed: origins as `origin` spells them.
        required: refuse requests without an Origin too.

    Raises:
        NotAllowed: the origin is not listed, is missing although required, or is repeated.
    """
    sent = inbound.headers.get("origin", ())
    if not sent and not required:
        return
    if len(sent) != 1 or not _is_allowed(sent[0], allowed):
        raise NotAllowed("This source does not take posts from this origin; its allowed_origins say which it takes.")


def preflight(inbound: Inbound, allowed: Collection[str]) -> Reply:
    """Answer what a browser asks before it posts. `answer_headers` come on top.

    Raises:
        NotAllowed: as `require_allowed`.
    """
    require_allowed(inbound, allowed, required=False)
    return Reply(204, media_type="text/plain", headers=(("Allow", "POST, OPTIONS"), *_PREFLIGHT))


def answer_headers(inbound: Inbound, allowed: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return the headers that let a listed page read an answer, and keep caches from serving it to another."""
    sent = inbound.headers.get("origin", ())
    vary = ("Vary", "Origin")
    if len(sent) != 1 or not _is_allowed(sent[0], allowed):
        return (vary,)
    return (
        ("Access-Control-Allow-Origin", ANY if ANY in allowed else sent[0]),
        ("Access-Control-Expose-Headers", "Idempotency-Replayed, Retry-After"),
        vary,
    )


def _is_allowed(sent: str, allowed: Collection[str]) -> bool:
    """Compare exactly: browsers send origins in one spelling."""
    return ANY in allowed or sent in allowed
