"""Submissions that are kept apart: who filled in the honeypot, who could not prove to be a person."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId, SubmissionId, first_uuid7

_AT_ONCE = 1_000

_IS_KNOWN = text("SELECT 1 FROM submission_key WHERE source_id = :source_id AND dedupe_key = :dedupe_key")
_RELEASE = text("""
WITH released AS (
    UPDATE submission SET is_spam = false WHERE id = :id AND is_spam RETURNING id)
INSERT INTO pending_submission (submission_id, due_at, attempts) SELECT id, :now, 0 FROM released
RETURNING submission_id
""")
_PURGE = text("""
WITH gone AS (
    DELETE FROM submission WHERE id IN (
        SELECT id FROM submission WHERE is_spam AND id < :before ORDER BY id LIMIT :limit)
    RETURNING 1)
SELECT count(*) FROM gone
""")


async def is_known(session: AsyncSession, source_id: SourceId, dedupe_key: str) -> bool:
    """Whether a submission is stored under this key."""
    found = await session.execute(_IS_KNOWN, {"source_id": source_id, "dedupe_key": dedupe_key})
    return found.first() is not None


async def release(session: AsyncSession, submission_id: SubmissionId, *, now: datetime) -> bool:
    """Queue a submission that was kept apart like any other; False if it is not kept apart."""
    return (await session.execute(_RELEASE, {"id": submission_id, "now": now})).first() is not None


async def purge(session: AsyncSession, *, before: datetime) -> int:
    """Delete up to 1,000 that came before an instant; return how many."""
    found = await session.execute(_PURGE, {"before": first_uuid7(before), "limit": _AT_ONCE})
    count: int = found.scalar_one()
    return count
