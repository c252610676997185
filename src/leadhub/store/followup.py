"""Who in sales has a lead, and on which track the others are."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import LeadId
from leadhub.store.leads import Row, rows_document

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


_SET_CURSORS = text("""
UPDATE team_cursor AS c SET position = n.position
  FROM unnest(CAST(:teams AS text[]), CAST(:positions AS integer[])) AS n (team, position) WHERE c.team = n.team
""")


async def set_cursors(session: AsyncSession, cursors: dict[str, int]) -> None:
    """Write whose turn is next."""
    await session.execute(_SET_CURSORS, {"teams": list(cursors), "positions": list(cursors.values())})


_OPEN = text("""
SELECT owner, count(*) AS open FROM assignment
 WHERE released_at IS NULL AND owner = ANY (CAST(:owners AS text[])) GROUP BY owner
""")


async def open_leads(session: AsyncSession, owners: Iterable[str]) -> dict[str, int]:
    """Return how many leads each owner has open; an owner without one is absent."""
    rows = await session.execute(_OPEN, {"owners": list(owners)})
    return {row.owner: row.open for row in rows}


_ASSIGN = text("""
INSERT INTO assignment (id, lead_id, team, owner, rule, because, sla, due_at, assigned_at)
SELECT * FROM json_to_recordset(CAST(:rows AS json))
    AS r (id uuid, lead_id uuid, team text, owner text, rule text, because text, sla text, due_at timestamptz,
          assigned_at timestamptz)
""")
_RELEASE = text("""
UPDATE assignment AS a SET released_at = :now, release_reason = n.reason
  FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS n (lead_id, reason)
 WHERE a.lead_id = n.lead_id AND a.released_at IS NULL
""")


async def assign(session: AsyncSession, rows: Sequence[Row]) -> None:
    """Hand leads that nobody has to somebody."""
    if rows:
        await session.execute(_ASSIGN, {"rows": rows_document(rows)})


async def release(session: AsyncSession, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """Take leads back from whoever has them, each with the reason."""
    if reasons:
        await session.execute(_RELEASE, {"ids": list(reasons), "reasons": list(reasons.values()), "now": now})


_EXIT = text("""
UPDATE enrolment AS e SET exited_at = :now, exit_reason = n.reason
  FROM unnest(CAST(:ids AS uuid[]), CAST(:reasons AS text[])) AS n (lead_id, reason)
 WHERE e.lead_id = n.lead_id AND e.exited_at IS NULL
""")
_ENROL = text("""
INSERT INTO enrolment (id, lead_id, track, because, enrolled_at)
SELECT * FROM json_to_recordset(CAST(:rows AS json))
    AS r (id uuid, lead_id uuid, track text, because text, enrolled_at timestamptz)
""")


async def leave_tracks(session: AsyncSession, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """End the open enrolments of leads, each with the reason."""
    if reasons:
        await session.execute(_EXIT, {"ids": list(reasons), "reasons": list(reasons.values()), "now": now})


async def enrol(session: AsyncSession, rows: Sequence[Row]) -> None:
    """Put leads that are on no track on one."""
    if rows:
        await session.execute(_ENROL, {"rows": rows_document(rows)})
