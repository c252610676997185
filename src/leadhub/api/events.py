"""Events: pull them in order, see a sample, try a filter on those that happened."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.api.paging import PageQuery, cursors
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.event_examples import EXAMPLES
from leadhub.domain.events import EVENT_TYPES, EventType
from leadhub.domain.subscription import Condition, Filter, matches
from leadhub.store.reading import events as store

router = admin_router("events")

_EVENT: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c1-7000-8000-00000000000e",
    "type": "lead.nurtured",
    "event": json.loads(EXAMPLES["lead.nurtured"].model_dump_json()),
}
_MOST_TRIED = 1_000
_MOST_SHOWN = 50


class EventQuery(PageQuery):
    """Which events."""

    type: EventType | None = None


class EventOut(BaseModel):
    """An event as subscribers are told of it."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_EVENT)})

    id: UUID = Field(description="What a webhook carries as `webhook-id`.")
    type: str
    event: dict[str, Any] = Field(description="What a webhook carries as its body.")


class EventPage(BaseModel):
    """Events in the order in which they happened."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [dict(_EVENT)], "next": "AbC", "is_more": False}})

    items: list[EventOut]
    next: str | None = Field(description="Keep it, and send it as `after` the next time; null before the first event.")
    is_more: bool = Field(description="Whether there are more already.")


@router.get(
    "/events",
    operation_id="list_events",
    summary="Pull events",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_events(query: Annotated[EventQuery, Query()], resources: OpenResources, now: Now) -> EventPage:
    """Events, oldest first, a few seconds behind the present: for receivers that cannot be reached, and to catch up.

    None is missed or given twice to who sends `next` back each time.
    """
    marks = cursors(resources.settings, "events")
    after = UUID(marks.read(query.after)[0]) if query.after else None
    types = [query.type] if query.type else []
    async with resources.sessions() as session:
        rows = await store.events_after(session, after=after, types=types, limit=query.limit + 1, now=now)
    shown = rows[: query.limit]
    return EventPage(
        items=[EventOut(id=row.id, type=row.type, event=json.loads(row.body)) for row in shown],
        next=marks.make([shown[-1].id]) if shown else query.after,
        is_more=len(rows) > query.limit,
    )


@router.get(
    "/event-types/{event_type}/sample",
    operation_id="get_event_sample",
    summary="Show a sample event",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE, Scope.LEADS_READ),
    responses={200: {"content": {"application/json": {"example": [_EVENT["event"]]}}}, **problems(404)},
)
async def get_event_sample(event_type: EventType) -> list[dict[str, Any]]:
    """One invented event of a type, in a list as automation tools want it."""
    return [json.loads(EXAMPLES[event_type].model_dump_json())]


class FilterTrial(BaseModel):
    """A filter to try."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"event_types": ["lead.routed"], "filter": [{"path": "/data/stage", "one_of": ["SQL"]}]}
        },
    )

    event_types: Annotated[list[EventType], Field(max_length=len(EVENT_TYPES))] = Field(default_factory=list)
    filter: Filter


class TriedEvent(BaseModel):
    """An event, and whether the filter lets it through."""

    id: UUID
    type: str
    occurred_at: datetime
    is_wanted: bool


class FilterTrialOut(BaseModel):
    """What a filter would have done."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "examined": 1000,
                "wanted": 120,
                "items": [
                    {
                        "id": _EVENT["id"],
                        "type": "lead.routed",
                        "occurred_at": "2026-01-15T09:30:00Z",
                        "is_wanted": True,
                    }
                ],
            }
        }
    )

    examined: int = Field(description="How many of the newest events it was tried on.")
    wanted: int = Field(description="How many of them it lets through.")
    items: list[TriedEvent] = Field(description="The newest of them.")


@router.post(
    "/events/try-filter",
    operation_id="try_filter",
    summary="Try a filter",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(400, 413),
)
async def try_filter(body: FilterTrial, resources: OpenResources) -> FilterTrialOut:
    """Say what a filter would have done with the newest 1,000 events, before an endpoint has it."""
    async with resources.sessions() as session:
        rows = await store.newest_events(session, types=body.event_types, limit=_MOST_TRIED)
    tried = [_tried(row, body.filter) for row in rows]
    return FilterTrialOut(examined=len(tried), wanted=sum(one.is_wanted for one in tried), items=tried[:_MOST_SHOWN])


def _tried(row: store.EventRow, conditions: list[Condition]) -> TriedEvent:
    return TriedEvent(
        id=row.id,
        type=row.type,
        occurred_at=row.occurred_at,
        is_wanted=matches(conditions, json.loads(row.body)),
    )
