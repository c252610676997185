"""A look over the whole base for leads that are one person: which are compared, and how far it has come."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from leadhub.domain.errors import Conflict
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.store.candidates import ABOUT_HOW_MANY
from leadhub.store.driver import Connection

_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class StoredScan:
    """How far a scan has come."""

    id: int
    after_id: UUID
    leads: int
    compared: int
    merged: int
    asked: int
    shown: Mapping[str, Any]
    started_at: datetime
    finished_at: datetime | None
    learnt: int | None


_OPEN = "SELECT * FROM dedupe_scan WHERE finished_at IS NULL"
_BEGIN = """
INSERT INTO dedupe_scan (after_id, leads, compared, merged, asked, shown, started_at)
VALUES ($1, 0, 0, 0, 0, '{}', $2) RETURNING *
"""
_DROP = "DELETE FROM dedupe_scan WHERE finished_at IS NULL"
_ADVANCE = """
UPDATE dedupe_scan SET after_id = $3, leads = leads + $4, compared = compared + $5, merged = merged + $6,
       shown = $7
 WHERE id = $1 AND after_id = $2 AND finished_at IS NULL
"""
_FINISH = """
UPDATE dedupe_scan SET finished_at = $2, learnt = $3, asked = $4, shown = '{}' WHERE id = $1 AND finished_at IS NULL
"""


async def unfinished(connection: Connection) -> StoredScan | None:
    """Return the scan that is under way, or that was cut short."""
    row = await connection.fetchrow(_OPEN)
    return StoredScan(**row) if row else None


async def begin(connection: Connection, *, now: datetime) -> StoredScan:
    """Start a scan.

    Raises:
        Conflict: another one was started in this moment.
    """
    try:
        row = await connection.fetchrow(_BEGIN, _FIRST, now)
    except asyncpg.UniqueViolationError:
        raise Conflict("Another scan was started just now.") from None
    assert row is not None  # noqa: S101 - RETURNING
    return StoredScan(**row)


async def drop_unfinished(connection: Connection) -> None:
    """Forget a scan that was cut short."""
    await connection.execute(_DROP)


async def advance(
    connection: Connection,
    scan: StoredScan,
    *,
    after_id: UUID,
    leads: int,
    compared: int,
    merged: int,
    shown: Mapping[str, Any],
) -> None:
    """Write down how far a scan has come; the numbers are those of the slice.

    Raises:
        Conflict: somebody else moved it on.
    """
    document = orjson.dumps(shown, default=str).decode()
    done = await connection.execute(_ADVANCE, scan.id, scan.after_id, after_id, leads, compared, merged, document)
    if done != "UPDATE 1":
        raise Conflict("Another scan is under way.")


async def finish(connection: Connection, scan_id: int, *, asked: int, learnt: int | None, now: datetime) -> None:
    """Close a scan."""
    await connection.execute(_FINISH, scan_id, now, learnt, asked)


_BECAME = "SELECT id, coalesce(merged_into, id) FROM lead WHERE id = ANY ($1::uuid[])"
_LIVING = "SELECT id FROM lead WHERE id > $1 AND merged_into IS NULL ORDER BY id LIMIT $2"
_BASE = f"SELECT {ABOUT_HOW_MANY}::bigint"
_COUNT = "SELECT count(*) FROM lead WHERE merged_into IS NULL"
_PROFILES = "SELECT id, profile::text FROM lead WHERE id = ANY ($1::uuid[]) AND merged_into IS NULL"


async def living_after(connection: Connection, after: UUID, *, rows: int) -> list[LeadId]:
    """Return the next living leads, oldest first."""
    return [LeadId(row[0]) for row in await connection.fetch(_LIVING, after, rows)]


async def became(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, LeadId]:
    """Return what each lead is by now: itself, or the one that it was merged into."""
    return {LeadId(row[0]): LeadId(row[1]) for row in await connection.fetch(_BECAME, list(ids))}


async def newest(connection: Connection, *, rows: int) -> list[LeadId]:
    """Return the newest living leads."""
    found = await connection.fetch("SELECT id FROM lead WHERE merged_into IS NULL ORDER BY id DESC LIMIT $1", rows)
    return [LeadId(row[0]) for row in found]


async def count_living(connection: Connection) -> int:
    """Return how many leads there are to look at."""
    count: int = await connection.fetchval(_COUNT)
    return count


async def base(connection: Connection) -> int:
    """Return about how many leads there are, as PostgreSQL's own statistics have it."""
    count: int = await connection.fetchval(_BASE)
    return count


async def profiles(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, dict[str, Any]]:
    """Return what matching knows of living leads: the shape of `domain.matching.profile`."""
    return {LeadId(row[0]): orjson.loads(row[1]) for row in await connection.fetch(_PROFILES, list(ids))}


_ADD_BLOCKS = """
INSERT INTO block_key (key, lead_id) SELECT * FROM unnest($1::bigint[], $2::uuid[]) ON CONFLICT DO NOTHING
"""


async def add_block_keys(connection: Connection, keys: Sequence[tuple[int, LeadId]]) -> None:
    """Let leads be found by the block keys of today; those of an older version stay, and do no harm."""
    await connection.execute(_ADD_BLOCKS, [key for key, _ in keys], [lead_id for _, lead_id in keys])


