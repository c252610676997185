"""Leads that a platform announced and that are still to be fetched there, and orders to erase one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId, SubmissionId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class NewNotification:
    """One announcement, as it comes in."""

    id: UUID
    source_id: SourceId
    object_id: str
    action: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Announced:
    """A claimed announcement, this being its n-th try."""

    id: UUID
    object_id: str
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Order:
    """A platform's order to erase a lead."""

    id: UUID
    source_id: SourceId
    submission_id: SubmissionId
    """The lead's submission; of a lead that never came, an id that no submission has."""


# The tombstone is the lead's own idempotency key: with it taken, the inbox answers a late lead as a repeat and stores
# nothing, whichever way it comes. Of two that race, one takes the key: a lead that was faster is then erased.
_INSERT = text("""
WITH incoming AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS uuid[]), CAST(:objects AS text[]),
                         CAST(:actions AS text[]), CAST(:moments AS timestamptz[]))
        AS t (id, source_id, object_id, action, received_at)
), buried AS (
    INSERT INTO submission_key (source_id, dedupe_key, submission_id, fingerprint, created_at, permanent)
    SELECT source_id, object_id, id, '', received_at, true FROM incoming WHERE action = 'deleted'
     ORDER BY source_id, object_id
    ON CONFLICT DO NOTHING
), obsolete AS (
    DELETE FROM notification AS n USING incoming AS i
     WHERE i.action = 'deleted' AND n.source_id = i.source_id AND n.object_id = i.object_id AND n.action = 'created'
)
INSERT INTO notification (id, source_id, object_id, action, received_at, due_at, attempts)
SELECT i.id, i.source_id, i.object_id, i.action, i.received_at, i.received_at, 0 FROM incoming AS i
 WHERE i.action = 'deleted'
    OR NOT EXISTS (SELECT 1 FROM submission_key AS k WHERE k.source_id = i.source_id AND k.dedupe_key = i.object_id)
 ORDER BY i.source_id, i.object_id, i.action
ON CONFLICT DO NOTHING
""")


async def insert(session: AsyncSession, rows: Sequence[NewNotification]) -> int:
    """Keep announcements of leads that are not here yet, and orders to erase; return how many were new."""
    done = await session.execute(
        _INSERT,
        {
            "ids": [row.id for row in rows],
            "sources": [row.source_id for row in rows],
            "objects": [row.object_id for row in rows],
            "actions": [row.action for row in rows],
            "moments": [row.received_at for row in rows],
        },
    )
    return int(done.rowcount)  # type: ignore[attr-defined] # an INSERT's result has it


_DUE = """
SELECT t.source_id FROM source_token AS t JOIN source AS s ON s.id = t.source_id
 WHERE s.enabled AND t.needs_reauth_since IS NULL AND (t.paused_until IS NULL OR t.paused_until <= $1) AND EXISTS (
    SELECT 1 FROM notification AS n
     WHERE n.source_id = t.source_id AND n.failed_at IS NULL AND n.done_at IS NULL AND n.due_at <= $1
       AND n.action = 'created')
"""
_CLAIM = """
UPDATE notification SET attempts = attempts + 1, due_at = $3
 WHERE id IN (
    SELECT n.id FROM notification AS n
      JOIN source_token AS t ON t.source_id = n.source_id JOIN source AS s ON s.id = n.source_id
     WHERE n.source_id = $2 AND n.failed_at IS NULL AND n.done_at IS NULL AND n.due_at <= $1
       AND n.action = 'created'
       AND s.enabled AND t.needs_reauth_since IS NULL
       AND (t.paused_until IS NULL OR t.paused_until <= $1)
     ORDER BY n.due_at, n.id LIMIT $4 FOR UPDATE OF n SKIP LOCKED)
RETURNING id, object_id, received_at, attempts
"""


async def due_sources(connection: Connection, *, now: datetime) -> list[SourceId]:
    """Return the sources of which announced leads can be fetched now."""
    return [SourceId(row[0]) for row in await connection.fetch(_DUE, now)]


async def claim(
    connection: Connection, source_id: SourceId, *, now: datetime, rows: int, lease: timedelta
) -> list[Announced]:
    """Take up to `rows` due announcements of a source that may ask; what a dead worker took comes back."""
    taken = await connection.fetch(_CLAIM, now, source_id, now + lease, rows)
    return sorted((Announced(*row) for row in taken), key=lambda one: one.id)


