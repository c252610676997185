"""A deliverer in this process, and a connection to PostgreSQL that can be cut."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.outbound import queue
from leadhub.outbound.dialling import Lookup, system_lookup
from leadhub.outbound.jsonl import JsonlFiles
from leadhub.outbound.queue import Wakeup
from leadhub.outbound.webhook import WebhookSender
from leadhub.pipeline.deliver import Deliverer
from leadhub.pipeline.sending import Courier
from leadhub.resources import Ids, Resources

TLS = ssl.create_default_context()
"""One for all: reading the system's authorities takes longer than a test."""


@dataclass(slots=True)
class Clock:
    """Goes with the time, and ahead when told to."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(slots=True)
class Running:
    """A deliverer under way."""

    task: asyncio.Task[None]
    stop: asyncio.Event
    wakeup: Wakeup
    clock: Clock

    def advance(self, seconds: float) -> None:
        self.clock.ahead += timedelta(seconds=seconds)
        self.wakeup.wake(queue.DELIVERIES)

    async def kill(self) -> None:
        """End it where it stands, as a lost process would."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def delivering(
    resources: Resources,
    *,
    engine: AsyncEngine | None = None,
    slots: int = 64,
    host_cap: int = 1_000,
    total_seconds: float = 3,
    clock: Clock | None = None,
    folder: Path | None = None,
    lookup: Lookup = system_lookup,
) -> AsyncIterator[Running]:
    """Run a deliverer; leaving stops it in good order."""
    stop = asyncio.Event()
    ticking = clock or Clock()
    wakeup = Wakeup(resources.redis, queue.DELIVERIES)
    files = JsonlFiles(folder, total_seconds=total_seconds)
    async with WebhookSender(
        allowed_networks=resources.settings.outbound_networks,
        connect_seconds=2,
        total_seconds=total_seconds,
        tls=TLS,
        lookup=lookup,
    ) as sender:
        deliverer = Deliverer(
            engine=engine or resources.engine,
            courier=Courier(vault=resources.vault, webhooks=sender, files=files, clock=ticking),
            wakeup=wakeup,
            slots=slots,
            host_cap=host_cap,
            new_id=Ids(),
            clock=ticking,
            jitter=random.Random(1).random,
        )
        listening = asyncio.create_task(wakeup.listen())
        task = asyncio.create_task(deliverer.run(stop))
        try:
            yield Running(task=task, stop=stop, wakeup=wakeup, clock=ticking)
        finally:
            stop.set()
            listening.cancel()
            await asyncio.gather(task, listening, return_exceptions=True)
    if not task.cancelled():
        task.result()


async def until(is_so: Callable[[], Awaitable[object] | object], *, seconds: float = 10) -> None:
    """Ask, now and then, until the answer is yes."""
    async with asyncio.timeout(seconds):
        while True:  # what is asked about lies in other tasks, or in the database: no event tells of it
            answer = is_so()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.005)


class Line:
    """A connection to PostgreSQL's socket that a test can cut and mend."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self._path = folder / socket.name
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()

    async def mend(self) -> None:
        self._server = await asyncio.start_unix_server(self._connect, self._path)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside_reader, inside = await asyncio.open_unix_connection(self._socket)
        self._open |= {writer, inside}
        for source, target in ((reader, inside), (inside_reader, writer)):
            pipe = asyncio.create_task(self._pipe(source, target))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.close()
        self._open.discard(target)
