"""Questions of matching as lists show them, and how each submission was matched."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from leadhub.domain.errors import NotFound
from leadhub.store.tables import Lead, MatchReview, Membership

Place = tuple[float, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRow:
    """A question, with the leads that it is about by now."""

    id: UUID
    """The submission that asked."""
    lead_id: UUID
    candidate_id: UUID
    bits: float
    match: Mapping[str, Any]
    asked_at: datetime
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two leads of a question."""

    id: UUID
    golden: Mapping[str, Any]
    created_at: datetime
    submissions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRow:
    """How a submission was matched."""

    submission_id: UUID
    lead_id: UUID
    rule: str
    because: str
    match: Mapping[str, Any] | None
    since: datetime


async def list_reviews(
    session: AsyncSession, *, is_open: bool | None, limit: int, after: Place | None = None
) -> list[ReviewRow]:
    """Return questions, the most likely first; open ones about what is one lead by now are none any more."""
    query = _rows().order_by(MatchReview.bits.desc(), MatchReview.submission_id.desc()).limit(limit)
    if is_open is not None:
        query = query.where(MatchReview.answer.is_(None) if is_open else MatchReview.answer.is_not(None))
    if is_open:
        query = query.where(Membership.lead_id != func.coalesce(_CANDIDATE.merged_into, _CANDIDATE.id))
    if after is not None:
        query = query.where(tuple_(MatchReview.bits, MatchReview.submission_id) < after)
    return [ReviewRow(**row) for row in (await session.execute(query)).mappings()]


async def get_review(session: AsyncSession, review_id: UUID) -> tuple[ReviewRow, list[Side]]:
    """Return a question and its leads, the submission's own first; one if they are one by now.

    Raises:
        NotFound: there is no such question.
    """
    row = (await session.execute(_rows().where(MatchReview.submission_id == review_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such review.")
    review = ReviewRow(**row)
    members = select(func.count()).where(Membership.lead_id == Lead.id).scalar_subquery().label("submissions")
    query = select(Lead.id, Lead.golden, Lead.created_at, members).where(
        Lead.id.in_([review.lead_id, review.candidate_id])
    )
    sides = [Side(**side) for side in (await session.execute(query)).mappings()]
    return review, sorted(sides, key=lambda side: side.id != review.lead_id)


async def get_match(session: AsyncSession, submission_id: UUID) -> MatchRow:
    """Return how a submission was matched.

    Raises:
        NotFound: there is no such submission, or it is not processed yet.
    """
    columns = (Membership.submission_id, Membership.lead_id, Membership.rule, Membership.because)
    query = select(*columns, Membership.match, Membership.since).where(Membership.submission_id == submission_id)
    row = (await session.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such submission, or it is not processed yet.")
    return MatchRow(**row)


_CANDIDATE = aliased(Lead)


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(
            MatchReview.submission_id.label("id"),
            Membership.lead_id,
            func.coalesce(_CANDIDATE.merged_into, _CANDIDATE.id).label("candidate_id"),
            MatchReview.bits,
            MatchReview.match,
            MatchReview.asked_at,
            MatchReview.answer,
            MatchReview.answered_at,
            MatchReview.answered_by,
        )
        .join(Membership, Membership.submission_id == MatchReview.submission_id)
        .join(_CANDIDATE, and_(_CANDIDATE.id == MatchReview.candidate_id))
    )
