"""What people wrote into leads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """One edit as kept; the columns of `lead_edit`."""

    id: SubmissionId
    fields: Mapping[str, str]
    taken_back: Mapping[str, Any]


_INSERT = """
WITH e AS (INSERT INTO lead_edit (id, fields, taken_back, actor, edited_at) VALUES ($1, $2, '{}', $3, $4))
INSERT INTO membership (submission_id, lead_id, rule, because, since) VALUES ($1, $5, 'edited', 'a person wrote it', $4)
"""
_OF = """
SELECT e.id, e.fields, e.taken_back
  FROM membership AS m JOIN lead_edit AS e ON e.id = m.submission_id
 WHERE m.lead_id = $1 ORDER BY e.id
"""
_SAVE = "UPDATE lead_edit SET fields = $2, taken_back = $3 WHERE id = $1"


async def insert(
    connection: Connection,
    edit_id: SubmissionId,
    fields: Mapping[str, str],
    *,
    lead_id: LeadId,
    actor: str,
    now: datetime,
) -> None:
    """Keep a new edit as one of a lead's."""
    await connection.execute(_INSERT, edit_id, orjson.dumps(fields).decode(), actor, now, lead_id)


async def of_lead(connection: Connection, lead_id: LeadId) -> list[StoredEdit]:
    """Return the edits of a lead, oldest first; the caller holds the lead."""
    return [StoredEdit(*row) for row in await connection.fetch(_OF, lead_id)]


async def save(connection: Connection, edit: StoredEdit) -> None:
    """Write what is left of an edit, and who took back the rest."""
    fields, taken_back = (orjson.dumps(part).decode() for part in (edit.fields, edit.taken_back))
    await connection.execute(_SAVE, edit.id, fields, taken_back)
