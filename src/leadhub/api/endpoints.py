"""Endpoints: the URLs that are told what happens, and the secrets that sign."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from leadhub.api.dependencies import ExpectedVersion, Now, OpenResources, Repeat, admin_router, etag, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id, Line
from leadhub.api.problems import problems
from leadhub.api.signing_secrets import EXAMPLE as EXAMPLE_SECRET
from leadhub.domain.credentials import Scope
from leadhub.domain.events import EVENT_TYPES, EventType
from leadhub.domain.ids import EndpointId
from leadhub.domain.subscription import (
    Authorization,
    Condition,
    Filter,
    Ordering,
    Payload,
    Poison,
    Schedule,
    SignatureKind,
    read_filter,
)
from leadhub.pipeline import endpoints as pipeline
from leadhub.pipeline import verifying
from leadhub.resources import webhook_sender
from leadhub.store import endpoints as store

router = admin_router("endpoints")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c0-7000-8000-000000000000",
    "url": "https://crm.example.com/hooks/leadhub",
    "description": "CRM, production",
    "event_types": ["lead.routed"],
    "include_test": False,
    "state": "active",
    "state_because": None,
    "payload": "full",
    "filter": [{"path": "/data/stage", "one_of": ["SQL", "MQL"]}],
    "header_names": ["x-tenant"],
    "authorization": None,
    "verified_at": None,
    "is_subscribed": True,
    "ordering": "none",
    "poison": "skip",
    "schedule": None,
    "version": 1,
    "created_at": "2026-01-15T09:30:00Z",
    "updated_at": "2026-01-15T09:30:00Z",
}
_NEW: Final = {name: _EXAMPLE[name] for name in ("url", "description", "event_types")}

Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
EventTypes = Annotated[
    list[EventType],
    Field(max_length=len(EVENT_TYPES), description="What to be told; empty means all that happens to leads."),
]
Strict = Annotated[bool, Field(strict=True)]


class _OptionsIn(BaseModel):
    """What an owner may ask for beyond the URL."""

    model_config = ConfigDict(extra="forbid")

    payload: Payload | None = Field(default=None, description="`thin`: ids only; the receiver fetches the rest.")
    filter: Filter | None = Field(default=None, description="All conditions must hold; empty means every event.")
    headers: dict[str, str] | None = Field(
        default=None, description="Sent with every request, kept sealed, never shown again."
    )
    authorization: Authorization | None = Field(
        default=None, description="`basic`, or `oauth2` with client credentials; kept sealed, never shown again."
    )
    cap: Annotated[int, Field(strict=True, ge=1, le=32)] | None = Field(
        default=None, description="Most requests in flight."
    )
    per_minute: Annotated[int, Field(strict=True, ge=0, le=600_000)] | None = Field(
        default=None, description="Most requests a minute; 0 means no limit."
    )

    is_subscribed: Annotated[bool, Field(strict=True)] | None = Field(
        default=None, description="False: it gets only what is replayed to it."
    )
    ordering: Ordering | None = Field(
        default=None, description="`lead`: an event is sent when all earlier ones of its lead have come to an end."
    )
    poison: Poison | None = Field(
        default=None,
        description="In order, after an event that was given up: `skip` it and go on with its lead, or `block` the"
        " lead's later ones until it is sent again or cancelled.",
    )
    schedule: Schedule | None = Field(
        default=None,
        description="Seconds to wait after the first, the second, … attempt; one more than these is made. Null: ten"
        " attempts over three days.",
    )

    def options(self) -> pipeline.Options:
        """Return what the pipeline takes."""
        return pipeline.Options(
            payload=self.payload,
            filter=self.filter,
            headers=self.headers,
            authorization=self.authorization,
            drops_authorization="authorization" in self.model_fields_set and self.authorization is None,
            cap=self.cap,
            per_minute=self.per_minute,
            is_subscribed=self.is_subscribed,
            ordering=self.ordering,
            poison=self.poison,
            schedule=() if "schedule" in self.model_fields_set and self.schedule is None else self.schedule,
        )


class EndpointIn(_OptionsIn):
    """A URL to subscribe, or a file of JSON lines."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _NEW})

    url: Url = Field(
        description="Where to POST: https, a public name, no user name in it. Or `jsonl:NAME`, to append to a file in"
        " the folder that the operator set."
    )
    description: Line = Field(default="", description="For people.")
    event_types: EventTypes = Field(default_factory=list)
    include_test: Strict = Field(default=False, description="Also tell of test leads.")
    signature: SignatureKind = Field(
        default="v1", description="`v1`: HMAC-SHA256 with a shared secret; `v1a`: Ed25519, verified with a public key."
    )


