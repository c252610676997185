"""Endpoints as their owner sees them: the URL, what it wants to hear, and the secrets that sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import NotFound, PreconditionFailed
from leadhub.domain.ids import EndpointId
from leadhub.domain.subscription import Ordering, Payload, Poison
from leadhub.store import tables
from leadhub.store.tables import Delivery, EndpointSecret, Lane

_HAS_PLACE = and_(Delivery.lead_id.is_not(None), Delivery.sequence.is_not(None))
"""Whether a delivery is of an event that is one of a lead's, in their order."""
_NEWEST = (EndpointSecret.created_at.desc(), EndpointSecret.id.desc())


_WELL = {
    "blocked_until": None,
    "clean": 0,
    "failures": 0,
    "window_from": None,
    "window_attempts": 0,
    "window_failures": 0,
    "openings": 0,
    "failing_since": None,
    "failing_attempts": 0,
    "warnings": 0,
    "redirects": 0,
    "because": None,
    "expiry_told_at": None,
}
"""The health of a lane that nothing is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A subscriber's URL."""

    id: EndpointId
    url: str
    description: str
    event_types: tuple[str, ...]
    """Empty: all that happens to leads."""
    include_test: bool
    state: str
    """active, paused by a person, or switched off: gone, misconfigured, disabled."""
    state_because: str | None
    version: int
    created_at: datetime
    updated_at: datetime
    payload: Payload = "full"
    filter: str | None = None
    """Conditions, as `domain.subscription` writes them."""
    extras: bytes | None = None
    """Headers and authorization, sealed under `endpoint:{id}`."""
    header_names: tuple[str, ...] = ()
    authorization: str | None = None
    """Its kind only."""
    verified_at: datetime | None = None
    """When its receiver last sent a challenge back."""
    is_subscribed: bool = True
    """Else it gets only what is replayed to it."""
    ordering: Ordering = "none"
    poison: Poison = "skip"
    schedule: tuple[int, ...] | None = None
    """Waits between attempts in seconds; None: those of the standard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSecret:
    """A signing secret at rest, sealed under `endpoint_secret:{id}`."""

    id: UUID
    sealed: bytes
    created_at: datetime
    valid_until: datetime | None


async def insert_endpoint(
    session: AsyncSession, endpoint: Endpoint, *, lane_cap: int, per_minute: int | None = None
) -> None:
    """Keep a new endpoint and give it its place in the scheduler."""
    row = tables.Endpoint(
        id=endpoint.id,
        url=endpoint.url,
        description=endpoint.description,
        event_types=list(endpoint.event_types),
        include_test=endpoint.include_test,
        state=endpoint.state,
        state_because=endpoint.state_because,
        version=endpoint.version,
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        payload=endpoint.payload,
        filter=endpoint.filter,
        extras=endpoint.extras,
        header_names=list(endpoint.header_names),
        authorization=endpoint.authorization,
        verified_at=endpoint.verified_at,
        is_subscribed=endpoint.is_subscribed,
        ordering=endpoint.ordering,
        poison=endpoint.poison,
        schedule=None if endpoint.schedule is None else list(endpoint.schedule),
    )
    session.add(row)
    await session.flush()
    session.add(
        Lane(
            endpoint_id=endpoint.id,
            last_served_at=endpoint.created_at,
            blocked_until=None,
            cap=lane_cap,
            width=lane_cap,
            per_minute=per_minute,
            host=host_of(endpoint.url),
        )
    )
    await session.flush()


async def insert_secret(session: AsyncSession, endpoint_id: EndpointId, secret: SealedSecret) -> None:
    """Keep a signing secret; the newest signs first."""
    session.add(
        EndpointSecret(
            id=secret.id,
            endpoint_id=endpoint_id,
            sealed=secret.sealed,
            created_at=secret.created_at,
            valid_until=secret.valid_until,
        )
    )
    await session.flush()


async def retire_secrets(
    session: AsyncSession, endpoint_id: EndpointId, *, now: datetime, until: datetime, at_most: int
) -> None:
    """Let the newest secrets sign until an instant at most, and forget all others."""
    mine = EndpointSecret.endpoint_id == endpoint_id
    alive = or_(EndpointSecret.valid_until.is_(None), EndpointSecret.valid_until > now)
    newest = select(EndpointSecret.id).where(mine, alive).order_by(*_NEWEST).limit(at_most)
    await session.execute(delete(EndpointSecret).where(mine, EndpointSecret.id.not_in(newest)))
    sooner = func.least(func.coalesce(EndpointSecret.valid_until, until), until)
    await session.execute(update(EndpointSecret).where(mine).values(valid_until=sooner))


async def secrets_of(session: AsyncSession, endpoint_id: EndpointId, *, now: datetime) -> list[SealedSecret]:
    """Return the secrets that sign, newest first."""
    query = (
        select(EndpointSecret)
        .where(EndpointSecret.endpoint_id == endpoint_id)
        .where(or_(EndpointSecret.valid_until.is_(None), EndpointSecret.valid_until > now))
        .order_by(*_NEWEST)
    )
    rows = (await session.execute(query)).scalars()
    return [
        SealedSecret(id=row.id, sealed=row.sealed, created_at=row.created_at, valid_until=row.valid_until)
        for row in rows
    ]


async def get_endpoint(session: AsyncSession, endpoint_id: EndpointId) -> Endpoint:
    """Return one endpoint.

    Raises:
        NotFound: there is no such endpoint.
    """
    row = await session.get(tables.Endpoint, endpoint_id)
    if row is None:
        raise NotFound("There is no such endpoint.")
    return _endpoint(row)


async def list_endpoints(session: AsyncSession, *, limit: int, before: EndpointId | None = None) -> list[Endpoint]:
    """Return endpoints, newest first."""
    query = select(tables.Endpoint).order_by(tables.Endpoint.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.Endpoint.id < before)
    return [_endpoint(row) for row in (await session.execute(query)).scalars()]


async def lock_endpoint(
    session: AsyncSession, endpoint_id: EndpointId, *, expected_version: int | None = None
) -> Endpoint:
    """Return one endpoint and keep others from changing it, or fanning out to it, until the transaction ends.

    Raises:
        NotFound: there is no such endpoint.
        PreconditionFailed: it is no longer at the expected version.
    """
    row = await session.get(tables.Endpoint, endpoint_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such endpoint.")
    if expected_version is not None and row.version != expected_version:
        raise PreconditionFailed("The endpoint was changed meanwhile.")
    return _endpoint(row)


async def save_endpoint(session: AsyncSession, endpoint: Endpoint) -> None:
    """Write a locked endpoint."""
    row = await session.get_one(tables.Endpoint, endpoint.id)
    if row.url != endpoint.url:
        host = host_of(endpoint.url)
        await session.execute(update(Lane).where(Lane.endpoint_id == endpoint.id).values(host=host))
    if row.ordering != endpoint.ordering:
        await _order(session, endpoint.id, is_ordered=endpoint.ordering == "lead")
    row.url = endpoint.url
    row.description = endpoint.description
    row.event_types = list(endpoint.event_types)
    row.include_test = endpoint.include_test
    row.state = endpoint.state
    row.state_because = endpoint.state_because
    row.version = endpoint.version
    row.updated_at = endpoint.updated_at
    row.payload = endpoint.payload
    row.filter = endpoint.filter
    row.extras = endpoint.extras
    row.header_names = list(endpoint.header_names)
    row.authorization = endpoint.authorization
    row.verified_at = endpoint.verified_at
    row.is_subscribed = endpoint.is_subscribed
    row.ordering = endpoint.ordering
    row.poison = endpoint.poison
    row.schedule = None if endpoint.schedule is None else list(endpoint.schedule)
    await session.flush()


async def _order(session: AsyncSession, endpoint_id: EndpointId, *, is_ordered: bool) -> None:
    """Have what waits for a locked endpoint keep the order of its leads' events, or not any more."""
    await _move(session, endpoint_id, ("pending", "held", "leased"), _HAS_PLACE, is_ordered=is_ordered)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may go to an endpoint."""

    cap: int
    """Most requests in flight."""
    per_minute: int | None
    """Most requests a minute."""


async def limits_of(session: AsyncSession, endpoint_id: EndpointId) -> Limits:
    """Return the limits of an endpoint that exists."""
    lane = await session.get_one(Lane, endpoint_id)
    return Limits(cap=lane.cap, per_minute=lane.per_minute)


async def save_limits(session: AsyncSession, endpoint_id: EndpointId, limits: Limits) -> None:
    """Write the limits of a locked endpoint; a wider one is reached step by step."""
    narrower = func.least(Lane.width, limits.cap)
    changed = {"cap": limits.cap, "per_minute": limits.per_minute, "width": narrower}
    await session.execute(update(Lane).where(Lane.endpoint_id == endpoint_id).values(changed))


async def hold(session: AsyncSession, endpoint_id: EndpointId) -> None:
    """Keep what waits for a locked endpoint until it is resumed; what is in flight finishes."""
    await _move(session, endpoint_id, ("pending",), state="held")


async def release(session: AsyncSession, endpoint_id: EndpointId) -> None:
    """Let what was held for a locked endpoint go, oldest first, and forget what its lane learned.

    A due time that has passed stays: it is what keeps the order. One request at a time at first, and more as they
    succeed: what was just mended is not overrun by all that waited.
    """
    await _move(session, endpoint_id, ("held",), state="pending")
    await session.execute(update(Lane).where(Lane.endpoint_id == endpoint_id).values(width=1, **_WELL))


async def hasten(session: AsyncSession, endpoint_id: EndpointId, *, now: datetime) -> None:
    """Make everything due that waits for a locked endpoint."""
    await _move(session, endpoint_id, ("pending", "held"), Delivery.due_at > now, due_at=now)


async def delete_endpoint(session: AsyncSession, endpoint_id: EndpointId, *, now: datetime) -> None:
    """Forget a locked endpoint with its lane and secrets; what still waits for it is cancelled, history stays."""
    await _move(
        session,
        endpoint_id,
        ("pending", "held", "leased"),
        state="cancelled",
        finished_at=now,
        lease_token=None,
        lease_until=None,
    )
    await session.execute(delete(tables.Endpoint).where(tables.Endpoint.id == endpoint_id))


async def _move(
    session: AsyncSession,
    endpoint_id: EndpointId,
    states: Sequence[str],
    *conditions: ColumnElement[bool],
    **values: object,
) -> None:
    """Change deliveries, locked in the order of their ids as by everybody else."""
    chosen = (
        select(Delivery.id)
        .where(Delivery.endpoint_id == endpoint_id, Delivery.state.in_(states), *conditions)
        .order_by(Delivery.id)
        .with_for_update()
        .cte("chosen")
    )
    await session.execute(update(Delivery).where(Delivery.id == chosen.c.id).values(**values))


def _endpoint(row: tables.Endpoint) -> Endpoint:
    return Endpoint(
        id=EndpointId(row.id),
        url=row.url,
        description=row.description,
        event_types=tuple(row.event_types),
        include_test=row.include_test,
        state=row.state,
        state_because=row.state_because,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        payload=cast("Payload", row.payload),
        filter=row.filter,
        extras=row.extras,
        header_names=tuple(row.header_names),
        authorization=row.authorization,
        verified_at=row.verified_at,
        is_subscribed=row.is_subscribed,
        ordering=cast("Ordering", row.ordering),
        poison=cast("Poison", row.poison),
        schedule=None if row.schedule is None else tuple(row.schedule),
    )


def host_of(url: str) -> str:
    """Return the host that a URL leads to, as lanes compare it."""
    return urlsplit(url).hostname or ""
