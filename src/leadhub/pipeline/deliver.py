"""Deliver events: claim (`store.lanes`), send (`sending`), decide (`domain.delivery`), record (`recording`).

Rows are the truth. A worker leases what is due, sends it outside of any transaction, and records what happened, fenced
by its lease; when it dies in between, the lease runs out and another one sends again, with the same `webhook-id`.
Hints make it quick, a poll every second makes it certain.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.attempt import AttemptResult, classify
from leadhub.domain.delivery import SCHEDULE, Decision, Delivered, decide
from leadhub.domain.ids import AttemptId
from leadhub.outbound import queue
from leadhub.outbound.queue import Wakeup
from leadhub.pipeline.announcing import warn_and_disable
from leadhub.pipeline.measuring import Attempts
from leadhub.pipeline.reaping import reap
from leadhub.pipeline.recording import Recorder, finish
from leadhub.pipeline.sending import Courier
from leadhub.pipeline.slots import Slots
from leadhub.store import lanes
from leadhub.store.driver import connect
from leadhub.store.lanes import Batch, Claimed, Room
from leadhub.store.outage import driver_error, is_contention, is_outage

_log = telemetry.get_logger("deliver")

_POLL_SECONDS = 1.0
"""The longest that a due delivery waits when its hint was lost."""
_FULL_SECONDS = 0.2
"""How soon it is looked again whether a slot is free, besides whenever a request comes back."""
_REAP_SECONDS = 10.0
_LEASE_MARGIN = timedelta(seconds=15)
"""A lease outlasts an attempt's deadline by this: the time to claim and to record."""
_OUTAGE_SECONDS = 1.0
_DRAIN_SECONDS = 10.0


