"""How many statements PostgreSQL is sent, whoever sends them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


def is_of_the_driver(query: str) -> bool:
    """Whether asyncpg asks for itself: once a connection, how a type of ours is made."""
    return "typeinfo_tree" in query or "'jit'" in query


@asynccontextmanager
async def statements(engine: AsyncEngine) -> AsyncIterator[list[str]]:
    """Collect the statements of every connection that the pool lends meanwhile."""
    seen: list[str] = []

    def note(record: Any) -> None:
        if not is_of_the_driver(record.query):
            seen.append(record.query)

    def lend(connection: Any, *_: object) -> None:
        connection.driver_connection.add_query_logger(note)

    def take_back(connection: Any, *_: object) -> None:
        connection.driver_connection.remove_query_logger(note)

    event.listen(engine.sync_engine, "checkout", lend)
    event.listen(engine.sync_engine, "checkin", take_back)
    try:
        yield seen
        await asyncio.sleep(0)  # asyncpg calls its loggers one turn later
    finally:
        event.remove(engine.sync_engine, "checkout", lend)
        event.remove(engine.sync_engine, "checkin", take_back)
