"""Drop what was kept long enough of what was told to others: events, their deliveries, and the log of attempts.

Events and attempts lie in partitions, which are dropped whole. Deliveries do not: a worker looks for what is due in all
of them, and would look into each partition; so those that came to an end are deleted, some at a time. An event that is
still to be delivered to somebody stays, and its partition with it, but not for ever: what an endpoint did not take for
so long is given up, after warnings, and can be sent again by hand for one more week.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.ids import first_uuid7
from leadhub.pipeline.announcing import NewId, tell_of_expiry
from leadhub.store import purging
from leadhub.store.engine import Sessions
from leadhub.store.partitions import Partition, drop_partition, lock_partition, partitions_before

_log = telemetry.get_logger("retention")

_GRACE = timedelta(days=7)
"""What came to an end stays at least for so long, however old it is: what was given up can still be sent again."""
_LOCK_NOT_AVAILABLE = "55P03"
"""SQLSTATE. Source: PostgreSQL, Appendix A."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is kept."""

    events: timedelta
    """And their deliveries."""
    held: timedelta
    """Deliveries that came to no end; no shorter than `events`."""
    attempts: timedelta


@dataclass(slots=True)
class Retained:
    """What was dropped, or would be."""

    dropped: list[str] = field(default_factory=list)
    """Partitions."""
    awaited: list[str] = field(default_factory=list)
    """Partitions that stay because something in them is still to be delivered."""
    busy: list[str] = field(default_factory=list)
    """Partitions that somebody uses just now: the next run will drop them."""
    deliveries: int = 0
    expired: int = 0
    """Deliveries that were held for too long: given up, and there for one more week."""


async def retain(
    engine: AsyncEngine,
    sessions: Sessions,
    retention: Retention,
    *,
    now: datetime,
    new_id: NewId,
    is_trial: bool = False,
) -> Retained:
    """Drop what is older than its time; as a trial, only say what that is.

    The caller nudges the deliverers afterwards: endpoints may have been told of.
    """
    done = Retained()
    done.expired = await _expire(sessions, before=now - retention.held, now=now, is_trial=is_trial)
    if not is_trial:
        await tell_of_expiry(engine, keep=retention.held, now=now, new_id=new_id)
    before = now - retention.events
    ended = now - _GRACE
    await _drop(engine, done, await _old(engine, "attempt", now - retention.attempts), ended=ended, is_trial=is_trial)
    done.deliveries = await _delete_deliveries(sessions, until=first_uuid7(before), ended=ended, is_trial=is_trial)
    await _drop(engine, done, await _old(engine, "event", before), ended=ended, is_trial=is_trial)
    _log.info(
        "retention.done",
        count=len(done.dropped),
        purged=done.deliveries,
        failed=done.expired,
        depth=len(done.awaited),
    )
    return done


async def _old(engine: AsyncEngine, table: str, before: datetime) -> Sequence[Partition]:
    async with engine.begin() as connection:
        return await partitions_before(connection, table, before)


async def _expire(sessions: Sessions, *, before: datetime, now: datetime, is_trial: bool) -> int:
    if is_trial:
        async with sessions() as session:
            return await purging.count_expired(session, before=before)
    expired, last = 0, UUID(int=0)
    while True:
        async with sessions.begin() as session:
            count, newest = await purging.expire(session, before=before, after=last, now=now)
        if newest is None:
            return expired
        expired, last = expired + count, newest


async def _delete_deliveries(sessions: Sessions, *, until: UUID, ended: datetime, is_trial: bool) -> int:
    if is_trial:
        async with sessions() as session:
            return await purging.count_deliveries(session, until=until, ended=ended)
    deleted, last = 0, UUID(int=0)
    while True:
        async with sessions.begin() as session:
            count, newest = await purging.deliveries(session, until=until, after=last, ended=ended)
        if newest is None:
            return deleted
        deleted, last = deleted + count, newest


async def _drop(
    engine: AsyncEngine, done: Retained, old: Sequence[Partition], *, ended: datetime, is_trial: bool
) -> None:
    """Drop partitions, each in a transaction of its own; the lock comes first, so that nobody may ask for one after."""
    for partition in old:
        try:
            async with engine.begin() as connection:
                if not is_trial:
                    await lock_partition(connection, partition)
                if partition.table == "event" and await purging.is_awaited(
                    connection, first=partition.first, until=partition.until, ended=ended
                ):
                    done.awaited.append(partition.name)
                    continue
                if not is_trial:
                    await drop_partition(connection, partition)
                done.dropped.append(partition.name)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            done.busy.append(partition.name)
