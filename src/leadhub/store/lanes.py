"""Lanes: which deliveries a worker sends next, fair between endpoints and safe between workers.

A claim looks first, with one statement that locks nothing: most looks find nothing. Then it takes two statements on
purpose. The first locks lanes; the second, which sees everything committed before it began, counts what is leased in
them. As one statement it would count with the snapshot from before it had the locks, and two workers that arrive
together would each take a full cap. For the same reason its transaction must be READ COMMITTED. No claim waits for
anybody: lanes, hosts and rows that others hold are skipped. Where a lead's events go in order, a third statement in
between puts those that have to wait out of the way.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from leadhub.domain.ids import AttemptId, DeliveryId, EndpointId, EventId, LeadId, first_uuid7
from leadhub.domain.lane import LaneHealth
from leadhub.domain.subscription import Payload
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A delivery that a worker holds: only who knows the attempt's id can complete it."""

    delivery_id: DeliveryId
    attempt_id: AttemptId
    endpoint_id: EndpointId
    number: int
    """Of the attempt, from 1."""
    is_again: bool = False
    """Whether it is a retry or a replay."""
    is_in_doubt: bool = False
    """Whether its endpoint just failed, or hangs."""
    is_ordered: bool = False
    """Whether later events of its lead wait for its end."""
    schedule: tuple[timedelta, ...] | None = None
    """Of its endpoint, if it has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A leased delivery with all that sending it needs."""

    lease: Lease
    url: str
    endpoint_version: int
    """What the attempt says of the endpoint holds for this version of it only."""
    payload: Payload
    filter: str | None
    """Conditions as stored."""
    extras: bytes | None
    """Headers and authorization, sealed under `endpoint:{id}`."""
    lane_openings: int
    """Of the lane's circuit; above 0 this attempt is the probe."""
    lane_is_well: bool
    """Whether a success is no news."""
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
class Expiring:
    """An endpoint for which something is held that will be given up."""

    endpoint_id: EndpointId
    url: str
    state: str
    count: int
    oldest_at: datetime


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a worker can take: bounds within which a claim stays."""

    slots: int
    """Free ones."""
    again: int
    """Most retries and replays among them."""
    doubtful: int
    """Most to endpoints in doubt among them: those that just failed, and those not known to answer quickly."""
    host: int
    """Most in flight to one host, over all workers and all endpoints there."""
    busy: Mapping[EndpointId, int]
    """What this worker has in flight, by endpoint."""
    quick: Collection[EndpointId] = ()
    """Endpoints that lately answered this worker quickly, and keep it waiting for nothing now."""


# The counts are of the past, but here they only keep full lanes from standing at the front of the queue. The oldest due
# is looked up for each lane: as EXISTS it may be planned as a join with everything that waits. A lane whose circuit
# was opened has room for the one probe.
_LOOK = """
WITH full_host AS MATERIALIZED (
    SELECT o.host FROM delivery AS d JOIN lane AS o USING (endpoint_id)
     WHERE d.state = 'leased'
     GROUP BY o.host
    HAVING count(*) >= $5
)
SELECT l.endpoint_id,
       4 * coalesce(ours.busy, 0) < $2
       AND CASE l.openings WHEN 0 THEN l.width ELSE 1 END > (
           SELECT count(*) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'leased')
       AND l.host NOT IN (SELECT host FROM full_host)
       AND ($6 OR (l.failures + l.openings = 0 AND l.endpoint_id = ANY ($7::uuid[]))) AS has_room
  FROM lane AS l
  LEFT JOIN unnest($3::uuid[], $4::integer[]) AS ours (endpoint_id, busy) USING (endpoint_id)
 WHERE (l.blocked_until IS NULL OR l.blocked_until <= $1)
   AND EXISTS (SELECT FROM endpoint AS p WHERE p.id = l.endpoint_id AND p.state = 'active')
   AND least(
       (SELECT d.due_at FROM delivery AS d
         WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending' AND NOT d.is_again ORDER BY d.due_at LIMIT 1),
       (SELECT d.due_at FROM delivery AS d
         WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending' AND d.is_again ORDER BY d.due_at LIMIT 1)) <= $1
 ORDER BY has_room DESC, l.last_served_at, l.endpoint_id
 LIMIT $2
"""

# The claim need not survive a crash of PostgreSQL: its deliveries would be due again, and be repeated, as those are
# whose results a crash lost. So nobody waits for the disk before the first byte goes out. What is recorded later is
# flushed, and with it every commit before it.
# A host is locked too where the caps of its lanes together allow more than the host's: only then has it to be counted.
_LOCK_LANES = """
WITH crowded AS MATERIALIZED (
    SELECT host FROM lane WHERE host IN (SELECT host FROM lane WHERE endpoint_id = ANY ((SELECT $1::uuid[])::uuid[]))
     GROUP BY host
    HAVING sum(cap) > $2
)
SELECT l.endpoint_id, p.ordering = 'lead' AS is_ordered, set_config('synchronous_commit', 'off', true)
  FROM lane AS l
  JOIN endpoint AS p ON p.id = l.endpoint_id
 WHERE l.endpoint_id = ANY ((SELECT $1::uuid[])::uuid[])
   AND CASE WHEN l.host IN (SELECT host FROM crowded)
            THEN pg_try_advisory_xact_lock(hashtextextended(l.host, 7)) ELSE true END
   FOR UPDATE OF l SKIP LOCKED
"""

# What waits for an earlier event of its lead is due when that one is: else a claim would pass over it again and again,
# and thousands behind one that fails would make each claim slow. That it is not sent too early is seen to by the claim
# itself; that it is not sent too late, by `complete`, which makes the next one due. What is in flight may come back at
# this very moment, so behind that a second is the longest wait. Behind an event that was given up, at an endpoint that
# blocks then, it is looked at anew now and then: its owner may have changed his mind.
_PUT_BEHIND = """
WITH behind AS (
    SELECT d.id, b.state, b.due_at
      FROM endpoint AS p
      JOIN delivery AS d ON d.endpoint_id = p.id AND d.state = 'pending' AND d.due_at <= $1 AND d.is_ordered
     CROSS JOIN LATERAL (
        SELECT b.state, b.due_at FROM delivery AS b
         WHERE b.endpoint_id = d.endpoint_id AND b.lead_id = d.lead_id AND b.is_ordered AND b.sequence < d.sequence
           AND b.state IN ('pending', 'leased', 'held', 'dead') AND (b.state <> 'dead' OR p.poison = 'block')
         ORDER BY b.sequence LIMIT 1
     ) AS b
     WHERE p.id = ANY ($2::uuid[]) AND (b.state <> 'pending' OR b.due_at > $1)
     LIMIT 5000
       FOR UPDATE OF d SKIP LOCKED
)
UPDATE delivery AS d
   SET due_at = CASE behind.state WHEN 'pending' THEN behind.due_at WHEN 'leased' THEN $1 + interval '1 second'
                                  ELSE $1 + interval '10 minutes' END
  FROM behind
 WHERE d.id = behind.id
"""

# Every lane gets its first delivery before any gets its second, and none more than a quarter of the slots that are
# still free then. Those in doubt share half of the slots: however many hang, the rest stays for the others. A lane
# sends what is new and what is sent again in turn. Lanes that yield nothing are stamped too, else they would be first
# again. A lane with a limit a minute has a bucket that holds a second's worth; when it is empty, the whole lane waits.
# The attempt's id is the lease's token.
_LEASE = """
WITH lanes AS MATERIALIZED (
    SELECT l.endpoint_id, asked.busy, p.url, p.version, p.payload, p.filter, p.extras, p.schedule, l.per_minute, l.host,
           p.poison = 'block' AS blocks,
           l.failures + l.openings > 0 OR l.endpoint_id <> ALL ($9::uuid[]) AS in_doubt,
           CASE WHEN l.per_minute > 0
                THEN least(greatest(1, l.per_minute / 60.0),
                           l.tokens + extract(epoch FROM $1 - l.last_served_at) * l.per_minute / 60.0) END AS tokens,
           l.openings, l.width = l.cap AND l.openings + l.failing_attempts = 0 AND l.window_from IS NULL AS is_well,
           CASE l.openings WHEN 0 THEN l.width ELSE 1 END
               - (SELECT count(*) FROM delivery AS c WHERE c.endpoint_id = l.endpoint_id AND c.state = 'leased')
           AS room,
           ARRAY(SELECT s.id FROM endpoint_secret AS s
                  WHERE s.endpoint_id = l.endpoint_id AND (s.valid_until IS NULL OR s.valid_until > $1)
                  ORDER BY s.valid_until IS NOT NULL, s.id DESC) AS secret_ids,
           ARRAY(SELECT s.sealed FROM endpoint_secret AS s
                  WHERE s.endpoint_id = l.endpoint_id AND (s.valid_until IS NULL OR s.valid_until > $1)
                  ORDER BY s.valid_until IS NOT NULL, s.id DESC) AS secrets
      FROM unnest((SELECT $2::uuid[]), $3::integer[]) AS asked (endpoint_id, busy)
      JOIN lane AS l USING (endpoint_id)
      JOIN endpoint AS p ON p.id = l.endpoint_id
), hosts AS MATERIALIZED (
    SELECT o.host, $8 - count(d.id) AS room
      FROM lane AS o
      LEFT JOIN delivery AS d ON d.endpoint_id = o.endpoint_id AND d.state = 'leased'
     WHERE o.host IN (SELECT host FROM lane WHERE host IN (SELECT host FROM lanes) GROUP BY host HAVING sum(cap) > $8)
     GROUP BY o.host
), due AS MATERIALIZED (
    SELECT oldest.*, lanes.busy, lanes.in_doubt, lanes.host, least(lanes.room, floor(lanes.tokens)) AS room
      FROM lanes
     CROSS JOIN (VALUES (false), (true)) AS kind (is_again)
     CROSS JOIN LATERAL (
        SELECT d.id, d.event_id, d.endpoint_id, d.is_again, d.due_at
          FROM delivery AS d
         WHERE d.endpoint_id = lanes.endpoint_id AND d.state = 'pending' AND d.is_again = kind.is_again
           AND d.due_at <= $1
           AND NOT (d.is_ordered AND EXISTS (
               SELECT FROM delivery AS b
                WHERE b.endpoint_id = d.endpoint_id AND b.lead_id = d.lead_id AND b.is_ordered
                  AND b.sequence < d.sequence AND b.state IN ('pending', 'leased', 'held', 'dead')
                  AND (b.state <> 'dead' OR lanes.blocks)))
         ORDER BY d.due_at, d.event_id
         LIMIT greatest(0, least(lanes.room, floor(lanes.tokens)))
           FOR UPDATE SKIP LOCKED
     ) AS oldest
), taking_turns AS (
    SELECT *, row_number() OVER (PARTITION BY endpoint_id, is_again ORDER BY due_at, event_id) AS turn FROM due
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY endpoint_id ORDER BY turn, due_at, event_id) AS place_in_lane
      FROM taking_turns
), of_its_kind AS (
    SELECT *, busy + place_in_lane AS held,
           row_number() OVER (PARTITION BY is_again ORDER BY busy + place_in_lane, due_at, event_id) AS place_of_kind,
           row_number() OVER (PARTITION BY in_doubt ORDER BY busy + place_in_lane, due_at, event_id) AS place_in_doubt,
           row_number() OVER (PARTITION BY host ORDER BY busy + place_in_lane, due_at, event_id) AS place_at_host
      FROM ranked
     WHERE place_in_lane <= room
), queued AS (
    SELECT id, held, row_number() OVER (ORDER BY held, due_at, event_id) AS place
      FROM of_its_kind
      LEFT JOIN hosts USING (host)
     WHERE (NOT is_again OR place_of_kind <= $6)
       AND (NOT in_doubt OR place_in_doubt <= $7)
       AND (hosts.room IS NULL OR place_at_host <= hosts.room)
), leased AS (
    UPDATE delivery AS d
       SET state = 'leased', lease_token = ($4::uuid[])[queued.place], lease_until = $5, attempts = d.attempts + 1
      FROM queued
     WHERE d.id = queued.id AND queued.place <= cardinality($4::uuid[])
       AND 4 * (queued.held - 1) < cardinality($4::uuid[]) - queued.place + 1
 RETURNING d.id, d.endpoint_id, d.event_id, d.event_type, d.lead_id, d.lease_token, d.attempts, d.is_again, d.is_ordered
), stamped AS (
    UPDATE lane AS l
       SET last_served_at = $1, tokens = coalesce(spent.rest, 0),
           blocked_until = CASE WHEN spent.rest < 1
               THEN greatest(l.blocked_until, $1 + (1 - spent.rest) * 60.0 / l.per_minute * interval '1 second')
               ELSE l.blocked_until END
      FROM (SELECT endpoint_id, tokens - (SELECT count(*) FROM leased WHERE leased.endpoint_id = lanes.endpoint_id)
                   AS rest FROM lanes) AS spent
     WHERE l.endpoint_id = spent.endpoint_id
)
SELECT leased.*, lanes.url, lanes.version, lanes.payload, lanes.filter, lanes.extras, lanes.schedule,
       lanes.secret_ids, lanes.secrets, e.sequence, e.received_at, e.body,
       lanes.room, lanes.in_doubt, lanes.openings, lanes.is_well, (SELECT count(*) FROM of_its_kind) AS wanted
  FROM leased
  JOIN lanes USING (endpoint_id)
  LEFT JOIN LATERAL (SELECT sequence, received_at, body FROM event WHERE id = leased.event_id LIMIT 1) AS e ON true
"""

_OLDEST_DUE = """
SELECT min(oldest.due_at)
  FROM lane
 CROSS JOIN (VALUES (false), (true)) AS kind (is_again)
 CROSS JOIN LATERAL (
    SELECT d.due_at FROM delivery AS d
     WHERE d.endpoint_id = lane.endpoint_id AND d.state = 'pending' AND d.is_again = kind.is_again
     ORDER BY d.due_at LIMIT 1
 ) AS oldest
 WHERE oldest.due_at <= $1
"""


# Only what came to no end is that old: what did is deleted long before. What waits in order is looked at anew now and
# then, which makes it due anew: of that, only its age counts.
_EXPIRING = """
SELECT d.endpoint_id, p.url, p.state, count(*) AS count, min(d.created_at) AS oldest_at
  FROM delivery AS d
  JOIN endpoint AS p ON p.id = d.endpoint_id
  JOIN lane AS l USING (endpoint_id)
 WHERE d.id < $1 AND d.state IN ('pending', 'held') AND (d.due_at < $2 OR d.is_ordered)
   AND (l.expiry_told_at IS NULL OR l.expiry_told_at < $3)
 GROUP BY d.endpoint_id, p.url, p.state
 ORDER BY d.endpoint_id
"""


async def look(connection: Connection, room: Room, *, now: datetime) -> Look:
    """Return the lanes that a worker with so much room should claim from."""
    busy = room.busy
    rows = await connection.fetch(
        _LOOK, now, room.slots, list(busy), list(busy.values()), room.host, room.doubtful > 0, list(room.quick)
    )
    return Look(
        lanes=tuple(EndpointId(row["endpoint_id"]) for row in rows if row["has_room"]),
        is_more=any(not row["has_room"] for row in rows),
    )


async def claim(
    connection: Connection,
    found: Look,
    room: Room,
    *,
    now: datetime,
    attempt_ids: Sequence[AttemptId],
    lease_until: datetime,
) -> Batch:
    """Lease the oldest due deliveries of the lanes that a look found.

    Two statements, however many; three where leads' events go in order. The caller commits before it sends.

    Args:
        connection: in a transaction.
        found: by a look just now.
        room: of the worker, as at that look.
        now: of the worker.
        attempt_ids: one for each free slot, made now: the attempt's id is also the lease's token.
        lease_until: when others may take the deliveries for lost.
    """
    lanes = await connection.fetch(_LOCK_LANES, found.lanes, room.host)
    locked = [row["endpoint_id"] for row in lanes]
    if not locked:
        return Batch(is_more=True)
    if ordered := [row["endpoint_id"] for row in lanes if row["is_ordered"]]:
        await connection.execute(_PUT_BEHIND, now, ordered)
    rows = await connection.fetch(
        _LEASE,
        now,
        locked,
        [room.busy.get(endpoint, 0) for endpoint in locked],
        attempt_ids,
        lease_until,
        room.again,
        room.doubtful,
        room.host,
        list(room.quick),
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
            is_again=row["is_again"],
            is_in_doubt=row["in_doubt"],
            is_ordered=row["is_ordered"],
            schedule=waits(row["schedule"]),
        ),
        url=row["url"],
        endpoint_version=row["version"],
        payload=row["payload"],
        filter=row["filter"],
        extras=row["extras"],
        lane_openings=row["openings"],
        lane_is_well=row["is_well"],
        secrets=tuple(zip(row["secret_ids"], row["secrets"], strict=True)),
        event_id=EventId(row["event_id"]),
        event_type=row["event_type"],
        lead_id=row["lead_id"],
        sequence=row["sequence"],
        received_at=row["received_at"],
        body=row["body"],
    )


def waits(seconds: Sequence[int] | None) -> tuple[timedelta, ...] | None:
    """Return an endpoint's own schedule as it was stored."""
    return None if seconds is None else tuple(timedelta(seconds=one) for one in seconds)


async def oldest_due(connection: Connection, *, now: datetime) -> datetime | None:
    """Return since when the delivery that waits longest has been due; None if nothing waits."""
    found: datetime | None = await connection.fetchval(_OLDEST_DUE, now)
    return found


_LOCK_HEALTH = """
SELECT endpoint_id, cap, width, clean, blocked_until, failures, window_from, window_attempts, window_failures, openings,
       failing_since, failing_attempts, warnings, redirects, because
  FROM lane WHERE endpoint_id = ANY ($1::uuid[])
 ORDER BY endpoint_id
   FOR UPDATE
"""

_SAVE_HEALTH = """
UPDATE lane AS l
   SET width = h.width, clean = h.clean, blocked_until = h.blocked_until, failures = h.failures,
       window_from = h.window_from, window_attempts = h.window_attempts, window_failures = h.window_failures,
       openings = h.openings, failing_since = h.failing_since, failing_attempts = h.failing_attempts,
       warnings = h.warnings, redirects = h.redirects, because = h.because
  FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::timestamptz[], $5::integer[], $6::timestamptz[],
              $7::integer[], $8::integer[], $9::integer[], $10::timestamptz[], $11::integer[], $12::integer[],
              $13::integer[], $14::text[])
    AS h (endpoint_id, width, clean, blocked_until, failures, window_from, window_attempts, window_failures, openings,
          failing_since, failing_attempts, warnings, redirects, because)
 WHERE l.endpoint_id = h.endpoint_id
"""

_FAILING = """
SELECT l.endpoint_id FROM lane AS l JOIN endpoint AS p ON p.id = l.endpoint_id
 WHERE (l.failing_since <= $1 OR (l.redirects >= $2 AND l.warnings = 0)) AND p.state = 'active'
"""


async def lock_health(connection: Connection, endpoints: Collection[EndpointId]) -> dict[EndpointId, LaneHealth]:
    """Return how endpoints do, locked against others who learn something of them; those deleted are absent."""
    rows = await connection.fetch(_LOCK_HEALTH, list(endpoints))
    return {
        EndpointId(row["endpoint_id"]): LaneHealth(
            **{name: value for name, value in row.items() if name != "endpoint_id"}
        )
        for row in rows
    }


async def save_health(connection: Connection, healths: Mapping[EndpointId, LaneHealth]) -> None:
    """Write how locked endpoints do."""
    found = healths.values()
    await connection.execute(
        _SAVE_HEALTH,
        list(healths),
        [one.width for one in found],
        [one.clean for one in found],
        [one.blocked_until for one in found],
        [one.failures for one in found],
        [one.window_from for one in found],
        [one.window_attempts for one in found],
        [one.window_failures for one in found],
        [one.openings for one in found],
        [one.failing_since for one in found],
        [one.failing_attempts for one in found],
        [one.warnings for one in found],
        [one.redirects for one in found],
        [one.because for one in found],
    )


async def failing(connection: Connection, *, before: datetime, redirects: int) -> list[EndpointId]:
    """Return the endpoints in service for which nothing has succeeded since before an instant.

    And those not yet warned of that answered with so many redirects in a row.
    """
    return [EndpointId(row["endpoint_id"]) for row in await connection.fetch(_FAILING, before, redirects)]


async def expiring(connection: Connection, *, before: datetime, told_before: datetime) -> list[Expiring]:
    """Return endpoints that did not take what came before an instant, unless it was told of them lately."""
    return [
        Expiring(EndpointId(row["endpoint_id"]), row["url"], row["state"], row["count"], row["oldest_at"])
        for row in await connection.fetch(_EXPIRING, first_uuid7(before), before, told_before)
    ]


async def note_expiry_told(connection: Connection, endpoints: Sequence[EndpointId], *, now: datetime) -> None:
    """Note that it was told of endpoints."""
    await connection.execute("UPDATE lane SET expiry_told_at = $2 WHERE endpoint_id = ANY ($1::uuid[])", endpoints, now)
