"""How the deployment is doing, in numbers.

What would take long to count is given up after a moment and reported as unknown: a look at the state of a busy
system must not become a part of its load.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import uuid7_time
from leadhub.store.engine import Sessions
from leadhub.store.tables import Delivery, Endpoint, Lane, Lead, PendingSubmission

_PATIENCE = text("SET LOCAL statement_timeout = '2s'")
_CANCELLED = "57014"
"""SQLSTATE query_canceled. Source: PostgreSQL, Appendix A."""

_MOST_ENDPOINTS = 1_000

Counts = Mapping[str, int]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Submissions that are not part of a lead yet."""

    pending: int
    oldest_at: datetime | None
    """Receipt of the oldest that is still to be tried, as its id tells."""
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLoad:
    """What waits for an endpoint."""

    id: UUID
    url: str
    state: str
    pending: int
    held: int
    oldest_due_at: datetime | None
    failing_since: datetime | None
    """Of the first failure after the last success."""
    because: str | None
    """Why it is in its state, or else what failed last."""
    cap: int
    """Most in flight."""
    per_minute: int | None
    """None: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All numbers of one moment; None where counting would have taken too long."""

    queue: Queue
    endpoints: Sequence[EndpointLoad] | None
    leads_by_route: Counts | None
    leads_by_stage: Counts | None
    deliveries_by_state: Counts | None


async def status(sessions: Sessions) -> Status:
    """Return how things stand; each part is read by itself."""
    leads = await _unless_slow(sessions, _leads)
    return Status(
        queue=await _in_time(sessions, _queue),
        endpoints=await loads(sessions),
        leads_by_route=leads[0] if leads else None,
        leads_by_stage=leads[1] if leads else None,
        deliveries_by_state=await _unless_slow(sessions, _deliveries),
    )


async def loads(sessions: Sessions) -> Sequence[EndpointLoad] | None:
    """Return what waits for each endpoint; None if counting would take too long."""
    return await _unless_slow(sessions, _endpoints)


async def _in_time(sessions: Sessions, part: Callable[[AsyncSession], Awaitable[Found]]) -> Found:
    async with sessions.begin() as session:
        await session.execute(_PATIENCE)
        return await part(session)


async def _unless_slow(sessions: Sessions, part: Callable[[AsyncSession], Awaitable[Found]]) -> Found | None:
    try:
        return await _in_time(sessions, part)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _CANCELLED:
            raise
        return None


async def _queue(session: AsyncSession) -> Queue:
    failed = PendingSubmission.failed_at.is_not(None)
    query = select(
        func.count().filter(~failed),
        func.count().filter(failed),
        # There is no min(uuid) before PostgreSQL 18; as text, time-ordered ids sort the same.
        func.min(cast(PendingSubmission.submission_id, Text)).filter(~failed),
    )
    pending, parked, oldest = (await session.execute(query)).one()
    return Queue(pending=pending, failed=parked, oldest_at=uuid7_time(UUID(oldest)) if oldest else None)


async def _leads(session: AsyncSession) -> tuple[Counts, Counts]:
    query = (
        select(Lead.route, Lead.stage, func.count())
        .where(Lead.merged_into.is_(None), Lead.is_test.is_(False))
        .group_by(Lead.route, Lead.stage)
    )
    routes: dict[str, int] = {}
    stages: dict[str, int] = {}
    for route, stage, count in await session.execute(query):
        routes[route] = routes.get(route, 0) + count
        stages[stage] = stages.get(stage, 0) + count
    return routes, stages


async def _deliveries(session: AsyncSession) -> Counts:
    query = select(Delivery.state, func.count()).group_by(Delivery.state)
    return dict((await session.execute(query)).all())


async def _endpoints(session: AsyncSession) -> list[EndpointLoad]:
    waiting = Delivery.state == "pending"
    query = (
        select(
            Endpoint.id,
            Endpoint.url,
            Endpoint.state,
            func.count(Delivery.id).filter(waiting).label("pending"),
            func.count(Delivery.id).filter(~waiting).label("held"),
            func.min(Delivery.due_at).filter(waiting).label("oldest_due_at"),
            Lane.failing_since,
            func.coalesce(Endpoint.state_because, Lane.because).label("because"),
            Lane.cap,
            Lane.per_minute,
        )
        .join(Lane, Lane.endpoint_id == Endpoint.id)
        .outerjoin(Delivery, (Delivery.endpoint_id == Endpoint.id) & Delivery.state.in_(("pending", "held")))
        .group_by(Endpoint.id, Lane.endpoint_id)
        .order_by(Endpoint.id)
        .limit(_MOST_ENDPOINTS)
    )
    return [EndpointLoad(**row) for row in (await session.execute(query)).mappings()]
