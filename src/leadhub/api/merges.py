"""Merges: two leads that are one person, and the way back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, ExpectedVersion, Now, OpenResources, admin_router, needs
from leadhub.api.paging import Cursors, Page, PageQuery, cursors, page
from leadhub.api.parameters import Flag, Id, Named
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.ids import LeadId
from leadhub.pipeline.merging import Wish, merge_leads, undo_merge
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.resources import Ids, Resources, clock
from leadhub.store.reading import merges as store

router = admin_router("leads")

_EXAMPLE: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c1-7000-8000-00000000000c",
    "winner_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "loser_id": "019b9cf1-2a40-7000-8000-00000000000b",
    "submission_id": None,
    "rule": "declared the same",
    "because": "She told us on the phone.",
    "actor": "key:019bc0fd-89bf-7000-8000-000000000012",
    "merged_at": "2026-01-15T09:30:00Z",
    "moved": 3,
    "undone_at": None,
    "undone_by": None,
    "undone_because": None,
    "moved_back": [],
    "unclear": [],
}


class MergeIn(BaseModel):
    """Which lead is the same person, and how you know."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"lead_id": "019b9cf1-2a40-7000-8000-00000000000b", "because": "She told us on the phone."}
        },
    )

    lead_id: Id = Field(description="The lead that becomes part of the one in the path. Its id goes on to work.")
    because: Named = Field(description="Why, for those who ask later.")
    although_not_same: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Merge although somebody declared that these are two people; that is withdrawn."
    )


class UndoIn(BaseModel):
    """Why a merge was a mistake."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"because": "Mother and daughter with one telephone."}}
    )

    because: Named = Field(description="Why, for those who ask later.")


class MergeOut(BaseModel):
    """A merge of two leads."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    id: UUID
    winner_id: UUID = Field(description="The lead that kept its id.")
    loser_id: UUID = Field(description="The lead that became part of it; asking for its id shows the winner.")
    submission_id: UUID | None = Field(description="The submission that tied both; null if a person said so.")
    rule: str
    because: str
    actor: str = Field(description="`leadhub`, `command line`, or `key:` and an API key's id.")
    merged_at: datetime
    moved: int = Field(description="How many submissions it moved.")
    undone_at: datetime | None
    undone_by: str | None
    undone_because: str | None
    moved_back: list[UUID] = Field(description="Submissions that went to the loser when it was undone.")
    unclear: list[UUID] = Field(
        description="Submissions that came in between and could be either's. They stayed, and a review asks of each."
    )


class MergeQuery(PageQuery):
    """Which merges."""

    lead: Id | None = Field(default=None, description="A lead's id, on either side.")
    undone: Flag | None = Field(default=None, description="Only those that were undone, or that hold.")


@router.post(
    "/leads/{lead_id}/merge",
    operation_id="merge_lead",
    summary="Merge another lead into this one",
    openapi_extra=needs(Scope.LEADS_MERGE),
    responses=problems(400, 404, 409, 412, 413, 428),
)
async def merge_lead(
    lead_id: Id, body: MergeIn, *, expected: ExpectedVersion, caller: CallerNow, resources: OpenResources, now: Now
) -> MergeOut:
    """Make one lead of two because you know better; repeated, it answers the same.

    The lead in the path stays, with its owner; values, consents and facts of both are united and judged anew. Send the
    `ETag` of the lead that stays as `If-Match`.
    """
    wish = Wish(
        winner=LeadId(lead_id),
        loser=LeadId(body.lead_id),
        because=body.because,
        actor=f"key:{caller.key_id}",
        expected_version=expected,
        although_not_same=body.although_not_same,
    )
    playbook = await ActivePlaybook(resources.sessions).current(now=now)
    merge_id = await merge_leads(_processing(resources), playbook, wish)
    resources.deliveries_nudge()
    return await _shown(resources, merge_id)


@router.get(
    "/merges",
    operation_id="list_merges",
    summary="List merges",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_merges(query: Annotated[MergeQuery, Query()], resources: OpenResources) -> Page[MergeOut]:
    """Merges, newest first: those that LeadHub made and those that somebody asked for."""
    marks = cursors(resources.settings, "merges")
    which = store.MergeFilter(lead_id=LeadId(query.lead) if query.lead else None, undone=query.undone)
    async with resources.sessions() as session:
        rows = await store.list_merges(session, which, limit=query.limit + 1, after=_place(query, marks))
    return page(rows, query, marks, item=_out, position=_position)


@router.get(
    "/merges/{merge_id}",
    operation_id="get_merge",
    summary="Show a merge",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(404),
)
async def get_merge(merge_id: Id, resources: OpenResources) -> MergeOut:
    """One merge: who became part of whom, why, and what undoing it did."""
    return await _shown(resources, merge_id)


@router.post(
    "/merges/{merge_id}/undo",
    operation_id="undo_merge",
    summary="Undo a merge",
    openapi_extra=needs(Scope.LEADS_MERGE),
    responses=problems(400, 404, 409, 413),
)
async def undo(
    merge_id: Id, body: UndoIn, *, caller: CallerNow, resources: OpenResources, response: Response, now: Now
) -> MergeOut:
    """Part two people that were taken for one; again changes nothing.

    What the merge moved goes back, under the old id, and is judged and routed afresh. What came since goes to the side
    whose keys it carries; `unclear` lists what could be either's, and a review asks of each whose it is. The two are
    not joined again by anything but a person's word.
    """
    playbook = await ActivePlaybook(resources.sessions).current(now=now)
    await undo_merge(_processing(resources), playbook, merge_id, because=body.because, actor=f"key:{caller.key_id}")
    resources.deliveries_nudge()
    shown = await _shown(resources, merge_id)
    response.headers["Content-Location"] = f"/v1/leads/{shown.loser_id}"
    return shown


def _processing(resources: Resources) -> Processing:
    return Processing(resources.engine, new_id=Ids(), clock=clock, public_url=resources.settings.public_url.rstrip("/"))


async def _shown(resources: Resources, merge_id: UUID) -> MergeOut:
    async with resources.sessions() as session:
        return _out(await store.get_merge(session, merge_id))


def _out(row: store.MergeRow) -> MergeOut:
    undone = row.undone or {}
    same = {name: getattr(row, name) for name in MergeOut.model_fields if name not in {"moved_back", "unclear"}}
    return MergeOut.model_validate(
        same | {"moved_back": undone.get("submissions", []), "unclear": undone.get("unclear", [])}
    )


def _place(query: MergeQuery, marks: Cursors) -> store.Place | None:
    if query.after is None:
        return None
    merged_at, merge_id = marks.read(query.after)
    return datetime.fromisoformat(merged_at), UUID(merge_id)


def _position(row: store.MergeRow) -> Sequence[Any]:
    return row.merged_at, row.id
