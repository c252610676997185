"""Lanes: which deliveries a worker sends next, fair between endpoints and safe between workers.

A claim is two statements on purpose. The first locks lanes; the second, which sees everything committed before it
began, counts what is leased in them. As one statement it would count with the snapshot from before it had the locks,
and two workers that arrive together would each take a full cap. For the same reason its transaction must be READ
COMMITTED. No claim waits for anybody: lanes and rows that others hold are skipped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import AttemptId, DeliveryId, EndpointId, EventId, LeadId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A delivery that a worker holds: only who knows the attempt's id can complete it."""

    delivery_id: DeliveryId
    attempt_id: AttemptId
    endpoint_id: EndpointId
    number: int
    """Of the attempt, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A leased delivery with all that sending it needs."""

    lease: Lease
    url: str
    endpoint_version: int
    """What the attempt says of the endpoint holds for this version of it only."""
    secrets: tuple[tuple[UUID, bytes], ...]
    """Id and sealed secret; the current one first."""
    event_id: EventId
    event_type: str
    lead_id: LeadId | None
    sequence: int | None
    received_at: datetime | None
    body: bytes | None
    """None if the event was erased."""


# The count is of the past, but here it only keeps full lanes from standing at the front of the queue. The oldest due
# is looked up for each lane: as EXISTS it may be planned as a join with everything that waits.
_LOCK_LANES = text("""
SELECT l.endpoint_id, l.cap
  FROM lane AS l
 WHERE (l.blocked_until IS NULL OR l.blocked_until <= :now)
   AND l.endpoint_id <> ALL (CAST(:full AS uuid[]))
   AND EXISTS (SELECT FROM endpoint AS p WHERE p.id = l.endpoint_id AND p.state = 'active')
   AND (SELECT d.due_at <= :now FROM delivery AS d
         WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending' ORDER BY d.due_at LIMIT 1)
   AND (SELECT count(*) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'leased') < l.cap
 ORDER BY l.last_served_at, l.endpoint_id
 LIMIT :slots
   FOR UPDATE OF l SKIP LOCKED
""")

# The claim need not survive a crash of PostgreSQL: its deliveries would be due again, and be repeated, as those are
# whose results a crash lost. So nobody waits for the disk before the first byte goes out. What is recorded later is
# flushed, and with it every commit before it.
_DO_NOT_WAIT_FOR_THE_DISK = text("SET LOCAL synchronous_commit = off")

# Every lane gets its first delivery before any gets its second. Lanes that yield nothing are stamped too, else they
# would be first again. The id of the attempt is the lease's token.
_LEASE = text("""
WITH lanes AS (
    SELECT * FROM unnest(CAST(:endpoints AS uuid[]), CAST(:rooms AS integer[]), CAST(:caps AS integer[]))
               AS l (endpoint_id, room, cap)
), stamped AS (
    UPDATE lane SET last_served_at = :now WHERE endpoint_id = ANY (CAST(:endpoints AS uuid[]))
), due AS MATERIALIZED (
    SELECT oldest.*
      FROM lanes
     CROSS JOIN LATERAL (
        SELECT d.id, d.event_id, d.endpoint_id, d.due_at
          FROM delivery AS d
         WHERE d.endpoint_id = lanes.endpoint_id AND d.state = 'pending' AND d.due_at <= :now
         ORDER BY d.due_at, d.event_id
         LIMIT greatest(0, least(lanes.room, lanes.cap - (
               SELECT count(*) FROM delivery AS c WHERE c.endpoint_id = lanes.endpoint_id AND c.state = 'leased')))
           FOR UPDATE SKIP LOCKED
     ) AS oldest
), ranked AS (
    SELECT id, event_id, due_at, row_number() OVER (PARTITION BY endpoint_id ORDER BY due_at, event_id) AS turn
      FROM due
), chosen AS (
    SELECT id, (CAST(:attempt_ids AS uuid[]))[row_number() OVER (ORDER BY turn, due_at, event_id)] AS attempt_id
      FROM ranked
     ORDER BY turn, due_at, event_id
     LIMIT :slots
), leased AS (
    UPDATE delivery AS d
       SET state = 'leased', lease_token = chosen.attempt_id, lease_until = :lease_until, attempts = d.attempts + 1
      FROM chosen
     WHERE d.id = chosen.id
 RETURNING d.id, d.endpoint_id, d.event_id, d.lease_token, d.attempts
), opened AS (
    INSERT INTO attempt (id, delivery_id, number, started_at)
    SELECT lease_token, id, attempts, :now FROM leased
)
SELECT * FROM leased
""")

