"""A source's access token: what lets LeadHub fetch its leads at the platform."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.api.parameters import Id, Line
from leadhub.api.problems import problems
from leadhub.channels.registry import PLATFORMS
from leadhub.domain.credentials import Scope
from leadhub.domain.errors import Conflict
from leadhub.domain.ids import SourceId
from leadhub.pipeline import fetch
from leadhub.resources import Resources
from leadhub.store import notifications, sources

router = admin_router("sources")

_TOKEN = r"^[!-~]{8,4000}$"  # noqa: S105 - a pattern
_STATE: dict[str, JsonValue] = {
    "has_token": True,
    "paused_until": None,
    "needs_reauth_since": None,
    "because": None,
    "waiting": 0,
    "failed": 0,
}


class TokenIn(BaseModel):
    """An access token."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"token": "an-access-token"}})

    token: Annotated[str, StringConstraints(pattern=_TOKEN)]


class TokenOut(BaseModel):
    """How the fetching of a source stands; never the token."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _STATE})

    has_token: bool
    paused_until: datetime | None = Field(description="The platform asked to be left alone until then.")
    needs_reauth_since: datetime | None = Field(description="Since when the token is no longer accepted.")
    because: Line | None
    waiting: int = Field(description="Announced leads that are still to be fetched.")
    failed: int = Field(description="Those that were put aside.")


@router.get(
    "/sources/{source_id}/token",
    operation_id="get_source_token",
    summary="Show how a source's fetching stands",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(404, 409),
)
async def get_source_token(source_id: Id, resources: OpenResources, now: Now) -> TokenOut:
    """Whether the source has a token, and since when it is no longer accepted."""
    return await _state(resources, SourceId(source_id), now=now)


@router.put(
    "/sources/{source_id}/token",
    operation_id="set_source_token",
    summary="Give a source its access token",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def set_source_token(source_id: Id, body: TokenIn, resources: OpenResources, now: Now) -> TokenOut:
    """Keep a token, sealed; announced leads that waited for it, or were put aside without it, go on."""
    await _state(resources, SourceId(source_id), now=now)
    await fetch.set_token(resources.sessions, resources.vault, SourceId(source_id), body.token, now=now)
    async with resources.sessions.begin() as session:
        await notifications.replay(session, SourceId(source_id), now=now)
    return await _state(resources, SourceId(source_id), now=now)


async def _state(resources: Resources, source_id: SourceId, *, now: datetime) -> TokenOut:
    async with resources.sessions() as session:
        source = await sources.get_source(session, source_id, now=now)
        if source.channel not in PLATFORMS or not PLATFORMS[source.channel].announced:
            raise Conflict("Nothing is fetched for this source: its sender brings the leads itself.")
        return TokenOut.model_validate(await notifications.token_state(session, source_id))
