"""An answer as the server takes it: the lean way beside Starlette's, for the hot path."""

from collections.abc import Iterable
from typing import NamedTuple

from starlette.responses import Response

from leadhub.channels.protocol import Reply

RawHeader = tuple[bytes, bytes]


class Answer(NamedTuple):
    """Status, headers and body, ready to send."""

    status: int
    headers: list[RawHeader]
    body: bytes


def from_response(response: Response, extra: Iterable[tuple[str, str]] = ()) -> Answer:
    """Return a Starlette response with more headers."""
    return Answer(response.status_code, [*response.raw_headers, *_raw(extra)], bytes(response.body))


def from_reply(reply: Reply, extra: Iterable[tuple[str, str]] = ()) -> Answer:
    """Return a channel's reply with more headers."""
    headers = _raw((*reply.headers, *extra))
    if reply.status != 204:  # which has no body, and so neither a type nor a length (RFC 9110 §8.6)
        media_type = reply.media_type
        if media_type.startswith("text/") and "charset" not in media_type:
            media_type += "; charset=utf-8"
        headers.append((b"content-type", media_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % len(reply.body)))
    return Answer(reply.status, headers, reply.body)


def _raw(headers: Iterable[tuple[str, str]]) -> list[RawHeader]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
