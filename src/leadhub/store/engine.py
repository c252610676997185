"""The connection to PostgreSQL."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

Sessions = async_sessionmaker[AsyncSession]


def create_engine(url: str, *, pool: int, pool_wait_seconds: float, statement_seconds: float) -> AsyncEngine:
    """Return an engine that fails fast and never prints a bound value.

    `hide_parameters` matters: SQLAlchemy's exceptions otherwise carry every parameter, and with them personal data,
    into the log. `command_timeout` bounds a statement on our side, also when the server hangs and cannot.
    """
    return create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=pool_wait_seconds,
        pool_recycle=1800,
        hide_parameters=True,
        connect_args={"timeout": 2.0, "command_timeout": statement_seconds},
    )


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return the maker of sessions; a session's rows stay readable after its commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    PoolTimeoutError,
    OSError,
    TimeoutError,
)
"""Down, starting, stopping, out of connections or disk, or too slow: repeating later is the cure."""
_IN_THE_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.UniqueViolationError)


def driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's own exception behind one of SQLAlchemy's; other exceptions are returned as they are."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_unavailable(error: BaseException) -> bool:
    """Whether an error says that PostgreSQL cannot work now, rather than that the data or the statement is wrong."""
    return isinstance(driver_error(error), _UNAVAILABLE)


def is_contention(error: BaseException) -> bool:
    """Whether other transactions were in the way: repeating the whole transaction at once is the cure."""
    return isinstance(driver_error(error), _IN_THE_WAY)
