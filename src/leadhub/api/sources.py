"""Sources: the connections through which leads arrive."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from leadhub.api.dependencies import ExpectedVersion, Now, OpenResources, Repeat, admin_router, etag, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Document, Id, Line, Named
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.ids import SourceId
from leadhub.pipeline import sources as pipeline
from leadhub.store import sources as store

router = admin_router("sources")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c0-7000-8000-000000000000",
    "channel": "form",
    "name": "Website demo form",
    "key": "website-demo",
    "enabled": True,
    "options": {"default_country": "GB", "allowed_origins": ["https://www.example.com"]},
    "version": 1,
    "created_at": "2026-01-15T09:30:00Z",
    "updated_at": "2026-01-15T09:30:00Z",
    "secrets": [],
}
_NEW: Final = {name: _EXAMPLE[name] for name in ("channel", "name", "key", "options")}

SecretText = Annotated[Line, StringConstraints(min_length=8, max_length=200)]
Options = Annotated[Document, Field(description="The channel's own options; unknown ones are refused.")]


class SourceIn(BaseModel):
    """A source to connect."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _NEW})

    channel: Annotated[str, StringConstraints(max_length=32)] = Field(description="`form`, `api`, …")
    name: Named = Field(description="For people; leads and events carry it.")
    key: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{3,64}$")] | None = Field(
        default=None, description="The last part of its path, `/in/{channel}/{key}`; one is made up if absent."
    )
    options: Options = Field(default_factory=dict)
    secrets: Annotated[list[SecretText], Field(max_length=pipeline.MAX_SECRETS)] = Field(
        default_factory=list, description="Shared with the sender, for channels that sign; write-only."
    )
    enabled: Annotated[bool, Field(strict=True)] = True


class SourcePatch(BaseModel):
    """What to change of a source; what is absent stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": False}})

    name: Named | None = None
    enabled: Annotated[bool, Field(strict=True)] | None = None
    options: Options | None = Field(default=None, description="All options: those not named return to their default.")


class SecretIn(BaseModel):
    """One more secret."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"secret": "a-long-random-text"}})

    secret: SecretText


class SecretOut(BaseModel):
    """That a secret exists; never the secret."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    created_at: datetime
    valid_until: datetime | None = Field(description="Null: until it is removed.")


class SourceOut(BaseModel):
    """A source."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    channel: str
    name: str
    key: str
    enabled: bool
    options: dict[str, Any] = Field(description="In full, with the defaults.")
    version: int = Field(description="Grows with every change; also in the ETag.")
    created_at: datetime
    updated_at: datetime
    secrets: list[SecretOut]


@router.get(
    "/sources",
    operation_id="list_sources",
    summary="List sources",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400),
)
async def list_sources(query: Annotated[PageQuery, Query()], resources: OpenResources, now: Now) -> Page[SourceOut]:
    """Sources, newest first."""
    marks = cursors(resources.settings, "sources")
    before = SourceId(UUID(marks.read(query.after)[0])) if query.after else None
    async with resources.sessions() as session:
        rows = await store.list_sources(session, limit=query.limit + 1, before=before, now=now)
    return page(rows, query, marks, item=SourceOut.model_validate, position=lambda source: [source.id])


@router.post(
    "/sources",
    operation_id="create_source",
    summary="Connect a source",
    status_code=201,
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 409, 413),
)
async def create_source(
    body: SourceIn, resources: OpenResources, repeatable: Repeat, response: Response, now: Now
) -> SourceOut:
    """Connect a source. From now on its path takes leads."""
    source = await pipeline.create_source(
        resources.sessions,
        resources.vault,
        channel=body.channel,
        name=body.name,
        key=body.key,
        options=body.options,
        secrets=body.secrets,
        enabled=body.enabled,
        now=now,
        entropy=secrets.token_bytes,
        repeatable=repeatable,
    )
    return _shown(source, response)


@router.get(
    "/sources/{source_id}",
    operation_id="get_source",
    summary="Show a source",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def get_source(source_id: Id, resources: OpenResources, response: Response, now: Now) -> SourceOut:
    """One source; its ETag is what a change must send back."""
    async with resources.sessions() as session:
        return _shown(await store.get_source(session, SourceId(source_id), now=now), response)


@router.patch(
    "/sources/{source_id}",
    operation_id="update_source",
    summary="Change a source",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 404, 412, 413, 428),
)
async def update_source(
    source_id: Id,
    body: SourcePatch,
    *,
    expected: ExpectedVersion,
    resources: OpenResources,
    response: Response,
    now: Now,
) -> SourceOut:
    """Change a source, or switch it off; its channel and key are for good."""
    changes = pipeline.SourceChanges(name=body.name, enabled=body.enabled, options=body.options)
    source = await pipeline.update_source(
        resources.sessions, SourceId(source_id), changes, expected_version=expected, now=now
    )
    return _shown(source, response)


@router.post(
    "/sources/{source_id}/secrets",
    operation_id="add_source_secret",
    summary="Add a secret to a source",
    status_code=201,
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def add_source_secret(
    source_id: Id, body: SecretIn, *, resources: OpenResources, repeatable: Repeat, response: Response, now: Now
) -> SourceOut:
    """Believe one more secret; the others stay until they are removed, so that a sender can change over."""
    source = await pipeline.add_secret(
        resources.sessions,
        resources.vault,
        SourceId(source_id),
        body.secret,
        now=now,
        entropy=secrets.token_bytes,
        repeatable=repeatable,
    )
    return _shown(source, response)


@router.delete(
    "/sources/{source_id}/secrets/{secret_id}",
    operation_id="remove_source_secret",
    summary="Remove a secret of a source",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def remove_source_secret(
    source_id: Id, secret_id: Id, resources: OpenResources, response: Response, now: Now
) -> SourceOut:
    """Believe a secret no longer."""
    source = await pipeline.remove_secret(resources.sessions, SourceId(source_id), secret_id, now=now)
    return _shown(source, response)


def _shown(source: store.Source, response: Response) -> SourceOut:
    response.headers.update(etag(source.version))
    return SourceOut.model_validate(source)
