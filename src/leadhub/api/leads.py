"""Read leads and all that is known of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import OpenResources, admin_router, etag, needs
from leadhub.api.lead_document import LeadOut, lead_out
from leadhub.api.paging import Cursors, Page, PageQuery, cursors, page
from leadhub.api.parameters import Flag, Id, Line, Moment
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.deduplication import Key
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import LeadId
from leadhub.domain.model import Route, Stage, Temperature
from leadhub.domain.normalisation.email import normalise_email
from leadhub.domain.normalisation.phone import normalise_phone
from leadhub.domain.normalisation.refusal import Refused
from leadhub.store.reading import leads as store
from leadhub.store.reading.timeline import counts, timeline

router = admin_router("leads")

_ENTRIES = 100
"""Timeline entries of one document; older ones are counted."""


class LeadQuery(PageQuery):
    """Which leads, in which order."""

    order: Literal["updated", "created"] = Field(
        default="updated", description="Newest first by this time; `created` never changes while you page."
    )
    stage: Stage | None = None
    temperature: Temperature | None = None
    route: Route | None = None
    team: Line | None = None
    owner: Line | None = None
    track: Line | None = None
    created_from: Moment | None = None
    created_before: Moment | None = None
    updated_from: Moment | None = None
    updated_before: Moment | None = None
    include_test: Flag = Field(default=False, description="Also list test leads.")


class LeadSummary(BaseModel):
    """A lead in a list."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "019bc0fd-89c0-7000-8000-00000000000a",
                "created_at": "2026-01-15T09:30:00Z",
                "updated_at": "2026-01-15T09:30:00Z",
                "last_activity_at": "2026-01-15T09:30:00Z",
                "is_test": False,
                "email": "ada@analytical.example",
                "phone": "+442071838750",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "company": "Analytical Engines Ltd",
                "stage": "SQL",
                "temperature": "hot",
                "score_total": 75,
                "score_fit": 50,
                "score_engagement": 25,
                "route": "sales",
                "team": "emea",
                "owner": "dora",
                "track": None,
            }
        },
    )

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
    stage: Stage
    temperature: Temperature
    score_total: int
    score_fit: int
    score_engagement: int
    route: Route
    team: str | None
    owner: str | None
    track: str | None


@router.get(
    "/leads",
    operation_id="list_leads",
    summary="List leads",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_leads(query: Annotated[LeadQuery, Query()], resources: OpenResources) -> Page[LeadSummary]:
    """Leads, newest first; one that was merged into another is not listed."""
    marks = cursors(resources.settings, f"leads by {query.order}")
    async with resources.sessions() as session:
        rows = await store.list_leads(
            session, _filter(query), order=query.order, limit=query.limit + 1, after=_place(query, marks)
        )
    return page(rows, query, marks, item=LeadSummary.model_validate, position=_position)


class LeadLookup(BaseModel):
    """Whom to look for: one contact key, in any spelling."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"email": "ada@analytical.example"}]})

    email: Line | None = None
    phone: Line | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="ISO 3166-1 alpha-2: how a national phone number is meant."
    )


class Leads(BaseModel):
    """The leads that hold a key: usually one, several when they share it."""

    items: list[LeadSummary]


_MOST_FOUND = 50


@router.post(
    "/leads/lookup",
    operation_id="lookup_leads",
    summary="Find a lead by e-mail or phone",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def lookup_leads(lookup: LeadLookup, resources: OpenResources) -> Leads:
    """The leads that hold an address or a number, found exactly; in the body, because URLs end up in logs."""
    async with resources.sessions() as session:
        rows = await store.list_leads(session, _looked_up(lookup), order="updated", limit=_MOST_FOUND, after=None)
    return Leads(items=[LeadSummary.model_validate(row) for row in rows])


@router.get(
    "/leads/{lead_id}",
    operation_id="get_lead",
    summary="Show a lead",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(404),
)
async def get_lead(lead_id: Id, resources: OpenResources, response: Response) -> LeadOut:
    """Everything about a lead, with the reasons.

    Ids never die: the id of a lead that was merged shows the lead that it was merged into, whose own address is in
    `Content-Location`.
    """
    async with resources.sessions() as session:
        rows = await store.get_lead(session, LeadId(lead_id))
        entries = await timeline(session, rows.family, most=_ENTRIES)
        number = await counts(session, rows.family)
    response.headers["Content-Location"] = f"/v1/leads/{rows.lead['id']}"
    response.headers.update(etag(rows.lead["version"]))
    return lead_out(rows, requested_id=lead_id, entries=entries, counts=number)


def _filter(query: LeadQuery) -> store.LeadFilter:
    return store.LeadFilter(
        stage=query.stage,
        temperature=query.temperature,
        route=query.route,
        team=query.team,
        owner=query.owner,
        track=query.track,
        created_from=query.created_from,
        created_before=query.created_before,
        updated_from=query.updated_from,
        updated_before=query.updated_before,
        include_test=query.include_test,
    )


def _looked_up(lookup: LeadLookup) -> store.LeadFilter:
    if (lookup.email is None) == (lookup.phone is None):
        raise InvalidInput.at("#/email", "name either an e-mail address or a phone number")
    keys = _mailboxes(lookup.email) if lookup.email is not None else _numbers(lookup)
    return store.LeadFilter(keys=keys, include_test=True)


def _mailboxes(sent: str) -> tuple[Key, ...]:
    """Return the identity keys that an address can have: a shared mailbox is kept under its plain address."""
    found = normalise_email(sent)
    if isinstance(found, Refused):
        raise InvalidInput.at("#/email", "is not an e-mail address")
    return tuple({Key("email", found.key), Key("email", found.address)})


def _numbers(lookup: LeadLookup) -> tuple[Key, ...]:
    found = normalise_phone(lookup.phone or "", (lookup.country,) if lookup.country else ())
    if isinstance(found, Refused):
        raise InvalidInput.at("#/phone", "is not a phone number; without a country it needs one, as in +4930…")
    return (Key("phone", found.e164),)


def _place(query: LeadQuery, marks: Cursors) -> store.Place | None:
    if query.after is None:
        return None
    updated_at, lead_id = marks.read(query.after)
    return datetime.fromisoformat(updated_at), UUID(lead_id)


def _position(row: store.LeadRow) -> Sequence[Any]:
    return row.updated_at, row.id
