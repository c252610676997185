"""Steps of tracks: which are due, who sends them, what was sent.

A handful of statements a lease, however many steps.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from leadhub.domain.ids import LeadId
from leadhub.domain.steps import Postpone
from leadhub.store.driver import Connection
from leadhub.store.leads import Row, rows_document

MOST_REMEMBERED: Final = 1_000
"""Messages of one lead that a cap looks at."""


@dataclass(frozen=True, slots=True)
class Place:
    """A lead's time on a track."""

    enrolment_id: UUID
    lead_id: LeadId
    track: str


@dataclass(frozen=True, slots=True)
class History:
    """What a lead got on a track in earlier times."""

    done: str | None
    """The step that was sent last."""
    left_at: datetime | None
    doubtful: str | None = None
    """A step that was leased and never acknowledged: it may have been sent."""
    doubtful_attempt: int = 0


NEVER: Final = History(None, None)


_HISTORIES = """
SELECT k.lead_id, k.track, sent.step, e.left_at, doubt.step, coalesce(doubt.attempt, 0)
  FROM unnest($1::uuid[], $2::text[]) AS k (lead_id, track)
  LEFT JOIN LATERAL (
    SELECT max(exited_at) AS left_at FROM enrolment WHERE lead_id = k.lead_id AND track = k.track) AS e ON true
  LEFT JOIN LATERAL (
    SELECT step FROM nurture_item
     WHERE lead_id = k.lead_id AND track = k.track AND (state = 'sent' OR (state = 'leased' AND due_at > $3))
     ORDER BY id DESC LIMIT 1) AS sent ON true
  LEFT JOIN LATERAL (
    SELECT step, attempt FROM nurture_item
     WHERE lead_id = k.lead_id AND track = k.track AND attempt > 0 AND sent_at IS NULL
     ORDER BY id DESC LIMIT 1) AS doubt ON true
"""


async def histories(
    connection: Connection, came: Sequence[tuple[LeadId, str]], *, now: datetime
) -> dict[tuple[LeadId, str], History]:
    """Return what leads that come to a track got there before; one statement, none for nobody."""
    if not came:
        return {}
    rows = await connection.fetch(_HISTORIES, [lead for lead, _ in came], [track for _, track in came], now)
    return {(row[0], row[1]): History(row[2], row[3], row[4], row[5]) for row in rows}


@dataclass(frozen=True, slots=True)
class Due:
    """A step that may be sent now, its row and its lead's locked until the commit."""

    id: UUID
    enrolment_id: UUID
    lead_id: LeadId
    track: str
    step: str
    channel: str
    content: str
    window_name: str | None
    due_at: datetime
    attempt: int
    hold_decided: bool


# Whoever works on a lead may be about to withdraw its consent: such leads are passed over until that is decided.
_DUE = """
SELECT i.id, i.enrolment_id, i.lead_id, i.track, i.step, i.channel, i.content, i.window_name, i.due_at, i.attempt,
       i.hold_decided
  FROM nurture_item AS i
  JOIN enrolment AS e ON e.id = i.enrolment_id AND e.exited_at IS NULL
  JOIN lead AS l ON l.id = i.lead_id AND l.merged_into IS NULL
 WHERE i.track = $1 AND i.state IN ('waiting', 'leased') AND i.due_at <= $2 AND (NOT l.is_test OR $4)
 ORDER BY i.due_at, i.id LIMIT $3
   FOR UPDATE OF i SKIP LOCKED
   FOR NO KEY UPDATE OF l SKIP LOCKED
"""


async def due(connection: Connection, track: str, *, now: datetime, rows: int, include_test: bool) -> list[Due]:
    """Return due steps, the longest overdue first, and lock them with their leads; what others hold is left to them."""
    return [Due(*row) for row in await connection.fetch(_DUE, track, now, rows, include_test)]


_LEADS = "SELECT * FROM lead WHERE id = ANY ($1::uuid[])"


async def leads_of(connection: Connection, ids: Collection[LeadId]) -> list[dict[str, Any]]:
    """Return leads that are locked already, as their rows."""
    return [dict(row) for row in await connection.fetch(_LEADS, list(ids))]


