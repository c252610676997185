"""Deliveries: what was sent to whom, what they answered, and why a delivery is where it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import Caller, CallerNow, Now, OpenResources, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope, allows
from leadhub.domain.events import EventType
from leadhub.domain.ids import DeliveryId
from leadhub.domain.why import why
from leadhub.store import deliveries
from leadhub.store.reading import deliveries as store

router = admin_router("deliveries")

DeliveryState = Literal["pending", "leased", "delivered", "held", "dead", "cancelled"]
_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c1-7000-8000-00000000000d",
    "event_id": "019bc0fd-89c1-7000-8000-00000000000e",
    "event_type": "lead.routed",
    "endpoint_id": "019b9cf1-2a3f-7000-8000-00000000000f",
    "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "state": "pending",
    "outcome": "timeout",
    "attempts": 1,
    "due_at": "2026-01-15T09:30:20Z",
    "created_at": "2026-01-15T09:30:00Z",
    "finished_at": None,
}
_ATTEMPT: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c2-7000-8000-000000000010",
    "number": 1,
    "started_at": "2026-01-15T09:30:00Z",
    "finished_at": "2026-01-15T09:30:15Z",
    "outcome": "timeout",
    "status": None,
    "because": "no answer within 15 seconds",
    "remote_ip": "192.0.2.10",
    "duration_ms": 15000,
    "dns_ms": 3,
    "connect_ms": 21,
    "tls_ms": 40,
    "first_byte_ms": None,
    "response_headers": {"retry-after": "5"},
    "response_body": "busy",
}


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    endpoint: Id | None = Field(default=None, description="An endpoint's id.")
    lead: Id | None = Field(default=None, description="A lead's id.")
    state: DeliveryState | None = None
    event_type: EventType | None = None


class DeliveryOut(BaseModel):
    """An event to an endpoint."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    event_id: UUID = Field(description="Sent as `webhook-id`; the same at every attempt.")
    event_type: str
    endpoint_id: UUID
    lead_id: UUID | None
    state: DeliveryState
    outcome: str | None = Field(description="How the newest attempt ended, as a class.")
    attempts: int
    due_at: datetime = Field(description="Not sent before this.")
    created_at: datetime
    finished_at: datetime | None


class AttemptOut(BaseModel):
    """One HTTP try."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_ATTEMPT)})

    id: UUID
    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    status: int | None
    because: str | None = Field(description="In plain words.")
    remote_ip: str | None
    duration_ms: int | None = Field(description="Of all of it, as the next four in milliseconds.")
    dns_ms: int | None = Field(description="Of the look-up; like the next two null where a connection was used again.")
    connect_ms: int | None
    tls_ms: int | None
    first_byte_ms: int | None = Field(description="From the request to the head of its answer.")
    response_headers: dict[str, Any] | None = Field(description="Of the answer, without what may be secret.")
    response_body: str | None = Field(description="The beginning of the answer.")


class DeliveryDetail(DeliveryOut):
    """A delivery with its attempts."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_EXAMPLE,
                "because": "no answer within 15 seconds; it is tried again from 2026-01-15 09:30:20 UTC on",
                "remedy": "have the receiver answer first and work afterwards",
                "endpoint_url": "https://crm.example.com/hooks/leadhub",
                "body": '{"type":"lead.routed","timestamp":"2026-01-15T09:30:00Z","data":{}}',
                "attempts_made": [{**_ATTEMPT, "status": 503, "first_byte_ms": 130}],
            }
        }
    )

    because: str = Field(description="Why it is where it is, in plain words.")
    remedy: str | None = Field(description="What would help, if somebody has to do something.")
    endpoint_url: str | None = Field(description="Null when the endpoint was deleted.")
    body: str | None = Field(
        description="The bytes that are signed and sent; null without the scope leads:read, or when they were erased."
    )
    attempts_made: list[AttemptOut] = Field(description="Newest first.")


@router.get(
    "/deliveries",
    operation_id="list_deliveries",
    summary="List deliveries",
    openapi_extra=needs(Scope.DELIVERIES_READ),
    responses=problems(400),
)
async def list_deliveries(query: Annotated[DeliveryQuery, Query()], resources: OpenResources) -> Page[DeliveryOut]:
    """Deliveries, newest first."""
    marks = cursors(resources.settings, "deliveries")
    before = DeliveryId(UUID(marks.read(query.after)[0])) if query.after else None
    which = store.DeliveryFilter(
        endpoint_id=query.endpoint, lead_id=query.lead, state=query.state, event_type=query.event_type
    )
    async with resources.sessions() as session:
        rows = await store.list_deliveries(session, which, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=DeliveryOut.model_validate, position=lambda row: [row.id])


@router.get(
    "/deliveries/{delivery_id}",
    operation_id="get_delivery",
    summary="Show a delivery",
    openapi_extra=needs(Scope.DELIVERIES_READ),
    responses=problems(404),
)
async def get_delivery(delivery_id: Id, caller: CallerNow, resources: OpenResources, now: Now) -> DeliveryDetail:
    """One delivery with every attempt."""
    async with resources.sessions() as session:
        return _shown(await store.get_delivery(session, DeliveryId(delivery_id)), caller, now)


@router.post(
    "/deliveries/{delivery_id}/resend",
    operation_id="resend_delivery",
    summary="Send a delivery again",
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(404, 409),
)
async def resend_delivery(delivery_id: Id, caller: CallerNow, resources: OpenResources, now: Now) -> DeliveryDetail:
    """Send once more, whatever became of it before, with the same `webhook-id`."""
    async with resources.sessions.begin() as session:
        await deliveries.resend(session, DeliveryId(delivery_id), now=now)
        found = await store.get_delivery(session, DeliveryId(delivery_id))
    resources.deliveries_nudge()
    return _shown(found, caller, now)


@router.post(
    "/deliveries/{delivery_id}/cancel",
    operation_id="cancel_delivery",
    summary="Give a delivery up",
    openapi_extra=needs(Scope.DELIVERIES_WRITE),
    responses=problems(404, 409),
)
async def cancel_delivery(delivery_id: Id, caller: CallerNow, resources: OpenResources, now: Now) -> DeliveryDetail:
    """Do not send it any more; later events of its lead that wait for it go on."""
    async with resources.sessions.begin() as session:
        await deliveries.cancel(session, DeliveryId(delivery_id), now=now)
        found = await store.get_delivery(session, DeliveryId(delivery_id))
    resources.deliveries_nudge()
    return _shown(found, caller, now)


def _shown(found: store.DeliveryDetail, caller: Caller, now: datetime) -> DeliveryDetail:
    reason = why(found.situation, now=now)
    body = found.body if allows(caller.scopes, Scope.LEADS_READ) else None
    return DeliveryDetail(
        **DeliveryOut.model_validate(found.delivery).model_dump(),
        because=reason.because,
        remedy=reason.remedy,
        endpoint_url=found.endpoint_url,
        body=body.decode("utf-8", "replace") if body else None,
        attempts_made=[_attempt(one) for one in found.attempts],
    )


def _attempt(row: store.AttemptRow) -> AttemptOut:
    body = row.response_body
    shown = {name: getattr(row, name) for name in AttemptOut.model_fields}
    return AttemptOut.model_validate(shown | {"response_body": body.decode("utf-8", "replace") if body else None})
