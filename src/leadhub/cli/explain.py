"""From an exception to a sentence: what a user is told instead of a traceback. Imported when something went wrong.

Known are the errors that are a user's or the surroundings' doing. What is not known is our own mistake and keeps its
traceback, because hiding a bug helps nobody.
"""

from collections.abc import Iterator

import httpx2
from asyncpg import exceptions as postgres
from redis.exceptions import RedisError
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from leadhub.cli.errors import UserError
from leadhub.demo.gateway import Refused
from leadhub.demo.processes import ProcessFailed
from leadhub.domain.errors import InvalidInput, LeadHubError, Unavailable
from leadhub.embedded import EmbeddedError
from leadhub.store.vault import VaultError


def explain(error: BaseException) -> UserError | None:
    """Return the sentence for an error that is no bug, or None."""
    for cause in _causes(error):
        if isinstance(cause, UserError):
            return cause
        for reader in (_of_leadhub, _of_database, _of_surroundings, _of_http):
            if found := reader(cause):
                return found
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, what a group of errors holds, and what they were raised from; the outermost first."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]


def _of_leadhub(error: BaseException) -> UserError | None:
    match error:
        case InvalidInput(errors=found) if found:
            return UserError(str(error), "\n".join(f"  {one.pointer}: {one.detail}" for one in found))
        case Unavailable():
            return UserError(str(error), "Try again in a moment; `leadhub doctor` looks for the cause.")
        case LeadHubError() | EmbeddedError():
            return UserError(str(error))
        case ProcessFailed() | Refused():
            return UserError(str(error), code=1)
        case VaultError():
            return UserError(
                f"The secret key does not fit: {error}.", "Set LEADHUB_SECRET_KEY to the key of this database."
            )
        case _:
            return None


def _of_database(error: BaseException) -> UserError | None:
    match error:
        case postgres.UndefinedTableError() | postgres.UndefinedColumnError():
            return UserError("The database is not at this version of LeadHub.", "Run `leadhub migrate` first.")
        case postgres.InvalidCatalogNameError() | postgres.InvalidAuthorizationSpecificationError():
            return UserError(f"PostgreSQL refuses the connection: {error}.", "Correct LEADHUB_DATABASE_URL.")
        case postgres.CannotConnectNowError() | postgres.PostgresConnectionError() | PoolTimeout():
            return UserError(f"PostgreSQL does not answer: {error}.", "Is it running? LEADHUB_DATABASE_URL says where.")
        case ArgumentError():
            return UserError("LEADHUB_DATABASE_URL cannot be read.", "Its form: postgresql+asyncpg://user@host/name")
        case _:
            return None


def _of_surroundings(error: BaseException) -> UserError | None:
    match error:
        case RedisError():
            return UserError(f"Redis does not answer: {error}.", "Is it running? LEADHUB_REDIS_URL says where.")
        case ConnectionRefusedError() | ConnectionResetError() | FileNotFoundError(filename=None):
            # A unix socket that is not there: unlike a file that is not, it comes without a name.
            why = error.strerror or type(error).__name__
            return UserError(f"A server cannot be reached: {why}.", "Is it running? `leadhub doctor` looks at each.")
        case _:
            return None


def _of_http(error: BaseException) -> UserError | None:
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return UserError(
                f"Nothing answers at {error.request.url}.", "Start one with `leadhub up`, or name another with --url."
            )
        case httpx2.TransportError():
            return UserError(f"The connection broke: {type(error).__name__}.", "Is the gateway still running?")
        case httpx2.InvalidURL():
            return UserError(f"That is no URL: {error}.")
        case _:
            return None