class Deliverer:
    """Delivers what is due: one a worker process."""

    def __init__(
        self,
        *,
        engine: AsyncEngine,
        courier: Courier,
        wakeup: Wakeup,
        slots: int,
        host_cap: int,
        new_id: Callable[[], UUID],
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        """Build it.

        Args:
            engine: of a pool that spares three connections.
            courier: makes the attempts; its deadline gives the length of a lease.
            wakeup: on `queue.DELIVERIES`; its owner runs `listen`.
            slots: most webhooks that set out just now; several times as many may wait for slow receivers.
            host_cap: most webhooks in flight to one host, over all workers.
            new_id: makes UUIDv7s of now.
            clock: aware.
            jitter: draws evenly from 0 to 1.
        """
        self._engine = engine
        self._courier = courier
        self._wakeup = wakeup
        self._slots = Slots(slots, host_cap=host_cap)
        self._lease_length = timedelta(seconds=courier.total_seconds) + _LEASE_MARGIN
        self._new_id = new_id
        self._clock = clock
        self._jitter = jitter
        self._work = asyncio.Event()
        self._is_more = False
        self._in_flight: set[asyncio.Task[None]] = set()
        self._attempts = Attempts()
        self._recorder = Recorder(engine, clock=clock, new_id=new_id, on_recorded=self._claim_what_was_left)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set, then finish and record what is in flight."""
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(job)
                for job in (self._hear(), self._heed(stop), self._recorder.run(), self._reap_for_ever())
            ]
            while not stop.is_set():
                await self._work.wait()
                self._work.clear()
                claimed_at = monotonic()
                for claimed in await self._claim(stop):
                    self._start(group, claimed, claimed_at=claimed_at)
            await asyncio.gather(*self._in_flight)
            await self._recorder.drain(at_most_seconds=_DRAIN_SECONDS)
            for task in background:
                task.cancel()

    async def _claim(self, stop: asyncio.Event) -> Sequence[Claimed]:
        """Lease as much as there are slots free; while PostgreSQL is away, nothing."""
        room = self._slots.room(at=monotonic())
        self._is_more = True  # until the answer is there, whatever is recorded may have made room
        if stop.is_set() or not room.slots:
            asyncio.get_running_loop().call_later(_FULL_SECONDS, self._work.set)  # some may have become slow by then
            return []
        try:
            batch = await self._lease(room)
        except Exception as error:
            if not _passes(error):
                raise
            await _pause(stop, _OUTAGE_SECONDS)
            self._work.set()
            return []
        self._is_more = batch.is_more
        return batch.claimed

    async def _lease(self, room: Room) -> Batch:
        """Look, which costs one round trip, and lease only if there is something."""
        now = self._clock()
        async with connect(self._engine) as connection:
            found = await lanes.look(connection, room, now=now)
            if not found.lanes:
                return Batch(is_more=found.is_more)
            async with connection.transaction():
                return await lanes.claim(
                    connection,
                    found,
                    room,
                    now=now,
                    attempt_ids=[AttemptId(self._new_id()) for _ in range(room.slots)],
                    lease_until=now + self._lease_length,
                )

    def _start(self, group: asyncio.TaskGroup, claimed: Claimed, *, claimed_at: float) -> None:
        """Begin an attempt, unless this process or its machine stood still: then another worker may have it by now."""
        if monotonic() - claimed_at > _LEASE_MARGIN.total_seconds():
            _log.warning("delivery.lease_lost", delivery_id=str(claimed.lease.delivery_id))
            return
        self._slots.take(claimed.lease, at=monotonic())
        task = group.create_task(self._attempt(claimed))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _attempt(self, claimed: Claimed) -> None:
        """Send, decide, have it recorded."""
        lease = claimed.lease
        result = await self._courier.send(claimed)
        self._slots.give(lease, at=monotonic())
        now = self._clock()
        schedule = lease.schedule or SCHEDULE
        decision = decide(result, attempt_number=lease.number, now=now, jitter=self._jitter(), schedule=schedule)
        self._recorder.put(finish(lease, result, decision, claimed=claimed, now=now))
        self._attempts.count(lease.endpoint_id, result)
        _tell(claimed, result, decision, now=now)

    def _claim_what_was_left(self, *, is_next_due: bool) -> None:
        """Claim again when slots and lanes have room again, if the last claim left something behind.

        Or if something is due now that had to wait for what was just recorded.
        """
        if self._is_more or is_next_due:
            self._work.set()

    async def _hear(self) -> None:
        while True:
            self._work.set()
            await self._wakeup.wait(queue.DELIVERIES, at_most_seconds=_POLL_SECONDS)

    async def _heed(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._work.set()

    async def _reap_for_ever(self) -> None:
        while True:
            try:
                await reap(self._engine, now=self._clock(), jitter=self._jitter)
                await warn_and_disable(self._engine, now=self._clock(), new_id=self._new_id)
            except Exception as error:
                if not _passes(error):
                    raise
            await asyncio.sleep(_REAP_SECONDS)


def _tell(claimed: Claimed, result: AttemptResult, decision: Decision, *, now: datetime) -> None:
    """Log an attempt's one line: ids and classes, no path of a URL, nothing of a person."""
    if isinstance(decision, Delivered) and claimed.event_type == "lead.routed" and claimed.received_at:
        telemetry.SPEED_TO_LEAD.observe((now - claimed.received_at).total_seconds())
    _log.info(
        "delivery.attempt",
        delivery_id=str(claimed.lease.delivery_id),
        endpoint_id=str(claimed.lease.endpoint_id),
        event_id=str(claimed.event_id),
        event_type=claimed.event_type,
        lead_id=str(claimed.lead_id) if claimed.lead_id else None,
        url_host=urlsplit(claimed.url).hostname,
        attempt=claimed.lease.number,
        outcome=classify(result),
        status=result.status,
        duration_ms=result.duration_ms,
    )


def _passes(error: Exception) -> bool:
    """Whether an error passes by itself: PostgreSQL is away, or others are in the way."""
    _log.warning("deliveries.paused", error_class=type(driver_error(error)).__name__)
    return is_outage(error) or is_contention(error)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
