"""The connection to PostgreSQL."""

import orjson
from sqlalchemy import AdaptedConnection, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]


def create_engine(url: str, *, pool: int, pool_wait_seconds: float, statement_seconds: float) -> AsyncEngine:
    """Return an engine that fails fast and never prints a bound value.

    `hide_parameters` matters: SQLAlchemy's exceptions otherwise carry every parameter, and with them personal data,
    into the log. `command_timeout` bounds a statement on our side, also when the server hangs and cannot.
    """
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=pool_wait_seconds,
        pool_recycle=1800,
        pool_use_lifo=True,  # the connection used last has its statements planned and PostgreSQL's caches warm
        hide_parameters=True,
        json_deserializer=orjson.loads,
        connect_args={"timeout": 2.0, "command_timeout": statement_seconds},
    )
    event.listen(engine.sync_engine, "checkout", _pass_over_dead)
    return engine


def _pass_over_dead(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Replace a connection that broke while it lay in the pool: after a restart of PostgreSQL all of them did.

    Asking the driver costs nothing, a ping would cost a round trip each time.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return the maker of sessions; a session's rows stay readable after its commit."""
    return async_sessionmaker(engine, expire_on_commit=False)
