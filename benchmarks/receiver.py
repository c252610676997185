"""A receiver of webhooks that costs next to nothing: `python -m benchmarks.receiver PORT`."""

import asyncio
import json
import sys
import time
from typing import cast

import uvloop
from typing_extensions import override


class Receiver(asyncio.Protocol):
    """Answers `/fast` at once and `/hang` never; `/times` tells when each event's first byte came."""

    times: dict[str, float] = {}  # noqa: RUF012 - one for all connections, on purpose

    def __init__(self) -> None:
        self._buffer = b""
        self._came = 0.0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._came = self._came or time.time()
        self._buffer += data
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        if len(body) < length or b"\r\n\r\n" not in self._buffer or head.startswith(b"POST /hang"):
            return
        if head.startswith(b"POST /fast"):
            self.times.setdefault(lower.partition(b"webhook-id: ")[2].split(b"\r\n")[0].decode(), self._came)
        answer = json.dumps(self.times).encode() if head.startswith(b"GET") else b""
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))
        self._buffer, self._came = b"", 0.0


async def receive(port: int) -> None:
    """Receive until killed."""
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(receive(int(sys.argv[1])))
