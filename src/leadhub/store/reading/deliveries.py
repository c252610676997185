"""Deliveries and their attempts, for the people on both ends of a webhook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leadhub.domain.errors import NotFound
from leadhub.domain.ids import DeliveryId
from leadhub.domain.why import Situation
from leadhub.store.tables import Attempt, Delivery, Endpoint, Event, Lane, Lead

_MOST_ATTEMPTS = 100
_MOST_AHEAD = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries; None leaves a part open."""

    endpoint_id: UUID | None = None
    lead_id: UUID | None = None
    """With those of leads that were merged into it."""
    state: str | None = None
    event_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery in a list."""

    id: UUID
    event_id: UUID
    event_type: str
    endpoint_id: UUID
    lead_id: UUID | None
    state: str
    outcome: str | None
    attempts: int
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One HTTP try."""

    id: UUID
    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    status: int | None
    because: str | None
    remote_ip: str | None
    duration_ms: int | None
    dns_ms: int | None
    connect_ms: int | None
    tls_ms: int | None
    first_byte_ms: int | None
    response_headers: Mapping[str, Any] | None
    response_body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDetail:
    """A delivery with its event, its endpoint and its attempts, newest first."""

    delivery: DeliveryRow
    occurred_at: datetime | None
    sequence: int | None
    body: bytes | None
    """The bytes that are sent; None when the event's partition was dropped."""
    endpoint_url: str | None
    """None when the endpoint was deleted."""
    endpoint_state: str | None
    endpoint_because: str | None
    situation: Situation
    attempts: Sequence[AttemptRow]


_COLUMNS = (
    Delivery.id,
    Delivery.event_id,
    Delivery.event_type,
    Delivery.endpoint_id,
    Delivery.lead_id,
    Delivery.state,
    Delivery.outcome,
    Delivery.attempts,
    Delivery.due_at,
    Delivery.created_at,
    Delivery.finished_at,
)
_ATTEMPT = (
    Attempt.id,
    Attempt.number,
    Attempt.started_at,
    Attempt.finished_at,
    Attempt.outcome,
    Attempt.status,
    Attempt.because,
    Attempt.remote_ip,
    Attempt.duration_ms,
    Attempt.dns_ms,
    Attempt.connect_ms,
    Attempt.tls_ms,
    Attempt.first_byte_ms,
    Attempt.response_headers,
    Attempt.response_body,
)


async def list_deliveries(
    session: AsyncSession, which: DeliveryFilter, *, limit: int, before: DeliveryId | None = None
) -> list[DeliveryRow]:
    """Return deliveries, newest first."""
    query = select(*_COLUMNS).where(*_conditions(which)).order_by(Delivery.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Delivery.id < before)
    return [DeliveryRow(**row) for row in (await session.execute(query)).mappings()]


async def get_delivery(session: AsyncSession, delivery_id: DeliveryId) -> DeliveryDetail:
    """Return one delivery with all that is known of it.

    Raises:
        NotFound: there is no such delivery.
    """
    query = select(*_COLUMNS).where(Delivery.id == delivery_id)
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such delivery.")
    delivery = DeliveryRow(**row)
    about = select(Event.occurred_at, Event.sequence, Event.body).where(Event.id == delivery.event_id)
    event = (await session.execute(about)).one_or_none()
    whose = select(Endpoint.url, Endpoint.state, Endpoint.state_because).where(Endpoint.id == delivery.endpoint_id)
    endpoint = (await session.execute(whose)).one_or_none()
    attempts = await _attempts(session, delivery_id)
    lane = await session.get(Lane, delivery.endpoint_id)
    situation = Situation(
        state=delivery.state,
        outcome=delivery.outcome,
        last=next((one.because for one in attempts if one.because), None),
        attempts=delivery.attempts,
        due_at=delivery.due_at,
        endpoint_state=endpoint.state if endpoint else None,
        endpoint_because=endpoint.state_because if endpoint else None,
        blocked_until=lane.blocked_until if lane else None,
        openings=lane.openings if lane else 0,
        failing_since=lane.failing_since if lane else None,
        ahead=await _ahead(session, delivery),
        behind=await _behind(session, delivery_id),
    )
    return DeliveryDetail(
        delivery=delivery,
        occurred_at=event.occurred_at if event else None,
        sequence=event.sequence if event else None,
        body=event.body if event else None,
        endpoint_url=endpoint.url if endpoint else None,
        endpoint_state=endpoint.state if endpoint else None,
        endpoint_because=endpoint.state_because if endpoint else None,
        situation=situation,
        attempts=attempts,
    )


async def _behind(session: AsyncSession, delivery_id: DeliveryId) -> UUID | None:
    """Return the delivery of an earlier event of the same lead that has to come to an end first."""
    mine, other, endpoint = aliased(Delivery), aliased(Delivery), aliased(Endpoint)
    unfinished = other.state.in_(("pending", "leased", "held"))
    query = (
        select(other.id)
        .join(mine, (mine.endpoint_id == other.endpoint_id) & (mine.lead_id == other.lead_id))
        .join(endpoint, endpoint.id == mine.endpoint_id)
        .where(mine.id == delivery_id, mine.is_ordered, other.is_ordered, other.sequence < mine.sequence)
        .where(unfinished | ((other.state == "dead") & (endpoint.poison == "block")))
        .order_by(other.sequence)
        .limit(1)
    )
    found: UUID | None = (await session.execute(query)).scalar()
    return found


async def _ahead(session: AsyncSession, delivery: DeliveryRow) -> int:
    """Count what is due before a delivery at its endpoint, as far as it is worth counting."""
    older = (
        select(Delivery.id)
        .where(Delivery.endpoint_id == delivery.endpoint_id, Delivery.state == "pending")
        .where(Delivery.due_at < delivery.due_at)
        .limit(_MOST_AHEAD)
        .subquery()
    )
    count: int = (await session.execute(select(func.count()).select_from(older))).scalar_one()
    return count


async def _attempts(session: AsyncSession, delivery_id: DeliveryId) -> list[AttemptRow]:
    query = select(*_ATTEMPT).where(Attempt.delivery_id == delivery_id).order_by(Attempt.id.desc())
    return [AttemptRow(**row) for row in (await session.execute(query.limit(_MOST_ATTEMPTS))).mappings()]


def _conditions(which: DeliveryFilter) -> list[ColumnElement[bool]]:
    equal = (
        (Delivery.endpoint_id, which.endpoint_id),
        (Delivery.state, which.state),
        (Delivery.event_type, which.event_type),
    )
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if which.lead_id is not None:
        winner = select(Lead.merged_into).where(Lead.id == which.lead_id).scalar_subquery()
        living = func.coalesce(winner, which.lead_id)
        family = select(Lead.id).where((Lead.id == living) | (Lead.merged_into == living))
        itself = select(literal(which.lead_id, Uuid()))  # it may have been erased since
        found.append(Delivery.lead_id.in_(family.union(itself)))
    return found
