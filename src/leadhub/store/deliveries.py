"""Deliveries: completed in batches, fenced by their lease; taken back when a worker dies; sent again by hand.

Locks are taken in the order endpoint, delivery, lane, and those of several endpoints or lanes in the order of their
ids. Whoever writes `held` holds a lock on the endpoint: that is why nothing stays held at an endpoint in service.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.attempt import Timings
from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import AttemptId, DeliveryId, EndpointId, uuid7_time
from leadhub.domain.lane import Sign
from leadhub.store.driver import Connection
from leadhub.store.lanes import Lease, waits

_NO_TIMINGS = Timings()


@dataclass(frozen=True, slots=True)
class SwitchOff:
    """Asks to take an endpoint out of service, if it is still at this version and in service."""

    endpoint_id: EndpointId
    version: int | None
    state: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a leased delivery, and the record of its attempt."""

    lease: Lease
    state: str
    """pending, delivered, dead or cancelled; a held one is pending until its endpoint's state is written."""
    due_at: datetime | None = None
    """None leaves it: it keeps its place in the order."""
    is_counted: bool = True
    outcome: str
    because: str
    finished_at: datetime
    status: int | None = None
    remote_ip: str | None = None
    duration_ms: int | None = None
    timings: Timings = _NO_TIMINGS
    response_headers: Mapping[str, str] | None = None
    response_body: bytes | None = None
    sign: Sign | None = None
    """What the attempt says of its endpoint, if that is news."""
    switch_off: SwitchOff | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it changes nothing but its delivery and its attempt."""
        return self.sign is None and self.switch_off is None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedOff:
    """An endpoint that was just taken out of service."""

    endpoint_id: EndpointId
    url: str
    state: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveEndpoint:
    """What is needed of an endpoint in service to switch it off."""

    url: str
    version: int


# Who switches off tells all subscribers of it, whose endpoints an append locks: one at a time, or two of them could
# wait for each other.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('leadhub endpoint switch'))"

_LOCK_ACTIVE = "SELECT url, version FROM endpoint WHERE id = $1 AND state = 'active' FOR UPDATE"

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
RETURNING p.id, p.url, p.state, p.state_because
"""

_COMPLETE = """
WITH finished AS (
    SELECT *
      FROM unnest((SELECT $1::uuid[]), $2::uuid[], $3::text[], $4::timestamptz[], $5::integer[], $6::timestamptz[],
                  $7::timestamptz[], $8::text[], $9::text[], $10::integer[], $11::text[], $12::integer[], $13::jsonb[],
                  $14::bytea[], $15::integer[], $16::integer[], $17::integer[], $18::integer[])
        AS f (id, attempt_id, state, due_at, uncounted, started_at, finished_at, outcome, because, status, remote_ip,
              duration_ms, headers, body, dns_ms, connect_ms, tls_ms, first_byte_ms)
), locked AS MATERIALIZED (
    SELECT d.id FROM delivery AS d JOIN finished AS f USING (id)
     WHERE d.lease_token = f.attempt_id AND d.state = 'leased'
     ORDER BY d.id
       FOR UPDATE OF d
), completed AS (
    UPDATE delivery AS d
       SET state = f.state, due_at = coalesce(f.due_at, d.due_at), attempts = d.attempts - f.uncounted,
           is_again = true, outcome = f.outcome, lease_token = NULL, lease_until = NULL,
           finished_at = CASE WHEN f.state <> 'pending' THEN f.finished_at END
      FROM finished AS f JOIN locked USING (id)
     WHERE d.id = f.id
 RETURNING d.id, d.attempts, d.endpoint_id, d.lead_id, d.sequence, d.is_ordered, d.state, f.finished_at
), next_in_order AS (
    SELECT c.finished_at, (
        SELECT d.id FROM delivery AS d
         WHERE d.endpoint_id = c.endpoint_id AND d.lead_id = c.lead_id AND d.is_ordered AND d.sequence > c.sequence
           AND d.state = 'pending'
         ORDER BY d.sequence LIMIT 1) AS id
      FROM completed AS c
     WHERE c.is_ordered AND c.state <> 'pending'
), woken AS (
    UPDATE delivery AS d SET due_at = n.finished_at
      FROM next_in_order AS n
     WHERE d.id = n.id AND d.due_at > n.finished_at
)
INSERT INTO attempt (id, delivery_id, number, started_at, finished_at, outcome, because, status, remote_ip, duration_ms,
                     response_headers, response_body, dns_ms, connect_ms, tls_ms, first_byte_ms)
SELECT f.attempt_id, f.id, completed.attempts + f.uncounted, f.started_at, f.finished_at, f.outcome, f.because,
       f.status, f.remote_ip, f.duration_ms, f.headers, f.body, f.dns_ms, f.connect_ms, f.tls_ms, f.first_byte_ms
  FROM finished AS f JOIN completed USING (id)
RETURNING delivery_id
"""

_HOLD = "UPDATE delivery SET state = 'held' WHERE state = 'pending' AND endpoint_id = ANY ($1::uuid[])"

_EXPIRED = """
SELECT d.id, d.lease_token, d.endpoint_id, d.attempts, p.schedule
  FROM delivery AS d
  LEFT JOIN endpoint AS p ON p.id = d.endpoint_id
 WHERE d.state = 'leased' AND d.lease_until <= $1
 ORDER BY d.lease_until
 LIMIT $2
   FOR UPDATE OF d SKIP LOCKED
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
UPDATE delivery SET state = :state, due_at = :now, attempts = 0, is_again = false, finished_at = NULL, replay_id = NULL
 WHERE id = :id AND state <> 'leased'
RETURNING id
""")

