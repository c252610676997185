"""API keys: make, list, revoke."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, Now, OpenResources, Repeat, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id, Moment, Named
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope, allows
from leadhub.domain.errors import NotAllowed
from leadhub.domain.ids import ApiKeyId
from leadhub.pipeline import keys as pipeline
from leadhub.store import keys as store

router = admin_router("keys")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c0-7000-8000-000000000000",
    "name": "CRM, production",
    "last4": "x7Qk",
    "scopes": ["leads:read"],
    "created_at": "2026-01-15T09:30:00Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": "2026-01-15T09:31:00Z",
}
_TOKEN: Final = "lh_live_" + "A" * 39 + "x7Qk"


class KeyIn(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"name": "CRM, production", "scopes": ["leads:read"]}}
    )

    name: Named = Field(description="Who uses it, for people.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))] = Field(
        description="What it may do; at most what your own key may do. `admin` is everything."
    )
    expires_at: Moment | None = Field(default=None, description="When it stops working by itself; never if absent.")


class KeyOut(BaseModel):
    """A key without its token."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    name: str
    last4: str = Field(description="The last four characters of its token, to recognise it by.")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class NewKeyOut(KeyOut):
    """A new key with its token, which is shown this once."""

    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "last_used_at": None, "token": _TOKEN}})

    token: str = Field(description="Keep it: it cannot be read again.")

    @classmethod
    def of(cls, created: pipeline.CreatedKey) -> Self:
        """Show a key that was just made."""
        return cls(**KeyOut.model_validate(created.key).model_dump(), token=created.token)


@router.get(
    "/keys",
    operation_id="list_keys",
    summary="List API keys",
    openapi_extra=needs(Scope.KEYS_WRITE),
    responses=problems(400),
)
async def list_keys(query: Annotated[PageQuery, Query()], resources: OpenResources) -> Page[KeyOut]:
    """Keys, newest first, revoked ones too."""
    marks = cursors(resources.settings, "keys")
    before = ApiKeyId(UUID(marks.read(query.after)[0])) if query.after else None
    async with resources.sessions() as session:
        rows = await store.list_keys(session, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=KeyOut.model_validate, position=lambda key: [key.id])


@router.post(
    "/keys",
    operation_id="create_key",
    summary="Make an API key",
    status_code=201,
    openapi_extra=needs(Scope.KEYS_WRITE),
    responses=problems(400, 409, 413),
)
async def create_key(
    body: KeyIn, caller: CallerNow, resources: OpenResources, repeatable: Repeat, now: Now
) -> NewKeyOut:
    """Make a key. Its token is in this answer and nowhere else. Nobody can make a key that may do more than theirs."""
    _refuse_more_than_own(caller.scopes, body.scopes)
    created = await pipeline.create_key(
        resources.sessions,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        now=now,
        entropy=secrets.token_bytes,
        repeatable=repeatable,
    )
    return NewKeyOut.of(created)


@router.get(
    "/keys/{key_id}",
    operation_id="get_key",
    summary="Show an API key",
    openapi_extra=needs(Scope.KEYS_WRITE),
    responses=problems(404),
)
async def get_key(key_id: Id, resources: OpenResources) -> KeyOut:
    """One key, without its token."""
    async with resources.sessions() as session:
        return KeyOut.model_validate(await store.get_key(session, ApiKeyId(key_id)))


@router.delete(
    "/keys/{key_id}",
    operation_id="revoke_key",
    summary="Revoke an API key",
    openapi_extra=needs(Scope.KEYS_WRITE),
    responses=problems(404),
)
async def revoke_key(key_id: Id, resources: OpenResources, now: Now) -> KeyOut:
    """Make a key useless. It stays in the list, so that what it did can be traced; again changes nothing."""
    return KeyOut.model_validate(await pipeline.revoke_key(resources.sessions, ApiKeyId(key_id), now=now))


def _refuse_more_than_own(own: frozenset[str], wanted: Sequence[Scope]) -> None:
    beyond = sorted(scope for scope in wanted if not allows(own, scope))
    if beyond:
        raise NotAllowed(f"Your own key lacks the scope {beyond[0]}.")
