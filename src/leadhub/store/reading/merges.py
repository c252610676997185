"""Merges as lists show them: who became part of whom, who said so, and what taking it back did."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import NotFound
from leadhub.domain.ids import LeadId
from leadhub.store.tables import Merge

Place = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeFilter:
    """Which merges; None leaves a part open."""

    lead_id: LeadId | None = None
    """On either side."""
    undone: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRow:
    """A merge."""

    id: UUID
    winner_id: UUID
    loser_id: UUID
    submission_id: UUID | None
    rule: str
    because: str
    actor: str
    merged_at: datetime
    moved: int
    """How many submissions it moved."""
    undone_at: datetime | None
    undone_by: str | None
    undone_because: str | None
    undone: Mapping[str, Any] | None
    """As in `store.tables`."""


async def list_merges(
    session: AsyncSession, which: MergeFilter, *, limit: int, after: Place | None = None
) -> list[MergeRow]:
    """Return merges, newest first."""
    query = _rows().where(*_conditions(which)).order_by(Merge.merged_at.desc(), Merge.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(Merge.merged_at, Merge.id) < after)
    return [MergeRow(**row) for row in (await session.execute(query)).mappings()]


async def get_merge(session: AsyncSession, merge_id: UUID) -> MergeRow:
    """Return one merge.

    Raises:
        NotFound: there is no such merge.
    """
    row = (await session.execute(_rows().where(Merge.id == merge_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such merge.")
    return MergeRow(**row)


def _rows() -> Select[*tuple[Any, ...]]:
    return select(
        Merge.id,
        Merge.winner_id,
        Merge.loser_id,
        Merge.submission_id,
        Merge.rule,
        Merge.because,
        Merge.actor,
        Merge.merged_at,
        func.jsonb_array_length(Merge.moved["submissions"]).label("moved"),
        Merge.undone_at,
        Merge.undone_by,
        Merge.undone_because,
        Merge.undone,
    )


def _conditions(which: MergeFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.lead_id is not None:
        found.append(or_(Merge.winner_id == which.lead_id, Merge.loser_id == which.lead_id))
    if which.undone is not None:
        found.append(Merge.undone_at.is_not(None) if which.undone else Merge.undone_at.is_(None))
    return found
