"""The connection to PostgreSQL."""

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
