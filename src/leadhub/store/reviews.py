"""Questions of matching as the pipeline answers them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from leadhub.domain.deduplication import Match
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.store.driver import Connection
from leadhub.store.leads import rows_document


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
    are_apart: bool
    """Whether both leads were declared two people, by other submissions than this one."""


# A submission has one question at a time. An answered one gives way: an un-merge asks anew what was settled before.
_ASK = """
INSERT INTO match_review (submission_id, lead_id, candidate_id, bits, match, asked_at)
SELECT submission_id, lead_id, candidate_id, bits, match, asked_at
  FROM jsonb_to_recordset($1::jsonb) AS r (submission_id uuid, lead_id uuid, candidate_id uuid, bits double precision,
                                         match jsonb, asked_at timestamptz)
ON CONFLICT (submission_id) DO UPDATE SET
    lead_id = excluded.lead_id, candidate_id = excluded.candidate_id, bits = excluded.bits, match = excluded.match,
    asked_at = excluded.asked_at, answer = NULL, answered_at = NULL, answered_by = NULL
 WHERE match_review.answer IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Is a submission, which lies with one lead, of another lead's person?"""

    submission_id: SubmissionId
    lead_id: LeadId
    match: Match
    """How it compares with the other lead."""


async def ask(connection: Connection, questions: Iterable[Question], *, now: datetime) -> None:
    """Put questions; a submission about which one is open keeps that."""
    rows = [
        {
            "submission_id": one.submission_id,
            "lead_id": one.lead_id,
            "candidate_id": one.match.lead_id,
            "bits": one.match.evidence.bits,
            "match": one.match.document(),
            "asked_at": now,
        }
        for one in questions
    ]
    if rows:
        await connection.execute(_ASK, rows_document(rows))


_FIND = """
SELECT r.submission_id, m.lead_id, c.id AS candidate_id, a.submission_id AS anchor, r.answer,
       EXISTS (
           SELECT FROM membership AS x
             JOIN not_same AS n ON n.one = x.submission_id OR n.other = x.submission_id
             JOIN membership AS y
               ON y.submission_id = CASE WHEN n.one = x.submission_id THEN n.other ELSE n.one END
            WHERE x.lead_id = m.lead_id AND x.submission_id <> r.submission_id AND y.lead_id = c.id) AS are_apart
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
