"""Imports: files of leads, sent in pieces, checked, then taken in."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import IO, Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from leadhub.api.dependencies import AdminRoute, Now, OpenResources, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id, Named
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.ids import SourceId
from leadhub.pipeline import importing as pipeline
from leadhub.resources import Ids
from leadhub.store import imports as store
from leadhub.store.imports import ImportState

_PIECE = 64_000


class _PieceRoute(AdminRoute):
    """A route that takes a piece of a file."""

    body_bytes = pipeline.PART_BYTES


router = admin_router("imports")
pieces = admin_router("imports")
pieces.route_class = _PieceRoute

_COLUMN: Final[Mapping[str, Any]] = {
    "column": "E-Mail",
    "target": "email",
    "confidence": 0.9,
    "because": "its name",
}
_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89bf-7000-8000-000000000008",
    "source_id": "019b9cf1-2a3f-7000-8000-00000000000c",
    "name": "fair.csv",
    "state": "done",
    "is_check": True,
    "mapping": {"Kundennr": "external_id"},
    "format": "csv",
    "columns": [dict(_COLUMN)],
    "rows_done": 1200,
    "taken": 1180,
    "known": 310,
    "rejected": 20,
    "created_at": "2026-01-15T09:30:00Z",
    "updated_at": "2026-01-15T09:31:00Z",
    "because": None,
}
_REJECT: Final[Mapping[str, Any]] = {"number": 17, "reasons": ["An e-mail address or a phone number is required."]}


class ImportIn(BaseModel):
    """A file that is going to come."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"source_id": _EXAMPLE["source_id"], "name": "fair.csv"}}
    )

    source_id: Id = Field(description="A source whose channel is `import`.")
    name: Named = Field(description="Of the file, for people.")


class StartIn(BaseModel):
    """How to read the file."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"mapping": {"Kundennr": "external_id"}}})

    mapping: Annotated[
        dict[Annotated[str, StringConstraints(max_length=200)], Annotated[str, StringConstraints(max_length=200)]],
        Field(max_length=200),
    ] = Field(default_factory=dict, description="Column → field, `external_id`, `custom` or `ignore`.")


class ColumnOut(BaseModel):
    """What a column is taken for."""

    column: str
    target: str
    confidence: float = Field(description="0 to 1; 0: nobody knows, it is kept under its own name.")
    because: str


class ImportOut(BaseModel):
    """How far an import is."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    source_id: UUID
    name: str
    state: ImportState
    is_check: bool = Field(description="Whether the newest pass only said what would happen.")
    mapping: dict[str, str]
    format: Literal["csv", "jsonl", "xlsx"] | None
    columns: list[ColumnOut]
    rows_done: int = Field(description="Number of the last row that was looked at.")
    taken: int = Field(description="Rows that are, or would be, leads.")
    known: int = Field(description="Of these, people who were known or stand further up; a check counts them.")
    rejected: int
    created_at: datetime
    updated_at: datetime
    because: str | None = Field(description="Why it failed.")


