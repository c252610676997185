"""Who in sales has a lead, and on which track the others are."""

from collections.abc import Collection, Iterable
from datetime import datetime

from leadhub.domain.ids import LeadId
from leadhub.store.driver import Connection

_CURSORS = """
INSERT INTO team_cursor (team, position) SELECT t, 0 FROM unnest($1::text[]) AS t ORDER BY t
ON CONFLICT (team) DO UPDATE SET position = team_cursor.position
RETURNING team, position
"""


async def lock_cursors(connection: Connection, teams: Iterable[str]) -> dict[str, int]:
    """Return whose turn it is in each team; nobody else chooses an owner there until the commit.

    The update that changes nothing is what takes the lock, in the order of the names.
    """
    return dict(await connection.fetch(_CURSORS, sorted(teams)))


_OPEN = """
SELECT owner, count(*) FROM assignment WHERE released_at IS NULL AND owner = ANY ($1::text[]) GROUP BY owner
"""


async def open_leads(connection: Connection, owners: Collection[str]) -> dict[str, int]:
    """Return how many leads each owner has open; an owner without one is absent."""
    return dict(await connection.fetch(_OPEN, list(owners))) if owners else {}


_RELEASE = """
UPDATE assignment AS a SET released_at = $3, release_reason = n.reason
  FROM unnest($1::uuid[], $2::text[]) AS n (lead_id, reason)
 WHERE a.lead_id = n.lead_id AND a.released_at IS NULL
"""


async def release(connection: Connection, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """Take leads back from whoever has them, each with the reason."""
    if reasons:
        await connection.execute(_RELEASE, list(reasons), list(reasons.values()), now)


# A step that somebody holds a lease on is left to them: it may be on its way.
_EXIT = """
WITH left_behind AS (
    UPDATE enrolment AS e SET exited_at = $3, exit_reason = n.reason
      FROM unnest($1::uuid[], $2::text[]) AS n (lead_id, reason)
     WHERE e.lead_id = n.lead_id AND e.exited_at IS NULL
    RETURNING e.id, e.exit_reason)
UPDATE nurture_item AS i SET state = 'cancelled', because = l.exit_reason
  FROM left_behind AS l
 WHERE i.enrolment_id = l.id AND (i.state = 'waiting' OR (i.state = 'leased' AND i.due_at <= $3))
"""


async def leave_tracks(connection: Connection, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """End the open enrolments of leads, each with the reason, and cancel the steps that were to come."""
    if reasons:
        await connection.execute(_EXIT, list(reasons), list(reasons.values()), now)
