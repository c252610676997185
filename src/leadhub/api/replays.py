"""Replays: deliver again what happened, to the endpoint that missed it or to another one."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.api.dependencies import CallerNow, Now, OpenResources, Repeat, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id, Moment
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.events import EVENT_TYPES, EventType
from leadhub.domain.ids import EndpointId, LeadId, ReplayId, uuid7_time
from leadhub.domain.subscription import Condition, Filter, read_filter
from leadhub.pipeline import replaying
from leadhub.store import replays as store

router = admin_router("replays")

_WISH: Final[Mapping[str, Any]] = {
    "endpoint_id": "019b9cf1-2a3f-7000-8000-00000000000f",
    "since": "2026-01-15T09:00:00Z",
    "until": "2026-01-15T11:00:00Z",
    "event_types": ["lead.routed"],
    "lead_id": None,
    "filter": [],
    "only_undelivered": True,
}
_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c0-7000-8000-000000000011",
    **_WISH,
    "state": "running",
    "state_because": None,
    "per_second": 50,
    "total": 1200,
    "examined": 400,
    "queued": 380,
    "deliveries": {"delivered": 371, "pending": 9},
    "created_at": "2026-01-15T12:00:00Z",
    "created_by": "key:019bc0fd-89c0-7000-8000-000000000012",
    "finished_at": None,
}


class ReplayWish(BaseModel):
    """What to replay, and to whom."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": dict(_WISH)})

    endpoint_id: Id = Field(description="Where to: the endpoint that missed it, or another one.")
    since: Moment = Field(description="Events that happened from then on.")
    until: Moment | None = Field(default=None, description="And before then; absent: before now.")
    event_types: Annotated[list[EventType], Field(max_length=len(EVENT_TYPES))] = Field(
        default_factory=list, description="Empty: those that the endpoint subscribes to."
    )
    lead_id: Id | None = Field(default=None, description="Of this lead only.")
    filter: Filter = Field(default_factory=list, description="Beside the endpoint's own filter, which holds too.")
    only_undelivered: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Pass over what the endpoint has already."
    )

    def wish(self) -> replaying.Wish:
        """Return what the pipeline takes."""
        return replaying.Wish(
            endpoint_id=EndpointId(self.endpoint_id),
            since=self.since,
            until=self.until,
            event_types=self.event_types,
            lead_id=LeadId(self.lead_id) if self.lead_id else None,
            filter=self.filter,
            only_undelivered=self.only_undelivered,
        )


class ReplayIn(ReplayWish):
    """A replay to begin."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {**_WISH, "per_second": 50}})

    per_second: Annotated[int, Field(strict=True, ge=1, le=1_000)] = Field(
        default=50, description="Queue at most so many a second; what is new goes first anyway."
    )


class ReplayedEvent(BaseModel):
    """An event that would be replayed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="Sent as `webhook-id`: the same as the first time.")
    type: str
    occurred_at: datetime


class PreviewOut(BaseModel):
    """What a replay would do."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "total": 1200,
                "tried": 1000,
                "wanted": 950,
                "sample": [
                    {
                        "id": "019bc0fd-89c1-7000-8000-00000000000e",
                        "type": "lead.routed",
                        "occurred_at": "2026-01-15T09:30:00Z",
                    }
                ],
            }
        },
    )

    total: int = Field(description=f"Events in the range, whatever the filter says; at most {store.MOST_COUNTED}.")
    tried: int = Field(description="The filter was tried on so many of them, the oldest.")
    wanted: int = Field(description="So many of those it lets through.")
    sample: list[ReplayedEvent] = Field(description="The first of these.")


class ReplayOut(BaseModel):
    """A replay and how far it has come."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    endpoint_id: UUID
    since: datetime
    until: datetime
    event_types: list[str]
    lead_id: UUID | None
    filter: list[Condition]
    only_undelivered: bool
    state: Literal["running", "paused", "cancelled", "finished"] = Field(description="`finished`: all is queued.")
    state_because: str | None
    per_second: int
    total: int = Field(description="Events to look at, when it began.")
    examined: int = Field(description="So many were looked at.")
    queued: int = Field(description="So many deliveries were queued.")
    deliveries: dict[str, int] = Field(description="How many of them are in each state.")
    created_at: datetime
    created_by: str
    finished_at: datetime | None


