"""Record what became of attempts: many to a commit, and none forgotten while PostgreSQL is away.

Commits, not SQL, limit how fast deliveries go; so everything that finished while one commit was on its way goes into
the next, as in the inbox.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, assert_never

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.attempt import AttemptResult, classify, explain
from leadhub.domain.delivery import Dead, Decision, Delivered, EndpointState, Held, Retry, Skipped
from leadhub.domain.ids import DeliveryId
from leadhub.domain.lane import Sign, after
from leadhub.pipeline.announcing import NewId, announce
from leadhub.store import deliveries, lanes
from leadhub.store.deliveries import Finished, SwitchOff
from leadhub.store.driver import Connection, connect, transaction
from leadhub.store.lanes import Claimed, Lease
from leadhub.store.outage import driver_error, is_contention, is_outage

_log = telemetry.get_logger("deliver")

_BATCH = 100
_LONGEST_PAUSE_SECONDS = 5.0


def finish(
    lease: Lease, result: AttemptResult, decision: Decision, *, claimed: Claimed | None = None, now: datetime
) -> Finished:
    """Return what is to be written of a finished attempt; without `claimed` it says nothing of its endpoint."""
    note = Finished(
        lease=lease,
        state="pending",
        outcome=classify(result),
        because=explain(result),
        finished_at=now,
        status=result.status,
        remote_ip=result.remote_ip,
        duration_ms=result.duration_ms,
        timings=result.timings,
        response_headers=result.headers,
        response_body=result.body,
        sign=_sign(claimed, result, decision) if claimed else None,
    )
    match decision:
        case Delivered():
            return replace(note, state="delivered")
        case Retry(due_at=due_at, is_counted=is_counted):
            return replace(note, due_at=due_at, is_counted=is_counted)
        case Dead(endpoint_state=state):
            return replace(note, state="dead", switch_off=_switch_off(claimed, state, note.because))
        case Skipped():
            return replace(note, state="cancelled")
        case Held(endpoint_state=state):
            return replace(note, is_counted=False, switch_off=_switch_off(claimed, state, note.because))
        case _:
            assert_never(decision)


def _switch_off(claimed: Claimed | None, state: EndpointState | None, because: str) -> SwitchOff | None:
    if claimed is None or state is None:
        return None
    return SwitchOff(claimed.lease.endpoint_id, version=claimed.endpoint_version, state=state.value, because=because)


def _sign(claimed: Claimed, result: AttemptResult, decision: Decision) -> Sign | None:
    """Return what an attempt says of its endpoint; a success where all is well says nothing new."""
    if claimed.lane_is_well and isinstance(decision, Delivered):
        return None
    floor = decision.lane_blocked_until if isinstance(decision, Retry | Dead) else None
    return Sign(
        outcome=classify(result),
        duration_ms=result.duration_ms,
        openings=claimed.lane_openings,
        floor=floor,
        because=explain(result),
    )


async def record(connection: Connection, batch: Sequence[Finished], *, now: datetime, new_id: NewId) -> set[DeliveryId]:
    """Write what became of deliveries, and what that means for their endpoints; return those that were still ours.

    Needs a transaction unless all are plain. Locks are taken in the order endpoint, delivery, lane.
    """
    asked = {one.lease.endpoint_id: one.switch_off for one in batch if one.switch_off}
    switched = await deliveries.switch_off(connection, asked.values(), now=now) if asked else []
    if switched:
        await announce(connection, switched, now=now, new_id=new_id)
    ours = await deliveries.complete(connection, batch)
    if switched:
        await deliveries.hold(connection, switched)
    await _learn(connection, [one for one in batch if one.lease.delivery_id in ours], now=now)
    return ours


async def _learn(connection: Connection, finished: Sequence[Finished], *, now: datetime) -> None:
    """Have the lanes know what attempts say of their endpoints, in the order in which they ended."""
    news = [one for one in finished if one.sign is not None]
    if not news:
        return
    before = await lanes.lock_health(connection, {one.lease.endpoint_id for one in news})
    healths = dict(before)
    for one in news:
        health = healths.get(one.lease.endpoint_id)
        if health is not None and one.sign is not None:
            healths[one.lease.endpoint_id] = after(health, one.sign, now=now)
    changed = {endpoint_id: health for endpoint_id, health in healths.items() if health != before[endpoint_id]}
    if changed:
        await lanes.save_health(connection, changed)
    for endpoint_id, health in changed.items():
        if health.openings > before[endpoint_id].openings:
            _log.warning("endpoint.circuit_opened", endpoint_id=str(endpoint_id), count=health.openings)


class OnRecorded(Protocol):
    """What wants to know of each commit."""

    def __call__(self, *, is_next_due: bool) -> None:
        """Hear of it; and whether a lead's later event had waited for something in it."""


class Recorder:
    """Writes finished attempts in batches, in the background."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        clock: Callable[[], datetime],
        new_id: NewId,
        on_recorded: OnRecorded,
    ) -> None:
        """Build it; `on_recorded` is called after each commit, when lanes have room again."""
        self._engine = engine
        self._clock = clock
        self._new_id = new_id
        self._on_recorded = on_recorded
        self._waiting: deque[Finished] = deque()
        self._arrived = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, finished: Finished) -> None:
        """Have it written soon. Memory stays bounded: while nothing can be written, nothing new can be claimed."""
        self._waiting.append(finished)
        self._empty.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch = [self._waiting[place] for place in range(min(_BATCH, len(self._waiting)))]
                await self._write(batch)
                for _ in batch:
                    self._waiting.popleft()
                self._on_recorded(is_next_due=any(one.lease.is_ordered for one in batch))
            self._empty.set()

    async def drain(self, *, at_most_seconds: float) -> None:
        """Wait until all is written, or the time is up: then the leases run out, and the deliveries are repeated."""
        try:
            async with asyncio.timeout(at_most_seconds):
                await self._empty.wait()
        except TimeoutError:
            _log.warning("deliveries.unrecorded", count=len(self._waiting))

    async def _write(self, batch: Sequence[Finished]) -> None:
        """Write a batch, however long PostgreSQL is away; if its data is refused, each of it alone."""
        pause = 0.1
        while True:
            try:
                await self._commit(batch)
            except Exception as error:  # noqa: BLE001 - whatever is refused, the loop must go on with the rest
                if is_outage(error) or is_contention(error):
                    _log.warning("deliveries.waiting", count=len(batch), error_class=type(driver_error(error)).__name__)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                    continue
                await self._write_each(batch, error)
            return

    async def _write_each(self, batch: Sequence[Finished], error: Exception) -> None:
        """Keep one bad value from failing its neighbours; alone, its delivery is repeated when the lease ends."""
        if len(batch) > 1:
            for one in batch:
                await self._write([one])
            return
        _log.error(
            "delivery.unrecordable",
            delivery_id=str(batch[0].lease.delivery_id),
            error_class=type(driver_error(error)).__name__,
        )

    async def _commit(self, batch: Sequence[Finished]) -> None:
        lend = connect if all(one.is_plain for one in batch) else transaction
        async with lend(self._engine) as connection:
            ours = await record(connection, batch, now=self._clock(), new_id=self._new_id)
        for one in batch:
            if one.lease.delivery_id not in ours:
                _log.warning("delivery.lease_lost", delivery_id=str(one.lease.delivery_id), outcome=one.outcome)
