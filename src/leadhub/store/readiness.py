"""What PostgreSQL says of itself: whether a commit is durable, how far it is migrated, how much waits in it."""

from dataclasses import dataclass
from datetime import datetime

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
