"""How the sales floor stands: what everybody has to do, and what waits."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.owners import Load

_LOADS = text("SELECT owner, open_leads, recent, credit FROM owner_load ORDER BY owner")
_WAITING = text("""
SELECT team, count(*) AS leads, min(routed_at) AS since FROM assignment
 WHERE owner IS NULL AND released_at IS NULL GROUP BY team ORDER BY team
""")
_QUEUE = text("""
SELECT a.lead_id, coalesce(a.queue, a.team) AS queue, a.team, a.because, a.sla, a.due_at, a.routed_at
  FROM assignment AS a
 WHERE a.owner IS NULL AND a.released_at IS NULL
   AND (CAST(:queue AS text) IS NULL OR coalesce(a.queue, a.team) = :queue)
   AND (CAST(:routed_at AS timestamptz) IS NULL OR (a.routed_at, a.lead_id) > (:routed_at, CAST(:lead_id AS uuid)))
 ORDER BY a.routed_at, a.lead_id LIMIT :limit
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many leads wait for a team, and since when the first of them does."""

    team: str
    leads: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedLead:
    """A lead that waits."""

    lead_id: UUID
    queue: str
    team: str
    because: str
    sla: str | None
    due_at: datetime | None
    routed_at: datetime


async def loads(session: AsyncSession) -> dict[str, Load]:
    """Return what everybody has to do who ever had a lead."""
    rows = await session.execute(_LOADS)
    return {row.owner: Load(row.open_leads, list(row.recent), row.credit) for row in rows}


async def waiting(session: AsyncSession) -> dict[str, Waiting]:
    """Return what waits for each team; one for which nothing does is absent."""
    return {row["team"]: Waiting(**row) for row in (await session.execute(_WAITING)).mappings()}


async def queue(
    session: AsyncSession, *, name: str | None = None, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[QueuedLead]:
    """Return leads that wait, the longest waiting first."""
    routed_at, lead_id = after or (None, None)
    values = {"queue": name, "limit": limit, "routed_at": routed_at, "lead_id": lead_id}
    return [QueuedLead(**row) for row in (await session.execute(_QUEUE, values)).mappings()]
