"""Read a request's body: bounded by itself, bounded together with all others, and bounded in time."""

import asyncio
import functools
import types
from collections.abc import Coroutine, Generator
from typing import Any, NamedTuple

from starlette.types import Receive, Scope

from leadhub.domain.errors import ReceiveTimeout, TooLarge, Unavailable, UnsupportedMedia

_SMALL_BYTES = 16_384
"""What every body may hold without counting: enough for a lead, so that big bodies cannot keep leads out."""
_WATCHED = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"expect", b"host"})


class BadFraming(Exception):
    """Where the request ends is not beyond doubt: what follows could be somebody else's request."""


class Disconnected(Exception):
    """The client left before its request was whole."""


class Framing(NamedTuple):
    """What a request's head says of its body."""

    has_body: bool
    length: int
    """Announced bytes; 0 if unknown."""
    is_encoded: bool
    expects_continue: bool


def framing(scope: Scope) -> Framing:
    """Return what the head says of the body.

    The server's parser refuses most of this too. It is checked again because a lead smuggled behind another request
    would be stored, and because the parser is somebody else's.

    Raises:
        BadFraming: several lengths, a length and chunks at once, or a coding that we do not undo.
    """
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _WATCHED:
            if name in found and name != b"expect":
                raise BadFraming
            found[name] = value.strip().lower()
    chunked = found.get(b"transfer-encoding")
    length = found.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 18:
        raise BadFraming
    if chunked is not None and (chunked != b"chunked" or b"content-length" in found or scope["http_version"] == "1.0"):
        raise BadFraming
    return Framing(
        has_body=chunked is not None or int(length) > 0,
        length=int(length),
        is_encoded=found.get(b"content-encoding", b"identity") not in (b"identity", b""),
        expects_continue=b"expect" in found,
    )


class Bodies:
    """Reads bodies within one process's limits."""

    def __init__(self, *, most_bytes: int, seconds: float, together_bytes: int) -> None:
        self._most = most_bytes
        self._seconds = seconds
        self._together = together_bytes
        self._held = 0

    async def read(self, receive: Receive, announced: Framing) -> bytes:
        """Return the whole body. What is wrong with the announcement is said before a byte of it is read.

        Raises:
            UnsupportedMedia: it is compressed; a small body could become a huge one.
            TooLarge: it is longer than allowed, as announced or as counted.
            ReceiveTimeout: it did not arrive whole in time, however steadily it came.
            Unavailable: too many big bodies are being received.
            Disconnected: the client left.
        """
        if announced.is_encoded:
            raise UnsupportedMedia("Send the body without a Content-Encoding.")
        if announced.length > self._most:
            raise self._too_large()
        if not announced.has_body:
            return b""
        receiving = self._receive_all(receive)
        try:
            waits_for = receiving.send(None)
        except StopIteration as whole:  # nearly always: it is here already, and a timer would cost more than reading
            return whole.value  # type: ignore[no-any-return] # the coroutine's own type, which StopIteration forgets
        try:
            async with asyncio.timeout(self._seconds):
                return await _rest(receiving, waits_for)
        except TimeoutError:
            raise ReceiveTimeout("The body did not arrive whole in time.") from None

    async def _receive_all(self, receive: Receive) -> bytes:
        message = await receive()
        first: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body", False) and len(first) <= self._most:
            return first
        whole = bytearray()
        held = 0
        try:
            while True:
                if message["type"] == "http.disconnect":
                    raise Disconnected
                whole += message.get("body", b"")
                if len(whole) > self._most:
                    raise self._too_large()
                if not message.get("more_body", False):
                    return bytes(whole)
                more = max(0, len(whole) - _SMALL_BYTES) - held
                held += more
                self._held += more
                if self._held > self._together:
                    raise Unavailable("Too many large requests at once.")
                message = await receive()
        finally:
            self._held -= held

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body may have up to {self._most} bytes.")


@types.coroutine
def _rest(started: Coroutine[Any, Any, bytes], waits_for: Any) -> Generator[Any, Any, bytes]:
    """Go on with a coroutine that was run up to its first wait: pass its waits up and what they give down."""
    while True:
        try:
            given = yield waits_for
        except BaseException as error:  # noqa: BLE001 - also a cancellation is the coroutine's to handle
            step = functools.partial(started.throw, error)
        else:
            step = functools.partial(started.send, given)
        try:
            waits_for = step()
        except StopIteration as whole:
            return whole.value  # type: ignore[no-any-return] # the coroutine's own type, which StopIteration forgets


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read before, and then whatever the server says."""
    is_given = False

    async def receive_again() -> dict[str, object]:
        nonlocal is_given
        if is_given:
            return dict(await receive())
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