_CANCEL = text("""
WITH cancelled AS (
    UPDATE delivery SET state = 'cancelled', finished_at = :now WHERE id = :id AND state IN ('pending', 'held', 'dead')
    RETURNING endpoint_id, lead_id, sequence, is_ordered
), woken AS (
    UPDATE delivery AS d SET due_at = :now
      FROM (SELECT (SELECT o.id FROM delivery AS o
                     WHERE o.endpoint_id = c.endpoint_id AND o.lead_id = c.lead_id AND o.is_ordered
                       AND o.sequence > c.sequence AND o.state = 'pending'
                     ORDER BY o.sequence LIMIT 1) AS id
              FROM cancelled AS c WHERE c.is_ordered) AS n
     WHERE d.id = n.id AND d.due_at > :now
)
SELECT count(*) FROM cancelled
""")

_STATE = text("SELECT state FROM delivery WHERE id = :id")


async def complete(connection: Connection, finished: Sequence[Finished]) -> set[DeliveryId]:
    """Record what became of leased deliveries and how their attempts went, in one statement; return those still ours.

    An attempt began when its id was made, with the lease.
    A lease that ran out meanwhile was given to somebody else, who tells of it: its delivery stays as it is.
    """
    return {DeliveryId(row["delivery_id"]) for row in await connection.fetch(_COMPLETE, *_columns(finished))}


async def lock_active(connection: Connection, endpoint_id: EndpointId) -> ActiveEndpoint | None:
    """Return an endpoint in service, to be switched off or told of in this transaction; None if it is not."""
    await connection.execute(_ONE_AT_A_TIME)
    row = await connection.fetchrow(_LOCK_ACTIVE, endpoint_id)
    return ActiveEndpoint(url=row["url"], version=row["version"]) if row else None


async def switch_off(connection: Connection, asked: Collection[SwitchOff], *, now: datetime) -> list[SwitchedOff]:
    """Take endpoints out of service; return those that were, which `hold` is to follow up."""
    await connection.execute(_ONE_AT_A_TIME)
    switched = await connection.fetch(
        _SWITCH_OFF,
        now,
        [one.endpoint_id for one in asked],
        [one.version for one in asked],
        [one.state for one in asked],
        [one.because for one in asked],
    )
    return [
        SwitchedOff(endpoint_id=EndpointId(row["id"]), url=row["url"], state=row["state"], because=row["state_because"])
        for row in switched
    ]


async def hold(connection: Connection, switched: Sequence[SwitchedOff]) -> None:
    """Keep what waits for endpoints that were just switched off."""
    await connection.execute(_HOLD, [one.endpoint_id for one in switched])


def _columns(finished: Sequence[Finished]) -> list[list[object]]:
    return [
        [one.lease.delivery_id for one in finished],
        [one.lease.attempt_id for one in finished],
        [one.state for one in finished],
        [one.due_at for one in finished],
        [0 if one.is_counted else 1 for one in finished],
        [uuid7_time(one.lease.attempt_id) for one in finished],
        [one.finished_at for one in finished],
        [one.outcome for one in finished],
        [one.because for one in finished],
        [one.status for one in finished],
        [one.remote_ip for one in finished],
        [one.duration_ms for one in finished],
        [json.dumps(dict(one.response_headers)) if one.response_headers else None for one in finished],
        [one.response_body for one in finished],
        [one.timings.dns_ms for one in finished],
        [one.timings.connect_ms for one in finished],
        [one.timings.tls_ms for one in finished],
        [one.timings.first_byte_ms for one in finished],
    ]


async def lock_expired(connection: Connection, *, now: datetime, limit: int) -> list[Lease]:
    """Return leases that ran out, locked, for the caller to complete: their workers died, or lost the database."""
    return [
        Lease(
            delivery_id=DeliveryId(row["id"]),
            attempt_id=AttemptId(row["lease_token"]),
            endpoint_id=EndpointId(row["endpoint_id"]),
            number=row["attempts"],
            schedule=waits(row["schedule"]),
        )
        for row in await connection.fetch(_EXPIRED, now, limit)
    ]


async def hold_stragglers(connection: Connection) -> None:
    """Hold what came back from flight after its endpoint had been paused or switched off; it is not claimed anyway.

    In a transaction of its own: whoever has deliveries locked may not wait for endpoints.
    """
    await connection.execute(_HOLD_STRAGGLERS)


async def resend(session: AsyncSession, delivery_id: DeliveryId, *, now: datetime) -> str:
    """Send a delivery again by hand, in whatever state it is; its schedule starts anew, its `webhook-id` stays.

    The caller nudges the deliverers afterwards. Returns its state now: pending, or held while its endpoint is not in
    service.

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
    return state


async def cancel(session: AsyncSession, delivery_id: DeliveryId, *, now: datetime) -> None:
    """Give a delivery up by hand: it is not sent any more, and the later events of its lead need not wait for it.

    The caller nudges the deliverers afterwards.

    Raises:
        NotFound: there is no such delivery.
        Conflict: it is being sent right now, or has come to an end that cannot be taken back.
    """
    if (await session.execute(_CANCEL, {"id": delivery_id, "now": now})).scalar_one():
        return
    state = (await session.execute(_STATE, {"id": delivery_id})).scalar()
    if state is None:
        raise NotFound("There is no such delivery.")
    raise Conflict("It is being sent right now." if state == "leased" else f"The delivery is {state} already.")