# Each key leads to those of its holders that are next older, so that what half the world shares costs no more than a
# rare one, and people who came one after the other still meet. A lead that was merged away leads on to its winner.
_OLDER = """
SELECT one, other FROM (
    SELECT one, other, row_number() OVER (PARTITION BY one ORDER BY count(*) DESC, other DESC) AS place
      FROM (
        SELECT b.lead_id AS one, coalesce(l.merged_into, l.id) AS other
          FROM unnest($1::uuid[]) AS d (lead_id)
         CROSS JOIN LATERAL (SELECT key, lead_id FROM block_key AS k WHERE k.lead_id = d.lead_id OFFSET 0) AS b
         CROSS JOIN LATERAL (
            SELECT lead_id FROM block_key AS k
             WHERE k.key = b.key AND k.lead_id < b.lead_id ORDER BY k.lead_id DESC LIMIT $2) AS o
         CROSS JOIN LATERAL (SELECT id, merged_into FROM lead WHERE id = o.lead_id OFFSET 0) AS l
         UNION ALL
        SELECT i.lead_id, o.lead_id
          FROM unnest($1::uuid[]) AS d (lead_id)
         CROSS JOIN LATERAL (
            SELECT kind, value, lead_id FROM identity_key AS k WHERE k.lead_id = d.lead_id OFFSET 0) AS i
         CROSS JOIN LATERAL (
            SELECT lead_id FROM identity_key AS k
             WHERE k.kind = i.kind AND k.value = i.value AND k.lead_id < i.lead_id
             ORDER BY k.lead_id DESC LIMIT $2) AS o) AS hit
     WHERE other < one
     GROUP BY one, other) AS pair
 WHERE place <= $3
 ORDER BY one, place
"""


async def older_alike(
    connection: Connection, ids: Sequence[LeadId], *, holders: int, most: int
) -> list[tuple[LeadId, LeadId]]:
    """Return pairs of leads that share a key: one of `ids`, and an older living one.

    Args:
        connection: in a transaction.
        ids: leads.
        holders: older leads looked at for each key.
        most: older ones for each lead, those with the most keys in common.
    """
    return [(LeadId(one), LeadId(other)) for one, other in await connection.fetch(_OLDER, list(ids), holders, most)]


_ASKED = """
SELECT m.lead_id, c.id, r.answer IS NULL AS is_open
  FROM membership AS m
  JOIN match_review AS r ON r.submission_id = m.submission_id
 CROSS JOIN LATERAL (SELECT coalesce(l.merged_into, l.id) AS id FROM lead AS l WHERE l.id = r.candidate_id) AS c
 WHERE m.lead_id = ANY ($1::uuid[]) AND c.id <> m.lead_id
"""


async def asked_already(connection: Connection, ids: Collection[LeadId]) -> dict[tuple[LeadId, LeadId], bool]:
    """Return the pairs of leads that a question was put about, one of them of these → whether one is open still."""
    asked: dict[tuple[LeadId, LeadId], bool] = {}
    for one, other, is_open in await connection.fetch(_ASKED, list(ids)):
        asked[one, other] = is_open or asked.get((one, other), False)
    return asked


_SUBMISSIONS_ASKED = "SELECT submission_id FROM match_review WHERE submission_id = ANY ($1::uuid[])"


async def that_ask(connection: Connection, ids: Collection[SubmissionId]) -> set[SubmissionId]:
    """Return those of these submissions that have a question already: each has room for one."""
    return {SubmissionId(row[0]) for row in await connection.fetch(_SUBMISSIONS_ASKED, list(ids))}


# How likely a stranger has the same value: of one that many have, its share; of any other (''), what their shares are
# on average, each counted as often as it is met.
_SHARES = """
WITH said AS (
    SELECT DISTINCT l.id, v.compares, v.value
      FROM lead AS l
     CROSS JOIN LATERAL (
           SELECT n.compares, n.value
             FROM jsonb_array_elements(coalesce(l.profile -> 'names', '[]')) AS name
            CROSS JOIN LATERAL (VALUES ('first name', name ->> 0), ('last name', name ->> 1)) AS n (compares, value)
            UNION ALL
           SELECT p.compares, p.value
             FROM jsonb_array_elements(coalesce(l.profile -> 'places', '[]')) AS place
            CROSS JOIN LATERAL (VALUES ('street', place ->> 0), ('town', place ->> 3)) AS p (compares, value)
           ) AS v
     WHERE l.merged_into IS NULL AND v.value <> ''
), held AS (
    SELECT compares, value, count(*) AS leads, sum(count(*)) OVER (PARTITION BY compares) AS total
      FROM said GROUP BY compares, value
)
SELECT compares, CASE WHEN leads >= $1 THEN value ELSE '' END, (sum(leads * leads) / sum(leads) / max(total))::float8
  FROM held GROUP BY 1, 2 ORDER BY CASE WHEN min(leads) >= $1 THEN 1 ELSE 0 END, sum(leads) DESC LIMIT $2
"""


async def shares(connection: Connection, *, least: int, most: int) -> dict[str, dict[str, float]]:
    """Return how common names, streets and towns are: the shape of `domain.matching.estimation.Shares`.

    Args:
        connection: in a transaction.
        least: leads that have a common value.
        most: values to return, the most common ones.
    """
    found: dict[str, dict[str, float]] = {}
    for compares, value, share in await connection.fetch(_SHARES, least, most):
        found.setdefault(compares, {})[value] = share
    return found
