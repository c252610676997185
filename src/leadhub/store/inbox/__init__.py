"""Group commit: many requests share one statement and one fsync, and none is answered before it.

There is no timer in it. While one batch is on its way to the disk, the next one gathers; an idle gateway writes a lone
submission at once. What waits is bounded in rows, in bytes and in time: beyond that the sender is told to come again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import PoolProxiedConnection, exc
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.errors import IdempotencyConflict, InvalidInput, Unavailable
from leadhub.store.driver import Connection
from leadhub.store.inbox.batch import Taken, Uses, Waiter, distinct, first_uses
from leadhub.store.inbox.statement import FirstUse, Key, NewSubmission, take_in
from leadhub.store.outage import is_bad_data, is_outage

__all__ = ["Inbox", "Limits", "NewSubmission", "Taken"]

_BATCH_ROWS = 500
_BATCH_BYTES = 4_000_000
_SHARED_ROWS = 16
"""More waiting rows than this are shared out between the flushers. If one took all, then all who wait would be answered
at once, come again at once, and leave the gateway with nothing to do during the next commit."""
_FLIGHTS = 2
"""Two, so that a lead that comes while a commit is under way need not wait for it: half the latency at ordinary rates,
the same throughput at high ones. And one that hangs on a dead connection holds nobody else up."""
_TURNS = 2
"""Turns of the event loop before a batch is taken: those whose request is being read right now can still join it."""

_log = telemetry.get_logger("inbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may wait for its commit, and how long for a connection."""

    rows: int
    bytes: int
    wait_seconds: float
    connect_seconds: float


@dataclass(slots=True, eq=False)
class _Flight:
    """A flusher at work. It keeps its connection for as long as there is something to write."""

    since: float
    """When its present batch set out."""
    pooled: PoolProxiedConnection | None = None
    connection: Connection | None = None


