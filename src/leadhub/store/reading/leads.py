"""Leads as lists show them, and one lead's rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.deduplication import Key
from leadhub.domain.errors import NotFound
from leadhub.domain.ids import LeadId
from leadhub.store.tables import (
    Assignment,
    Enrolment,
    IdentityKey,
    Lead,
    LeadEdit,
    Membership,
    Merge,
    ResponseClock,
)

_MOST_HOPS = 32
"""Merges re-point what was merged before, so one hop is the rule; this only bounds a loop."""
_MOST_MERGES = 100

Row = Mapping[str, Any]
Rows = Select[*tuple[Any, ...]]
Order = Literal["updated", "created"]
Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFilter:
    """Which leads; None leaves a part open."""

    stage: str | None = None
    temperature: str | None = None
    route: str | None = None
    team: str | None = None
    owner: str | None = None
    track: str | None = None
    keys: tuple[Key, ...] | None = None
    """Identity keys; any of them."""
    created_from: datetime | None = None
    created_before: datetime | None = None
    updated_from: datetime | None = None
    updated_before: datetime | None = None
    include_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRow:
    """A lead in a list."""

    id: UUID
    created_at: datetime
    updated_at: datetime
    last_activity_at: datetime | None
    is_test: bool
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    company: str | None
    stage: str
    temperature: str
    score_total: int
    score_fit: int
    score_engagement: int
    route: str
    team: str | None
    owner: str | None
    track: str | None


async def list_leads(
    session: AsyncSession, which: LeadFilter, *, order: Order, limit: int, after: Place | None = None
) -> list[LeadRow]:
    """Return leads, newest first; what was merged into another lead is not listed.

    The order `created` never changes while somebody pages through it, `updated` does: a lead that is touched
    meanwhile comes to the front again.
    """
    query = _summary().where(*_conditions(which)).limit(limit)
    if order == "updated":
        query = query.order_by(Lead.updated_at.desc(), Lead.id.desc())
        if after is not None:
            query = query.where(tuple_(Lead.updated_at, Lead.id) < after)
    else:
        query = query.order_by(Lead.id.desc())
        if after is not None:
            query = query.where(Lead.id < after[1])
    return [LeadRow(**row) for row in (await session.execute(query)).mappings()]


def _summary() -> Rows:
    golden = [
        Lead.golden[name]["value"].astext.label(name)
        for name in ("email", "phone", "first_name", "last_name", "company")
    ]
    return select(
        Lead.id,
        Lead.created_at,
        Lead.updated_at,
        Lead.last_activity_at,
        Lead.is_test,
        *golden,
        Lead.stage,
        Lead.temperature,
        Lead.score_total,
        Lead.score_fit,
        Lead.score_engagement,
        Lead.route,
        Lead.team,
        Lead.owner,
        Lead.track,
    )


def _conditions(which: LeadFilter) -> list[ColumnElement[bool]]:
    equal = (
        (Lead.stage, which.stage),
        (Lead.temperature, which.temperature),
        (Lead.route, which.route),
        (Lead.team, which.team),
        (Lead.owner, which.owner),
        (Lead.track, which.track),
    )
    found: list[ColumnElement[bool]] = [Lead.merged_into.is_(None)]
    found += [column == value for column, value in equal if value is not None]
    if not which.include_test:
        found.append(Lead.is_test.is_(False))
    if which.keys is not None:
        pairs = [(key.kind, key.value) for key in which.keys]
        holders = select(IdentityKey.lead_id).where(tuple_(IdentityKey.kind, IdentityKey.value).in_(pairs))
        found.append(Lead.id.in_(holders))
    for column, low, high in (
        (Lead.created_at, which.created_from, which.created_before),
        (Lead.updated_at, which.updated_from, which.updated_before),
    ):
        found += [column >= low] if low is not None else []
        found += [column < high] if high is not None else []
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRows:
    """A lead with the rows around it, as kept."""

    lead: Row
    """Columns of `lead` by name."""
    family: tuple[LeadId, ...]
    """The lead and all that were merged into it."""
    keys: tuple[Row, ...]
    memberships: int
    """Submissions, without edits."""
    merges: tuple[Row, ...]
    assignment: Row | None
    promise: Row | None
    """The newest promise of first contact, under way or not."""
    enrolment: Row | None


async def get_lead(session: AsyncSession, lead_id: LeadId) -> LeadRows:
    """Return a lead; for one that was merged into another, that other.

    Raises:
        NotFound: there is no such lead.
    """
    lead = await _living(session, lead_id)
    found = LeadId(lead["id"])
    losers = (await session.execute(select(Lead.id).where(Lead.merged_into == found).order_by(Lead.id))).scalars()
    return LeadRows(
        lead=lead,
        family=(found, *(LeadId(loser) for loser in losers)),
        keys=await _rows(session, _keys(found)),
        memberships=await _count(session, found),
        merges=await _rows(session, _merges(found)),
        assignment=next(iter(await _rows(session, _assignment(found))), None),
        promise=next(iter(await _rows(session, _promise(found))), None),
        enrolment=next(iter(await _rows(session, _enrolment(found))), None),
    )


async def _living(session: AsyncSession, lead_id: LeadId) -> Row:
    wanted: UUID | None = lead_id
    for _ in range(_MOST_HOPS):
        query = select(Lead.__table__).where(Lead.id == wanted)
        row = (await session.execute(query)).mappings().one_or_none()
        if row is None:
            break
        if row["merged_into"] is None:
            return dict(row)
        wanted = row["merged_into"]
    raise NotFound("There is no such lead.")


async def _rows(session: AsyncSession, query: Rows) -> tuple[Row, ...]:
    return tuple(dict(row) for row in (await session.execute(query)).mappings())


async def _count(session: AsyncSession, lead_id: LeadId) -> int:
    is_edit = select(LeadEdit.id).where(LeadEdit.id == Membership.submission_id).exists()
    query = select(func.count()).select_from(Membership).where(Membership.lead_id == lead_id, ~is_edit)
    return (await session.execute(query)).scalar_one()


def _keys(lead_id: LeadId) -> Rows:
    key = IdentityKey
    return (
        select(key.kind, key.value, key.status, key.first_seen_at, key.last_seen_at)
        .where(key.lead_id == lead_id)
        .order_by(key.first_seen_at, key.kind, key.value)
    )


def _merges(lead_id: LeadId) -> Rows:
    return (
        select(Merge.id, Merge.loser_id, Merge.rule, Merge.because, Merge.merged_at, Merge.undone_at)
        .where(Merge.winner_id == lead_id)
        .order_by(Merge.merged_at.desc(), Merge.id.desc())
        .limit(_MOST_MERGES)
    )


def _assignment(lead_id: LeadId) -> Rows:
    return select(
        Assignment.team,
        Assignment.owner,
        Assignment.rule,
        Assignment.because,
        Assignment.sla,
        Assignment.due_at,
        Assignment.assigned_at,
        Assignment.queue,
        Assignment.beat,
        Assignment.routed_at,
    ).where(Assignment.lead_id == lead_id, Assignment.released_at.is_(None))


def _promise(lead_id: LeadId) -> Rows:
    clock = ResponseClock
    return (
        select(
            clock.sla,
            clock.started_at,
            clock.due_at,
            clock.breached_at,
            clock.next_at,
            clock.stopped_at,
            clock.stop_reason,
            clock.open_seconds,
        )
        .where(clock.lead_id == lead_id)
        .order_by(clock.started_at.desc(), clock.id.desc())
        .limit(1)
    )


def _enrolment(lead_id: LeadId) -> Rows:
    return select(Enrolment.track, Enrolment.because, Enrolment.enrolled_at).where(
        Enrolment.lead_id == lead_id, Enrolment.exited_at.is_(None)
    )
