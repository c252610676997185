"""The secrets that sign what an endpoint gets: read them, rotate them."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import Now, OpenResources, Repeat, admin_router, needs
from leadhub.api.parameters import Id
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.ids import EndpointId
from leadhub.domain.subscription import SignatureKind
from leadhub.pipeline import endpoints as pipeline

router = admin_router("endpoints")

EXAMPLE: Final = "whsec_1jzo5H16fZCRoNj9bPu8YJcC/yXcEuJNuhIGuUl0ATc="
"""A made-up secret, for the description."""
_SIGNING: Final[Mapping[str, Any]] = {"secret": EXAMPLE, "created_at": "2026-01-15T09:30:00Z", "valid_until": None}


class SigningSecret(BaseModel):
    """A signing secret."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_SIGNING)})

    secret: str = Field(description="`whsec_…`: the shared secret; `whpk_…`: the public key of a pair.")
    created_at: datetime
    valid_until: datetime | None = Field(description="Null: until it is rotated.")


class SigningSecrets(BaseModel):
    """The secrets that sign now: accept a message that any of them signed."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"secrets": [{**_SIGNING, "valid_until": "2026-01-16T09:30:00Z"}]}}
    )

    secrets: list[SigningSecret] = Field(description="Newest first.")


@router.get(
    "/endpoints/{endpoint_id}/secret",
    operation_id="get_endpoint_secret",
    summary="Show signing secrets",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(404),
)
async def get_endpoint_secret(endpoint_id: Id, resources: OpenResources, now: Now) -> SigningSecrets:
    """The secrets that sign what an endpoint gets."""
    found = await pipeline.reveal_secrets(resources.sessions, resources.vault, EndpointId(endpoint_id), now=now)
    return SigningSecrets(secrets=[SigningSecret.model_validate(one) for one in found])


class Rotation(BaseModel):
    """How to rotate."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"overlap_hours": 24}})

    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=168)] = Field(
        default=24, description="How long the old secret signs beside the new one; 0 if it is known to others."
    )
    signature: SignatureKind | None = Field(default=None, description="Kind of the new secret; absent: as it was.")


@router.post(
    "/endpoints/{endpoint_id}/secret/rotate",
    operation_id="rotate_endpoint_secret",
    summary="Rotate the signing secret",
    openapi_extra=needs(Scope.ENDPOINTS_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def rotate_endpoint_secret(
    endpoint_id: Id, resources: OpenResources, repeatable: Repeat, now: Now, body: Rotation | None = None
) -> SigningSecret:
    """Sign with a new secret; for 24 hours the old one signs beside it, so that no message is refused meanwhile."""
    how = body or Rotation()
    made = await pipeline.rotate_secret(
        resources.sessions,
        resources.vault,
        EndpointId(endpoint_id),
        overlap=timedelta(hours=how.overlap_hours),
        signature=how.signature,
        now=now,
        entropy=secrets.token_bytes,
        repeatable=repeatable,
    )
    return SigningSecret.model_validate(made)
