"""The driver's own connections, for statements that every lead meets.

SQLAlchemy's session costs five times the driver's CPU for a statement (0.27 ms against 0.04 ms, measured on the same
pool), and a lead on its way meets a score of them. So the path of a lead speaks to asyncpg; all else, where a person
waits for one answer, goes through SQLAlchemy. Both take their connections from the one pool of the engine.

The array that drives a statement is given to it as a subselect, `unnest((SELECT $1::uuid[]))`, which hides its length
from the planner. Else a plan for the one or two rows at hand looks cheaper than the plan for any number of them, and
PostgreSQL plans anew each time: a third of its work at 50 leads a second, more than half of an accept's.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any]
else:  # generic in its stubs only
    Connection = asyncpg.Connection


@asynccontextmanager
async def connect(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Lend a connection; outside of a transaction, each statement commits by itself.

    JSON goes in as text and comes out as values.

    Raises:
        TimeoutError: every connection of the pool was busy for too long.
        OSError: PostgreSQL does not answer.
    """
    pooled = await engine.raw_connection()
    try:
        driver = cast("Connection", pooled.driver_connection)
        try:
            yield driver
        finally:
            if driver.is_in_transaction():  # cancelled while it ended: the pool would lend it on, half done
                driver.terminate()
    finally:
        pooled.close()


async def by_index(connection: Connection) -> None:
    """Have what this transaction looks up looked up by index, whatever the tables' size just now.

    A plan is kept, and one that was made while a table had a few rows would read all of it for each key an hour of
    leads later: until its statistics are next renewed, every lead costs more than the one before.
    """
    await connection.execute("SET LOCAL enable_seqscan = off")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Lend a connection for one transaction at READ COMMITTED; an exception rolls it back.

    Raises:
        TimeoutError: every connection of the pool was busy for too long.
        OSError: PostgreSQL does not answer.
    """
    async with connect(engine) as connection, connection.transaction():
        yield connection
