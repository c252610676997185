"""Versions of the playbook, and how far the re-scoring after a publication has come."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from leadhub.domain.errors import NotFound
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class StoredPlaybook:
    """One version; `document` is the text as it was written."""

    version: int
    name: str
    reference: str
    document: str
    state: str
    """draft, shadow, active or retired."""
    author: str
    note: str
    created_at: datetime
    published_at: datetime | None
    published_by: str | None


@dataclass(frozen=True, slots=True)
class RescoreRun:
    """How far the re-scoring after a publication has come."""

    version: int
    reach: dict[str, Any]
    judged: int
    changed: int
    begins_at: datetime
    finished_at: datetime | None


_ACTIVE = text("SELECT * FROM playbook_version WHERE state = 'active'")
_RUNNING = text("SELECT * FROM playbook_version WHERE state IN ('active', 'shadow')")
_RUNNING_VERSIONS = text("SELECT state, version FROM playbook_version WHERE state IN ('active', 'shadow')")
_GET = text("SELECT * FROM playbook_version WHERE version = :version")
_LIST = text("""
SELECT * FROM playbook_version
 WHERE CAST(:before AS integer) IS NULL OR version < :before ORDER BY version DESC LIMIT :limit
""")


async def active(session: AsyncSession) -> StoredPlaybook | None:
    """Return the document that decides now; None only before the first migration."""
    row = (await session.execute(_ACTIVE)).mappings().one_or_none()
    return StoredPlaybook(**row) if row else None


async def running(session: AsyncSession) -> dict[str, StoredPlaybook]:
    """Return the version that decides and the one in shadow, by their states, as far as there are such."""
    return {row["state"]: StoredPlaybook(**row) for row in (await session.execute(_RUNNING)).mappings()}


async def running_versions(session: AsyncSession) -> dict[str, int]:
    """Return the numbers of both, likewise."""
    return {row.state: row.version for row in await session.execute(_RUNNING_VERSIONS)}


async def get(session: AsyncSession, version: int) -> StoredPlaybook:
    """Return one version.

    Raises:
        NotFound: there is none of that number.
    """
    row = (await session.execute(_GET, {"version": version})).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no version of that number.")
    return StoredPlaybook(**row)


async def list_versions(session: AsyncSession, *, limit: int, before: int | None = None) -> list[StoredPlaybook]:
    """Return versions, newest first."""
    rows = await session.execute(_LIST, {"limit": limit, "before": before})
    return [StoredPlaybook(**row) for row in rows.mappings()]


_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('leadhub playbook'))")
_INSERT = text("""
INSERT INTO playbook_version (version, name, reference, document, state, author, note, created_at)
SELECT coalesce(max(version), 0) + 1, :name, :reference, :document, 'draft', :author, :note, :now FROM playbook_version
RETURNING version
""")
_OTHER = text("""
SELECT version FROM playbook_version
 WHERE reference = :reference AND published_at IS NOT NULL AND document <> :document LIMIT 1
""")
_NEXT = text("""
SELECT coalesce(max(CAST(split_part(reference, '@', 2) AS integer)), 0) + 1
  FROM playbook_version WHERE name = :name AND published_at IS NOT NULL
