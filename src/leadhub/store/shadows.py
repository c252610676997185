"""What a version in shadow would decide: one row for each lead that was judged beside it, the newest judgement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.store.driver import Connection
from leadhub.store.leads import Row, rows_document

# A worker may believe for a moment longer that the version is in shadow; what it says then is not wanted any more.
_NOTE = """
INSERT INTO shadow_judgement (version, lead_id, against, before, after, judged_at)
SELECT $1, r.lead_id, r.against, r.before, r.after, $3
  FROM jsonb_to_recordset($2::jsonb) AS r (lead_id uuid, against text, before jsonb, after jsonb)
 WHERE EXISTS (SELECT FROM playbook_version WHERE version = $1 AND state = 'shadow')
ON CONFLICT (version, lead_id) DO UPDATE SET
    against = excluded.against, before = excluded.before, after = excluded.after, judged_at = excluded.judged_at
"""


async def note(connection: Connection, version: int, rows: Sequence[Row], *, now: datetime) -> None:
    """Write down what a version would have decided of leads that are locked: lead_id, against, before, after."""
    if rows:
        await connection.execute(_NOTE, version, rows_document(rows), now)


_FORGET = text("DELETE FROM shadow_judgement WHERE version = :version")


async def forget(session: AsyncSession, version: int) -> None:
    """Forget what a version said in an earlier time in shadow."""
    await session.execute(_FORGET, {"version": version})


@dataclass(frozen=True, slots=True)
class Counted:
    """How many leads were judged beside a version."""

    leads: int
    changed: int
    """Of those, how many would have another stage, temperature or route."""
    rescored: int
    """And how many another total."""
    since: datetime | None
    """The oldest judgement."""


_AGAINST = text("SELECT against FROM shadow_judgement WHERE version = :version ORDER BY judged_at DESC LIMIT 1")
# What a lead was before it became part of another one is nobody's any more; and tests count nowhere.
_JUDGED = """
  FROM shadow_judgement AS s JOIN lead AS l ON l.id = s.lead_id AND l.merged_into IS NULL AND NOT l.is_test
 WHERE s.version = :version AND s.against = :against
"""
_MOVED = "(s.before - 'total') <> (s.after - 'total')"
_COUNT = text(f"""
SELECT count(*), count(*) FILTER (WHERE {_MOVED}),
       count(*) FILTER (WHERE s.before->'total' <> s.after->'total'), min(s.judged_at) {_JUDGED}
""")
_MOVES = text(f"""
SELECT what, s.before->>what, s.after->>what, count(*) FROM (
    SELECT s.before, s.after {_JUDGED} AND {_MOVED}) AS s
 CROSS JOIN unnest(ARRAY['stage', 'temperature', 'route']) AS what
 WHERE s.before->>what <> s.after->>what
 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT :limit
""")  # noqa: S608
_EXAMPLES = text(f"""
SELECT s.lead_id, s.before, s.after {_JUDGED} AND {_MOVED} ORDER BY s.judged_at DESC, s.lead_id LIMIT :limit
""")


async def newest_rival(session: AsyncSession, version: int) -> str | None:
    """Return the reference of the playbook beside which a version was judged last; None if it never was."""
    found: str | None = (await session.execute(_AGAINST, {"version": version})).scalar_one_or_none()
    return found


async def count(session: AsyncSession, version: int, *, against: str) -> Counted:
    """Count the leads that were judged by a version and by the playbook of a reference."""
    return Counted(*(await session.execute(_COUNT, {"version": version, "against": against})).one())


async def moves(session: AsyncSession, version: int, *, against: str, limit: int) -> list[tuple[str, str, str, int]]:
    """Return what would move from where to where and for how many leads, the most frequent first."""
    values = {"version": version, "against": against, "limit": limit}
    return [(row[0], row[1], row[2], row[3]) for row in await session.execute(_MOVES, values)]


async def examples(
    session: AsyncSession, version: int, *, against: str, limit: int
) -> list[tuple[UUID, dict[str, Any], dict[str, Any]]]:
    """Return leads that would move, the newest judged first, with where they stand by both."""
    values = {"version": version, "against": against, "limit": limit}
    return [(row[0], row[1], row[2]) for row in await session.execute(_EXAMPLES, values)]


_PURGE = text("""
WITH gone AS (
    DELETE FROM shadow_judgement WHERE (version, lead_id) IN (
        SELECT s.version, s.lead_id FROM shadow_judgement AS s JOIN playbook_version AS v USING (version)
         WHERE v.state <> 'shadow' AND s.judged_at < :before LIMIT 10000)
    RETURNING 1)
SELECT count(*) FROM gone
""")


async def purge(session: AsyncSession, *, before: datetime) -> int:
    """Forget up to 10,000 old judgements of versions that are not in shadow any more; return how many."""
    purged: int = (await session.execute(_PURGE, {"before": before})).scalar_one()
    return purged
