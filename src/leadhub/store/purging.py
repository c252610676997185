"""Delete what has served its time, in batches that hold no lock for long."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from leadhub.domain.ids import first_uuid7

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
           AND (finished_at IS NULL OR finished_at < :ended)
         ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING id)
SELECT count(*), max(id::text) FROM gone
""")
_COUNT_DELIVERIES = text("""
SELECT count(*) FROM delivery
 WHERE id < :until AND state IN ('delivered', 'dead', 'cancelled') AND (finished_at IS NULL OR finished_at < :ended)
""")
# What waits in order is looked at anew now and then, which makes it due anew: of that, only its age counts.
_EXPIRE = text("""
WITH expired AS (
    UPDATE delivery SET state = 'dead', outcome = 'expired', finished_at = :now WHERE id IN (
        SELECT id FROM delivery
         WHERE id < :until AND id > :after AND state IN ('pending', 'held') AND (due_at < :before OR is_ordered)
         ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)
    RETURNING id)
SELECT count(*), max(id::text) FROM expired
""")
_COUNT_EXPIRED = text("""
SELECT count(*) FROM delivery
 WHERE id < :until AND state IN ('pending', 'held') AND (due_at < :before OR is_ordered)
""")
_WAITS = text("""
SELECT EXISTS (
    SELECT FROM delivery
     WHERE event_id >= :first AND event_id < :until
       AND (state IN ('pending', 'leased', 'held') OR finished_at >= :ended))
""")


async def deliveries(session: AsyncSession, *, until: UUID, after: UUID, ended: datetime) -> tuple[int, UUID | None]:
    """Delete up to 1,000 deliveries with ids in a range that ended before an instant; return how many, and the last."""
    count, last = (await session.execute(_DELIVERIES, {"until": until, "after": after, "ended": ended})).one()
    return count, UUID(last) if last else None


async def count_deliveries(session: AsyncSession, *, until: UUID, ended: datetime) -> int:
    """Count deliveries with ids before one that ended before an instant."""
    count: int = (await session.execute(_COUNT_DELIVERIES, {"until": until, "ended": ended})).scalar_one()
    return count


async def expire(session: AsyncSession, *, before: datetime, after: UUID, now: datetime) -> tuple[int, UUID | None]:
    """Give up to 1,000 deliveries up that were due before an instant; return how many, and the last of them."""
    values = {"until": first_uuid7(before), "before": before, "after": after, "now": now}
    count, last = (await session.execute(_EXPIRE, values)).one()
    return count, UUID(last) if last else None


async def count_expired(session: AsyncSession, *, before: datetime) -> int:
    """Count what `expire` would give up."""
    values = {"until": first_uuid7(before), "before": before}
    count: int = (await session.execute(_COUNT_EXPIRED, values)).scalar_one()
    return count


async def is_awaited(connection: AsyncConnection, *, first: UUID, until: UUID, ended: datetime) -> bool:
    """Whether an event with an id in a range is still to be delivered to somebody, or was until an instant."""
    values = {"first": first, "until": until, "ended": ended}
    found: bool = (await connection.execute(_WAITS, values)).scalar_one()
    return found


async def client_keys(session: AsyncSession, *, before: datetime) -> int:
    """Delete up to 1,000 client keys older than an instant; return how many."""
    count: int = (await session.execute(_CLIENT_KEYS, {"before": before})).scalar_one()
    return count
