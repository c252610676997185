"""What a failure of a statement means: PostgreSQL is away, another transaction was in the way, or the data is wrong."""

import asyncpg
from sqlalchemy import exc

_OUTAGE = ("08", "25006", "40", "53", "57", "58", "XX")
"""SQLSTATE classes: connection, read-only (a standby after a failover), rollback, resources, operator, system, fault.

Source: PostgreSQL, Appendix A.
"""
_DATA = ("22", "54")
"""Data exceptions and exceeded limits: the row itself is at fault, and will be next time too."""
_IN_THE_WAY = ("40001", "40P01", "23505")
"""Serialization failure, deadlock, unique violation."""


def driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's own exception behind one of SQLAlchemy's; other exceptions are returned as they are."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_outage(error: BaseException) -> bool:
    """Whether a repeat of the same request may well succeed."""
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    cause = driver_error(error)
    # InternalClientError is what asyncpg raises when a connection broke in the middle of something.
    if isinstance(cause, exc.TimeoutError | OSError | asyncpg.InternalClientError):
        return True
    if isinstance(cause, asyncpg.InterfaceError):
        return not isinstance(cause, ValueError)  # a value that cannot be sent; all others say "connection is closed"
    return _sqlstate(cause).startswith(_OUTAGE)


def is_contention(error: BaseException) -> bool:
    """Whether other transactions were in the way: repeating the whole transaction at once is the cure."""
    return _sqlstate(driver_error(error)) in _IN_THE_WAY


def is_bad_data(error: BaseException) -> bool:
    """Whether the values of a statement are what failed it, here or in the server."""
    cause = driver_error(error)
    return isinstance(cause, ValueError) or _sqlstate(cause).startswith(_DATA)


def _sqlstate(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")