_SENT = """
SELECT k.lead_id, k.channel, s.at
  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS k (lead_id, channel, since)
 CROSS JOIN LATERAL (
    SELECT coalesce(sent_at, due_at) AS at FROM nurture_item AS i
     WHERE i.lead_id = k.lead_id AND i.channel = k.channel AND i.state IN ('sent', 'leased')
       AND coalesce(sent_at, due_at) > k.since AND i.id <> ALL ($4::uuid[])
     ORDER BY i.id DESC LIMIT $5) AS s
"""


async def sent_since(
    connection: Connection, asked: Mapping[tuple[LeadId, str], datetime], *, but: Collection[UUID]
) -> dict[tuple[LeadId, str], list[datetime]]:
    """Return when leads were written to on a channel since an instant; what is leased counts as sent."""
    found: dict[tuple[LeadId, str], list[datetime]] = {}
    if asked:
        leads, channels = [lead for lead, _ in asked], [channel for _, channel in asked]
        for row in await connection.fetch(_SENT, leads, channels, list(asked.values()), list(but), MOST_REMEMBERED):
            found.setdefault((row[0], row[1]), []).append(row[2])
    return found


_BLOCKED = """
SELECT DISTINCT mine.lead_id, f.type
  FROM identity_key AS mine
  JOIN identity_key AS theirs ON theirs.kind = mine.kind AND theirs.value = mine.value
  JOIN fact AS f ON f.lead_id = theirs.lead_id AND f.type = ANY ($2::text[])
 WHERE mine.lead_id = ANY ($1::uuid[]) AND mine.kind = 'email' AND mine.status = 'shared'
   AND theirs.lead_id <> mine.lead_id
"""


async def blocked_elsewhere(
    connection: Connection, ids: Collection[LeadId], types: Collection[str]
) -> dict[LeadId, str]:
    """Return leads whose mailbox another lead, who uses it too, has closed to us, each with what was done there."""
    if not ids or not types:
        return {}
    return dict(await connection.fetch(_BLOCKED, list(ids), list(types)))


_LEASE = """
UPDATE nurture_item AS i
   SET state = 'leased', attempt = attempt + 1, lease_token = t.token, due_at = $3, because = NULL
  FROM unnest($1::uuid[], $2::uuid[]) AS t (id, token) WHERE i.id = t.id
"""
_POSTPONE = """
UPDATE nurture_item AS i
   SET state = 'waiting', lease_token = NULL, due_at = n.until, because = n.because, signal = n.signal,
       hold_decided = true
  FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[]) AS n (id, until, because, signal)
 WHERE i.id = n.id
"""
_RELEASE = """
UPDATE nurture_item AS i SET due_at = $3, signal = NULL, because = 'signal: ' || n.signal
  FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[])) AS n (lead_id, signal)
 WHERE i.lead_id = n.lead_id AND i.signal = n.signal AND i.state = 'waiting'
"""
_RELEASE_UNKNOWN = """
UPDATE nurture_item SET due_at = least(due_at, $3), signal = NULL, because = 'signal: ' || signal || ' is no more'
 WHERE enrolment_id = ANY ($1::uuid[]) AND state = 'waiting' AND signal IS NOT NULL AND signal <> ALL ($2::text[])
"""


async def lease(connection: Connection, tokens: Mapping[UUID, UUID], *, until: datetime) -> None:
    """Give steps to a sender until an instant, each under a token; locked ones only."""
    if tokens:
        await connection.execute(_LEASE, list(tokens), list(tokens.values()), until)


async def postpone(connection: Connection, later: Mapping[UUID, Postpone]) -> None:
    """Let steps wait longer; locked ones only."""
    if later:
        waits = later.values()
        untils, reasons, signals = ([getattr(one, name) for one in waits] for name in ("until", "because", "signal"))
        await connection.execute(_POSTPONE, list(later), untils, reasons, signals)


async def release(connection: Connection, signals: Collection[tuple[LeadId, str]], *, now: datetime) -> None:
    """Let the steps come that wait for a signal which holds for their leads, which are locked."""
    if signals:
        leads, names = [lead for lead, _ in signals], [name for _, name in signals]
        await connection.execute(_RELEASE, leads, names, now)


async def release_unknown(
    connection: Connection, enrolments: Collection[UUID], known: Collection[str], *, now: datetime
) -> None:
    """Let the steps of enrolments come that wait for a signal which the playbook has no more."""
    await connection.execute(_RELEASE_UNKNOWN, list(enrolments), list(known), now)


