"""Deliveries: completed in batches, fenced by their lease; taken back when a worker dies; sent again by hand.

Locks are taken in the order endpoint, delivery, lane, and those of several endpoints or lanes in the order of their
ids. Whoever writes `held` holds a lock on the endpoint: that is why nothing stays held at an endpoint in service.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import AttemptId, DeliveryId, EndpointId
from leadhub.store.driver import Connection
from leadhub.store.lanes import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a leased delivery, and the record of its attempt."""

    lease: Lease
    state: str
    """pending, delivered or dead; a held one is pending until its endpoint's state is written."""
    due_at: datetime | None = None
    """None leaves it: it keeps its place in the order."""
    is_counted: bool = True
    outcome: str
    because: str
    finished_at: datetime
    status: int | None = None
    remote_ip: str | None = None
    duration_ms: int | None = None
    response_headers: Mapping[str, str] | None = None
    response_body: bytes | None = None
    lane_blocked_until: datetime | None = None
    endpoint_state: str | None = None
    """Switches the endpoint off, for `because`, if it is still at `endpoint_version`."""
    endpoint_version: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it changes nothing but its delivery and its attempt."""
        return self.lane_blocked_until is None and self.endpoint_state is None


_SWITCH_OFF = """
WITH asked AS (
    SELECT * FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[]) AS a (id, version, state, because)
), locked AS (
    SELECT p.id FROM endpoint AS p JOIN asked ON asked.id = p.id AND asked.version = p.version
     WHERE p.state = 'active'
     ORDER BY p.id
       FOR UPDATE OF p
)
UPDATE endpoint AS p
   SET state = asked.state, state_because = asked.because, version = p.version + 1, updated_at = $1
  FROM asked JOIN locked USING (id)
 WHERE p.id = asked.id
RETURNING p.id
"""

_COMPLETE = """
WITH finished AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::integer[], $6::text[], $7::text[],
                         $8::timestamptz[], $9::integer[], $10::text[], $11::integer[], $12::jsonb[], $13::bytea[])
        AS f (id, attempt_id, state, due_at, uncounted, outcome, because, finished_at, status, remote_ip, duration_ms,
              headers, body)
), locked AS MATERIALIZED (
    SELECT d.id FROM delivery AS d JOIN finished AS f USING (id)
     WHERE d.lease_token = f.attempt_id AND d.state = 'leased'
     ORDER BY d.id
       FOR UPDATE OF d
), completed AS (
    UPDATE delivery AS d
       SET state = f.state, due_at = coalesce(f.due_at, d.due_at), attempts = d.attempts - f.uncounted,
           outcome = f.outcome, lease_token = NULL, lease_until = NULL,
           finished_at = CASE WHEN f.state IN ('delivered', 'dead') THEN f.finished_at END
      FROM finished AS f JOIN locked USING (id)
     WHERE d.id = f.id
 RETURNING d.id
), closed AS (
    UPDATE attempt AS a
       SET finished_at = f.finished_at, outcome = f.outcome, because = f.because, status = f.status,
           remote_ip = f.remote_ip, duration_ms = f.duration_ms, response_headers = f.headers, response_body = f.body
      FROM finished AS f JOIN completed USING (id)
     WHERE a.id = f.attempt_id AND a.id = ANY ($2::uuid[]) -- known beforehand: only its partitions are opened
)
SELECT id FROM completed
"""

_HOLD = "UPDATE delivery SET state = 'held' WHERE state = 'pending' AND endpoint_id = ANY ($1::uuid[])"

_BLOCK_LANES = """
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS a (endpoint_id, until)
), locked AS (
    SELECT l.endpoint_id FROM lane AS l JOIN asked USING (endpoint_id) ORDER BY l.endpoint_id FOR UPDATE OF l
)
UPDATE lane AS l SET blocked_until = greatest(l.blocked_until, asked.until)
  FROM asked JOIN locked USING (endpoint_id)
 WHERE l.endpoint_id = asked.endpoint_id
"""

_EXPIRED = """
SELECT id, lease_token, endpoint_id, attempts FROM delivery
 WHERE state = 'leased' AND lease_until <= $1
 ORDER BY lease_until
 LIMIT $2
   FOR UPDATE SKIP LOCKED
