"""Lanes: which deliveries a worker sends next, fair between endpoints and safe between workers.

A claim looks first, with one statement that locks nothing: most looks find nothing. Then it takes two statements on
purpose. The first locks lanes; the second, which sees everything committed before it began, counts what is leased in
them. As one statement it would count with the snapshot from before it had the locks, and two workers that arrive
together would each take a full cap. For the same reason its transaction must be READ COMMITTED. No claim waits for
anybody: lanes and rows that others hold are skipped.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from leadhub.domain.ids import AttemptId, DeliveryId, EndpointId, EventId, LeadId
from leadhub.store.driver import Connection


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


@dataclass(frozen=True, slots=True)
class Batch:
    """What a claim brought."""

    claimed: Sequence[Claimed] = ()
    is_more: bool = False
    """Whether work may be due that has to wait until a slot or an endpoint has room again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the lanes found."""

    lanes: tuple[EndpointId, ...]
    """Those with work that is due and room for it, the least recently served first."""
    is_more: bool
    """Whether lanes without room have work that is due."""


# The count is of the past, but here it only keeps full lanes from standing at the front of the queue. The oldest due
# is looked up for each lane: as EXISTS it may be planned as a join with everything that waits.
_LOOK = """
SELECT l.endpoint_id, 4 * coalesce(ours.busy, 0) < $2 AND l.cap > (
       SELECT count(*) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'leased') AS has_room
  FROM lane AS l
  LEFT JOIN unnest($3::uuid[], $4::integer[]) AS ours (endpoint_id, busy) USING (endpoint_id)
 WHERE (l.blocked_until IS NULL OR l.blocked_until <= $1)
   AND EXISTS (SELECT FROM endpoint AS p WHERE p.id = l.endpoint_id AND p.state = 'active')
   AND (SELECT d.due_at <= $1 FROM delivery AS d
         WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending' ORDER BY d.due_at LIMIT 1)
 ORDER BY has_room DESC, l.last_served_at, l.endpoint_id
 LIMIT $2
"""

# The claim need not survive a crash of PostgreSQL: its deliveries would be due again, and be repeated, as those are
# whose results a crash lost. So nobody waits for the disk before the first byte goes out. What is recorded later is
# flushed, and with it every commit before it.
_LOCK_LANES = """
SELECT endpoint_id, set_config('synchronous_commit', 'off', true)
  FROM lane WHERE endpoint_id = ANY ($1::uuid[])
   FOR UPDATE SKIP LOCKED
"""

# Every lane gets its first delivery before any gets its second, and none more than a quarter of the slots that are
# still free then: however many hang, some slots stay for the others. Lanes that yield nothing are stamped too, else
# they would be first again. The id of the attempt is the lease's token.
_LEASE = """
WITH lanes AS MATERIALIZED (
    SELECT l.endpoint_id, asked.busy, p.url, p.version,
           l.cap - (SELECT count(*) FROM delivery AS c WHERE c.endpoint_id = l.endpoint_id AND c.state = 'leased')
           AS room,
           ARRAY(SELECT s.id FROM endpoint_secret AS s
                  WHERE s.endpoint_id = l.endpoint_id AND (s.valid_until IS NULL OR s.valid_until > $1)
                  ORDER BY s.valid_until IS NOT NULL, s.id DESC) AS secret_ids,
           ARRAY(SELECT s.sealed FROM endpoint_secret AS s
                  WHERE s.endpoint_id = l.endpoint_id AND (s.valid_until IS NULL OR s.valid_until > $1)
                  ORDER BY s.valid_until IS NOT NULL, s.id DESC) AS secrets
      FROM unnest($2::uuid[], $3::integer[]) AS asked (endpoint_id, busy)
      JOIN lane AS l USING (endpoint_id)
      JOIN endpoint AS p ON p.id = l.endpoint_id
), stamped AS (
    UPDATE lane SET last_served_at = $1 WHERE endpoint_id = ANY ($2::uuid[])
), due AS MATERIALIZED (
    SELECT oldest.*, lanes.busy
      FROM lanes
     CROSS JOIN LATERAL (
        SELECT d.id, d.event_id, d.endpoint_id, d.due_at
          FROM delivery AS d
         WHERE d.endpoint_id = lanes.endpoint_id AND d.state = 'pending' AND d.due_at <= $1
         ORDER BY d.due_at, d.event_id
         LIMIT greatest(0, lanes.room)
           FOR UPDATE SKIP LOCKED
     ) AS oldest
), ranked AS (
    SELECT id, event_id, due_at,
           busy + row_number() OVER (PARTITION BY endpoint_id ORDER BY due_at, event_id) AS held
      FROM due
), queued AS (
    SELECT id, held, row_number() OVER (ORDER BY held, due_at, event_id) AS place FROM ranked
), leased AS (
    UPDATE delivery AS d
       SET state = 'leased', lease_token = ($4::uuid[])[queued.place], lease_until = $5, attempts = d.attempts + 1
      FROM queued
     WHERE d.id = queued.id AND queued.place <= cardinality($4::uuid[])
       AND 4 * (queued.held - 1) < cardinality($4::uuid[]) - queued.place + 1
 RETURNING d.id, d.endpoint_id, d.event_id, d.event_type, d.lead_id, d.lease_token, d.attempts
), opened AS (
    INSERT INTO attempt (id, delivery_id, number, started_at)
    SELECT lease_token, id, attempts, $1 FROM leased
)
SELECT leased.*, lanes.url, lanes.version, lanes.secret_ids, lanes.secrets, e.sequence, e.received_at, e.body,
       lanes.room, (SELECT count(*) FROM queued) AS wanted
  FROM leased
  JOIN lanes USING (endpoint_id)
  LEFT JOIN LATERAL (SELECT sequence, received_at, body FROM event WHERE id = leased.event_id LIMIT 1) AS e ON true
"""

_OLDEST_DUE = """
SELECT min(oldest.due_at)
  FROM lane
 CROSS JOIN LATERAL (
    SELECT d.due_at FROM delivery AS d WHERE d.endpoint_id = lane.endpoint_id AND d.state = 'pending'
     ORDER BY d.due_at LIMIT 1
 ) AS oldest
 WHERE oldest.due_at <= $1
"""


async def look(connection: Connection, *, now: datetime, slots: int, busy: Mapping[EndpointId, int]) -> Look:
    """Return the lanes that a worker with so many free slots, and so many in flight, should claim from."""
    rows = await connection.fetch(_LOOK, now, slots, list(busy), list(busy.values()))
    return Look(
        lanes=tuple(EndpointId(row["endpoint_id"]) for row in rows if row["has_room"]),
        is_more=any(not row["has_room"] for row in rows),
    )


async def claim(
    connection: Connection,
    found: Look,
    *,
    now: datetime,
    attempt_ids: Sequence[AttemptId],
    busy: Mapping[EndpointId, int],
    lease_until: datetime,
) -> Batch:
    """Lease the oldest due deliveries of the lanes that a look found, and open their attempts.

    Two statements, however many. The caller commits before it sends.

    Args:
        connection: in a transaction.
        found: by a look just now.
        now: of the worker.
        attempt_ids: one for each free slot, made now: the attempt's id is also the lease's token.
        busy: what this worker has in flight, by endpoint.
        lease_until: when others may take the deliveries for lost.
    """
    locked = [row["endpoint_id"] for row in await connection.fetch(_LOCK_LANES, found.lanes)]
    if not locked:
        return Batch(is_more=True)
    rows = await connection.fetch(
        _LEASE, now, locked, [busy.get(endpoint, 0) for endpoint in locked], attempt_ids, lease_until
    )
    filled = Counter(row["endpoint_id"] for row in rows)
    is_more = (
        found.is_more
        or len(locked) < len(found.lanes)
        or not rows
        or rows[0]["wanted"] > len(rows)
        or any(filled[row["endpoint_id"]] >= row["room"] for row in rows)
    )
    return Batch([_claimed(row) for row in rows], is_more)


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(
        lease=Lease(
            delivery_id=DeliveryId(row["id"]),
            attempt_id=AttemptId(row["lease_token"]),
            endpoint_id=EndpointId(row["endpoint_id"]),
            number=row["attempts"],
        ),
        url=row["url"],
        endpoint_version=row["version"],
        secrets=tuple(zip(row["secret_ids"], row["secrets"], strict=True)),
        event_id=EventId(row["event_id"]),
        event_type=row["event_type"],
        lead_id=row["lead_id"],
        sequence=row["sequence"],
        received_at=row["received_at"],
        body=row["body"],
    )


async def oldest_due(connection: Connection, *, now: datetime) -> datetime | None:
    """Return since when the delivery that waits longest has been due; None if nothing waits."""
    found: datetime | None = await connection.fetchval(_OLDEST_DUE, now)
    return found
