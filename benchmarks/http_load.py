"""A lean HTTP/1.1 load generator: keep-alive connections, one request at a time on each, bodies made beforehand.

It is run in a process of its own, so that its CPU is not the server's. Closed loop for throughput; open loop for
latency, where a request's time counts from when it was due, not from when a connection was free.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import uvloop
from typing_extensions import override

_MOST_PER_SECOND = 5_000
"""No server here answers as many."""


@dataclass
class Load:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def quantile(self, share: float) -> float:
        """Return a latency in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else 0.0


class Connection(asyncio.Protocol):
    """One keep-alive connection that knows one answer at a time; every answer has a content-length."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(0)
        self._transport = None

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or self._answer is None:
            return
        lower = self._buffer[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + length:
            return
        status = int(self._buffer[9:12])
        del self._buffer[: head + 4 + length]
        if not self._answer.done():
            self._answer.set_result(status)

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self._transport is not None

    async def send(self, request: bytes) -> int:
        """Return the status, 0 if the connection broke."""
        if self._transport is None:
            return 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return a POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def connect(port: int) -> Connection:
    """Open a connection to this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


def lead(number: int) -> bytes:
    """Return one lead of some 600 bytes as JSON."""
    return json.dumps(
        {
            "email": f"Person.{number}@company{number % 5000}.example",
            "phone": f"+49 151 {number % 100_000_000:08d}",
            "first_name": "Ada",
            "last_name": f"Lovelace {number}",
            "company": f"Company {number % 5000} GmbH",
            "job_title": "Head of Marketing",
            "country": "Germany",
            "message": "We would like to know how your product could help our team of forty next quarter. " * 2,
            "activities": [{"type": "demo_requested"}],
            "attribution": {"utm_source": "newsletter", "utm_campaign": "autumn", "gclid": f"x{number}"},
            "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "wording": "v1"}],
        }
    ).encode()


@dataclass(frozen=True)
class Target:
    """Where to post."""

    port: int
    path: str
    token: str = ""
    first: int = 0

    def request(self, number: int) -> bytes:
        """Return the number-th request, with a key of its own."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"bench-{self.first + number}"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return request(self.path, lead(self.first + number), headers)

    def requests(self, count: int) -> list[bytes]:
        """Return so many requests: making one costs a tenth of serving one, and belongs before the clock starts."""
        return [self.request(number) for number in range(count)]


async def closed_loop(target: Target, *, connections: int, seconds: float) -> Load:
    """Keep every connection busy for so long."""
    load = Load()
    opened = [await connect(target.port) for _ in range(connections)]
    requests = target.requests(int(_MOST_PER_SECOND * seconds))
    started = time.perf_counter()

    async def one(connection: Connection) -> None:
        while time.perf_counter() - started < seconds and connection.is_open:
            sent = time.perf_counter()
            load.statuses[await connection.send(requests.pop())] += 1
            load.latencies.append(time.perf_counter() - sent)

    await asyncio.gather(*(one(connection) for connection in opened))
    load.seconds = time.perf_counter() - started
    return load


async def open_loop(target: Target, *, rate: float, seconds: float, connections: int = 64) -> Load:
    """Send at a fixed rate, whatever comes back."""
    load = Load()
    requests = target.requests(int(rate * seconds))
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await connect(target.port))
    started = time.perf_counter()

    async def one(number: int, due: float) -> None:
        connection = await free.get()
        load.statuses[await connection.send(requests[number])] += 1
        load.latencies.append(time.perf_counter() - due)
        free.put_nowait(connection if connection.is_open else await connect(target.port))

    tasks = []
    for number in range(int(rate * seconds)):
        due = started + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    load.seconds = time.perf_counter() - started
    return load


def main() -> None:
    """Run one load described as JSON in the first argument; print the result as JSON."""
    order = json.loads(sys.argv[1])
    target = Target(**order.pop("target"))
    kind = order.pop("kind")
    load = uvloop.run(closed_loop(target, **order) if kind == "closed" else open_loop(target, **order))
    print(
        json.dumps(
            {
                "per_second": sum(load.statuses.values()) / load.seconds,
                "statuses": {str(status): count for status, count in load.statuses.items()},
                "p50_ms": load.quantile(0.5),
                "p99_ms": load.quantile(0.99),
                "max_ms": load.quantile(1.0),
            }
        )
    )


if __name__ == "__main__":
    main()