"""

_HOLD_STRAGGLERS = """
WITH off AS MATERIALIZED (
    SELECT id FROM endpoint WHERE state <> 'active' ORDER BY id FOR SHARE
), straggler AS (
    SELECT d.id FROM delivery AS d JOIN off ON off.id = d.endpoint_id WHERE d.state = 'pending'
       FOR UPDATE OF d SKIP LOCKED
)
UPDATE delivery AS d SET state = 'held' FROM straggler WHERE d.id = straggler.id
"""

_LOCK_ITS_ENDPOINT = text("""
SELECT p.state FROM delivery AS d JOIN endpoint AS p ON p.id = d.endpoint_id WHERE d.id = :id FOR SHARE OF p
""")

_RESEND = text("""
UPDATE delivery SET state = :state, due_at = :now, attempts = 0, finished_at = NULL
 WHERE id = :id AND state <> 'leased'
RETURNING id
""")


async def complete(connection: Connection, finished: Sequence[Finished], *, now: datetime) -> set[DeliveryId]:
    """Record what became of leased deliveries; return those that were still ours.

    A lease that ran out meanwhile was given to somebody else: its row and its attempt stay as they are. At most four
    statements, however many; one, which needs no transaction, where `is_plain` holds for all.
    """
    switched = await _switch_off(connection, finished, now=now)
    completed = await connection.fetch(_COMPLETE, *_columns(finished))
    if switched:
        await connection.execute(_HOLD, switched)
    await _block_lanes(connection, finished)
    return {DeliveryId(row["id"]) for row in completed}


async def _switch_off(connection: Connection, finished: Sequence[Finished], *, now: datetime) -> list[EndpointId]:
    asked = {one.lease.endpoint_id: one for one in finished if one.endpoint_state}
    if not asked:
        return []
    switched = await connection.fetch(
        _SWITCH_OFF,
        now,
        list(asked),
        [one.endpoint_version for one in asked.values()],
        [one.endpoint_state for one in asked.values()],
        [one.because for one in asked.values()],
    )
    return [row["id"] for row in switched]


def _columns(finished: Sequence[Finished]) -> list[list[object]]:
    return [
        [one.lease.delivery_id for one in finished],
        [one.lease.attempt_id for one in finished],
        [one.state for one in finished],
        [one.due_at for one in finished],
        [0 if one.is_counted else 1 for one in finished],
        [one.outcome for one in finished],
        [one.because for one in finished],
        [one.finished_at for one in finished],
        [one.status for one in finished],
        [one.remote_ip for one in finished],
        [one.duration_ms for one in finished],
        [json.dumps(dict(one.response_headers)) if one.response_headers else None for one in finished],
        [one.response_body for one in finished],
    ]


async def _block_lanes(connection: Connection, finished: Sequence[Finished]) -> None:
    untils: dict[EndpointId, datetime] = {}
    for one in finished:
        if one.lane_blocked_until is not None:
            endpoint_id = one.lease.endpoint_id
            untils[endpoint_id] = max(one.lane_blocked_until, untils.get(endpoint_id, one.lane_blocked_until))
    if untils:
        await connection.execute(_BLOCK_LANES, list(untils), list(untils.values()))


async def lock_expired(connection: Connection, *, now: datetime, limit: int) -> list[Lease]:
    """Return leases that ran out, locked, for the caller to complete: their workers died, or lost the database."""
    return [
        Lease(
            delivery_id=DeliveryId(row["id"]),
            attempt_id=AttemptId(row["lease_token"]),
            endpoint_id=EndpointId(row["endpoint_id"]),
            number=row["attempts"],
        )
        for row in await connection.fetch(_EXPIRED, now, limit)
    ]


async def hold_stragglers(connection: Connection) -> None:
    """Hold what came back from flight after its endpoint had been paused or switched off; it is not claimed anyway.

    In a transaction of its own: whoever has deliveries locked may not wait for endpoints.
    """
    await connection.execute(_HOLD_STRAGGLERS)


async def resend(session: AsyncSession, delivery_id: DeliveryId, *, now: datetime) -> None:
    """Send a delivery again by hand, in whatever state it is; its schedule starts anew, its `webhook-id` stays.

    The caller nudges the deliverers afterwards. While its endpoint is not in service it is held.

    Raises:
        NotFound: there is no such delivery, or its endpoint was deleted.
        Conflict: it is being sent right now.
    """
    endpoint_state = (await session.execute(_LOCK_ITS_ENDPOINT, {"id": delivery_id})).scalar()
    if endpoint_state is None:
        raise NotFound("There is no such delivery, or its endpoint was deleted.")
    state = "pending" if endpoint_state == "active" else "held"
    sent = (await session.execute(_RESEND, {"id": delivery_id, "state": state, "now": now})).scalar()
    if sent is None:
        raise Conflict("The delivery is being sent right now.")
