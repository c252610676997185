"""RFC 9457 problems: one table from exception to type, title and status, and the handlers that use it.

Nothing that the caller sent comes back: no value, no path, no exception's text but our own. `instance` is the request
id, which is also in `X-Request-Id` and in the log; a path would carry connection keys and lead ids.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from leadhub.domain import errors
from leadhub.store.outage import is_outage
from leadhub.telemetry import get_logger

MEDIA_TYPE = "application/problem+json"
_ROOT = "https://leadhub.dev/problems/"
_DEFAULT_RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: its URI is stable, its title never changes from one occurrence to the next."""

    slug: str
    title: str
    status: int
    detail: str
    """Said where the occurrence has no words of its own."""

    @property
    def uri(self) -> str:
        """The `type` member."""
        return _ROOT + self.slug


CATALOGUE: Mapping[type[errors.LeadHubError], ProblemType] = {
    errors.LeadHubError: ProblemType(
        "internal", "Something went wrong here", 500, "The fault is ours. Repeat the request later."
    ),
    errors.InvalidInput: ProblemType("invalid-input", "The input is not valid", 422, "See `errors`."),
    errors.InvalidDocument: ProblemType("invalid-document", "The playbook does not hold", 422, "See `errors`."),
    errors.InvalidCursor: ProblemType(
        "invalid-cursor", "The page marker is not valid", 400, "Start at the first page."
    ),
    errors.NotAuthenticated: ProblemType(
        "not-authenticated", "Authentication is required", 401, "No credential, or one that is not accepted."
    ),
    errors.NotAllowed: ProblemType("not-allowed", "Not allowed", 403, "This credential or origin may not do this."),
    errors.NotFound: ProblemType("not-found", "Not found", 404, "There is nothing here."),
    errors.Conflict: ProblemType("conflict", "The request contradicts what is stored", 409, "Read it again first."),
    errors.IdempotencyConflict: ProblemType(
        "idempotency-conflict", "The idempotency key was used before", 409, "Another body was sent with this key."
    ),
    errors.PreconditionFailed: ProblemType(
        "precondition-failed", "It has changed meanwhile", 412, "Read it again and use its new ETag."
    ),
    errors.PreconditionFailed: ProblemType(
        "precondition-failed", "It has changed meanwhile", 412, "Read it again and use its new ETag."
    ),
    errors.TooLarge: ProblemType("too-large", "The request is too large", 413, "Send less at once."),
    errors.UnsupportedMedia: ProblemType(
        "unsupported-media", "The media type is not supported", 415, "This content type or encoding is not read here."
    ),
    errors.ReceiveTimeout: ProblemType("receive-timeout", "The request took too long", 408, "It did not arrive whole."),
    errors.TooMany: ProblemType(
        "too-many-requests", "Too many requests", 429, "Slow down; see the Retry-After header."
    ),
    errors.Unavailable: ProblemType(
        "unavailable", "Temporarily unavailable", 503, "Repeat the request a little later."
    ),
}
"""Every exception that may leave a handler; a subclass that is missing here is treated as its parent."""

_ONLY_STATUS = (
    ProblemType("bad-request", "The request cannot be read", 400, "The request is not well-formed HTTP."),
    ProblemType("method-not-allowed", "The method is not allowed", 405, "See the Allow header."),
    ProblemType("not-acceptable", "Not acceptable", 406, "None of the accepted media types is made here."),
    ProblemType("precondition-required", "A precondition is required", 428, "Send If-Match with the ETag you read."),
    ProblemType("head-too-large", "The request's head is too large", 431, "Send fewer or shorter headers."),
)
_PREFERRED = (errors.Conflict, errors.InvalidInput)  # where several types share a status
BY_STATUS: Mapping[int, ProblemType] = {
    **{kind.status: kind for kind in CATALOGUE.values()},
    **{CATALOGUE[error].status: CATALOGUE[error] for error in _PREFERRED},
    **{kind.status: kind for kind in _ONLY_STATUS},
}
"""The type for a status that no exception of ours stands behind: the router's 404 and 405, the server's own 4xx."""


