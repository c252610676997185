"""Events in the order in which they happened: for those who pull instead of being told, and to try a filter on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import first_uuid7
from leadhub.store.tables import Event

_SKEW = timedelta(seconds=2)
"""By so much the clocks of workers and of PostgreSQL may differ."""

# An event's id is made within the transaction that writes it. So none that is older than every transaction that still
# writes can appear any more, and who pulls in the order of ids misses nothing.
_SETTLED = text("""
SELECT least(CAST(:now AS timestamptz), min(xact_start)) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An event as it was told."""

    id: UUID
    type: str
    lead_id: UUID | None
    sequence: int | None
    occurred_at: datetime
    body: bytes


_COLUMNS = (Event.id, Event.type, Event.lead_id, Event.sequence, Event.occurred_at, Event.body)


async def settled_before(session: AsyncSession, *, now: datetime) -> datetime:
    """Return the instant before which no event can appear any more: who reads in their order misses none until then."""
    settled: datetime = (await session.execute(_SETTLED, {"now": now})).scalar_one()
    return settled - _SKEW


async def events_after(
    session: AsyncSession, *, after: UUID | None, types: Sequence[str], limit: int, now: datetime
) -> list[EventRow]:
    """Return events, oldest first, as far as no older one can appear any more: a few seconds behind the present."""
    settled = await settled_before(session, now=now)
    query = select(*_COLUMNS).where(Event.id < first_uuid7(settled)).order_by(Event.id).limit(limit)
    if after is not None:
        query = query.where(Event.id > after)
    if types:
        query = query.where(Event.type.in_(types))
    return [EventRow(**row) for row in (await session.execute(query)).mappings()]


async def newest_events(session: AsyncSession, *, types: Sequence[str], limit: int) -> list[EventRow]:
    """Return events, newest first."""
    query = select(*_COLUMNS).order_by(Event.id.desc()).limit(limit)
    if types:
        query = query.where(Event.type.in_(types))
    return [EventRow(**row) for row in (await session.execute(query)).mappings()]
