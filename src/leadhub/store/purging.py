"""Delete what has served its time, in batches that hold no lock for long."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

_CLIENT_KEYS = text("""
WITH gone AS (
    DELETE FROM submission_key WHERE (source_id, dedupe_key) IN (
        SELECT source_id, dedupe_key FROM submission_key
         WHERE NOT permanent AND created_at < :before LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING 1)
SELECT count(*) FROM gone
""")

_DELIVERIES = text("""
WITH gone AS (
    DELETE FROM delivery WHERE id IN (
        SELECT id FROM delivery
         WHERE id < :until AND id > :after AND state IN ('delivered', 'dead', 'cancelled')
         ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING id)
SELECT count(*), max(id::text) FROM gone
""")
_COUNT_DELIVERIES = text(
    "SELECT count(*) FROM delivery WHERE id < :until AND state IN ('delivered', 'dead', 'cancelled')"
)
_WAITS = text("""
SELECT EXISTS (
    SELECT FROM delivery
     WHERE event_id >= :first AND event_id < :until AND state IN ('pending', 'leased', 'held'))
""")


async def deliveries(session: AsyncSession, *, until: UUID, after: UUID) -> tuple[int, UUID | None]:
    """Delete up to 1,000 deliveries that came to an end, with ids in a range; return how many, and the last of them."""
    count, last = (await session.execute(_DELIVERIES, {"until": until, "after": after})).one()
    return count, UUID(last) if last else None


async def count_deliveries(session: AsyncSession, *, until: UUID) -> int:
    """Count deliveries that came to an end, with ids before one."""
    count: int = (await session.execute(_COUNT_DELIVERIES, {"until": until})).scalar_one()
    return count


async def is_awaited(connection: AsyncConnection, *, first: UUID, until: UUID) -> bool:
    """Whether an event with an id in a range is still to be delivered to somebody."""
    found: bool = (await connection.execute(_WAITS, {"first": first, "until": until})).scalar_one()
    return found


async def client_keys(session: AsyncSession, *, before: datetime) -> int:
    """Delete up to 1,000 client keys older than an instant; return how many."""
    count: int = (await session.execute(_CLIENT_KEYS, {"before": before})).scalar_one()
    return count
