"""What is known of whom a bot is talking to, before what it has just said is processed."""

from datetime import datetime
from typing import Any

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import SubmissionId
from leadhub.domain.submission import Content
from leadhub.store.driver import Connection

_LEAD = """
SELECT l.*
  FROM (SELECT lead_id FROM identity_key
         WHERE kind = $1 AND value = $2 ORDER BY last_seen_at DESC, lead_id DESC LIMIT 1) AS h
 CROSS JOIN LATERAL (SELECT coalesce(merged_into, id) AS id FROM lead WHERE id = h.lead_id OFFSET 0) AS r
  JOIN lead AS l ON l.id = r.id
"""
_WAITING = """
SELECT s.id, s.received_at, s.content::text
  FROM (SELECT submission_id FROM waiting_activity
         WHERE kind = $1 AND value = $2 ORDER BY submission_id DESC LIMIT $3) AS w
 CROSS JOIN LATERAL (SELECT * FROM submission WHERE id = w.submission_id LIMIT 1) AS s
"""
_MOST_WAITING = 50


async def lead_of(connection: Connection, handle: Key) -> dict[str, Any] | None:
    """Return the row of the living lead to which a handle leads; it is not locked, and may change at once."""
    row = await connection.fetchrow(_LEAD, handle.kind, handle.value)
    return dict(row) if row is not None else None


async def waiting_for(connection: Connection, handle: Key) -> list[tuple[SubmissionId, datetime, Content]]:
    """Return what waits for whoever brings a handle: ids, receipts and contents of the newest."""
    rows = await connection.fetch(_WAITING, handle.kind, handle.value, _MOST_WAITING)
    return [(SubmissionId(row[0]), row[1], Content.model_validate_json(row[2])) for row in rows]