@router.post(
    "/replays/preview",
    operation_id="preview_replay",
    summary="Preview a replay",
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(400, 404, 413),
)
async def preview_replay(body: ReplayWish, resources: OpenResources, now: Now) -> PreviewOut:
    """Say how many events a replay would go through, and show the first of them; nothing is sent."""
    return PreviewOut.model_validate(await replaying.preview(resources.sessions, body.wish(), now=now))


@router.post(
    "/replays",
    operation_id="create_replay",
    summary="Begin a replay",
    status_code=201,
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def create_replay(
    body: ReplayIn, caller: CallerNow, resources: OpenResources, repeatable: Repeat, now: Now
) -> ReplayOut:
    """Deliver again what happened. Each event keeps its `webhook-id`, so that a receiver knows what it has."""
    replay = await replaying.start(
        resources.sessions,
        body.wish(),
        per_second=body.per_second,
        actor=f"key:{caller.key_id}",
        now=now,
        entropy=secrets.token_bytes,
        repeatable=repeatable,
    )
    async with resources.sessions() as session:
        return await _shown(session, replay)


@router.get(
    "/replays",
    operation_id="list_replays",
    summary="List replays",
    openapi_extra=needs(Scope.DELIVERIES_READ),
    responses=problems(400),
)
async def list_replays(query: Annotated[PageQuery, Query()], resources: OpenResources) -> Page[ReplayOut]:
    """Replays, newest first."""
    marks = cursors(resources.settings, "replays")
    before = ReplayId(UUID(marks.read(query.after)[0])) if query.after else None
    async with resources.sessions() as session:
        rows = await store.list_replays(session, limit=query.limit + 1, before=before)
        shown = [await _shown(session, row) for row in rows]
    return page(shown, query, marks, item=lambda one: one, position=lambda one: [one.id])


@router.get(
    "/replays/{replay_id}",
    operation_id="get_replay",
    summary="Show a replay",
    openapi_extra=needs(Scope.DELIVERIES_READ),
    responses=problems(404),
)
async def get_replay(replay_id: Id, resources: OpenResources) -> ReplayOut:
    """One replay and how far it has come."""
    async with resources.sessions() as session:
        return await _shown(session, await store.get_replay(session, ReplayId(replay_id)))


@router.post(
    "/replays/{replay_id}/pause",
    operation_id="pause_replay",
    summary="Pause a replay",
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(404, 409),
)
async def pause_replay(replay_id: Id, resources: OpenResources) -> ReplayOut:
    """Queue no more; what is queued already, at most a few hundred, is still sent."""
    replay = await replaying.pause(resources.sessions, ReplayId(replay_id))
    async with resources.sessions() as session:
        return await _shown(session, replay)


@router.post(
    "/replays/{replay_id}/resume",
    operation_id="resume_replay",
    summary="Resume a replay",
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(404, 409),
)
async def resume_replay(replay_id: Id, resources: OpenResources) -> ReplayOut:
    """Go on where it was paused."""
    replay = await replaying.resume(resources.sessions, ReplayId(replay_id))
    async with resources.sessions() as session:
        return await _shown(session, replay)


@router.post(
    "/replays/{replay_id}/cancel",
    operation_id="cancel_replay",
    summary="Cancel a replay",
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(404),
)
async def cancel_replay(replay_id: Id, resources: OpenResources, now: Now) -> ReplayOut:
    """Queue no more, and take back what nobody has begun to send."""
    replay = await replaying.cancel(resources.sessions, ReplayId(replay_id), now=now)
    async with resources.sessions() as session:
        return await _shown(session, replay)


async def _shown(session: AsyncSession, replay: store.Replay) -> ReplayOut:
    chosen = replay.selection
    same = ("id", "state", "state_because", "per_second", "total", "examined", "queued")
    return ReplayOut.model_validate(
        {name: getattr(replay, name) for name in (*same, "created_at", "created_by", "finished_at")}
        | {
            "endpoint_id": chosen.endpoint_id,
            "since": uuid7_time(chosen.events_from),
            "until": uuid7_time(chosen.events_until),
            "event_types": list(chosen.event_types),
            "lead_id": chosen.lead_id,
            "filter": read_filter(chosen.filter) if chosen.filter else [],
            "only_undelivered": chosen.only_undelivered,
            "deliveries": await store.progress(session, replay.id),
        }
    )
