"""Requests to a channel, and what comes of them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import UUID

from leadhub.channels.protocol import Capture, Channel, Connection, Inbound, Receipt, Reply
from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import SourceId

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
JSON = "application/json"
HOOK = "https://leads.example.org/in/test/test"
"""A source's address as its platform knows it."""
URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def an_inbound(
    body: bytes, content_type: str | None, headers: Mapping[str, str] | None = None, *, method: str = "POST"
) -> Inbound:
    known = {} if content_type is None else {"content-type": [content_type]}
    known |= {name: [value] for name, value in (headers or {}).items()}
    return Inbound(method, "", known, body, "198.51.100.7", NOW)


def a_connection(channel: str, options: Mapping[str, object] | None = None) -> Connection:
    needed = (
        {"webhook_url": HOOK}
        if channel in PLATFORMS and "webhook_url" in PLATFORMS[channel].options.model_fields
        else {}
    )
    full = CHANNELS[channel].validate_options(needed | dict(options or {}))
    return Connection(SourceId(UUID(int=1)), channel, "Test", "test", full)


class Post:
    """One request to one source; `unpack` and `answer` are the two halves of taking it."""

    def __init__(
        self,
        channel: str,
        body: bytes,
        content_type: str | None,
        headers: Mapping[str, str] | None = None,
        options: Mapping[str, object] | None = None,
    ) -> None:
        self.channel: Channel = CHANNELS[channel]
        self.inbound = an_inbound(body, content_type, headers)
        self.connection = a_connection(channel, options)

    def at(self, received_at: datetime) -> "Post":
        self.inbound = self.inbound._replace(received_at=received_at)
        return self

    def unpack(self) -> Capture:
        return self.channel.unpack(self.inbound, self.connection)

    def answer(self, *, replayed: Sequence[bool] = ()) -> Reply:
        capture = self.unpack()
        told = list(replayed) or [False] * len(capture.submissions)
        receipts = [Receipt(f"id-{index}", each) for index, each in enumerate(told)]
        return self.channel.reply(capture, receipts, self.inbound, self.connection)

    def refusal(self) -> dict[str, str]:
        """Pointer → detail of an input that must be refused."""
        try:
            capture = self.unpack()
        except InvalidInput as error:
            return {each.pointer: each.detail for each in error.errors}
        raise AssertionError(f"taken: {capture}")


def api(document: object, headers: Mapping[str, str] | None = None, /, **options: object) -> Post:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Post("api", body, JSON, headers, options)


def form(
    fields: Mapping[str, object] | Sequence[tuple[str, object]],
    headers: Mapping[str, str] | None = None,
    /,
    **options: object,
) -> Post:
    return Post("form", urlencode(fields, doseq=True).encode(), URLENCODED, headers, options)


def multipart(*parts: tuple[str, str], closing: bytes = b"--\r\n") -> bytes:
    """A multipart body; each part is its head after `form-data; ` and its content."""
    written = [
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n" for head, content in parts
    ]
    return "".join(written).encode() + f"--{BOUNDARY}".encode() + closing