class EndpointPatch(_OptionsIn):
    """What to change of an endpoint; what is absent stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"event_types": ["lead.routed"]}})

    url: Url | None = None
    description: Line | None = None
    event_types: EventTypes | None = None
    include_test: Strict | None = None


class EndpointOut(BaseModel):
    """An endpoint."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    url: str
    description: str
    event_types: list[EventType]
    include_test: bool
    state: Literal["active", "paused", "gone", "misconfigured", "disabled"] = Field(
        description="In every state but `active`, what happens is kept for it and sent when it is resumed."
    )
    state_because: str | None
    payload: Payload
    filter: list[Condition]
    header_names: list[str] = Field(description="Of the headers that the owner added; their values are not shown.")
    authorization: Literal["basic", "oauth2"] | None = Field(description="Its kind; the rest is not shown.")
    is_subscribed: bool
    ordering: Ordering
    poison: Poison
    schedule: list[int] | None = Field(description="Seconds between attempts; null: ten attempts over three days.")
    verified_at: datetime | None = Field(description="When the receiver at this URL last sent a challenge back.")
    version: int = Field(description="Grows with every change; also in the ETag.")
    created_at: datetime
    updated_at: datetime


class NewEndpointOut(EndpointOut):
    """A new endpoint with its signing secret."""

    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "secret": EXAMPLE_SECRET}})

    secret: str = Field(description="Verify `webhook-signature` with it, as Standard Webhooks 1.0 has it.")


@router.get(
    "/endpoints",
    operation_id="list_endpoints",
    summary="List endpoints",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(400),
)
async def list_endpoints(query: Annotated[PageQuery, Query()], resources: OpenResources) -> Page[EndpointOut]:
    """Endpoints, newest first."""
    marks = cursors(resources.settings, "endpoints")
    before = EndpointId(UUID(marks.read(query.after)[0])) if query.after else None
    async with resources.sessions() as session:
        rows = await store.list_endpoints(session, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=_out, position=lambda endpoint: [endpoint.id])


@router.post(
    "/endpoints",
    operation_id="create_endpoint",
    summary="Subscribe an endpoint",
    status_code=201,
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(400, 409, 413),
)
async def create_endpoint(
    body: EndpointIn, resources: OpenResources, repeatable: Repeat, response: Response, now: Now
) -> NewEndpointOut:
    """Tell a URL what happens from now on, signed with the secret in this answer."""
    created = await pipeline.create_endpoint(
        resources.sessions,
        resources.vault,
        url=body.url,
        description=body.description,
        event_types=body.event_types,
        include_test=body.include_test,
        options=body.options(),
        signature=body.signature,
        lane_cap=resources.settings.delivery_lane_cap,
        allowed_networks=resources.settings.outbound_networks,
        has_folder=resources.settings.sink_directory is not None,
        now=now,
        entropy=secrets.token_bytes,
        repeatable=repeatable,
    )
    shown = _shown(created.endpoint, response)
    return NewEndpointOut(**shown.model_dump(), secret=created.secret)


@router.get(
    "/endpoints/{endpoint_id}",
    operation_id="get_endpoint",
    summary="Show an endpoint",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(404),
)
async def get_endpoint(endpoint_id: Id, resources: OpenResources, response: Response) -> EndpointOut:
    """One endpoint; its ETag is what a change must send back."""
    async with resources.sessions() as session:
        return _shown(await store.get_endpoint(session, EndpointId(endpoint_id)), response)