_LOAD = text("""
SELECT l.id AS delivery_id, l.attempt_id, l.number, l.endpoint_id, l.event_id,
       p.url, p.version, d.event_type, d.lead_id, e.sequence, e.received_at, e.body,
       ARRAY(SELECT s.id FROM endpoint_secret AS s
              WHERE s.endpoint_id = l.endpoint_id AND (s.valid_until IS NULL OR s.valid_until > :now)
              ORDER BY s.valid_until IS NOT NULL, s.id DESC) AS secret_ids,
       ARRAY(SELECT s.sealed FROM endpoint_secret AS s
              WHERE s.endpoint_id = l.endpoint_id AND (s.valid_until IS NULL OR s.valid_until > :now)
              ORDER BY s.valid_until IS NOT NULL, s.id DESC) AS secrets
  FROM unnest(
        CAST(:ids AS uuid[]), CAST(:attempt_ids AS uuid[]), CAST(:numbers AS integer[]),
        CAST(:endpoints AS uuid[]), CAST(:event_ids AS uuid[])
       ) AS l (id, attempt_id, number, endpoint_id, event_id)
  JOIN delivery AS d ON d.id = l.id
  JOIN endpoint AS p ON p.id = l.endpoint_id
  LEFT JOIN event AS e ON e.id = l.event_id
""")


_OLDEST_DUE = text("""
SELECT min(oldest.due_at)
  FROM lane
 CROSS JOIN LATERAL (
    SELECT d.due_at FROM delivery AS d WHERE d.endpoint_id = lane.endpoint_id AND d.state = 'pending'
     ORDER BY d.due_at LIMIT 1
 ) AS oldest
 WHERE oldest.due_at <= :now
""")

_BACKLOGS = text("""
SELECT l.endpoint_id, l.blocked_until,
       (SELECT min(d.due_at) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending') AS oldest,
       (SELECT count(*) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending') AS pending,
       (SELECT count(*) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'leased') AS in_flight
  FROM lane AS l
 WHERE l.endpoint_id = ANY (CAST(:endpoints AS uuid[]))
""")


async def claim(
    session: AsyncSession,
    *,
    now: datetime,
    attempt_ids: Sequence[AttemptId],
    busy: Mapping[EndpointId, int],
    share: int,
    lease_until: datetime,
) -> list[Claimed]:
    """Lease the oldest due deliveries of the least recently served lanes, and open their attempts.

    Four statements, however many. The caller commits before it sends.

    Args:
        session: at READ COMMITTED.
        now: of the worker.
        attempt_ids: one for each free slot, made now: the attempt's id is also the lease's token.
        busy: what this worker has in flight, by endpoint.
        share: most of its slots that one endpoint may have; the rest is for those that wait, or will.
        lease_until: when others may take the deliveries for lost.
    """
    slots = len(attempt_ids)
    full = [endpoint for endpoint, count in busy.items() if count >= share]
    lanes = (await session.execute(_LOCK_LANES, {"now": now, "slots": slots, "full": full})).all()
    if not lanes:
        return []
    await session.execute(_DO_NOT_WAIT_FOR_THE_DISK)
    endpoints = [lane.endpoint_id for lane in lanes]
    leased = await session.execute(
        _LEASE,
        {
            "now": now,
            "endpoints": endpoints,
            "caps": [lane.cap for lane in lanes],
            "rooms": [share - busy.get(endpoint, 0) for endpoint in endpoints],
            "slots": slots,
            "attempt_ids": list(attempt_ids),
            "lease_until": lease_until,
        },
    )
    return await _load(session, leased.mappings().all(), now=now)


async def _load(session: AsyncSession, leased: Sequence[RowMapping], *, now: datetime) -> list[Claimed]:
    if not leased:
        return []
    columns = {
        "now": now,
        "ids": [row["id"] for row in leased],
        "attempt_ids": [row["lease_token"] for row in leased],
        "numbers": [row["attempts"] for row in leased],
        "endpoints": [row["endpoint_id"] for row in leased],
        "event_ids": [row["event_id"] for row in leased],
    }
    loaded = await session.execute(_LOAD, columns)
    return [
        Claimed(
            lease=Lease(
                delivery_id=DeliveryId(row.delivery_id),
                attempt_id=AttemptId(row.attempt_id),
                endpoint_id=EndpointId(row.endpoint_id),
                number=row.number,
            ),
            url=row.url,
            endpoint_version=row.version,
            secrets=tuple(zip(row.secret_ids, row.secrets, strict=True)),
            event_id=EventId(row.event_id),
            event_type=row.event_type,
            lead_id=row.lead_id,
            sequence=row.sequence,
            received_at=row.received_at,
            body=row.body,
        )
        for row in loaded
    ]


async def oldest_due(session: AsyncSession, *, now: datetime) -> datetime | None:
    """Return since when the delivery that waits longest has been due; None if nothing waits."""
    found: datetime | None = (await session.execute(_OLDEST_DUE, {"now": now})).scalar()
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits for one endpoint."""

    oldest_due_at: datetime | None
    pending: int
    in_flight: int
    blocked_until: datetime | None


async def backlogs(session: AsyncSession, endpoints: Sequence[EndpointId]) -> dict[EndpointId, Backlog]:
    """Return what waits for each of these endpoints."""
    rows = await session.execute(_BACKLOGS, {"endpoints": list(endpoints)})
    return {
        EndpointId(row.endpoint_id): Backlog(
            oldest_due_at=row.oldest,
            pending=row.pending,
            in_flight=row.in_flight,
            blocked_until=row.blocked_until,
        )
        for row in rows
    }