class ProblemField(BaseModel):
    """One thing wrong with one field."""

    pointer: str = Field(
        description="Where: a JSON pointer into the body (`#/email`), or `query:limit`, `path:id`, `header:if-match`.",
        examples=["#/email"],
    )
    detail: str = Field(description="What is wrong and what would be right.", examples=["is not an e-mail address"])


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": f"{_ROOT}invalid-input",
                "title": "The input is not valid",
                "status": 422,
                "detail": "See `errors`.",
                "instance": "urn:uuid:019bc0fd-89c0-7000-8000-000000000000",
                "errors": [{"pointer": "#/email", "detail": "is not an e-mail address"}],
            }
        }
    )

    type: str = Field(description="A stable URI that names the kind of problem.", json_schema_extra={"format": "uri"})
    title: str = Field(description="The kind of problem in words; the same at every occurrence.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="This occurrence in words.")
    instance: str | None = Field(default=None, description="`urn:uuid:` and the request's id, for the log.")
    errors: list[ProblemField] | None = Field(default=None, description="Each field that is wrong.")


def type_of(error: errors.LeadHubError) -> ProblemType:
    """Return the problem type of an exception, or of its nearest listed parent."""
    return next(CATALOGUE[kind] for kind in type(error).__mro__ if kind in CATALOGUE)


def instance_of(scope: Scope) -> str | None:
    """Return the `instance` of a request: the id that the door gave it."""
    request_id = scope.get("state", {}).get("request_id")
    return f"urn:uuid:{request_id}" if request_id else None


def problem_response(error: errors.LeadHubError, *, instance: str | None) -> Response:
    """Return the answer to an exception of ours, with the headers that its status asks for."""
    headers = {}
    if isinstance(error, errors.Unavailable | errors.TooMany):
        headers["retry-after"] = str(error.retry_after_seconds)
    fields = error.errors if isinstance(error, errors.InvalidInput) else ()
    return _response(type_of(error), instance=instance, detail=str(error), fields=fields, headers=headers)


def status_response(status: int, *, instance: str | None, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem that has a status but no exception behind it."""
    kind = BY_STATUS.get(status) or ProblemType("other", "The request was refused", status, "It cannot be served.")
    return _response(kind, instance=instance, headers=headers)


def _response(
    kind: ProblemType,
    *,
    instance: str | None,
    detail: str = "",
    fields: Sequence[errors.FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, object] = {"type": kind.uri, "title": kind.title, "status": kind.status}
    body["detail"] = detail or kind.detail
    if instance:
        body["instance"] = instance
    if fields:
        body["errors"] = [{"pointer": field.pointer, "detail": field.detail} for field in fields]
    return Response(
        orjson.dumps(body), kind.status, headers={**_required(kind.status), **_lower(headers)}, media_type=MEDIA_TYPE
    )


def _required(status: int) -> dict[str, str]:
    """Return the headers without which a status is incomplete (RFC 9110 §11.6.1, §10.2.3)."""
    if status == 401:
        return {"www-authenticate": 'Bearer realm="LeadHub"'}
    if status in (429, 503):
        return {"retry-after": str(_DEFAULT_RETRY_SECONDS)}
    return {}


def _lower(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}


def install(app: FastAPI) -> None:
    """Turn every exception that leaves a handler into a problem."""
    app.add_exception_handler(errors.LeadHubError, _on_ours)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_unknown)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.LeadHubError)  # noqa: S101 - the registration above promises it; for mypy
    return problem_response(error, instance=instance_of(request.scope))


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the registration above promises it; for mypy
    return status_response(error.status_code, instance=instance_of(request.scope), headers=error.headers)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the registration above promises it; for mypy
    return problem_response(invalid_input(error.errors()), instance=instance_of(request.scope))


async def _on_unknown(request: Request, error: Exception) -> Response:
    return unknown_response(request.scope, error)


def unknown_response(scope: Scope, error: BaseException) -> Response:
    """Log an exception that nobody foresaw, by its class only, and answer without a word of it.

    500, but 503 if it says that PostgreSQL is away: then the sender should come again.
    """
    request_id = scope.get("state", {}).get("request_id")
    get_logger("api").error("request.failed", error_class=type(error).__name__, request_id=str(request_id))
    return status_response(503 if is_outage(error) else 500, instance=instance_of(scope))


# Pydantic's own words for these are about the schema. Others quote the input (`union_tag_invalid`, `uuid_parsing`).
_QUOTES_INPUT = re.compile(r"_parsing$|_tag_invalid$|^json_|^url_|^unicode_|^string_unicode|^timezone_|^value_error_")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def invalid_input(found: Sequence[Any | ErrorDetails]) -> errors.InvalidInput:
    """Return pydantic's findings as ours: the place and the rule, never the value.

    >>> invalid_input([{"loc": ("body", "age"), "type": "int_parsing", "msg": "…'42x'"}]).errors
    (FieldError(pointer='#/age', detail='is not a valid int'),)
    """
    fields = [errors.FieldError(_pointer(one["loc"]), _detail(one["type"], one["msg"])) for one in found]
    return errors.InvalidInput("The input does not have the expected form.", fields)


def _detail(kind: str, message: str) -> str:
    if _QUOTES_INPUT.search(kind):
        return f"is not a valid {kind.rsplit('_', 1)[0].replace('_', ' ')}"
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _pointer(location: Sequence[str | int]) -> str:
    """Return where in the request; names that the sender invented and that are no plain word become `~`."""
    place, *path = location or ("body",)
    names = [str(step) if isinstance(step, int) or _PLAIN_NAME.fullmatch(step) else "~" for step in path]
    return "/".join(["#", *names]) if place == "body" else f"{place}:{'/'.join(names)}"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` of a route: these statuses, as problems under their own media type."""
    return {
        status: {
            "description": BY_STATUS[status].title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Complete an OpenAPI document: the problem's schema, and ours in place of FastAPI's own 422."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for path in document.get("paths", {}).values():
        for operation in path.values():
            responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
            if "HTTPValidationError" in str(responses.get("422")):
                responses["422"] = problems(422)[422]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    return document
