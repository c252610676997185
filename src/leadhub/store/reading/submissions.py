"""What became of a submission."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Label, Select, and_, case, exists, func, not_, select
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import NotFound
from leadhub.domain.ids import SourceId, SubmissionId, first_uuid7
from leadhub.store.tables import Lead, Membership, PendingSubmission, Source, Submission, WaitingActivity

_CLOCKS_APART = timedelta(seconds=1)
"""An id is made a moment before or after `received_at` is read."""


class SubmissionState(StrEnum):
    """What became of a submission."""

    PENDING = "pending"
    WAITING = "waiting"
    """Behaviour of somebody whom nobody knows yet."""
    PROCESSED = "processed"
    FAILED = "failed"
    SPAM = "spam"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFilter:
    """Which submissions; None leaves a part open."""

    state: SubmissionState | None = None
    source_id: SourceId | None = None
    lead_id: UUID | None = None
    """Also the id of a lead that was merged: its submissions are the winner's now."""
    received_from: datetime | None = None
    received_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRow:
    """A submission without its content."""

    id: UUID
    received_at: datetime
    source_id: UUID
    source: str | None
    channel: str | None
    state: str
    lead_id: UUID | None
    rule: str | None
    because: str | None
    attempts: int | None
    due_at: datetime | None
    failed_at: datetime | None
    error: str | None
    doubts: list[str] | None
    """Why it is, or was, kept apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionDetail(SubmissionRow):
    """A submission with what was sent."""

    content: Mapping[str, Any]
    raw: bytes
    raw_type: str


async def list_submissions(
    session: AsyncSession, which: SubmissionFilter, *, limit: int, before: SubmissionId | None = None
) -> list[SubmissionRow]:
    """Return submissions, newest first."""
    query = _summary().where(*_conditions(which)).order_by(Submission.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Submission.id < before)
    return [SubmissionRow(**row) for row in (await session.execute(query)).mappings()]


async def get_submission(session: AsyncSession, submission_id: SubmissionId) -> SubmissionDetail:
    """Return one submission with its content.

    Raises:
        NotFound: there is no such submission.
    """
    query = _summary().add_columns(Submission.content, Submission.raw, Submission.raw_type)
    row = (await session.execute(query.where(Submission.id == submission_id))).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such submission.")
    return SubmissionDetail(**row)


def _summary() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Submission.id,
            Submission.received_at,
            Submission.source_id,
            Source.name.label("source"),
            Source.channel,
            _state(),
            Membership.lead_id,
            Membership.rule,
            Membership.because,
            PendingSubmission.attempts,
            PendingSubmission.due_at,
            PendingSubmission.failed_at,
            PendingSubmission.error,
            Submission.content["doubts"].label("doubts"),
        )
        .outerjoin(Source, Source.id == Submission.source_id)
        .outerjoin(Membership, Membership.submission_id == Submission.id)
        .outerjoin(PendingSubmission, PendingSubmission.submission_id == Submission.id)
    )


def _state() -> Label[str]:
    return case(
        (Submission.is_spam, SubmissionState.SPAM.value),
        (PendingSubmission.failed_at.is_not(None), SubmissionState.FAILED.value),
        (PendingSubmission.submission_id.is_not(None), SubmissionState.PENDING.value),
        (_waits(), SubmissionState.WAITING.value),
        else_=SubmissionState.PROCESSED.value,
    ).label("state")


def _waits() -> ColumnElement[bool]:
    return exists().where(WaitingActivity.submission_id == Submission.id)


def _conditions(which: SubmissionFilter) -> list[ColumnElement[bool]]:
    """Return the conditions; those on time are on the id, too, so that other partitions are not looked at."""
    found: list[ColumnElement[bool]] = []
    if which.state is not None:
        found.append(_IS[which.state])
    if which.source_id is not None:
        found.append(Submission.source_id == which.source_id)
    if which.lead_id is not None:
        winner = select(Lead.merged_into).where(Lead.id == which.lead_id).scalar_subquery()
        found.append(Membership.lead_id == func.coalesce(winner, which.lead_id))
    if which.received_from is not None:
        found += [
            Submission.received_at >= which.received_from,
            Submission.id >= first_uuid7(which.received_from - _CLOCKS_APART),
        ]
    if which.received_before is not None:
        found += [
            Submission.received_at < which.received_before,
            Submission.id < first_uuid7(which.received_before + _CLOCKS_APART),
        ]
    return found


_IS: Mapping[SubmissionState, ColumnElement[bool]] = {
    SubmissionState.SPAM: Submission.is_spam.is_(True),
    SubmissionState.FAILED: PendingSubmission.failed_at.is_not(None),
    SubmissionState.PENDING: and_(PendingSubmission.submission_id.is_not(None), PendingSubmission.failed_at.is_(None)),
    SubmissionState.WAITING: _waits(),
    SubmissionState.PROCESSED: and_(
        Submission.is_spam.is_(False), PendingSubmission.submission_id.is_(None), not_(_waits())
    ),
}
