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


_SWITCH_OFF = text("""
WITH asked AS (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS integer[]), CAST(:states AS text[]),
                         CAST(:becauses AS text[])) AS a (id, version, state, because)
), locked AS (
    SELECT p.id FROM endpoint AS p JOIN asked ON asked.id = p.id AND asked.version = p.version
     WHERE p.state = 'active'
     ORDER BY p.id
       FOR UPDATE OF p
)
UPDATE endpoint AS p
   SET state = asked.state, state_because = asked.because, version = p.version + 1, updated_at = :now
  FROM asked JOIN locked USING (id)
 WHERE p.id = asked.id
RETURNING p.id
""")

_COMPLETE = text("""
WITH finished AS (
    SELECT * FROM unnest(
        CAST(:ids AS uuid[]), CAST(:attempt_ids AS uuid[]), CAST(:states AS text[]), CAST(:dues AS timestamptz[]),
        CAST(:counts AS integer[]), CAST(:outcomes AS text[]), CAST(:becauses AS text[]),
        CAST(:instants AS timestamptz[]), CAST(:statuses AS integer[]), CAST(:peers AS text[]),
        CAST(:durations AS integer[]), CAST(:headers AS text[]), CAST(:bodies AS bytea[])
    ) AS f (id, attempt_id, state, due_at, uncounted, outcome, because, finished_at, status, remote_ip, duration_ms,
            headers, body)
), completed AS (
    UPDATE delivery AS d
       SET state = f.state, due_at = coalesce(f.due_at, d.due_at), attempts = d.attempts - f.uncounted,
           outcome = f.outcome, lease_token = NULL, lease_until = NULL,
           finished_at = CASE WHEN f.state IN ('delivered', 'dead') THEN f.finished_at END
      FROM finished AS f
     WHERE d.id = f.id AND d.lease_token = f.attempt_id AND d.state = 'leased'
 RETURNING d.id
), closed AS (
    UPDATE attempt AS a
       SET finished_at = f.finished_at, outcome = f.outcome, because = f.because, status = f.status,
           remote_ip = f.remote_ip, duration_ms = f.duration_ms, response_headers = CAST(f.headers AS jsonb),
           response_body = f.body
      FROM finished AS f JOIN completed USING (id)
     WHERE a.id = f.attempt_id
)
SELECT id FROM completed
""")

_HOLD = text("""
UPDATE delivery SET state = 'held' WHERE state = 'pending' AND endpoint_id = ANY (CAST(:endpoints AS uuid[]))
""")

_BLOCK_LANES = text("""
WITH asked AS (
    SELECT * FROM unnest(CAST(:endpoints AS uuid[]), CAST(:untils AS timestamptz[])) AS a (endpoint_id, until)
), locked AS (
    SELECT l.endpoint_id FROM lane AS l JOIN asked USING (endpoint_id) ORDER BY l.endpoint_id FOR UPDATE OF l
)
UPDATE lane AS l SET blocked_until = greatest(l.blocked_until, asked.until)
  FROM asked JOIN locked USING (endpoint_id)
 WHERE l.endpoint_id = asked.endpoint_id
""")

_EXPIRED = text("""
SELECT id, lease_token, endpoint_id, attempts FROM delivery
 WHERE state = 'leased' AND lease_until <= :now
 ORDER BY lease_until
 LIMIT :limit
   FOR UPDATE SKIP LOCKED
""")

_HOLD_STRAGGLERS = text("""
WITH off AS MATERIALIZED (SELECT id FROM endpoint WHERE state <> 'active' ORDER BY id FOR SHARE)
UPDATE delivery SET state = 'held' WHERE state = 'pending' AND endpoint_id IN (SELECT id FROM off)
""")

_LOCK_ITS_ENDPOINT = text("""
SELECT p.state FROM delivery AS d JOIN endpoint AS p ON p.id = d.endpoint_id WHERE d.id = :id FOR SHARE OF p
""")

_RESEND = text("""
UPDATE delivery SET state = :state, due_at = :now, attempts = 0, finished_at = NULL
 WHERE id = :id AND state <> 'leased'
RETURNING id
""")


async def complete(session: AsyncSession, finished: Sequence[Finished], *, now: datetime) -> set[DeliveryId]:
    """Record what became of leased deliveries; return those that were still ours.

    A lease that ran out meanwhile was given to somebody else: its row and its attempt stay as they are. At most four
    statements, however many.
    """
    if not finished:
        return set()
    switched = await _switch_off(session, finished, now=now)
    completed = (await session.execute(_COMPLETE, _columns(finished))).scalars().all()
    if switched:
        await session.execute(_HOLD, {"endpoints": switched})
    await _block_lanes(session, finished)
    return {DeliveryId(delivery_id) for delivery_id in completed}


async def _switch_off(session: AsyncSession, finished: Sequence[Finished], *, now: datetime) -> list[EndpointId]:
    asked = {one.lease.endpoint_id: one for one in finished if one.endpoint_state}
    if not asked:
        return []
    switched = await session.execute(
        _SWITCH_OFF,
        {
            "now": now,
            "ids": list(asked),
            "versions": [one.endpoint_version for one in asked.values()],
            "states": [one.endpoint_state for one in asked.values()],
            "becauses": [one.because for one in asked.values()],
        },
    )
    return list(switched.scalars())


def _columns(finished: Sequence[Finished]) -> dict[str, object]:
    return {
        "ids": [one.lease.delivery_id for one in finished],
        "attempt_ids": [one.lease.attempt_id for one in finished],
        "states": [one.state for one in finished],
        "dues": [one.due_at for one in finished],
        "counts": [0 if one.is_counted else 1 for one in finished],
        "outcomes": [one.outcome for one in finished],
        "becauses": [one.because for one in finished],
        "instants": [one.finished_at for one in finished],
        "statuses": [one.status for one in finished],
        "peers": [one.remote_ip for one in finished],
        "durations": [one.duration_ms for one in finished],
        "headers": [json.dumps(dict(one.response_headers)) if one.response_headers else None for one in finished],
        "bodies": [one.response_body for one in finished],
    }


async def _block_lanes(session: AsyncSession, finished: Sequence[Finished]) -> None:
    untils: dict[EndpointId, datetime] = {}
    for one in finished:
        if one.lane_blocked_until is not None:
            endpoint_id = one.lease.endpoint_id
            untils[endpoint_id] = max(one.lane_blocked_until, untils.get(endpoint_id, one.lane_blocked_until))
    if untils:
        await session.execute(_BLOCK_LANES, {"endpoints": list(untils), "untils": list(untils.values())})


async def lock_expired(session: AsyncSession, *, now: datetime, limit: int) -> list[Lease]:
    """Return leases that ran out, locked, for the caller to complete: their workers died, or lost the database."""
    rows = await session.execute(_EXPIRED, {"now": now, "limit": limit})
    return [
        Lease(
            delivery_id=DeliveryId(row.id),
            attempt_id=AttemptId(row.lease_token),
            endpoint_id=EndpointId(row.endpoint_id),
            number=row.attempts,
        )
        for row in rows
    ]


async def hold_stragglers(session: AsyncSession) -> None:
    """Hold what came back from flight after its endpoint had been paused or switched off; it is not claimed anyway."""
    await session.execute(_HOLD_STRAGGLERS)


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