class RejectOut(BaseModel):
    """A row that was not taken; nothing of what is in it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_REJECT)})

    number: int = Field(description="The first row below the headings is 1.")
    reasons: list[str]


@router.get(
    "/imports",
    operation_id="list_imports",
    summary="List imports",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(400),
)
async def list_imports(query: Annotated[PageQuery, Query()], resources: OpenResources) -> Page[ImportOut]:
    """Imports, newest first. They are forgotten 30 days after their last change."""
    marks = cursors(resources.settings, "imports")
    before = UUID(marks.read(query.after)[0]) if query.after else None
    async with resources.sessions() as session:
        rows = await store.newest(session, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=_shown, position=lambda row: [row.id])


@router.post(
    "/imports",
    operation_id="create_import",
    summary="Begin an import",
    status_code=201,
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def create_import(body: ImportIn, resources: OpenResources, now: Now) -> ImportOut:
    """Announce a file; send it in pieces, then have it checked, then start it."""
    run = await pipeline.begin_import(resources.sessions, SourceId(body.source_id), body.name, new_id=Ids(), now=now)
    return _shown(run)


@pieces.put(
    "/imports/{import_id}/parts/{part}",
    operation_id="put_import_part",
    summary="Send a piece of a file",
    status_code=204,
    openapi_extra={
        **needs(Scope.LEADS_WRITE),
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "minLength": 1}}},
        },
    },
    responses=problems(400, 404, 409, 413),
)
async def put_import_part(
    import_id: Id,
    part: Annotated[int, Path(ge=1, le=pipeline.MOST_PARTS, description="From 1 on, without gaps.")],
    request: Request,
    resources: OpenResources,
) -> None:
    """Keep up to a megabyte of a file, cut anywhere; the same piece again takes its place."""
    await pipeline.add_part(resources.sessions, import_id, part, await request.body())


@router.get(
    "/imports/{import_id}",
    operation_id="get_import",
    summary="Show an import",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(404),
)
async def get_import(import_id: Id, resources: OpenResources) -> ImportOut:
    """How far it is, what its columns are taken for, and how many rows were taken and rejected."""
    async with resources.sessions() as session:
        return _shown(await store.get(session, import_id))


@router.post(
    "/imports/{import_id}/check",
    operation_id="check_import",
    summary="Check a file",
    status_code=202,
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def check_import(import_id: Id, body: StartIn, resources: OpenResources, now: Now) -> ImportOut:
    """Have a worker say what would happen: nothing is taken. Poll the import until it is `done`."""
    run = await pipeline.start(resources.sessions, import_id, is_check=True, mapping=body.mapping, now=now)
    return _shown(run)


@router.post(
    "/imports/{import_id}/start",
    operation_id="start_import",
    summary="Take a file in",
    status_code=202,
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def start_import(import_id: Id, body: StartIn, resources: OpenResources, now: Now) -> ImportOut:
    """Have a worker take the rows in, behind all leads that come by themselves. Poll the import until it is `done`."""
    run = await pipeline.start(resources.sessions, import_id, is_check=False, mapping=body.mapping, now=now)
    return _shown(run)


@router.post(
    "/imports/{import_id}/cancel",
    operation_id="cancel_import",
    summary="Stop an import",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(404),
)
async def cancel_import(import_id: Id, resources: OpenResources, now: Now) -> ImportOut:
    """Stop it where it is and forget its file; what was taken stays."""
    async with resources.sessions.begin() as session:
        await store.cancel(session, import_id, now=now)
        return _shown(await store.get(session, import_id))


class RejectPage(BaseModel):
    """Rejected rows."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [dict(_REJECT)]}})

    items: list[RejectOut]


@router.get(
    "/imports/{import_id}/rejects",
    operation_id="list_import_rejects",
    summary="List rejected rows",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(404),
)
async def list_import_rejects(import_id: Id, resources: OpenResources) -> RejectPage:
    """The first 200 rows that were not taken, with their reasons and without what is in them."""
    async with resources.sessions() as session:
        await store.get(session, import_id)
        found = await store.rejects(session, import_id, after=0, limit=200)
    return RejectPage(items=[RejectOut.model_validate(one) for one in found])


@router.get(
    "/imports/{import_id}/rejects.csv",
    operation_id="download_import_rejects",
    summary="Download rejected rows",
    response_class=StreamingResponse,
    openapi_extra=needs(Scope.LEADS_READ),
    responses={
        200: {"description": "CSV.", "content": {"text/csv": {"schema": {"type": "string"}}}},
        **problems(404, 409),
    },
)
async def download_import_rejects(import_id: Id, resources: OpenResources) -> StreamingResponse:
    """All rows that were not taken, whole, with their reasons in front: correct them and import the file again."""
    file = await pipeline.write_rejects(resources.sessions, import_id)
    headers = {"Content-Disposition": 'attachment; filename="rejects.csv"'}
    return StreamingResponse(_read(file), media_type="text/csv; charset=utf-8", headers=headers)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_PIECE):
            yield chunk


def _shown(run: store.Import) -> ImportOut:
    found = {"format": run.layout.get("format"), "columns": run.layout.get("columns", [])}
    known = {name: getattr(run, name) for name in ImportOut.model_fields if name not in found}
    return ImportOut.model_validate(known | found)
