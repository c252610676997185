"""Replays: wishes to deliver events of the past again, and the deliveries that they queue.

A replay goes through the events of its range in the order of their ids, some at a time. What a step queues and how far
it came are one transaction: after a crash the next step begins where the last one that counts ended. An event has one
delivery at an endpoint, so what is replayed is that one once more, with its `webhook-id`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import NotFound
from leadhub.domain.ids import EndpointId, EventId, LeadId, ReplayId
from leadhub.store import tables
from leadhub.store.tables import Delivery

MOST_COUNTED = 100_000
"""More events than these are counted as so many: to know their number exactly would take longer than it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events, and to whom."""

    endpoint_id: EndpointId
    events_from: UUID
    """The first id that an event of the range can have."""
    events_until: UUID
    """The first id behind the range."""
    event_types: tuple[str, ...] = ()
    """Empty: all that happens to leads."""
    lead_id: LeadId | None = None
    filter: str | None = None
    """Conditions, as `domain.subscription` writes them."""
    only_undelivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay and how far it has come."""

    id: ReplayId
    selection: Selection
    state: str
    """running, paused, cancelled, or finished: then all is queued."""
    state_because: str | None
    per_second: int
    cursor: UUID
    """The newest event that was looked at."""
    total: int
    """Events to look at, when it was made; at most `MOST_COUNTED`."""
    examined: int
    queued: int
    created_at: datetime
    created_by: str
    stepped_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An event of the range."""

    id: EventId
    type: str
    occurred_at: datetime
    body: bytes


_IN_RANGE = """
  FROM event AS e
 WHERE e.id >= :first AND e.id < :until AND e.id > :after
   AND CASE WHEN :types = '{}'::text[] THEN NOT e.type ^@ ANY ('{endpoint.,source.}') ELSE e.type = ANY (:types) END
   AND (CAST(:lead AS uuid) IS NULL OR e.lead_id = :lead)
   AND (NOT e.is_test OR (SELECT include_test FROM endpoint WHERE id = :endpoint))
   AND (NOT :only_undelivered OR NOT EXISTS (
       SELECT FROM delivery AS d WHERE d.event_id = e.id AND d.endpoint_id = :endpoint AND d.state = 'delivered'))
"""
_COUNT = text("SELECT count(*) FROM (SELECT 1" + _IN_RANGE + "LIMIT :limit) AS found")  # noqa: S608 - of the constant above
_CANDIDATES = text("SELECT e.id, e.type, e.occurred_at, e.body" + _IN_RANGE + "ORDER BY e.id LIMIT :limit")

# An id as `store.events` makes it, so that whoever comes second finds the delivery of the first.
_QUEUE = text("""
WITH queued AS (
INSERT INTO delivery AS d (id, event_id, endpoint_id, lead_id, event_type, state, due_at, attempts, created_at,
                           sequence, is_ordered, is_again, replay_id)
SELECT CAST(left(e.id::text, 20) || substr(digest, 1, 3) || '-' || substr(digest, 4, 12) AS uuid),
       e.id, p.id, e.lead_id, e.type, 'pending', :now, 0, :now, e.sequence,
       p.ordering = 'lead' AND e.lead_id IS NOT NULL AND e.sequence IS NOT NULL, true, :replay
  FROM event AS e
  JOIN endpoint AS p ON p.id = :endpoint
 CROSS JOIN LATERAL md5(e.id::text || p.id::text) AS digest
 WHERE e.id = ANY (:events)
 ORDER BY e.id
    ON CONFLICT (event_id, endpoint_id) DO UPDATE
   SET state = 'pending', due_at = :now, attempts = 0, is_again = true, finished_at = NULL, replay_id = :replay
 WHERE d.state NOT IN ('pending', 'leased') AND NOT (:only_undelivered AND d.state = 'delivered')
RETURNING 1
)
SELECT count(*) FROM queued
""")

# What was delivered before is delivered still; what had failed before or since is given up once more.
_WITHDRAW = text("""
WITH withdrawn AS (
    SELECT id FROM delivery WHERE replay_id = :id AND state IN ('pending', 'held') ORDER BY id FOR UPDATE
)
UPDATE delivery AS d
   SET state = CASE WHEN d.outcome = 'delivered' THEN 'delivered'
                    WHEN d.outcome IS NULL OR d.outcome = 'filtered' THEN 'cancelled' ELSE 'dead' END,
       finished_at = :now
  FROM withdrawn
 WHERE d.id = withdrawn.id
""")

_NEXT = text("""
SELECT id FROM replay WHERE state = 'running' AND stepped_at <= :before
 ORDER BY stepped_at LIMIT 1
   FOR UPDATE SKIP LOCKED
