"""Versions of the playbook: immutable, one of them active."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


@dataclass(frozen=True, slots=True)
class StoredPlaybook:
    """A published document."""

    version: int
    name: str
    document: str
    author: str
    note: str
    created_at: datetime


_ACTIVE = text("""
SELECT version, name, document, author, note, created_at FROM playbook_version WHERE state = 'active'
""")
_ACTIVE_VERSION = text("SELECT version FROM playbook_version WHERE state = 'active'")


async def active(session: AsyncSession) -> StoredPlaybook | None:
    """Return the document that decides now; None only before the first migration."""
    row = (await session.execute(_ACTIVE)).one_or_none()
    return StoredPlaybook(*row) if row else None


async def active_version(session: AsyncSession) -> int | None:
    """Return the number of the document that decides now."""
    version: int | None = (await session.execute(_ACTIVE_VERSION)).scalar_one_or_none()
    return version


_SEED = text("""
INSERT INTO playbook_version (version, name, document, state, author, note, created_at)
SELECT 1, :name, :document, 'active', 'leadhub', 'shipped with LeadHub', :now
 WHERE NOT EXISTS (SELECT FROM playbook_version)
""")


async def seed(connection: AsyncConnection, *, name: str, document: str, now: datetime) -> None:
    """Publish a shipped document in a database that has none."""
    await connection.execute(_SEED, {"name": name, "document": document, "now": now})
