"""What PostgreSQL says of itself: whether a commit is durable, how far it is migrated, how much waits in it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from leadhub.domain.ids import uuid7_time
from leadhub.store.migrations import SCRIPTS

MOST_COUNTED = 100_000
"""A longer queue is reported as this long: counting it would cost more than the difference says."""

_DURABILITY = text(
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
)
_REVISION = text("SELECT version_num FROM alembic_version")
_HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_QUEUE = text("""
SELECT (SELECT count(*) FROM (SELECT 1 FROM pending_submission WHERE failed_at IS NULL LIMIT :most) AS waiting),
       (SELECT count(*) FROM (SELECT 1 FROM pending_submission WHERE failed_at IS NOT NULL LIMIT :most) AS parked),
       (SELECT submission_id FROM pending_submission WHERE failed_at IS NULL ORDER BY submission_id LIMIT 1)
""")


_LANES = text("""
SELECT l.endpoint_id, CASE l.openings WHEN 0 THEN l.width ELSE 0 END AS width, l.failing_since,
       (SELECT count(*) FROM delivery AS d WHERE d.endpoint_id = l.endpoint_id AND d.state = 'leased') AS in_flight,
       least((SELECT d.due_at FROM delivery AS d
               WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending' AND NOT d.is_again
               ORDER BY d.due_at LIMIT 1),
             (SELECT d.due_at FROM delivery AS d
               WHERE d.endpoint_id = l.endpoint_id AND d.state = 'pending' AND d.is_again
               ORDER BY d.due_at LIMIT 1)) AS oldest
  FROM lane AS l
 ORDER BY oldest NULLS LAST, l.endpoint_id
 LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLoad:
    """How an endpoint does."""

    endpoint_id: UUID
    width: int
    """Most webhooks at once; 0 while its circuit is open."""
    in_flight: int
    oldest_seconds: float
    failing_seconds: float


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits to be processed."""

    waiting: int
    parked: int
    oldest_seconds: float


def revisions() -> tuple[str, ...]:
    """Return this version's revisions, newest first. Reads files: for the start of a process, not for a request."""
    return tuple(script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions())


async def not_durable(connection: AsyncConnection) -> list[str]:
    """Return the settings under which an acknowledged lead could be lost with the power; none is as it should be."""
    rows = await connection.execute(_DURABILITY)
    return sorted(name for name, setting in rows.all() if setting == "off")


async def is_behind(connection: AsyncConnection, known: tuple[str, ...]) -> bool:
    """Whether the database lacks a revision of this version.

    A revision that this version does not know is a newer one: while an upgrade rolls out, the old gateways go on.
    """
    if not (await connection.execute(_HAS_REVISION)).scalar_one():
        return True
    applied = (await connection.execute(_REVISION)).scalar_one_or_none()
    return applied is None or applied in known[1:]


async def queue(connection: AsyncConnection, *, now: datetime) -> Queue:
    """Return the length and age of the queue of pending submissions."""
    waiting, parked, oldest = (await connection.execute(_QUEUE, {"most": MOST_COUNTED})).one()
    age = max(0.0, (now - uuid7_time(oldest)).total_seconds()) if oldest else 0.0
    return Queue(waiting, parked, age)


async def lanes(connection: AsyncConnection, *, now: datetime, most: int) -> list[LaneLoad]:
    """Return how endpoints do, at most so many: those first for which something has been due for longest."""
    rows = (await connection.execute(_LANES, {"most": most})).all()
    return [
        LaneLoad(
            endpoint_id=row.endpoint_id,
            width=row.width,
            in_flight=row.in_flight,
            oldest_seconds=_age(row.oldest, now),
            failing_seconds=_age(row.failing_since, now),
        )
        for row in rows
    ]


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
