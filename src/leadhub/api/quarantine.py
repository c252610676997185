"""Quarantine: what proven senders sent and nobody could be found in; look at it, mend the mapping, read it again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.channels import Preview, shown
from leadhub.api.dependencies import CallerNow, Now, OpenInbox, OpenResources, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id
from leadhub.api.problems import problems
from leadhub.api.sources import Options
from leadhub.domain.credentials import Scope, allows
from leadhub.domain.ids import SourceId
from leadhub.pipeline import quarantine as pipeline
from leadhub.resources import Ids
from leadhub.store import quarantine as store

router = admin_router("sources")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89bf-7000-8000-000000000007",
    "source_id": "019b9cf1-2a3f-7000-8000-00000000000c",
    "source": "Fair app",
    "channel": "json",
    "received_at": "2026-01-15T09:30:00Z",
    "because": "neither an e-mail address, nor a telephone number, nor an external_id",
    "bytes": 27,
    "content_type": "application/json",
}


class HeldQuery(PageQuery):
    """Which deliveries."""

    source: Id | None = Field(default=None, description="A source's id.")


class HeldOut(BaseModel):
    """That a delivery is held; nothing of what is in it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    source_id: UUID
    source: str = Field(description="The source's name.")
    channel: str
    received_at: datetime
    because: str = Field(description="What nobody could make of it.")
    bytes: int
    content_type: str | None


class HeldDetail(HeldOut):
    """A delivery with what was sent."""

    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "body": '{"Mail": "ada@example.com"}'}})

    body: str | None = Field(description="As sent, without secrets; null without the scope leads:read.")


class OptionsIn(BaseModel):
    """Options to try."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"options": {"field_map": {"Mail": "email"}}}}
    )

    options: Options | None = Field(default=None, description="Those of the source if absent. Nothing is saved.")


class ReadAgain(BaseModel):
    """What came of reading again."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": {"taken": 1, "held": 0}})

    taken: int = Field(description="Deliveries that could be read; what was in them is leads now.")
    held: int = Field(description="Those that could not, and stay.")


@router.get(
    "/quarantine",
    operation_id="list_quarantine",
    summary="List held deliveries",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400),
)
async def list_quarantine(query: Annotated[HeldQuery, Query()], resources: OpenResources) -> Page[HeldOut]:
    """What was acknowledged and could not be read, newest first. It is kept for 30 days."""
    marks = cursors(resources.settings, "quarantine")
    before = UUID(marks.read(query.after)[0]) if query.after else None
    async with resources.sessions() as session:
        rows = await store.notes(session, limit=query.limit + 1, source_id=query.source, before=before)
    return page(rows, query, marks, item=HeldOut.model_validate, position=lambda row: [row.id])


@router.get(
    "/quarantine/{held_id}",
    operation_id="get_held",
    summary="Show a held delivery",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def get_held(held_id: Id, caller: CallerNow, resources: OpenResources) -> HeldDetail:
    """One delivery; what was sent is shown only to those who may read leads."""
    async with resources.sessions() as session:
        note = HeldOut.model_validate(await store.note(session, held_id))
        may_read = allows(caller.scopes, Scope.LEADS_READ)
        body = (await store.get(session, held_id)).body.decode("utf-8", "replace") if may_read else None
    return HeldDetail(**note.model_dump(), body=body)


@router.post(
    "/quarantine/{held_id}/preview",
    operation_id="preview_held",
    summary="Try options on a held delivery",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400, 404, 413, 415),
)
async def preview_held(held_id: Id, sample: OptionsIn, resources: OpenResources, now: Now) -> Preview:
    """Show what a delivery would become with other options of its source. Nothing is stored."""
    return shown(await pipeline.preview(resources.sessions, held_id, options=sample.options, now=now))


@router.post(
    "/quarantine/{held_id}/replay",
    operation_id="replay_held",
    summary="Read a held delivery again",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def replay_held(held_id: Id, resources: OpenResources, inbox: OpenInbox, now: Now) -> ReadAgain:
    """Read a delivery again with the options that its source has now; if it can be read it becomes leads."""
    done = await pipeline.replay_one(resources.sessions, inbox, held_id, new_id=Ids(), now=now)
    return ReadAgain.model_validate(done)


@router.post(
    "/sources/{source_id}/quarantine/replay",
    operation_id="replay_quarantine",
    summary="Read all held deliveries of a source again",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def replay_quarantine(source_id: Id, resources: OpenResources, inbox: OpenInbox, now: Now) -> ReadAgain:
    """Read again what is held of a source, up to 1,000 at once, oldest first, after its mapping was mended."""
    done = await pipeline.replay(resources.sessions, inbox, SourceId(source_id), new_id=Ids(), now=now)
    return ReadAgain.model_validate(done)


@router.delete(
    "/quarantine/{held_id}",
    operation_id="discard_held",
    summary="Discard a held delivery",
    status_code=204,
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def discard_held(held_id: Id, resources: OpenResources) -> None:
    """Forget a delivery for good: it is no lead."""
    await pipeline.discard(resources.sessions, held_id)
