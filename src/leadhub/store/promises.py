"""Promises of first contact: which step of which one is due, and how they end."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from leadhub.domain.ids import LeadId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class Clock:
    """A promise under way."""

    id: UUID
    lead_id: LeadId
    sla: str
    met_by: str
    started_at: datetime
    due_at: datetime
    steps: Sequence[dict[str, Any]]
    step: int
    breached_at: datetime | None


# Leads first, as everybody locks them, then their clocks, which nobody locks without the lead.
_DUE = """
SELECT l.* FROM response_clock AS c JOIN lead AS l ON l.id = c.lead_id
 WHERE c.next_at <= $1 AND ($3::uuid IS NULL OR c.lead_id = $3) AND l.merged_into IS NULL
 ORDER BY c.next_at, c.id LIMIT $2 FOR UPDATE OF l SKIP LOCKED
"""
_DUE_LEADS = "SELECT lead_id FROM response_clock WHERE next_at <= $1 ORDER BY next_at, id LIMIT $2"
_PUT_OFF = "UPDATE response_clock SET next_at = $2 WHERE lead_id = $1 AND next_at IS NOT NULL"
_CLOCKS = """
SELECT id, lead_id, sla, met_by, started_at, due_at, steps, step, breached_at FROM response_clock
 WHERE lead_id = ANY ($1::uuid[]) AND stopped_at IS NULL
"""
_HAD = "SELECT DISTINCT lead_id, owner FROM assignment WHERE lead_id = ANY ($1::uuid[]) AND owner IS NOT NULL"


async def load_due(
    connection: Connection, *, now: datetime, rows: int, lead_id: LeadId | None = None
) -> list[dict[str, Any]]:
    """Return the leads (or this one) for which a step is due, locked; what another worker holds is left to it."""
    return [dict(row) for row in await connection.fetch(_DUE, now, rows, lead_id)]


async def due_leads(connection: Connection, *, now: datetime, rows: int) -> list[LeadId]:
    """Return the leads for which a step is due, not locked."""
    return [row["lead_id"] for row in await connection.fetch(_DUE_LEADS, now, rows)]


async def put_off(connection: Connection, lead_id: LeadId, *, until: datetime) -> None:
    """Let the next step of a lead's promise wait."""
    await connection.execute(_PUT_OFF, lead_id, until)


async def open_clocks(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, Clock]:
    """Return the promises under way of leads that the caller holds."""
    return {row["lead_id"]: Clock(**dict(row)) for row in await connection.fetch(_CLOCKS, ids)}


async def owners_so_far(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, frozenset[str]]:
    """Return everybody who has had these leads, or has them."""
    found: dict[LeadId, set[str]] = {}
    for lead_id, owner in await connection.fetch(_HAD, ids):
        found.setdefault(lead_id, set()).add(owner)
    return {lead_id: frozenset(owners) for lead_id, owners in found.items()}


_ADVANCE = """
UPDATE response_clock AS c SET step = r.step, next_at = r.next_at, breached_at = coalesce(c.breached_at, r.breached_at)
  FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[], $4::timestamptz[]) AS r (id, step, next_at, breached_at)
 WHERE c.id = r.id
"""


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far a promise has come."""

    id: UUID
    step: int
    next_at: datetime | None
    breached_at: datetime | None


async def advance(connection: Connection, advanced: Sequence[Advanced]) -> None:
    """Write down that steps have happened; none of them happens again, whatever the clocks do."""
    await connection.execute(
        _ADVANCE,
        [one.id for one in advanced],
        [one.step for one in advanced],
        [one.next_at for one in advanced],
        [one.breached_at for one in advanced],
    )


_STOP = """
UPDATE response_clock SET stopped_at = $2, stop_reason = $3, open_seconds = $4, next_at = NULL WHERE id = $1
"""


async def stop(connection: Connection, clock_id: UUID, *, at: datetime, reason: str, open_seconds: int | None) -> None:
    """End a promise: it is met, or void."""
    await connection.execute(_STOP, clock_id, at, reason, open_seconds)
