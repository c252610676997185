"""Leads that are to be compared once more, shortly after they were made."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from leadhub.domain.ids import LeadId
from leadhub.store.driver import Connection

_CLAIM = """
UPDATE match_recheck SET due_at = $2 WHERE lead_id IN (
    SELECT lead_id FROM match_recheck WHERE due_at <= $1 ORDER BY due_at, lead_id LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING lead_id
"""
_DONE = "DELETE FROM match_recheck WHERE lead_id = ANY ($1::uuid[])"


async def claim(connection: Connection, *, now: datetime, lease: timedelta, rows: int) -> list[LeadId]:
    """Take leads that are due; those of a worker that dies are due again when the lease ends."""
    return [LeadId(row[0]) for row in await connection.fetch(_CLAIM, now, now + lease, rows)]


async def done(connection: Connection, ids: Sequence[LeadId]) -> None:
    """Strike leads off: they were compared."""
    await connection.execute(_DONE, list(ids))


# A lead's id holds the time at which it was made, so the index on (key, lead_id) leads straight to the newest ones.
#
# Only what the look behind a lead could not see is compared again: a key that was written by a transaction that its
# snapshot does not know as committed, and not by its own batch, which compared its leads with each other. `xmin` is the
# number of that transaction, but for its upper half; the right one is the nearest to the snapshot's.
_BESIDE = """
SELECT one, other FROM (
SELECT b.lead_id AS one, o.lead_id AS other,
       row_number() OVER (PARTITION BY b.lead_id ORDER BY count(*) DESC, o.lead_id) AS place
  FROM unnest($1::uuid[], $2::uuid[]) AS d (lead_id, since)
  JOIN match_recheck AS r USING (lead_id)
 CROSS JOIN LATERAL (SELECT pg_snapshot_xmax(r.seen::pg_snapshot)::text::bigint AS next) AS s
 CROSS JOIN LATERAL (SELECT key, lead_id, xmin AS writer FROM block_key AS k WHERE k.lead_id = d.lead_id OFFSET 0) AS b
 CROSS JOIN LATERAL (
    SELECT lead_id FROM block_key AS k
     WHERE k.key = b.key AND k.lead_id >= d.since AND k.lead_id < b.lead_id AND k.xmin <> b.writer
       AND pg_visible_in_snapshot(
               (s.next - 2147483648
                + ((k.xmin::text::bigint - s.next) % 4294967296 + 3 * 2147483648) % 4294967296)::text::xid8,
               r.seen::pg_snapshot) IS NOT TRUE
     ORDER BY k.lead_id DESC LIMIT 20) AS o
 GROUP BY b.lead_id, o.lead_id) AS pair
 WHERE place <= $3
 ORDER BY one, other
"""


async def made_beside(
    connection: Connection, since: Mapping[LeadId, UUID], *, most: int
) -> list[tuple[LeadId, LeadId]]:
    """Return pairs of leads that share a block key: one of those asked for, and one made before it but unseen by it.

    Args:
        connection: in a transaction.
        since: each lead → the first id that a lead made shortly before it can have.
        most: older ones for each lead, those with the most keys in common.
    """
    rows = await connection.fetch(_BESIDE, list(since), list(since.values()), most)
    return [(LeadId(one), LeadId(other)) for one, other in rows]
