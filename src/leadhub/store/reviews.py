"""Questions of matching as the pipeline answers them."""

from dataclasses import dataclass
from datetime import datetime

from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class Review:
    """A question, and which leads it is about by now."""

    submission_id: SubmissionId
    lead_id: LeadId
    """The lead that the submission belongs to."""
    candidate_id: LeadId
    """The lead that it may be as well."""
    anchor: SubmissionId
    """A submission of the candidate: what is declared about leads is kept about submissions."""
    answer: str | None


_FIND = """
SELECT r.submission_id, m.lead_id, c.id AS candidate_id, a.submission_id AS anchor, r.answer
  FROM match_review AS r
  JOIN membership AS m ON m.submission_id = r.submission_id
 CROSS JOIN LATERAL (SELECT coalesce(l.merged_into, l.id) AS id FROM lead AS l WHERE l.id = r.candidate_id) AS c
 CROSS JOIN LATERAL (
    SELECT min(o.submission_id::text)::uuid AS submission_id FROM membership AS o
     WHERE o.lead_id = c.id AND o.submission_id <> r.submission_id) AS a
 WHERE r.submission_id = $1 AND a.submission_id IS NOT NULL
   FOR UPDATE OF r
"""


async def find(connection: Connection, submission_id: SubmissionId) -> Review | None:
    """Return a question, locked, or None if there is no such one."""
    row = await connection.fetchrow(_FIND, submission_id)
    return Review(**row) if row else None


_ANSWER = """
UPDATE match_review SET answer = $2, answered_by = $3, answered_at = $4 WHERE submission_id = $1
"""


async def note_answer(
    connection: Connection, submission_id: SubmissionId, answer: str, *, actor: str, now: datetime
) -> None:
    """Write down who answered what."""
    await connection.execute(_ANSWER, submission_id, answer, actor, now)
