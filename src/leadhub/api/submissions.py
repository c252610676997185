"""Submissions: what came in and what became of it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, Now, OpenResources, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Id, Moment
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope, allows
from leadhub.domain.errors import Conflict
from leadhub.domain.ids import SourceId, SubmissionId
from leadhub.pipeline.releasing import release
from leadhub.store import pending
from leadhub.store.reading import submissions as store
from leadhub.store.reading.submissions import SubmissionState

router = admin_router("submissions")

_EXAMPLE = {
    "id": "019bc0fd-89bf-7000-8000-000000000001",
    "received_at": "2026-01-15T09:30:00Z",
    "source_id": "019b9cf1-2a3f-7000-8000-00000000000c",
    "source": "Website demo form",
    "channel": "form",
    "state": "processed",
    "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "rule": "same e-mail",
    "because": "the e-mail address is that of this lead",
    "attempts": None,
    "due_at": None,
    "failed_at": None,
    "error": None,
    "doubts": None,
}


class SubmissionQuery(PageQuery):
    """Which submissions."""

    state: SubmissionState | None = None
    source: Id | None = Field(default=None, description="A source's id.")
    lead: Id | None = Field(default=None, description="A lead's id.")
    received_from: Moment | None = None
    received_before: Moment | None = None


class SubmissionOut(BaseModel):
    """What became of a submission."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    received_at: datetime
    source_id: UUID
    source: str | None = Field(description="The source's name.")
    channel: str | None
    state: SubmissionState
    lead_id: UUID | None = Field(description="The lead that it belongs to now.")
    rule: str | None = Field(description="The rule that found the lead.")
    because: str | None
    attempts: int | None = Field(description="Tries so far, while it waits or failed.")
    due_at: datetime | None = Field(description="Not tried before this; in work while it lies ahead after a try.")
    failed_at: datetime | None
    error: str | None = Field(description="The class of the error; nothing of its content.")
    doubts: list[str] | None = Field(description="Why it is kept apart as spam, or was until it was released.")


class SubmissionDetail(SubmissionOut):
    """A submission with what was sent."""

    model_config = ConfigDict(
        json_schema_extra={"example": {**_EXAMPLE, "content": {"fields": {"email": "Ada@Analytical.example"}}}}
    )

    content: dict[str, Any] | None = Field(
        description="What was sent, by canonical field, before normalisation; null without the scope leads:read."
    )


class Replayed(BaseModel):
    """How many submissions were queued again."""

    model_config = ConfigDict(json_schema_extra={"example": {"replayed": 3}})

    replayed: int


@router.get(
    "/submissions",
    operation_id="list_submissions",
    summary="List submissions",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_submissions(query: Annotated[SubmissionQuery, Query()], resources: OpenResources) -> Page[SubmissionOut]:
    """Submissions, newest first, without their content."""
    marks = cursors(resources.settings, "submissions")
    before = SubmissionId(UUID(marks.read(query.after)[0])) if query.after else None
    which = store.SubmissionFilter(
        state=query.state,
        source_id=SourceId(query.source) if query.source else None,
        lead_id=query.lead,
        received_from=query.received_from,
        received_before=query.received_before,
    )
    async with resources.sessions() as session:
        rows = await store.list_submissions(session, which, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=SubmissionOut.model_validate, position=lambda row: [row.id])


@router.post(
    "/submissions/replay",
    operation_id="replay_submissions",
    summary="Replay all failed submissions",
    openapi_extra=needs(Scope.LEADS_WRITE),
)
async def replay_submissions(resources: OpenResources, now: Now) -> Replayed:
    """Try everything that failed once more, after what failed it was mended."""
    async with resources.sessions.begin() as session:
        replayed = await pending.replay(session, now=now)
    resources.submissions_nudge()
    return Replayed(replayed=replayed)


@router.get(
    "/submissions/{submission_id}",
    operation_id="get_submission",
    summary="Show a submission",
    openapi_extra=needs(Scope.LEADS_READ, Scope.LEADS_WRITE),
    responses=problems(404),
)
async def get_submission(submission_id: Id, caller: CallerNow, resources: OpenResources) -> SubmissionDetail:
    """What became of a submission. Who may only send leads sees that, but not what others sent."""
    async with resources.sessions() as session:
        found = await store.get_submission(session, SubmissionId(submission_id))
    shown = SubmissionOut.model_validate(found)
    content = dict(found.content) if allows(caller.scopes, Scope.LEADS_READ) else None
    return SubmissionDetail(**shown.model_dump(), content=content)


@router.post(
    "/submissions/{submission_id}/release",
    operation_id="release_submission",
    summary="Release a submission from spam",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(404, 409),
)
async def release_submission(submission_id: Id, resources: OpenResources, now: Now) -> SubmissionOut:
    """Let a submission that was kept apart as spam go the way of any other, after a person has looked at it."""
    released = await release(resources.sessions, SubmissionId(submission_id), now=now)
    resources.submissions_nudge()
    return SubmissionOut.model_validate(released)


@router.post(
    "/submissions/{submission_id}/replay",
    operation_id="replay_submission",
    summary="Replay a failed submission",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(404, 409),
)
async def replay_submission(submission_id: Id, resources: OpenResources, now: Now) -> SubmissionOut:
    """Try a failed submission once more."""
    async with resources.sessions.begin() as session:
        await store.get_submission(session, SubmissionId(submission_id))
        if not await pending.replay(session, now=now, submission_id=SubmissionId(submission_id)):
            raise Conflict("Only a failed submission can be replayed.")
        found = await store.get_submission(session, SubmissionId(submission_id))
    resources.submissions_nudge()
    return SubmissionOut.model_validate(found)