class Inbox:
    """Takes submissions and returns once they are on disk."""

    def __init__(self, engine: AsyncEngine, limits: Limits, *, nudge: Callable[[], None]) -> None:
        self._engine = engine
        self._limits = limits
        self._nudge = nudge
        self._queue: deque[Waiter] = deque()
        self._waiting: set[Waiter] = set()
        self._rows = 0
        self._bytes = 0
        self._flights: dict[_Flight, asyncio.Task[None]] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._is_open = False

    def start(self) -> None:
        """Begin to take submissions."""
        self._is_open = True
        telemetry.INBOX_WAITING.set_function(lambda: self._rows)

    async def close(self) -> None:
        """Take no more, and return when all that waits has its answer."""
        self._is_open = False
        while self._flights:
            await asyncio.wait(self._flights.values())
        if self._alarm is not None:
            self._alarm.cancel()

    @property
    def is_saturated(self) -> bool:
        """Whether a new submission would be refused now."""
        return not self._is_open or self._rows >= self._limits.rows or self._bytes >= self._limits.bytes

    def refuse_if_saturated(self) -> None:
        """Say no early, before a request's body is read.

        Raises:
            Unavailable: too much waits, or for too long.
        """
        if self.is_saturated:
            raise _busy()

    async def put(self, rows: Sequence[NewSubmission]) -> list[Taken]:
        """Store the submissions of one request, all or none, and return after the commit.

        Raises:
            Unavailable: nothing was acknowledged; a repeat with the same keys is safe.
            IdempotencyConflict: a key was used before with another body.
            InvalidInput: PostgreSQL cannot hold a value.
        """
        if not rows:
            return []
        self.refuse_if_saturated()
        waiter = Waiter(rows, asyncio.get_running_loop())
        self._queue.append(waiter)
        self._waiting.add(waiter)
        self._rows += len(rows)
        self._bytes += waiter.size
        self._launch(waiter.since)
        return await waiter.future

    def _launch(self, now: float) -> None:
        """Start a flusher, unless enough are at work."""
        if len(self._flights) >= _FLIGHTS:
            if self._alarm is None:
                self._set_alarm()
            return
        flight = _Flight(now)
        self._flights[flight] = asyncio.get_running_loop().create_task(self._fly(flight))

    def _set_alarm(self) -> None:
        if self._queue:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_at(self._queue[0].since + self._limits.wait_seconds, self._give_up)

    def _give_up(self) -> None:
        """Refuse what has waited in vain: the flushers hang, and a quick no is better than none."""
        self._alarm = None
        oldest = asyncio.get_running_loop().time() - self._limits.wait_seconds
        while self._queue and self._queue[0].since <= oldest:
            waiter = self._queue.popleft()
            self._release(waiter)
            waiter.fail(_busy())
        self._set_alarm()

    async def _fly(self, flight: _Flight) -> None:
        """Write what waits until nothing does; the last look at the queue and the end are one step, unawaited."""
        batch: list[Waiter] = []
        try:
            while self._queue:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                if batch := self._take():
                    flight.since = asyncio.get_running_loop().time()
                    await self._flush(flight, batch)
        except Exception as error:  # noqa: BLE001 - a fault of ours: a no is better than a request that hangs
            self._fail([*batch, *self._queue], error)
            self._queue.clear()
            _discard(flight)
        finally:
            _land(flight)
            del self._flights[flight]

    def _take(self) -> list[Waiter]:
        """Take the next batch off the queue: whole requests, as many as fit.

        A request may share a key with one before it in the batch and is then answered like it. Not so a request of
        several submissions: which of them may be stored depends on the answer, so it waits for the next batch.
        """
        batch: list[Waiter] = []
        keys: set[Key] = set()
        most = min(max(_SHARED_ROWS, self._rows // _FLIGHTS), _BATCH_ROWS)
        rows = size = 0
        while self._queue:
            waiter = self._queue[0]
            rows += len(waiter.rows)
            size += waiter.size
            must_wait = len(waiter.rows) > 1 and not keys.isdisjoint(waiter.keys)
            if batch and (rows > most or size > _BATCH_BYTES or must_wait):
                break
            batch.append(self._queue.popleft())
            keys.update(waiter.keys)
        return batch

    def _release(self, waiter: Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            self._rows -= len(waiter.rows)
            self._bytes -= waiter.size

    async def _flush(self, flight: _Flight, batch: Sequence[Waiter]) -> None:
        try:
            uses = await self._write(flight, batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            if is_bad_data(error) and len(batch) > 1:
                for waiter in batch:
                    await self._flush(flight, [waiter])
            else:
                self._fail(batch, error)
        else:
            self._settle(batch, uses)
            self._nudge()

    def _fail(self, batch: Sequence[Waiter], error: Exception) -> None:
        _log.error("inbox.failed", error_class=type(error).__name__, count=len(batch))
        for waiter in batch:
            self._release(waiter)
            waiter.fail(InvalidInput("A value of this submission cannot be stored.") if is_bad_data(error) else _busy())

    def _settle(self, batch: Sequence[Waiter], uses: Uses) -> None:
        for waiter in reversed(batch):  # so that what goes back to the front keeps its order
            try:
                taken = waiter.outcome(uses)
            except IdempotencyConflict as conflict:
                self._release(waiter)
                waiter.fail(conflict)
                continue
            if taken is None:
                self._queue.appendleft(waiter)
            else:
                self._release(waiter)
                waiter.succeed(taken)

    async def _write(self, flight: _Flight, batch: Sequence[Waiter]) -> Uses:
        """Write a batch and return what each of its keys stands for afterwards.

        The statement may be repeated when its outcome is unknown (see `statement`), so a connection that breaks while
        PostgreSQL itself is well costs nobody a 503.
        """
        rows, bundles = distinct(batch)
        with telemetry.INBOX_FLUSH_SECONDS.time():
            try:
                found = await self._send(flight, rows, bundles)
            except Exception as error:
                if not is_outage(error) or isinstance(error, TimeoutError | exc.TimeoutError):
                    raise
                found = await self._send(flight, rows, bundles)
        telemetry.INBOX_FLUSH_ROWS.observe(len(rows))
        return {**first_uses(rows), **found}

    async def _send(
        self, flight: _Flight, rows: Sequence[NewSubmission], bundles: Sequence[int | None]
    ) -> dict[Key, FirstUse | None]:
        try:
            return await take_in(flight.connection or await self._connect(flight), rows, bundles)
        except BaseException as error:
            if not is_bad_data(error):
                _discard(flight)
            raise

    async def _connect(self, flight: _Flight) -> Connection:
        """Give a flusher a connection of the pool, which passes over those that died while they lay there."""
        async with asyncio.timeout(self._limits.connect_seconds):
            flight.pooled = await self._engine.raw_connection()
        flight.connection = cast("Connection", flight.pooled.driver_connection)
        return flight.connection


def _land(flight: _Flight) -> None:
    """Give a flusher's connection back."""
    pooled, flight.pooled, flight.connection = flight.pooled, None, None
    if pooled is not None:
        pooled.close()


def _discard(flight: _Flight) -> None:
    """Part with a connection that may be broken or stuck: the pool passes over what is closed."""
    if flight.connection is not None:
        flight.connection.terminate()
    _land(flight)


def _busy() -> Unavailable:
    return Unavailable("Leads cannot be stored right now. Nothing was stored; send it again.")
