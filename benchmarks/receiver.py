"""A receiver of webhooks that costs next to nothing: `python -m benchmarks.receiver PORT`.

It listens on a hundred and twenty addresses of this machine: endpoints at hosts of their own. What it does is the
path's choice: `/fast` answers at once, `/slow` after a tenth of a second, `/hang` never; whatever follows, as in
`/fast/7`, tells endpoints apart. `GET /seen` tells what came.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import cast

import uvloop
from typing_extensions import override

HOSTS = [f"127.0.0.{number}" for number in range(1, 121)]
_SLOW_SECONDS = 0.1


class Seen:
    """What came, one for all connections."""

    first: dict[str, float] = {}  # noqa: RUF012 - one for all, on purpose
    """`webhook-id`, and behind a slash the rest of the path → when the first byte of the first one came."""
    times: Counter[str] = Counter()  # noqa: RUF012 - as above
    """The same → how often it was answered."""
    hanging = 0
    most_hanging = 0

    @classmethod
    def told(cls) -> bytes:
        """Return it as JSON."""
        repeated = sum(number - 1 for number in cls.times.values())
        return json.dumps({"first": cls.first, "repeated": repeated, "most_hanging": cls.most_hanging}).encode()


class Receiver(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._buffer = b""
        self._came = 0.0
        self._hangs = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        Seen.hanging -= self._hangs

    @override
    def data_received(self, data: bytes) -> None:
        self._came = self._came or time.time()
        self._buffer += data
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        if len(body) < length or b"\r\n\r\n" not in self._buffer:
            return
        if head.startswith(b"GET"):
            self._answer(Seen.told())
        else:
            verb, *rest = head.split(b" ", 2)[1].decode().strip("/").split("/")
            key = "/".join([lower.partition(b"webhook-id: ")[2].split(b"\r\n")[0].decode(), *rest])
            self._receive(verb, key)
        self._buffer, self._came = b"", 0.0

    def _receive(self, verb: str, key: str) -> None:
        Seen.first.setdefault(key, self._came)
        if verb == "hang":
            self._hangs = True
            Seen.hanging += 1
            Seen.most_hanging = max(Seen.most_hanging, Seen.hanging)
            return
        Seen.times[key] += 1
        if verb == "slow":
            asyncio.get_running_loop().call_later(_SLOW_SECONDS, self._answer, b"")
        else:
            self._answer(b"")

    def _answer(self, body: bytes) -> None:
        if self._transport.is_closing():
            return  # whoever sent it was killed
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def receive(port: int) -> None:
    """Receive until killed."""
    server = await asyncio.get_running_loop().create_server(Receiver, HOSTS, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(receive(int(sys.argv[1])))
