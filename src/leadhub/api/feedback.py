"""Feedback: what sales says of leads, and what it changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, Now, OpenResources, Repeat, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Flag, Id
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.feedback import Outcome, Said
from leadhub.domain.ids import LeadId
from leadhub.pipeline import feedback
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.pipeline.queueing import drain_queues
from leadhub.pipeline.saying import Sender
from leadhub.resources import Ids, clock
from leadhub.store import feedback as store

router = admin_router("leads")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c2-7000-8000-00000000000d",
    "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "sender": "key:019b9cf1-2a3f-7000-8000-00000000000e",
    "outcome": "rejected",
    "reason": "not_ready",
    "value": None,
    "currency": None,
    "duplicate_of": None,
    "occurred_at": "2026-01-15T09:30:00Z",
    "received_at": "2026-01-15T09:30:00Z",
    "owner": "dora",
    "effect": "sales gets it no more until 2026-02-14; goes to nurture recycle",
    "applied_at": "2026-01-15T09:30:00Z",
    "failed_at": None,
    "error": None,
}


class FeedbackOut(BaseModel):
    """What sales said, and what it changed."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    lead_id: UUID | None = Field(description="Null while it is not known whom it is about.")
    sender: str = Field(description="`key:` and an API key's id, `source:` and a source's, or `command line`.")
    outcome: Outcome
    reason: str | None
    value: float | None
    currency: str | None
    duplicate_of: UUID | None
    occurred_at: datetime
    received_at: datetime
    owner: str | None = Field(description="Who had the lead then.")
    effect: str | None = Field(description="What it changed, in words.")
    applied_at: datetime | None
    failed_at: datetime | None = Field(description="When it was put aside.")
    error: str | None = Field(description="Why it waits, or was put aside.")


class FeedbackQuery(PageQuery):
    """Which feedback."""

    lead: Id | None = Field(default=None, description="A lead's id.")
    failed: Flag = Field(default=False, description="Only what could not be applied and was put aside.")


@router.post(
    "/leads/{lead_id}/feedback",
    operation_id="give_feedback",
    summary="Say what became of a lead",
    openapi_extra=needs(Scope.LEADS_FEEDBACK),
    responses=problems(400, 404, 409, 413),
)
async def give_feedback(
    lead_id: Id, said: Said, *, caller: CallerNow, resources: OpenResources, repeat: Repeat, now: Now
) -> FeedbackOut:
    """Whether it was accepted, given back, reached, won or lost; a rejection names a reason that the playbook knows.

    Stops the clock of the promised first contact, changes the stage, gives the lead back, and frees its owner; `effect`
    says what it did. With an `Idempotency-Key` the same word again changes nothing and has the same answer.
    """
    playbook = await ActivePlaybook(resources.sessions).current(now=now)
    public_url = resources.settings.public_url.rstrip("/")
    work = Processing(resources.engine, new_id=Ids(), clock=clock, public_url=public_url)
    sender = Sender(name=f"key:{caller.key_id}", key=repeat.key if repeat else None)
    stored = await feedback.say(work, playbook, LeadId(lead_id), said, sender=sender)
    await drain_queues(work, playbook)
    resources.deliveries_nudge()
    return FeedbackOut.model_validate(stored)


@router.get(
    "/feedback",
    operation_id="list_feedback",
    summary="List feedback",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_feedback(query: Annotated[FeedbackQuery, Query()], resources: OpenResources) -> Page[FeedbackOut]:
    """What sales said, newest first."""
    marks = cursors(resources.settings, "feedback")
    after = UUID(marks.read(query.after)[0]) if query.after else None
    lead_id = LeadId(query.lead) if query.lead else None
    async with resources.sessions() as session:
        rows = await store.list_feedback(
            session, lead_id=lead_id, failed=query.failed, limit=query.limit + 1, after=after
        )
    return page(rows, query, marks, item=FeedbackOut.model_validate, position=_position)


def _position(row: store.StoredFeedback) -> Sequence[Any]:
    return (row.id,)
