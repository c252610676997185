"""Routing: who is at work, who has how much to do, and which leads wait."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.api.paging import Cursors, Page, PageQuery, cursors, page
from leadhub.api.parameters import Line
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.pipeline import floor
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.store.reading import routing as store

router = admin_router("leads")

_TEAM: Final[Mapping[str, Any]] = {
    "team": "emea",
    "strategy": "round_robin",
    "waiting": 2,
    "waiting_since": "2026-01-15T09:30:00Z",
    "members": [
        {
            "user": "dora",
            "weight": 1,
            "open_leads": 20,
            "capacity": 20,
            "credit": 0,
            "at_work": True,
            "can_take": False,
            "because": "20 of 20 open leads",
        }
    ],
}
_QUEUED: Final[Mapping[str, Any]] = {
    "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "queue": "sales-triage",
    "team": "emea",
    "because": "stage is SQL; nobody can take it: dora 20 of 20 open leads",
    "sla": "hot",
    "due_at": "2026-01-15T09:35:00Z",
    "routed_at": "2026-01-15T09:30:00Z",
}


class MemberOut(BaseModel):
    """Somebody of a team now."""

    model_config = ConfigDict(from_attributes=True)

    user: str
    weight: int
    open_leads: int = Field(description="Over all teams.")
    capacity: int | None
    credit: int = Field(description="Turns owed for leads that were none.")
    at_work: bool
    can_take: bool = Field(description="Whether a lead could go to them now.")
    because: str | None = Field(description="Why none could.")


class TeamOut(BaseModel):
    """A team now."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_TEAM)})

    team: str
    strategy: str = Field(description="`gone`: the playbook does not name this team any more.")
    waiting: int = Field(description="Leads that wait for it.")
    waiting_since: datetime | None
    members: list[MemberOut]


class FloorOut(BaseModel):
    """All teams."""

    model_config = ConfigDict(json_schema_extra={"example": {"playbook": "guide@1", "teams": [dict(_TEAM)]}})

    playbook: str = Field(description="`name@version` of the playbook that decides.")
    teams: list[TeamOut]


class QueuedOut(BaseModel):
    """A lead that waits for somebody in sales."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_QUEUED)})

    lead_id: UUID
    queue: str
    team: str
    because: str
    sla: str | None
    due_at: datetime | None = Field(description="First contact is promised by then, though nobody has it yet.")
    routed_at: datetime


class QueueQuery(PageQuery):
    """Which waiting leads."""

    queue: Line | None = Field(default=None, description="Only those in this queue.")


@router.get(
    "/routing",
    operation_id="get_routing",
    summary="Show teams and loads",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(),
)
async def get_routing(resources: OpenResources, now: Now) -> FloorOut:
    """Every team with its people: who is at work now, how much they have to do, and what waits."""
    playbook = await ActivePlaybook(resources.sessions).current(now=now)
    async with resources.sessions() as session:
        teams = await floor.look(session, playbook, now=now)
    return FloorOut(playbook=playbook.reference, teams=[TeamOut.model_validate(team) for team in teams])


@router.get(
    "/routing/queue",
    operation_id="list_queue",
    summary="List waiting leads",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_queue(query: Annotated[QueueQuery, Query()], resources: OpenResources) -> Page[QueuedOut]:
    """Leads that wait because nobody of their team can take one, the longest waiting first."""
    marks = cursors(resources.settings, "routing queue")
    async with resources.sessions() as session:
        rows = await store.queue(session, name=query.queue, limit=query.limit + 1, after=_place(query, marks))
    return page(rows, query, marks, item=QueuedOut.model_validate, position=_position)


def _place(query: QueueQuery, marks: Cursors) -> tuple[datetime, UUID] | None:
    if query.after is None:
        return None
    routed_at, lead_id = marks.read(query.after)
    return datetime.fromisoformat(routed_at), UUID(lead_id)


def _position(row: store.QueuedLead) -> Sequence[Any]:
    return row.routed_at, row.lead_id