@dataclass(frozen=True, slots=True)
class Held:
    """A step as its sender asks for it, its row locked."""

    id: UUID
    enrolment_id: UUID
    lead_id: LeadId
    track: str
    step: str
    state: str
    lease_token: UUID | None
    is_on_track: bool


_HELD = """
SELECT i.id, i.enrolment_id, i.lead_id, i.track, i.step, i.state, i.lease_token,
       EXISTS (SELECT FROM enrolment AS e WHERE e.id = i.enrolment_id AND e.exited_at IS NULL)
  FROM nurture_item AS i WHERE i.id = $1 FOR UPDATE
"""
_ACK = "UPDATE nurture_item SET state = 'sent', sent_at = $2, because = NULL WHERE id = ANY ($1::uuid[])"
_EXTEND = "UPDATE nurture_item SET due_at = $2 WHERE id = $1"
_LOCK_LEAD = "SELECT l.id FROM lead AS l JOIN nurture_item AS i ON i.lead_id = l.id WHERE i.id = $1 FOR SHARE OF l"


async def held(connection: Connection, item_id: UUID) -> Held | None:
    """Return a step and lock it, its lead first, as processing does: whether it is on its track stays so."""
    await connection.execute(_LOCK_LEAD, item_id)
    row = await connection.fetchrow(_HELD, item_id)
    return Held(*row) if row else None


async def sent(connection: Connection, ids: Collection[UUID], *, now: datetime) -> None:
    """Note that steps were sent."""
    await connection.execute(_ACK, list(ids), now)


async def extend(connection: Connection, item_id: UUID, *, until: datetime) -> None:
    """Let a lease end later."""
    await connection.execute(_EXTEND, item_id, until)


_PUT = """
INSERT INTO nurture_item (id, enrolment_id, lead_id, track, step, channel, content, window_name, state, due_at, attempt)
SELECT id, enrolment_id, lead_id, track, step, channel, content, window_name, state, due_at, attempt
  FROM jsonb_to_recordset($1::jsonb) AS r (
    id uuid, enrolment_id uuid, lead_id uuid, track text, step text, channel text, content text, window_name text,
    state text, due_at timestamptz, attempt integer)
"""


async def put(connection: Connection, rows: Sequence[Row]) -> None:
    """Add steps that are to come."""
    if rows:
        await connection.execute(_PUT, rows_document(rows))


_HOLD = """
UPDATE nurture_item SET due_at = $2, because = $3, signal = $4, hold_decided = true
 WHERE lead_id = $1 AND state = 'waiting' RETURNING id
"""


async def hold(connection: Connection, lead_id: LeadId, wait: Postpone) -> bool:
    """Let a lead's next step wait until an instant or a signal, or come at once; return whether there is one."""
    return await connection.fetchval(_HOLD, lead_id, wait.until, wait.because, wait.signal) is not None


_UNPLANNED = """
SELECT e.id, e.lead_id, e.track, e.enrolled_at,
       EXISTS (SELECT FROM nurture_item AS i WHERE i.enrolment_id = e.id AND i.state IN ('waiting', 'leased'))
  FROM enrolment AS e
 WHERE e.exited_at IS NULL AND (e.planned_by IS NULL OR e.planned_by < $1 OR e.planned_by > $1)
 ORDER BY e.id LIMIT $2 FOR UPDATE OF e SKIP LOCKED
"""
_PLANNED = "UPDATE enrolment SET planned_by = $2 WHERE id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Unplanned:
    """An enrolment that another playbook planned."""

    id: UUID
    lead_id: LeadId
    track: str
    enrolled_at: datetime
    has_step: bool


async def unplanned(connection: Connection, reference: str, *, rows: int) -> list[Unplanned]:
    """Return open enrolments that this playbook has not looked at yet, locked."""
    return [Unplanned(*row) for row in await connection.fetch(_UNPLANNED, reference, rows)]


async def planned(connection: Connection, ids: Collection[UUID], reference: str) -> None:
    """Note by which playbook enrolments are planned."""
    await connection.execute(_PLANNED, list(ids), reference)


_RAISE = """
UPDATE lead AS l SET sequence = sequence + n.times
  FROM unnest($1::uuid[], $2::integer[]) AS n (id, times) WHERE l.id = n.id
"""


async def raise_sequences(connection: Connection, times: Mapping[LeadId, int]) -> None:
    """Count events of leads that are locked."""
    await connection.execute(_RAISE, list(times), list(times.values()))
