"""What a schedule keeps in order: partitions ahead, idempotency keys forgotten in time."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.store import idempotency, imports, purging, quarantine, shadows, spam
from leadhub.store.engine import Sessions
from leadhub.store.partitions import ensure_partitions

_QUARANTINE = timedelta(days=30)
_SPAM = timedelta(days=14)
_IMPORTS = timedelta(days=30)
_SHADOWS = timedelta(days=90)

_log = telemetry.get_logger("housekeeping")


async def make_partitions(engine: AsyncEngine, *, now: datetime) -> None:
    """Make the partitions that will be needed, well before they are."""
    async with engine.begin() as connection:
        made = await ensure_partitions(connection, now)
    _log.info("partitions.made", made=made)


async def purge_keys(sessions: Sessions, *, now: datetime, keep: timedelta) -> None:
    """Forget clients' and administrators' idempotency keys after their time; platforms' lead ids stay."""
    purged = 0
    while True:
        async with sessions.begin() as session:
            count = await purging.client_keys(session, before=now - keep)
        purged += count
        if count == 0:
            break
    async with sessions.begin() as session:
        purged += await idempotency.purge(session, before=now - keep)
    _log.info("keys.purged", purged=purged)


async def purge_quarantine(sessions: Sessions, *, now: datetime) -> None:
    """Forget deliveries that nobody could read and nobody looked after for a month."""
    async with sessions.begin() as session:
        purged = await quarantine.purge(session, before=now - _QUARANTINE)
    _log.info("quarantine.purged", purged=purged)


async def purge_spam(sessions: Sessions, *, now: datetime) -> None:
    """Forget what was kept apart and nobody released for two weeks."""
    purged = 0
    while True:
        async with sessions.begin() as session:
            count = await spam.purge(session, before=now - _SPAM)
        purged += count
        if count == 0:
            break
    _log.info("spam.purged", purged=purged)


async def purge_imports(sessions: Sessions, *, now: datetime) -> None:
    """Forget imported files a month after they were last touched; their leads stay."""
    async with sessions.begin() as session:
        purged = await imports.purge(session, before=now - _IMPORTS)
    _log.info("imports.purged", purged=purged)


async def purge_shadows(sessions: Sessions, *, now: datetime) -> None:
    """Forget what versions said in shadow a quarter after they left it."""
    purged = 0
    while True:
        async with sessions.begin() as session:
            count = await shadows.purge(session, before=now - _SHADOWS)
        purged += count
        if count == 0:
            break
    _log.info("shadows.purged", purged=purged)
