"""Reviews: what matching was not sure of; and how each submission was matched, in bits."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, Now, OpenResources, admin_router, needs
from leadhub.api.paging import Cursors, Page, PageQuery, cursors, page
from leadhub.api.parameters import Flag, Id
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.ids import SubmissionId
from leadhub.pipeline import reviewing
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.resources import Ids, Resources, clock
from leadhub.store.reading import reviews as store

router = admin_router("leads")

_COMPARED: Final[Mapping[str, Any]] = {
    "lead_id": "019b9cf1-2a40-7000-8000-00000000000b",
    "proof": "same e-mail",
    "objection": "the first names contradict each other",
    "bits": 4,
    "start": -13,
    "lines": [
        {"compares": "e-mail", "level": "equal", "bits": 23, "because": "the same mailbox"},
        {"compares": "first name", "level": "conflict", "bits": -6, "because": "different first names"},
    ],
    "weights": 1,
}
_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c0-7000-8000-000000000001",
    "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "candidate_id": "019b9cf1-2a40-7000-8000-00000000000b",
    "bits": 4,
    "asked_at": "2026-01-15T09:30:00Z",
    "answer": None,
    "answered_at": None,
    "answered_by": None,
}
_FIELDS = (
    "full_name", "first_name", "last_name", "email", "phone", "company", "job_title", "street", "postal_code", "city",
    "country",
)  # fmt: skip
"""What tells people apart, in the order in which it is shown."""


class LineOut(BaseModel):
    """What one comparison says."""

    compares: str
    level: str
    bits: float = Field(description="One bit doubles the odds that it is the same person.")
    because: str = Field(description="In plain words.")


class ComparedOut(BaseModel):
    """How a submission compared with a lead. `bits` is `start` and the bits of all lines added up."""

    lead_id: UUID
    proof: str | None = Field(description="The hard agreement without which nothing is the same.")
    objection: str | None = Field(description="What speaks against it whatever agrees.")
    bits: float
    start: float = Field(description="How unlikely it is, before anything is compared, that this is the one lead.")
    lines: list[LineOut]
    weights: int = Field(description="Version of the table of bits.")


class MatchOut(BaseModel):
    """How a submission was matched."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "submission_id": "019bc0fd-89c0-7000-8000-000000000001",
                "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
                "answer": "review",
                "rule": "new",
                "because": "perhaps somebody we know: same e-mail, but the first names contradict each other (+4 bits)",
                "compared": dict(_COMPARED),
                "ties": [],
                "since": "2026-01-15T09:30:00Z",
            }
        },
    )

    submission_id: UUID
    lead_id: UUID = Field(description="Whose submission it is.")
    answer: Literal["same", "review", "new"] | None = Field(description="Null for what an older version decided.")
    rule: str
    because: str
    compared: ComparedOut | None = Field(description="With the lead that it is, else with the one that came closest.")
    ties: list[UUID] = Field(description="Leads that it proved to be the same person, besides `compared`.")
    since: datetime


class ReviewOut(BaseModel):
    """A question: is the lead of this submission the candidate's person, too?"""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID = Field(description="The submission that raised it.")
    lead_id: UUID = Field(description="The lead that the submission belongs to now.")
    candidate_id: UUID = Field(description="The lead that it may be as well.")
    bits: float
    asked_at: datetime
    answer: Literal["same", "not_same"] | None
    answered_at: datetime | None
    answered_by: str | None = Field(description="`command line`, or `key:` and an API key's id.")


class SideBySide(BaseModel):
    """One field of both leads."""

    field: str
    lead: str | None
    candidate: str | None


