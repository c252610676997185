"""How the deployment is doing."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.domain.credentials import Scope
from leadhub.domain.lane import PATIENCE
from leadhub.store.reading import status as store

router = admin_router("overview")


class QueueOut(BaseModel):
    """Submissions that are not part of a lead yet."""

    pending: int
    oldest_seconds: float | None = Field(description="Age of the oldest that waits; null if none does.")
    failed: int


class EndpointLoadOut(BaseModel):
    """What waits for an endpoint."""

    id: UUID
    url: str
    state: str
    pending: int
    held: int
    oldest_due_at: datetime | None
    behind_seconds: float | None = Field(description="How long the oldest has been due; null if nothing is.")
    failing_since: datetime | None = Field(description="Since then every attempt failed; null if the newest did not.")
    because: str | None = Field(description="Why it is in its state, or what failed last, in plain words.")
    will_be_disabled_at: datetime | None = Field(description="Unless a delivery succeeds before.")


class StatusOut(BaseModel):
    """How things stand. What would have taken long to count is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "at": "2026-01-15T09:30:00Z",
                "queue": {"pending": 3, "oldest_seconds": 0.4, "failed": 0},
                "leads_by_route": {"sales": 120, "nurture": 3400, "none": 12},
                "leads_by_stage": {"SQL": 120, "IQL": 3400, "DISQUALIFIED": 12},
                "deliveries_by_state": {"delivered": 5120, "pending": 2},
                "endpoints": [
                    {
                        "id": "019b9cf1-2a3f-7000-8000-00000000000f",
                        "url": "https://crm.example.com/hooks/leadhub",
                        "state": "active",
                        "pending": 2,
                        "held": 0,
                        "oldest_due_at": "2026-01-15T09:29:58Z",
                        "behind_seconds": 2.0,
                        "failing_since": "2026-01-15T07:12:00Z",
                        "because": "the receiver answered 404: the path of the URL is wrong",
                        "will_be_disabled_at": "2026-01-20T07:12:00Z",
                    }
                ],
            }
        }
    )

    at: datetime
    queue: QueueOut
    leads_by_route: dict[str, int] | None
    leads_by_stage: dict[str, int] | None
    deliveries_by_state: dict[str, int] | None
    endpoints: list[EndpointLoadOut] | None


@router.get(
    "/status",
    operation_id="get_status",
    summary="Show how things stand",
    openapi_extra=needs(Scope.LEADS_READ, Scope.DELIVERIES_READ),
)
async def get_status(resources: OpenResources, now: Now) -> StatusOut:
    """Queues, leads and deliveries in numbers."""
    found = await store.status(resources.sessions)
    queue = found.queue
    return StatusOut(
        at=now,
        queue=QueueOut(pending=queue.pending, oldest_seconds=_age(queue.oldest_at, now), failed=queue.failed),
        leads_by_route=_counts(found.leads_by_route),
        leads_by_stage=_counts(found.leads_by_stage),
        deliveries_by_state=_counts(found.deliveries_by_state),
        endpoints=None if found.endpoints is None else [_load(one, now) for one in found.endpoints],
    )


def _load(load: store.EndpointLoad, now: datetime) -> EndpointLoadOut:
    return EndpointLoadOut(
        id=load.id,
        url=load.url,
        state=load.state,
        pending=load.pending,
        held=load.held,
        oldest_due_at=load.oldest_due_at,
        behind_seconds=_age(load.oldest_due_at, now),
        failing_since=load.failing_since,
        because=load.because,
        will_be_disabled_at=load.failing_since + PATIENCE if load.failing_since and load.state == "active" else None,
    )


def _counts(found: store.Counts | None) -> dict[str, int] | None:
    return None if found is None else dict(found)


def _age(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())