""")


async def lock(session: AsyncSession) -> None:
    """Wait until nobody else adds or publishes a version, and keep others waiting until the commit."""
    await session.execute(_LOCK)


async def add_draft(
    session: AsyncSession, *, name: str, reference: str, document: str, author: str, note: str, now: datetime
) -> int:
    """Add a draft and return its number; the caller holds the lock."""
    values = {"name": name, "reference": reference, "document": document, "author": author, "note": note, "now": now}
    version: int = (await session.execute(_INSERT, values)).scalar_one()
    return version


async def published_otherwise(session: AsyncSession, *, reference: str, document: str) -> bool:
    """Return whether this reference was published before with another document."""
    found = await session.execute(_OTHER, {"reference": reference, "document": document})
    return found.first() is not None


async def next_number(session: AsyncSession, name: str) -> int:
    """Return the first version number of a name, as documents count, that nobody has published."""
    number: int = (await session.execute(_NEXT, {"name": name})).scalar_one()
    return number


_RETIRE = text("UPDATE playbook_version SET state = 'retired' WHERE state = 'active'")
_ACTIVATE = text("""
UPDATE playbook_version SET state = 'active', published_at = :now, published_by = :author WHERE version = :version
""")
_RUN = text("""
INSERT INTO rescore_run (version, reach, after_id, judged, changed, begins_at, finished_at)
VALUES (:version, CAST(:reach AS jsonb), :first, 0, 0, :begins_at, :finished_at)
""")
_FIRST = UUID(int=0)


async def activate(session: AsyncSession, version: int, *, author: str, now: datetime) -> None:
    """Make a version the one that decides; the caller holds the lock."""
    # Two statements: the index that allows one active row looks at each row as it changes.
    await session.execute(_RETIRE)
    await session.execute(_ACTIVATE, {"version": version, "author": author, "now": now})


_SET_STATE = text("UPDATE playbook_version SET state = :state WHERE version = :version")


async def set_state(session: AsyncSession, version: int, state: str) -> None:
    """Put a version in shadow, or make it a draft again; the caller holds the lock."""
    await session.execute(_SET_STATE, {"version": version, "state": state})


async def start_rescore(
    session: AsyncSession, version: int, reach: dict[str, Any], *, begins_at: datetime, finished_at: datetime | None
) -> None:
    """Note which leads a publication may touch; with `finished_at` there are none."""
    await session.execute(
        _RUN,
        {
            "version": version,
            "reach": orjson.dumps(reach).decode(),
            "first": _FIRST,
            "begins_at": begins_at,
            "finished_at": finished_at,
        },
    )


_RUNS = text("""
SELECT version, reach, judged, changed, begins_at, finished_at FROM rescore_run WHERE version = :version
""")


async def rescore_run(session: AsyncSession, version: int) -> RescoreRun | None:
    """Return how far the re-scoring of a version has come; None for one that was never published here."""
    row = (await session.execute(_RUNS, {"version": version})).one_or_none()
    return RescoreRun(*row) if row else None


_OPEN_RUN = """
SELECT version, reach, after_id FROM rescore_run
 WHERE finished_at IS NULL AND begins_at <= $1 ORDER BY version LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_ADVANCE = """
UPDATE rescore_run SET after_id = $2, judged = judged + $3, changed = changed + $4, finished_at = $5 WHERE version = $1
"""


async def claim_run(connection: Connection, *, now: datetime) -> tuple[int, dict[str, Any], UUID] | None:
    """Return an unfinished run, locked until the commit: its version, its reach, and where it stands."""
    row = await connection.fetchrow(_OPEN_RUN, now)
    return (row["version"], row["reach"], row["after_id"]) if row else None


async def advance_run(
    connection: Connection, version: int, *, after_id: UUID, judged: int, changed: int, finished_at: datetime | None
) -> None:
    """Write down how far a run has come, in the transaction that brought it there."""
    await connection.execute(_ADVANCE, version, after_id, judged, changed, finished_at)


_SEED = text("""
INSERT INTO playbook_version
       (version, name, reference, document, state, author, note, created_at, published_at, published_by)
SELECT 1, :name, :reference, :document, 'active', 'leadhub', 'shipped with LeadHub', :now, :now, 'leadhub'
 WHERE NOT EXISTS (SELECT FROM playbook_version)
""")


async def seed(connection: AsyncConnection, *, name: str, document: str, now: datetime) -> None:
    """Publish a shipped document, which calls itself version 1, in a database that has none."""
    await connection.execute(_SEED, {"name": name, "reference": f"{name}@1", "document": document, "now": now})