""")

_ENDPOINT_STATE = text("SELECT state FROM endpoint WHERE id = :id FOR SHARE")

_WAITING = text("""
SELECT count(*) FROM (
    SELECT 1 FROM delivery WHERE replay_id = :id AND state IN ('pending', 'leased') LIMIT :limit
) AS waiting
""")


async def insert_replay(session: AsyncSession, replay: Replay) -> None:
    """Keep a new replay."""
    chosen = replay.selection
    await session.execute(
        insert(tables.Replay).values(
            id=replay.id,
            endpoint_id=chosen.endpoint_id,
            state=replay.state,
            events_from=chosen.events_from,
            events_until=chosen.events_until,
            event_types=list(chosen.event_types),
            lead_id=chosen.lead_id,
            filter=chosen.filter,
            only_undelivered=chosen.only_undelivered,
            per_second=replay.per_second,
            cursor=replay.cursor,
            total=replay.total,
            examined=replay.examined,
            queued=replay.queued,
            created_at=replay.created_at,
            created_by=replay.created_by,
            stepped_at=replay.stepped_at,
        )
    )


async def get_replay(session: AsyncSession, replay_id: ReplayId, *, is_locked: bool = False) -> Replay:
    """Return one replay; locked, others leave it alone until the transaction ends.

    Raises:
        NotFound: there is no such replay.
    """
    query = select(tables.Replay.__table__).where(tables.Replay.id == replay_id)
    row = (await session.execute(query.with_for_update() if is_locked else query)).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such replay.")
    return _replay(row)


async def list_replays(session: AsyncSession, *, limit: int, before: ReplayId | None = None) -> list[Replay]:
    """Return replays, newest first."""
    query = select(tables.Replay.__table__).order_by(tables.Replay.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.Replay.id < before)
    return [_replay(row) for row in (await session.execute(query)).mappings()]


async def lock_next(session: AsyncSession, *, now: datetime, pause: timedelta) -> Replay | None:
    """Return the running replay that made no step for longest, locked; None if all made one just now."""
    found = (await session.execute(_NEXT, {"before": now - pause})).scalar()
    return await get_replay(session, ReplayId(found), is_locked=True) if found else None


async def save_progress(session: AsyncSession, replay: Replay) -> None:
    """Write how far a locked replay has come."""
    changed = {
        name: getattr(replay, name)
        for name in ("state", "state_because", "cursor", "examined", "queued", "stepped_at", "finished_at")
    }
    await session.execute(update(tables.Replay).where(tables.Replay.id == replay.id).values(changed))


async def count(session: AsyncSession, chosen: Selection) -> int:
    """Count the events of a selection, whatever its filter says; at most `MOST_COUNTED`."""
    found = await session.execute(_COUNT, _range(chosen, after=_before(chosen), limit=MOST_COUNTED))
    number: int = found.scalar_one()
    return number


async def candidates(
    session: AsyncSession, chosen: Selection, *, after: UUID | None = None, until: UUID | None = None, limit: int
) -> list[Candidate]:
    """Return the next events of a selection, oldest first, whatever its filter says.

    Args:
        session: any.
        chosen: the selection.
        after: the newest event that is known; the range's beginning if not given.
        until: look no further than this id, which may lie before the range's end.
        limit: at most so many.
    """
    parameters = _range(chosen, after=after or _before(chosen), limit=limit)
    if until is not None:
        parameters["until"] = min(until, chosen.events_until)
    return [Candidate(**row) for row in (await session.execute(_CANDIDATES, parameters)).mappings()]


async def queue(session: AsyncSession, replay: Replay, events: Sequence[EventId], *, now: datetime) -> int:
    """Have events delivered once more, unless they are on their way; return how many are now."""
    parameters = {
        "replay": replay.id,
        "endpoint": replay.selection.endpoint_id,
        "events": list(events),
        "only_undelivered": replay.selection.only_undelivered,
        "now": now,
    }
    queued: int = (await session.execute(_QUEUE, parameters)).scalar_one()
    return queued


async def withdraw(session: AsyncSession, replay_id: ReplayId, *, now: datetime) -> None:
    """Take back what a replay queued and nobody has begun to send."""
    await session.execute(_WITHDRAW, {"id": replay_id, "now": now})


async def endpoint_state(session: AsyncSession, endpoint_id: EndpointId) -> str | None:
    """Return the state of an endpoint, which stays while the transaction lasts; None if it was deleted."""
    found: str | None = (await session.execute(_ENDPOINT_STATE, {"id": endpoint_id})).scalar()
    return found


async def waiting(session: AsyncSession, replay_id: ReplayId, *, at_most: int) -> int:
    """Count what a replay queued and is still on its way, up to a number."""
    found: int = (await session.execute(_WAITING, {"id": replay_id, "limit": at_most})).scalar_one()
    return found


async def progress(session: AsyncSession, replay_id: ReplayId) -> Mapping[str, int]:
    """Return how many of the deliveries that a replay queued last are in each state."""
    query = (
        select(Delivery.state, func.count(Delivery.id)).where(Delivery.replay_id == replay_id).group_by(Delivery.state)
    )
    return {state: number for state, number in (await session.execute(query)).all()}  # noqa: C416 - rows to a dict


def _range(chosen: Selection, *, after: UUID, limit: int) -> dict[str, Any]:
    return {
        "first": chosen.events_from,
        "until": chosen.events_until,
        "after": after,
        "types": list(chosen.event_types),
        "lead": chosen.lead_id,
        "endpoint": chosen.endpoint_id,
        "only_undelivered": chosen.only_undelivered,
        "limit": limit,
    }


def _before(chosen: Selection) -> UUID:
    return UUID(int=max(0, chosen.events_from.int - 1))


def _replay(row: RowMapping) -> Replay:
    return Replay(
        id=ReplayId(row["id"]),
        selection=Selection(
            endpoint_id=EndpointId(row["endpoint_id"]),
            events_from=row["events_from"],
            events_until=row["events_until"],
            event_types=tuple(row["event_types"]),
            lead_id=row["lead_id"],
            filter=row["filter"],
            only_undelivered=row["only_undelivered"],
        ),
        state=row["state"],
        state_because=row["state_because"],
        per_second=row["per_second"],
        cursor=row["cursor"],
        total=row["total"],
        examined=row["examined"],
        queued=row["queued"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        stepped_at=row["stepped_at"],
        finished_at=row["finished_at"],
    )