@router.patch(
    "/endpoints/{endpoint_id}",
    operation_id="update_endpoint",
    summary="Change an endpoint",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(400, 404, 412, 413, 428),
)
async def update_endpoint(
    endpoint_id: Id,
    body: EndpointPatch,
    *,
    expected: ExpectedVersion,
    resources: OpenResources,
    response: Response,
    now: Now,
) -> EndpointOut:
    """Change an endpoint. A new URL brings one that was switched off back into service, and waiting retries are due.

    If the old URL was verified, the new one is asked to prove itself, too, before this is answered.
    """
    async with resources.sessions() as session:
        before = await store.get_endpoint(session, EndpointId(endpoint_id))
    changes = pipeline.EndpointChanges(
        url=body.url,
        description=body.description,
        event_types=body.event_types,
        include_test=body.include_test,
        options=body.options(),
    )
    endpoint = await pipeline.update_endpoint(
        resources.sessions,
        resources.vault,
        EndpointId(endpoint_id),
        changes,
        expected_version=expected,
        allowed_networks=resources.settings.outbound_networks,
        has_folder=resources.settings.sink_directory is not None,
        now=now,
    )
    resources.deliveries_nudge()
    endpoint = await verifying.verify_again(
        resources.sessions,
        resources.vault,
        partial(webhook_sender, resources.settings),
        before,
        endpoint,
        now=now,
        entropy=secrets.token_bytes,
    )
    return _shown(endpoint, response)


@router.delete(
    "/endpoints/{endpoint_id}",
    operation_id="delete_endpoint",
    summary="Unsubscribe an endpoint",
    status_code=204,
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(404),
)
async def delete_endpoint(endpoint_id: Id, resources: OpenResources, now: Now) -> None:
    """Forget an endpoint. What waits for it is cancelled; what was delivered stays in the log."""
    await pipeline.delete_endpoint(resources.sessions, EndpointId(endpoint_id), now=now)


@router.post(
    "/endpoints/{endpoint_id}/pause",
    operation_id="pause_endpoint",
    summary="Pause an endpoint",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(404),
)
async def pause_endpoint(endpoint_id: Id, resources: OpenResources, response: Response, now: Now) -> EndpointOut:
    """Keep everything for an endpoint until it is resumed; again changes nothing."""
    return _shown(await pipeline.pause_endpoint(resources.sessions, EndpointId(endpoint_id), now=now), response)


@router.post(
    "/endpoints/{endpoint_id}/resume",
    operation_id="resume_endpoint",
    summary="Resume an endpoint",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(404),
)
async def resume_endpoint(endpoint_id: Id, resources: OpenResources, response: Response, now: Now) -> EndpointOut:
    """Send an endpoint what was kept for it, oldest first, and go on; again changes nothing."""
    endpoint = await pipeline.resume_endpoint(resources.sessions, EndpointId(endpoint_id), now=now)
    resources.deliveries_nudge()
    return _shown(endpoint, response)


class VerificationOut(BaseModel):
    """How a challenge ended."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": {"is_verified": True, "because": "the receiver sent the challenge back"}},
    )

    is_verified: bool
    because: str = Field(description="In plain words.")


@router.post(
    "/endpoints/{endpoint_id}/verify",
    operation_id="verify_endpoint",
    summary="Verify an endpoint",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(404),
)
async def verify_endpoint(endpoint_id: Id, resources: OpenResources, now: Now) -> VerificationOut:
    """Send a signed `endpoint.verify`; the receiver proves that it wants the events by sending the challenge back."""
    async with webhook_sender(resources.settings) as sender:
        ended = await verifying.verify_endpoint(
            resources.sessions, resources.vault, sender, EndpointId(endpoint_id), now=now, entropy=secrets.token_bytes
        )
    return VerificationOut.model_validate(ended)


def _shown(endpoint: store.Endpoint, response: Response) -> EndpointOut:
    response.headers.update(etag(endpoint.version))
    return _out(endpoint)


def _out(endpoint: store.Endpoint) -> EndpointOut:
    shown = {name: getattr(endpoint, name) for name in EndpointOut.model_fields}
    return EndpointOut.model_validate(shown | {"filter": read_filter(endpoint.filter) if endpoint.filter else []})
