"""Time partitions: made ahead, dropped whole.

There is no default partition: rows in one would block the creation of the right partition later. Instead the next
ones are made long before they are needed, at every migration, at a worker's start and once a day.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from leadhub.domain.ids import first_uuid7
from leadhub.store.tables import PARTITIONED

AHEAD = timedelta(days=120)
"""A deployment whose workers stand still for this long still accepts leads."""
BEHIND = timedelta(days=7)
"""Room for clocks that go back."""
_ORIGIN = datetime(2020, 1, 6, tzinfo=UTC)

_PARTITIONS = text("""
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = to_regclass(:table)
 ORDER BY c.relname
""")
_BOUNDS = re.compile(r"FOR VALUES FROM \('(?P<first>[0-9a-f-]{36})'\) TO \('(?P<until>[0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a table: the rows whose ids lie in a range."""

    table: str
    name: str
    first: UUID
    until: UUID
    """The first id behind it."""


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


async def partitions_before(connection: AsyncConnection, table: str, instant: datetime) -> Sequence[Partition]:
    """Return a table's partitions that ended before an instant, oldest first."""
    rows = (await connection.execute(_PARTITIONS, {"table": table})).all()
    found = [
        Partition(table, row.name, UUID(match["first"]), UUID(match["until"]))
        for row in rows
        if (match := _BOUNDS.fullmatch(row.bounds))
    ]
    return [partition for partition in found if partition.until <= first_uuid7(instant)]


async def lock_partition(connection: AsyncConnection, partition: Partition) -> None:
    """Keep everybody from a partition until the transaction ends, or give up soon: others must not queue behind us.

    Raises:
        DBAPIError: somebody uses it (SQLSTATE 55P03).
    """
    await connection.execute(text("SET LOCAL lock_timeout = '2s'"))
    await connection.execute(text(f"LOCK TABLE {partition.name} IN ACCESS EXCLUSIVE MODE"))


async def drop_partition(connection: AsyncConnection, partition: Partition) -> None:
    """Drop a locked partition with all its rows.

    Raises:
        DBAPIError: the whole table is in use for too long (SQLSTATE 55P03).
    """
    await connection.execute(text(f"DROP TABLE {partition.name}"))
