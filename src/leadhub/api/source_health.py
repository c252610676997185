"""How a source does, the token by which it asks at its platform, and reading that platform's lists again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.api.parameters import Id, Moment
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.errors import NotFound
from leadhub.domain.ids import SourceId
from leadhub.pipeline import checking, polling
from leadhub.store import source_health as store

router = admin_router("sources")

_FEED: Final[Mapping[str, Any]] = {
    "feed_id": "660010001",
    "name": "Demo form",
    "read_up_to": "2026-01-15T09:10:00Z",
    "is_under_way": True,
    "error": "the platform answered 2",
}
_EXAMPLE: Final[Mapping[str, Any]] = {
    "source_id": "019bc0fd-89c0-7000-8000-000000000000",
    "last_received_at": "2026-01-15T09:29:00Z",
    "refused_at": None,
    "received": 700,
    "found": 300,
    "has_token": True,
    "token_expires_at": "2026-03-01T00:00:00Z",
    "reconnect_by": "2027-01-01T00:00:00Z",
    "needs_reauth_since": None,
    "paused_until": None,
    "failing_since": None,
    "because": None,
    "polled_at": "2026-01-15T09:15:00Z",
    "checked_at": "2026-01-15T09:00:00Z",
    "subscription": "subscribed",
    "waiting": 0,
    "put_aside": 0,
    "erasures": 1,
    "feeds": [_FEED],
}

TokenText = Annotated[str, StringConstraints(min_length=8, max_length=4_000, pattern="^[!-~]+$")]


class FeedOut(BaseModel):
    """A list of leads at the platform: a form of Meta's, all responses of an owner at LinkedIn."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_FEED)})

    feed_id: str
    name: str
    read_up_to: datetime | None = Field(description="All its leads up to then are here.")
    is_under_way: bool = Field(description="Whether a reading has begun that has not come to its end.")
    error: str | None = Field(description="Why it did not.")


class SourceHealthOut(BaseModel):
    """How a source does. What has to do with fetching is null or 0 for a source that is sent whole leads."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    source_id: UUID
    last_received_at: datetime | None = Field(
        description="When its sender last delivered something, and proved itself."
    )
    refused_at: datetime | None = Field(description="When somebody last failed to: a wrong secret, or an attack.")
    received: int = Field(description="Leads that were sent, or announced and fetched.")
    found: int = Field(description="Leads of which no announcement came, found in the platform's lists.")
    has_token: bool
    token_expires_at: datetime | None
    reconnect_by: datetime | None = Field(description="Until then a person must connect it anew, if that is known.")
    needs_reauth_since: datetime | None = Field(description="The token is dead; announced leads wait for a new one.")
    paused_until: datetime | None = Field(description="The platform asked for quiet until then.")
    failing_since: datetime | None
    because: str | None = Field(description="What the platform says, where something is wrong.")
    polled_at: datetime | None = Field(description="When all lists were last read to their end.")
    checked_at: datetime | None
    subscription: str | None = Field(
        description="At the last check: `subscribed`, `renewed` (it had vanished), `unknown`, or what is wrong."
    )
    waiting: int = Field(description="Leads that are announced and not fetched yet.")
    put_aside: int = Field(description="Leads that could not be fetched in two days; a new token tries them again.")
    erasures: int = Field(description="Leads that were erased because the platform ordered it.")
    feeds: list[FeedOut]


class TokenIn(BaseModel):
    """What lets a source ask at its platform; write-only."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"token": "a-token-of-the-platform", "expires_at": "2100-01-01T00:00:00Z"}},
    )

    token: TokenText = Field(description="An access token.")
    expires_at: Moment | None = Field(default=None, description="When it ends; null: it does not, or nobody knows.")
    refresh_token: TokenText | None = Field(
        default=None, description="Renews the access token without a person, at four fifths of its life."
    )
    refresh_expires_at: Moment | None = Field(
        default=None, description="When nothing but a person's new consent helps; asked for a month before."
    )


class BackfillIn(BaseModel):
    """From when on to read again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"since": "2026-01-01T00:00:00Z"}})

    since: Moment = Field(description="A moment of the past year.")


@router.get(
    "/sources/{source_id}/health",
    operation_id="get_source_health",
    summary="Say how a source does",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404),
)
async def get_source_health(source_id: Id, resources: OpenResources) -> SourceHealthOut:
    """What came by a source, how, and since when something is wrong."""
    return await _health(resources, SourceId(source_id))


@router.put(
    "/sources/{source_id}/token",
    operation_id="set_source_token",
    summary="Give a source a token",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 404, 413),
)
async def set_source_token(source_id: Id, body: TokenIn, resources: OpenResources, now: Now) -> SourceHealthOut:
    """Let a source ask at its platform with this token from now on; what waited for it goes on."""
    new = checking.NewToken(
        token=body.token,
        expires_at=body.expires_at,
        refresh_token=body.refresh_token,
        refresh_expires_at=body.refresh_expires_at,
    )
    await checking.set_token(resources.sessions, resources.vault, SourceId(source_id), new, now=now)
    return await _health(resources, SourceId(source_id))


@router.post(
    "/sources/{source_id}/backfills",
    operation_id="backfill_source",
    summary="Read a source's lists again",
    status_code=202,
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def backfill_source(source_id: Id, body: BackfillIn, resources: OpenResources, now: Now) -> SourceHealthOut:
    """Have the workers read the platform's lists again from a moment on; leads that are here stay one lead each."""
    await polling.backfill(resources.sessions, SourceId(source_id), since=body.since, now=now)
    return await _health(resources, SourceId(source_id))


async def _health(resources: OpenResources, source_id: SourceId) -> SourceHealthOut:
    async with resources.sessions() as session:
        found = await store.read(session, source_id)
    if found is None:
        raise NotFound("There is no such source.")
    return SourceHealthOut.model_validate(found)
