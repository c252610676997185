"""What every admin handler stands on: who calls and may they, what the process holds open, what the time is.

Deny by default has one place, `AdminRoute`: a route that does not say which scope it needs cannot be declared, and
a request is read no further before its key has been checked. The scope that is enforced is the one that the OpenAPI
document shows.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from typing_extensions import override

from leadhub.api.problems import problems
from leadhub.domain import credentials
from leadhub.domain.errors import NotAllowed, NotAuthenticated, TooLarge, Unavailable
from leadhub.domain.ids import ApiKeyId
from leadhub.resources import Resources, clock
from leadhub.store import keys
from leadhub.store.idempotency import Repeatable
from leadhub.store.inbox import Inbox
from leadhub.store.outage import is_outage

BODY_BYTES = 64_000
"""Far above any document of the admin API; the door, which has read the body by then, has a limit of its own."""
_NOTE_AFTER = timedelta(minutes=1)
_SECURITY = "bearer"
_IDEMPOTENCY_KEY = r"^[!-~]{1,255}$"
_NO_VERSION = -1
_ETAG = re.compile(r'"v([0-9]{1,9})"')

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key came with the request."""

    key_id: ApiKeyId
    scopes: frozenset[str]


def needs(*any_of: credentials.Scope) -> dict[str, Any]:
    """Return `openapi_extra=` of a route: the scopes of which a caller's key must hold one."""
    return {"security": [{_SECURITY: [scope.value]} for scope in any_of]}


class AdminRoute(APIRoute):
    """A route that is closed to all but the keys that hold its scope."""

    @override
    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()
        scopes = _declared_scopes(self.openapi_extra, self.operation_id)
        takes_query = bool(self.dependant.query_params)

        async def guarded(request: Request) -> Response:
            resources = resources_of(request)
            with _database_may_be_down():
                now = clock()
                key = await _authenticate(request, resources, now)
                request.state.caller = _allowed(key, scopes)
                _refuse_odd_query(request, takes_query=takes_query)
                if len(await request.body()) > BODY_BYTES:
                    raise TooLarge(f"At most {BODY_BYTES:,} bytes.")
                noting = asyncio.create_task(_note_use(resources, key, now))
                try:
                    return await handler(request)
                finally:
                    await noting

        return guarded


def admin_router(tag: str) -> APIRouter:
    """Return a router under `/v1` whose routes are all guarded."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=AdminRoute,
        responses=problems(401, 403, 422, 503),
    )


def _declared_scopes(extra: Mapping[str, Any] | None, operation_id: str | None) -> tuple[str, ...]:
    if not extra or not extra.get("security") or operation_id is None:
        raise TypeError(f"the operation {operation_id} has no id, or does not say which scope it needs")
    return tuple(scope for alternative in extra["security"] for scope in alternative[_SECURITY])


async def _authenticate(request: Request, resources: Resources, now: datetime) -> keys.Key:
    """Return the key of the one bearer token. Every failure looks alike, and an ill-formed token is not looked up."""
    given = [value for name, value in request.headers.raw if name == b"authorization"]
    token = credentials.bearer(given[0]) if len(given) == 1 else None
    if token is not None and credentials.is_well_formed(token):
        async with resources.sessions() as session:
            key = await keys.live_key(session, credentials.hash_token(token), now=now)
        if key is not None:
            return key
    raise NotAuthenticated("Send an API key that is valid now as `Authorization: Bearer lh_live_…`.")


def _allowed(key: keys.Key, any_of: Sequence[str]) -> Caller:
    if not any(credentials.allows(key.scopes, scope) for scope in any_of):
        raise NotAllowed(f"This needs a key with the scope {' or '.join(any_of)}.")
    return Caller(key.id, frozenset(key.scopes))


async def _note_use(resources: Resources, key: keys.Key, now: datetime) -> None:
    """Write down that a key was used, beside the request and at most once a minute; not worth an error."""
    if key.last_used_at is not None and now - key.last_used_at < _NOTE_AFTER:
        return
    with suppress(SQLAlchemyError, TimeoutError, OSError):
        async with resources.sessions.begin() as session:
            await keys.note_use(session, key.id, now=now)


def _refuse_odd_query(request: Request, *, takes_query: bool) -> None:
    """Refuse what would be ignored: a query that the route does not read, and a parameter that is given twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    if not takes_query and names:
        raise RequestValidationError([_finding(name, "there is no such parameter") for name in names])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestValidationError([_finding(name, "given more than once") for name in twice])


def _finding(name: str, message: str) -> dict[str, Any]:
    return {"type": "parameter", "loc": ("query", name), "msg": message}


@contextmanager
def _database_may_be_down() -> Iterator[None]:
    """Answer 503 instead of 500 when it is the database that does not answer."""
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        raise Unavailable("The database does not answer.") from None


def resources_of(request: Request) -> Resources:
    """Return what the process holds open."""
    return cast("Resources", request.app.state.resources)


def _inbox_of(request: Request) -> Inbox:
    return cast("Inbox", request.app.state.inbox)


def _caller_of(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


OpenResources = Annotated[Resources, Depends(resources_of)]
OpenInbox = Annotated[Inbox, Depends(_inbox_of)]
CallerNow = Annotated[Caller, Depends(_caller_of)]
Now = Annotated[datetime, Depends(clock)]


async def _repeatable(
    request: Request,
    caller: CallerNow,
    resources: OpenResources,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=_IDEMPOTENCY_KEY,
            description="Repeat the request with the same key and body, and it happens once and answers the same.",
        ),
    ] = None,
) -> Repeatable | None:
    if idempotency_key is None:
        return None
    asked = b"\0".join((request.method.encode(), request.scope["path"].encode(), await request.body()))
    return Repeatable(
        caller_id=caller.key_id,
        key=idempotency_key,
        fingerprint=hashlib.sha256(asked).digest(),
        vault=resources.vault,
    )


def _expected_version(
    if_match: Annotated[
        str | None, Header(description="The `ETag` that was read, or `*` for whatever there is now.")
    ] = None,
) -> int | None:
    if if_match is None:
        raise HTTPException(428)
    if if_match.strip() == "*":
        return None
    match = _ETAG.fullmatch(if_match.strip())
    return int(match[1]) if match else _NO_VERSION


Repeat = Annotated[Repeatable | None, Depends(_repeatable)]
"""The request's `Idempotency-Key` with what was asked, or None."""
ExpectedVersion = Annotated[int | None, Depends(_expected_version)]
"""The version in `If-Match`; None stands for any."""


def etag(version: int) -> dict[str, str]:
    """Return the header that names a version, to be sent back as `If-Match`."""
    return {"ETag": f'"v{version}"'}
