"""A receiver that only notes when the first byte of each event came: `python -m benchmarks.crm PORT`.

Straight on asyncio, so that what it costs the machine does not count much beside what is measured.
"""

import asyncio
import re
import sys
import time
from typing import cast

import orjson
import uvloop
from typing_extensions import override

_EMAIL = re.compile(rb'"email":"([^"]+)"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_received: dict[str, float] = {}


class Receiver(asyncio.Protocol):
    """Takes one request at a time on each connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._came = 0.0
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._came = time.time()
        self._buffer += data
        head, found, body = bytes(self._buffer).partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(body) < int(length[1] if length else 0):
            return
        self._buffer.clear()
        self._answer(_note(body, self._came) if head.startswith(b"POST") else orjson.dumps(_received))

    def _answer(self, body: bytes) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


def _note(body: bytes, came: float) -> bytes:
    if email := _EMAIL.search(body):
        _received.setdefault(email[1].decode().lower(), came)
    return b""


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
