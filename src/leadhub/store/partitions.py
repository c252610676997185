"""Time partitions: made ahead, dropped whole.

There is no default partition: rows in one would block the creation of the right partition later. Instead the next
ones are made long before they are needed, at every migration, at a worker's start and once a day.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from leadhub.domain.ids import first_uuid7
from leadhub.store.tables import PARTITIONED

AHEAD = timedelta(days=120)
"""A deployment whose workers stand still for this long still accepts leads."""
BEHIND = timedelta(days=7)
"""Room for clocks that go back."""
_ORIGIN = datetime(2020, 1, 6, tzinfo=UTC)


def bounds(instant: datetime, days: int) -> tuple[datetime, datetime]:
    """Return the partition around an instant: fixed widths counted from one Monday, so every process agrees.

    >>> bounds(datetime(2026, 1, 15, tzinfo=UTC), 7)[0].isoformat()
    '2026-01-12T00:00:00+00:00'
    """
    width = timedelta(days=days)
    start = _ORIGIN + width * ((instant - _ORIGIN) // width)
    return start, start + width


async def ensure_partitions(connection: AsyncConnection, now: datetime) -> int:
    """Make every partition from a little before now to well ahead that does not exist yet; return how many."""
    existing = set(
        (
            await connection.execute(text("SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'"))
        ).scalars()
    )
    made = 0
    for table, days in PARTITIONED.items():
        start, end = bounds(now - BEHIND, days)
        while start < now + AHEAD:
            name = f"{table}_p{start:%Y%m%d}"
            if name not in existing:
                await connection.execute(
                    text(
                        f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} "
                        f"FOR VALUES FROM ('{first_uuid7(start)}') TO ('{first_uuid7(end)}')"
                    )
                )
                made += 1
            start, end = bounds(end, days)
    return made