async def finish(connection: Connection, ids: Sequence[UUID]) -> int:
    """Forget announcements: their leads are in the inbox, or will never be; return how many were still there."""
    return len(await connection.fetch("DELETE FROM notification WHERE id = ANY ($1::uuid[]) RETURNING 1", ids))


_FINISH_OBJECTS = """
DELETE FROM notification WHERE source_id = $1 AND object_id = ANY ($2::text[]) AND action = 'created' RETURNING 1
"""


async def finish_objects(connection: Connection, source_id: SourceId, object_ids: Sequence[str]) -> int:
    """Forget announcements of leads that came by another way; return how many there were."""
    return len(await connection.fetch(_FINISH_OBJECTS, source_id, object_ids))


async def put_back(connection: Connection, dues: Mapping[UUID, datetime], *, errors: Mapping[UUID, str]) -> None:
    """Put announcements back for a later try, with their reasons."""
    statement = (
        "UPDATE notification AS n SET due_at = t.due_at, error = t.error"
        " FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS t (id, due_at, error) WHERE n.id = t.id"
    )
    if dues:
        await connection.execute(statement, list(dues), list(dues.values()), [errors[one] for one in dues])


async def give_back(connection: Connection, ids: Sequence[UUID], *, now: datetime, error: str | None) -> None:
    """Put announcements back as if they had not been tried: it was not their fault."""
    statement = (
        "UPDATE notification SET due_at = $2, attempts = attempts - 1, error = coalesce($3, error)"
        " WHERE id = ANY ($1::uuid[])"
    )
    if ids:
        await connection.execute(statement, ids, now, error)


async def park(connection: Connection, errors: Mapping[UUID, str], *, now: datetime) -> None:
    """Put announcements aside, visible and replayable."""
    statement = (
        "UPDATE notification AS n SET failed_at = $3, error = t.error"
        " FROM unnest($1::uuid[], $2::text[]) AS t (id, error) WHERE n.id = t.id"
    )
    if errors:
        await connection.execute(statement, list(errors), list(errors.values()), now)


_PARK_NEW = """
INSERT INTO notification (id, source_id, object_id, action, received_at, due_at, attempts, failed_at, error)
VALUES ($1, $2, $3, 'created', $4, $4, 0, $4, $5)
ON CONFLICT DO NOTHING
"""


async def park_new(connection: Connection, row: NewNotification, *, error: str) -> None:
    """Put a lead aside that was found and could not be read, unless it waits already."""
    await connection.execute(_PARK_NEW, row.id, row.source_id, row.object_id, row.received_at, error)


async def replay(session: AsyncSession, source_id: SourceId, *, now: datetime) -> int:
    """Try again what was put aside; return how many."""
    statement = text(
        "UPDATE notification SET failed_at = NULL, attempts = 0, due_at = :now"
        " WHERE source_id = :id AND failed_at IS NOT NULL"
    )
    return int((await session.execute(statement, {"id": source_id, "now": now})).rowcount)  # type: ignore[attr-defined]


_CLAIM_ORDERS = """
WITH mine AS (
    SELECT id FROM notification
     WHERE action = 'deleted' AND done_at IS NULL AND failed_at IS NULL AND due_at <= $1
     ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE notification AS n SET attempts = attempts + 1, due_at = $2 FROM mine WHERE n.id = mine.id
    RETURNING n.id, n.source_id, n.object_id
)
SELECT t.id, t.source_id, k.submission_id
  FROM taken AS t JOIN submission_key AS k ON k.source_id = t.source_id AND k.dedupe_key = t.object_id
"""


async def claim_orders(connection: Connection, *, now: datetime, rows: int, lease: timedelta) -> list[Order]:
    """Take orders to erase that were not carried out yet."""
    found = await connection.fetch(_CLAIM_ORDERS, now, now + lease, rows)
    return [Order(row[0], SourceId(row[1]), SubmissionId(row[2])) for row in found]


async def carried_out(connection: Connection, order_id: UUID, *, now: datetime) -> None:
    """Note that an order was carried out. It stays: it is the proof, and what a person finds."""
    await connection.execute("UPDATE notification SET done_at = $2, error = NULL WHERE id = $1", order_id, now)
