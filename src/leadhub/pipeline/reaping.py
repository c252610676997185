"""Take back what dead workers had leased, hold what may not go, and measure what waits."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.attempt import AttemptResult, Failure, classify
from leadhub.domain.delivery import SCHEDULE, Decision, decide
from leadhub.pipeline.recording import finish
from leadhub.store import deliveries, lanes
from leadhub.store.driver import connect, transaction
from leadhub.store.lanes import Lease

_log = telemetry.get_logger("deliver")

_AT_ONCE = 500
_UNKNOWN = AttemptResult(failure=Failure.UNKNOWN)


async def reap(engine: AsyncEngine, *, now: datetime, jitter: Callable[[], float]) -> int:
    """Return expired leases to their lanes, at most so many at once; return how many.

    Their attempts end as unknown and count: a delivery that kills its worker each time comes to an end too.
    """
    async with transaction(engine) as connection:
        expired = await deliveries.lock_expired(connection, now=now, limit=_AT_ONCE)
        returned = [finish(lease, _UNKNOWN, _decide(lease, now=now, jitter=jitter()), now=now) for lease in expired]
        if returned:
            await deliveries.complete(connection, returned)
    async with connect(engine) as connection:
        await deliveries.hold_stragglers(connection)
        oldest = await lanes.oldest_due(connection, now=now)
    telemetry.DELIVERIES_AGE.set((now - oldest).total_seconds() if oldest else 0)
    if expired:
        telemetry.ATTEMPTS.labels(classify(_UNKNOWN)).inc(len(expired))
        _log.warning("deliveries.returned", count=len(expired))
    return len(expired)


def _decide(lease: Lease, *, now: datetime, jitter: float) -> Decision:
    return decide(_UNKNOWN, attempt_number=lease.number, now=now, jitter=jitter, schedule=lease.schedule or SCHEDULE)
