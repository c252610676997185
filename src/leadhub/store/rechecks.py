"""Leads that are to be compared once more, shortly after they were made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.store.driver import Connection

_CLAIM = """
DELETE FROM match_recheck WHERE lead_id IN (
    SELECT lead_id FROM match_recheck WHERE due_at <= $1 ORDER BY due_at, lead_id LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING lead_id
"""


async def claim(connection: Connection, *, now: datetime, rows: int) -> list[LeadId]:
    """Take leads that are due; one whose worker dies is left to the next look over the whole base."""
    return [LeadId(row[0]) for row in await connection.fetch(_CLAIM, now, rows)]


# A lead's id holds the time at which it was made, so the index on (key, lead_id) leads straight to the newest ones.
_BESIDE = """
SELECT one, other FROM (
SELECT b.lead_id AS one, o.lead_id AS other,
       row_number() OVER (PARTITION BY b.lead_id ORDER BY count(*) DESC, o.lead_id) AS place
  FROM unnest($1::uuid[]) AS d (lead_id)
 CROSS JOIN LATERAL (SELECT key, lead_id FROM block_key AS k WHERE k.lead_id = d.lead_id OFFSET 0) AS b
 CROSS JOIN LATERAL (
    SELECT lead_id FROM block_key AS k
     WHERE k.key = b.key AND k.lead_id >= $2 AND k.lead_id < b.lead_id ORDER BY k.lead_id DESC LIMIT 20) AS o
 GROUP BY b.lead_id, o.lead_id) AS pair
 WHERE place <= $3
 ORDER BY one, other
"""


async def made_beside(
    connection: Connection, ids: Sequence[LeadId], *, since: UUID, most: int
) -> list[tuple[LeadId, LeadId]]:
    """Return pairs of leads that share a block key: one of `ids`, and an older one made since an instant.

    Args:
        connection: in a transaction.
        ids: leads.
        since: the first id that an instant can have.
        most: older ones for each lead, those with the most keys in common.
    """
    return [(LeadId(one), LeadId(other)) for one, other in await connection.fetch(_BESIDE, list(ids), since, most)]


_ASK = """
INSERT INTO match_review (submission_id, lead_id, candidate_id, bits, match, asked_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (submission_id) DO NOTHING
"""


async def ask(
    connection: Connection,
    *,
    submission_id: SubmissionId,
    lead_id: LeadId,
    candidate_id: LeadId,
    bits: float,
    match: dict[str, Any],
    now: datetime,
) -> None:
    """Put a question, unless the submission has one already."""
    document = orjson.dumps(match).decode()
    await connection.execute(_ASK, submission_id, lead_id, candidate_id, bits, document, now)
