"""Delete what has served its time, in batches that hold no lock for long."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_CLIENT_KEYS = text("""
WITH gone AS (
    DELETE FROM submission_key WHERE (source_id, dedupe_key) IN (
        SELECT source_id, dedupe_key FROM submission_key
         WHERE NOT permanent AND created_at < :before LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING 1)
SELECT count(*) FROM gone
""")


async def client_keys(session: AsyncSession, *, before: datetime) -> int:
    """Delete up to 1,000 client keys older than an instant; return how many."""
    count: int = (await session.execute(_CLIENT_KEYS, {"before": before})).scalar_one()
    return count
