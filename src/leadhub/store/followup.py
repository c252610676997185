"""Who in sales has a lead, and on which track the others are."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import LeadId

_CURSORS = text("""
WITH made AS (
    INSERT INTO team_cursor (team, position) SELECT t, 0 FROM unnest(CAST(:teams AS text[])) AS t ORDER BY t
    ON CONFLICT (team) DO UPDATE SET position = team_cursor.position
    RETURNING team, position)
SELECT team, position FROM made
""")


async def lock_cursors(session: AsyncSession, teams: Iterable[str]) -> dict[str, int]:
    """Return whose turn it is in each team; nobody else chooses an owner there until the commit.

    The update that changes nothing is what takes the lock, in the order of the names.
    """
    rows = await session.execute(_CURSORS, {"teams": sorted(teams)})
    return {row.team: row.position for row in rows}


_OPEN = text("""
SELECT owner, count(*) AS open FROM assignment
 WHERE released_at IS NULL AND owner = ANY (CAST(:owners AS text[])) GROUP BY owner
""")


async def open_leads(session: AsyncSession, owners: Iterable[str]) -> dict[str, int]:
    """Return how many leads each owner has open; an owner without one is absent."""
    rows = await session.execute(_OPEN, {"owners": list(owners)})
    return {row.owner: row.open for row in rows}


_RELEASE = text("""
UPDATE assignment AS a SET released_at = :now, release_reason = n.reason
  FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS n (lead_id, reason)
 WHERE a.lead_id = n.lead_id AND a.released_at IS NULL
""")


async def release(session: AsyncSession, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """Take leads back from whoever has them, each with the reason."""
    if reasons:
        await session.execute(_RELEASE, {"ids": list(reasons), "reasons": list(reasons.values()), "now": now})


_EXIT = text("""
UPDATE enrolment AS e SET exited_at = :now, exit_reason = n.reason
  FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS n (lead_id, reason)
 WHERE e.lead_id = n.lead_id AND e.exited_at IS NULL
""")


async def leave_tracks(session: AsyncSession, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """End the open enrolments of leads, each with the reason."""
    if reasons:
        await session.execute(_EXIT, {"ids": list(reasons), "reasons": list(reasons.values()), "now": now})
