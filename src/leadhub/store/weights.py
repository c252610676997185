"""Versions of the table of bits that matching adds up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from leadhub.domain.errors import NotFound
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """One version."""

    version: int
    document: dict[str, Any]
    """The shape of `domain.matching.weights`."""
    state: str
    """draft, active or retired."""
    author: str
    note: str
    created_at: datetime
    activated_at: datetime | None
    activated_by: str | None


_ACTIVE_VERSION = "SELECT version FROM weights_version WHERE state = 'active'"
_GET = "SELECT * FROM weights_version WHERE version = $1"
_LIST = """
SELECT * FROM weights_version WHERE $2::integer IS NULL OR version < $2 ORDER BY version DESC LIMIT $1
"""


async def active_version(connection: Connection) -> int | None:
    """Return the number of the table that decides; None only before the first migration."""
    version: int | None = await connection.fetchval(_ACTIVE_VERSION)
    return version


async def get(connection: Connection, version: int) -> StoredWeights:
    """Return one version.

    Raises:
        NotFound: there is none of that number.
    """
    row = await connection.fetchrow(_GET, version)
    if row is None:
        raise NotFound("There is no version of that number.")
    return StoredWeights(**row)


async def list_versions(connection: Connection, *, limit: int, before: int | None = None) -> list[StoredWeights]:
    """Return versions, newest first."""
    return [StoredWeights(**row) for row in await connection.fetch(_LIST, limit, before)]


_LOCK = "SELECT pg_advisory_xact_lock(hashtext('leadhub weights'))"
_NEXT = "SELECT coalesce(max(version), 0) + 1 FROM weights_version"
_INSERT = """
INSERT INTO weights_version (version, document, state, author, note, created_at) VALUES ($1, $2, 'draft', $3, $4, $5)
"""
_RETIRE = "UPDATE weights_version SET state = 'retired' WHERE state = 'active'"
_ACTIVATE = """
UPDATE weights_version SET state = 'active', activated_at = $2, activated_by = $3 WHERE version = $1
"""
_BEFORE = """
SELECT version FROM weights_version WHERE state = 'retired' ORDER BY activated_at DESC, version DESC LIMIT 1
"""


async def next_version(connection: Connection) -> int:
    """Return the number of the version to be added; nobody else adds or activates one until the commit."""
    await connection.execute(_LOCK)
    number: int = await connection.fetchval(_NEXT)
    return number


async def add(
    connection: Connection, version: int, document: dict[str, Any], *, author: str, note: str, now: datetime
) -> None:
    """Add a draft under the number that `next_version` gave."""
    await connection.execute(_INSERT, version, orjson.dumps(document).decode(), author, note, now)


async def activate(connection: Connection, version: int, *, author: str, now: datetime) -> None:
    """Make a version the one that decides.

    Raises:
        NotFound: there is none of that number.
    """
    await connection.execute(_LOCK)
    if (await get(connection, version)).state == "active":
        return
    # Two statements: the index that allows one active row looks at each row as it changes.
    await connection.execute(_RETIRE)
    await connection.execute(_ACTIVATE, version, now, author)


async def decided_before(connection: Connection) -> int | None:
    """Return the version that decided before the active one."""
    await connection.execute(_LOCK)
    version: int | None = await connection.fetchval(_BEFORE)
    return version


_SHIPPED = "shipped with LeadHub"
"""The note of a table that nobody learnt or wrote."""
_ADD_SHIPPED = text("""
INSERT INTO weights_version (version, document, state, author, note, created_at)
SELECT coalesce(max(version), 0) + 1, CAST(:document AS jsonb), 'draft', 'leadhub', :note, :now FROM weights_version
HAVING NOT coalesce(bool_or(note = :note AND document = CAST(:document AS jsonb)), false)
RETURNING version
""")
_RETIRE_SHIPPED = text("UPDATE weights_version SET state = 'retired' WHERE state = 'active' AND note = :note")
_ACTIVATE_FIRST = text("""
UPDATE weights_version SET state = 'active', activated_at = :now, activated_by = 'leadhub'
 WHERE version = :version AND NOT EXISTS (SELECT FROM weights_version WHERE state = 'active')
""")


async def seed(connection: AsyncConnection, document: dict[str, Any], *, now: datetime) -> None:
    """Add the shipped table if it is not there; it decides, unless somebody chose a table that was not shipped."""
    await connection.execute(text(_LOCK))
    values = {"document": orjson.dumps(document).decode(), "note": _SHIPPED, "now": now}
    version = (await connection.execute(_ADD_SHIPPED, values)).scalar_one_or_none()
    if version is not None:
        await connection.execute(_RETIRE_SHIPPED, {"note": _SHIPPED})
        await connection.execute(_ACTIVATE_FIRST, {"version": version, "now": now})
