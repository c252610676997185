"""The small queue of submissions that wait to be processed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId, SubmissionId
from leadhub.domain.submission import Content
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class Claimed:
    """A submission that a worker has taken, this being its n-th try."""

    submission_id: SubmissionId
    attempts: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A claimed submission with what came and the connection through which it came."""

    submission_id: SubmissionId
    received_at: datetime
    content: Content
    source_id: SourceId
    source_name: str
    channel: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parked:
    """Where a submission that was put aside came from."""

    source_name: str
    channel: str


# A claim that a crash of PostgreSQL loses is only made again, so nobody waits for the disk before the work starts:
# the setting holds until the commit of the statement's own transaction.
_CLAIM = """
UPDATE pending_submission SET attempts = attempts + 1, due_at = $2
 WHERE submission_id IN (
    SELECT submission_id FROM pending_submission
     WHERE failed_at IS NULL AND is_bulk = $4 AND due_at <= $1
     ORDER BY due_at, submission_id
     LIMIT $3
       FOR UPDATE SKIP LOCKED)
RETURNING submission_id, attempts, set_config('synchronous_commit', 'off', true)
"""


async def claim(connection: Connection, *, now: datetime, rows: int, lease: timedelta) -> list[Claimed]:
    """Take up to `rows` due submissions, oldest first; their tries are counted before any work starts.

    What a file brought is taken only when nothing else is due, so that an import holds no live lead up.

    A claim is a lease: it moves the row's due time on, so what a killed worker held comes back by itself.

    Args:
        connection: outside of a transaction; the claim must stand before the work begins.
        now: of the worker.
        rows: at most so many.
        lease: how long they are this worker's.
    """
    taken = await connection.fetch(_CLAIM, now, now + lease, rows, False)  # noqa: FBT003 - a parameter of the statement
    if not taken:
        taken = await connection.fetch(_CLAIM, now, now + lease, rows, True)  # noqa: FBT003 - as above
    return sorted((Claimed(row[0], row[1]) for row in taken), key=lambda claimed: claimed.submission_id)


# Locking the pending rows again makes a worker whose lease ran out, and whose batch another one is doing or has
# done, find nothing: a submission is processed once. Lateral with a limit, so that each row is looked up by its id,
# whatever plan was made when the tables were small; and by the array again, so that only its partitions are opened.
_LOAD = """
WITH mine AS MATERIALIZED (
    SELECT submission_id FROM pending_submission
     WHERE submission_id = ANY ($1::uuid[]) AND failed_at IS NULL
     ORDER BY submission_id
       FOR UPDATE SKIP LOCKED)
SELECT s.id, s.received_at, s.content::text, s.source_id, c.name, c.channel, c.options
  FROM mine
 CROSS JOIN LATERAL (
    SELECT * FROM submission WHERE id = mine.submission_id AND id = ANY ($1::uuid[]) LIMIT 1) AS s
  JOIN source AS c ON c.id = s.source_id
 ORDER BY s.id
"""


async def load(connection: Connection, ids: Sequence[SubmissionId]) -> list[Waiting]:
    """Return those of the claimed submissions that are still to do, locked, in the order of receipt."""
    return [
        Waiting(row[0], row[1], Content.model_validate_json(row[2]), row[3], row[4], row[5], row[6])
        for row in await connection.fetch(_LOAD, list(ids))
    ]


_RETRY = "UPDATE pending_submission SET due_at = $2, error = $3 WHERE submission_id = $1"
_PARK = """
UPDATE pending_submission AS p SET failed_at = $2, error = $3
  FROM submission AS s JOIN source AS c ON c.id = s.source_id
 WHERE p.submission_id = $1 AND p.failed_at IS NULL AND s.id = p.submission_id
RETURNING c.name, c.channel
"""


async def retry(connection: Connection, submission_id: SubmissionId, *, due_at: datetime, error: str) -> None:
    """Put a submission back for a later try."""
    await connection.execute(_RETRY, submission_id, due_at, error)


async def park(connection: Connection, submission_id: SubmissionId, *, now: datetime, error: str) -> Parked | None:
    """Put a submission aside as failed, visible and replayable; return where it came from, None if it was aside."""
    row = await connection.fetchrow(_PARK, submission_id, now, error)
    return Parked(*row) if row else None


_REPLAY = text("""
UPDATE pending_submission SET failed_at = NULL, error = NULL, attempts = 0, due_at = :now
 WHERE failed_at IS NOT NULL AND (CAST(:id AS uuid) IS NULL OR submission_id = :id)
""")


async def replay(session: AsyncSession, *, now: datetime, submission_id: SubmissionId | None = None) -> int:
    """Queue one parked submission, or all, again; return how many."""
    result = await session.execute(_REPLAY, {"now": now, "id": submission_id})
    count: int = result.rowcount  # type: ignore[attr-defined] # a CursorResult for any UPDATE; the stub says Result
    return count