class ReviewDetail(ReviewOut):
    """A question with both leads side by side."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_EXAMPLE,
                "compared": dict(_COMPARED),
                "fields": [{"field": "full_name", "lead": "Ada Byron", "candidate": "Charles Byron"}],
                "submissions": 1,
                "candidate_submissions": 3,
            }
        }
    )

    compared: ComparedOut
    fields: list[SideBySide] = Field(description="What tells people apart, as far as either lead has it.")
    submissions: int = Field(description="Of the lead.")
    candidate_submissions: int


class ReviewQuery(PageQuery):
    """Which reviews."""

    open: Flag | None = Field(default=None, description="Only those without an answer, or with one.")


@router.get(
    "/reviews",
    operation_id="list_reviews",
    summary="List reviews",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_reviews(query: Annotated[ReviewQuery, Query()], resources: OpenResources) -> Page[ReviewOut]:
    """What matching was not sure of, the most likely first. No lead waits for an answer."""
    marks = cursors(resources.settings, "reviews")
    async with resources.sessions() as session:
        rows = await store.list_reviews(session, is_open=query.open, limit=query.limit + 1, after=_place(query, marks))
    return page(rows, query, marks, item=ReviewOut.model_validate, position=_position)


@router.get(
    "/reviews/{review_id}",
    operation_id="get_review",
    summary="Show a review",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(404),
)
async def get_review(review_id: Id, resources: OpenResources) -> ReviewDetail:
    """Both leads side by side, and what speaks for one person, line by line."""
    return await _shown(resources, review_id)


@router.post(
    "/reviews/{review_id}/same",
    operation_id="answer_same",
    summary="Answer: the same person",
    openapi_extra=needs(Scope.LEADS_MERGE),
    responses=problems(404, 409),
)
async def answer_same(review_id: Id, caller: CallerNow, resources: OpenResources, now: Now) -> ReviewDetail:
    """Merge both leads, the older one stays; again changes nothing. Undo it like any merge.

    Leads that were declared two people (by an undo, by another answer) stay two: then the submission alone goes over.
    """
    return await _answer(resources, review_id, "same", actor=f"key:{caller.key_id}", now=now)


@router.post(
    "/reviews/{review_id}/not-same",
    operation_id="answer_not_same",
    summary="Answer: two people",
    openapi_extra=needs(Scope.LEADS_MERGE),
    responses=problems(404, 409),
)
async def answer_not_same(review_id: Id, caller: CallerNow, resources: OpenResources, now: Now) -> ReviewDetail:
    """Remember that these are two people: nothing but a person's word joins them. Again changes nothing."""
    return await _answer(resources, review_id, "not_same", actor=f"key:{caller.key_id}", now=now)


@router.get(
    "/matches/{submission_id}",
    operation_id="get_match",
    summary="Show how a submission was matched",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(404),
)
async def get_match(submission_id: Id, resources: OpenResources) -> MatchOut:
    """Who it was taken for and why, each comparison with its bits."""
    async with resources.sessions() as session:
        row = await store.get_match(session, submission_id)
    match = row.match or {"answer": None, "compared": None, "ties": []}
    return MatchOut(
        submission_id=row.submission_id,
        lead_id=row.lead_id,
        rule=row.rule,
        because=row.because,
        since=row.since,
        **match,
    )


async def _answer(
    resources: Resources, review_id: UUID, said: reviewing.Answer, *, actor: str, now: datetime
) -> ReviewDetail:
    playbook = await ActivePlaybook(resources.sessions).current(now=now)
    public_url = resources.settings.public_url.rstrip("/")
    work = Processing(resources.engine, new_id=Ids(), clock=clock, public_url=public_url)
    await reviewing.answer(work, playbook, SubmissionId(review_id), said, actor=actor)
    resources.deliveries_nudge()
    return await _shown(resources, review_id)


async def _shown(resources: Resources, review_id: UUID) -> ReviewDetail:
    async with resources.sessions() as session:
        row, sides = await store.get_review(session, review_id)
    lead, candidate = sides[0], sides[-1]
    values = [
        SideBySide(field=name, lead=_value(lead, name), candidate=_value(candidate, name))
        for name in _FIELDS
        if name in lead.golden or name in candidate.golden
    ]
    return ReviewDetail(
        **ReviewOut.model_validate(row).model_dump(),
        compared=ComparedOut.model_validate(row.match),
        fields=values,
        submissions=lead.submissions,
        candidate_submissions=candidate.submissions,
    )


def _value(side: store.Side, name: str) -> str | None:
    stored = side.golden.get(name)
    return str(stored["value"]) if stored else None


def _place(query: ReviewQuery, marks: Cursors) -> store.Place | None:
    if query.after is None:
        return None
    bits, review_id = marks.read(query.after)
    return float(bits), UUID(review_id)


def _position(row: store.ReviewRow) -> Sequence[Any]:
    return row.bits, row.id
