"""Playbooks: the document that decides, its versions, and what a new one would change."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, ExpectedVersion, Now, OpenResources, Repeat, admin_router, etag, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.parameters import Line, Storable
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.playbook_loading import load
from leadhub.domain.playbook_schema import schema
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline import playbook as pipeline
from leadhub.pipeline.simulation import LEFT_OUT, simulate
from leadhub.store import playbooks as store

router = admin_router("playbooks")

MOST_SIMULATED: Final = 5_000
"""Leads that one request tries: a second or two of this gateway's time, in slices between which it answers others.

The whole history is `leadhub playbook simulate`'s, a process of its own: no gateway stands still for it.
"""

_DOCUMENT: Final = "apiVersion: leadhub/v1\nkind: Playbook\nmetadata: {name: guide, version: 2}\n…\n"
_EXAMPLE: Final[Mapping[str, Any]] = {
    "version": 2,
    "reference": "guide@2",
    "state": "draft",
    "author": "019bc0fd-89c0-7000-8000-000000000000",
    "note": "pricing page 20 instead of 25",
    "created_at": "2026-01-15T09:30:00Z",
    "published_at": None,
    "published_by": None,
}
_DIFFERENCE: Final[Mapping[str, Any]] = {
    "path": "scoring.engagement.pricing",
    "kind": "changed",
    "before": '{"id": "pricing", "points": 25}',
    "after": '{"id": "pricing", "points": 20}',
}
_BEFORE: Final[Mapping[str, Any]] = {"total": 55, "stage": "MQL", "temperature": "warm", "route": "sales:na"}
_AFTER: Final[Mapping[str, Any]] = {
    "total": 45,
    "stage": "IQL",
    "temperature": "warm",
    "route": "nurture:consideration",
}
_SIMULATED: Final[Mapping[str, Any]] = {
    "old": "guide@1",
    "new": "guide@2",
    "leads": 4021,
    "complete": True,
    "changed": 132,
    "rescored": 410,
    "moves": [{"what": "stage", "before": "MQL", "after": "IQL", "leads": 132}],
    "examples": [{"lead_id": "019bc0fd-89c0-7000-8000-00000000000a", "before": _BEFORE, "after": _AFTER}],
    "teams": [{"name": "na", "before": 300, "after": 168}],
    "owners": [{"name": "ann", "before": 150, "after": 84}],
    "left_out": list(LEFT_OUT),
    "bands": [{"low": 50, "before": 200, "after": 110, "accepted": 40, "rejected": 12}],
}
_SHADOWED: Final[Mapping[str, Any]] = {
    "version": 2,
    "old": "guide@1",
    "new": "guide@2",
    "in_shadow": True,
    "since": "2026-01-15T09:30:05Z",
    "leads": 812,
    "changed": 27,
    "rescored": 80,
    "moves": _SIMULATED["moves"],
    "examples": _SIMULATED["examples"],
}

Version = Annotated[int, Path(ge=1, le=999_999_999, description="The version's number.")]


class DraftIn(BaseModel):
    """A playbook to keep as a draft."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"document": _DOCUMENT, "note": "try 20"}})

    document: Storable = Field(min_length=1, max_length=256 * 1024, description="The playbook, as YAML or JSON text.")
    note: Line | None = Field(default=None, description="Why; the document's own note if absent.")


class PlaybookOut(BaseModel):
    """A version, without its document."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    version: int
    reference: str = Field(description="`name@version` of the document: what every judgement names.")
    state: Literal["draft", "shadow", "active", "retired"]
    author: str
    note: str
    created_at: datetime
    published_at: datetime | None
    published_by: str | None


class PlaybookDocumentOut(PlaybookOut):
    """A version with its document."""

    model_config = ConfigDict(json_schema_extra={"example": {**_EXAMPLE, "document": _DOCUMENT}})

    document: str = Field(description="The text as it was written, comments and all.")


class FindingOut(BaseModel):
    """What an author should look at."""

    model_config = ConfigDict(from_attributes=True)

    pointer: str
    detail: str


class DraftOut(BaseModel):
    """A new draft."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "version": 2,
                "reference": "guide@2",
                "warnings": [
                    {"pointer": "#/vocab/old", "detail": "line 9, column 3: list 'old' is used nowhere"},
                ],
            }
        },
    )

    version: int
    reference: str
    warnings: list[FindingOut]


class PublishedOut(BaseModel):
    """A version that decides from now on."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": {"version": 2, "reference": "guide@2", "replaced": 1, "rescores": "some"}},
    )

    version: int
    reference: str
    replaced: int
    rescores: Literal["everyone", "some", "nobody"] = Field(description="Which leads are judged again.")


class DifferenceOut(BaseModel):
    """One thing that is different."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_DIFFERENCE)})

    path: str
    kind: Literal["added", "removed", "changed", "moved"]
    before: str | None
    after: str | None


class DiffOut(BaseModel):
    """What is different between two versions."""

    model_config = ConfigDict(json_schema_extra={"example": {"differences": [dict(_DIFFERENCE)]}})

    differences: list[DifferenceOut]


class StandingOut(BaseModel):
    """Where a lead stands by one playbook."""

    total: int
    stage: str
    temperature: str
    route: str


class MoveOut(BaseModel):
    """How many leads would move so."""

    what: Literal["stage", "temperature", "route"]
    before: str
    after: str
    leads: int


class MovedOut(BaseModel):
    """One lead that would move."""

    lead_id: UUID
    before: StandingOut
    after: StandingOut


class LoadOut(BaseModel):
    """How many of the leads a team or an owner would have."""

    name: str
    before: int
    after: int


class BandOut(BaseModel):
    """Leads with a total from `low` to `low + 9`."""

    low: int
    before: int
    after: int
    accepted: int = Field(description="Of those in it now, how many sales accepted.")
    rejected: int


class SimulationOut(BaseModel):
    """What publishing a version would change; nothing was changed to find out."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_SIMULATED)})

    old: str
    new: str
    leads: int
    complete: bool = Field(description="False: there are more leads than were tried; the newest were.")
    changed: int = Field(description="Leads whose stage, temperature or route would be another.")
    rescored: int = Field(description="Leads whose total would be another.")
    moves: list[MoveOut]
    examples: list[MovedOut]
    teams: list[LoadOut]
    owners: list[LoadOut] = Field(
        description="Leads stay with who has them; others are dealt out by turns, weights, capacity, absences of today."
    )
    left_out: list[str] = Field(description="What dealing them out did not look at.")
    bands: list[BandOut]


class ShadowedOut(BaseModel):
    """What a version in shadow would have decided otherwise, of the leads that were judged since."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_SHADOWED)})

    version: int
    old: str = Field(description="The playbook that decided.")
    new: str
    in_shadow: bool = Field(description="False: this is what it said when it was.")
    since: datetime | None = Field(description="The oldest judgement counted; each lead is counted by its newest.")
    leads: int = Field(description="Leads that were judged by both.")
    changed: int = Field(description="Leads whose stage, temperature or route would be another.")
    rescored: int = Field(description="Leads whose total would be another.")
    moves: list[MoveOut]
    examples: list[MovedOut]


class RescoreOut(BaseModel):
    """How far judging leads again after a publication has come."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "version": 2,
                "judged": 1200,
                "changed": 132,
                "begins_at": "2026-01-15T09:30:05Z",
                "finished_at": None,
            }
        },
    )

    version: int
    judged: int
    changed: int
    begins_at: datetime
    finished_at: datetime | None


class SimulationQuery(BaseModel):
    """Which leads to try."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, description="Only leads that were active in so many days."
    )
    limit: Annotated[int, Field(ge=1, le=MOST_SIMULATED)] = Field(
        default=MOST_SIMULATED, description="At most so many leads, the newest."
    )
    examples: Annotated[int, Field(ge=0, le=200)] = Field(default=20, description="Show so many leads that would move.")


class ShadowQuery(BaseModel):
    """How much to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: Annotated[int, Field(ge=0, le=200)] = Field(default=20, description="Show so many leads that would move.")


class DiffQuery(BaseModel):
    """What to compare with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    against: Annotated[int, Field(ge=1, le=999_999_999)] | None = Field(
        default=None, description="A version's number; the active version if absent."
    )


@router.get(
    "/playbooks",
    operation_id="list_playbooks",
    summary="List versions of the playbook",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    responses=problems(400),
)
async def list_playbooks(query: Annotated[PageQuery, Query()], resources: OpenResources) -> Page[PlaybookOut]:
    """Versions, newest first, drafts among them."""
    marks = cursors(resources.settings, "playbooks")
    before = int(marks.read(query.after)[0]) if query.after else None
    async with resources.sessions() as session:
        rows = await store.list_versions(session, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=PlaybookOut.model_validate, position=lambda row: [row.version])


@router.post(
    "/playbooks",
    operation_id="create_playbook_draft",
    summary="Keep a playbook as a draft",
    status_code=201,
    openapi_extra=needs(Scope.PLAYBOOKS_WRITE),
    responses=problems(400, 409, 413),
)
async def create_playbook_draft(
    body: DraftIn, resources: OpenResources, repeatable: Repeat, caller: CallerNow, now: Now
) -> DraftOut:
    """Check a document, run its own tests, and keep it; it decides nothing yet. All findings come at once."""
    made = await pipeline.draft(
        resources.sessions,
        body.document,
        author=str(caller.key_id),
        note=body.note,
        now=now,
        repeatable=repeatable,
    )
    return DraftOut.model_validate(made)


@router.get(
    "/playbooks/schema",
    operation_id="get_playbook_schema",
    summary="Show the grammar of playbooks",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    response_class=Response,
    responses={
        200: {
            "description": "JSON Schema 2020-12.",
            "content": {
                "application/schema+json": {
                    "schema": {"type": "object"},
                    "example": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
                }
            },
        }
    },
)
async def get_playbook_schema() -> Response:
    """The JSON Schema that an editor completes and underlines by."""
    return Response(orjson.dumps(schema()), media_type="application/schema+json")


@router.get(
    "/playbooks/active",
    operation_id="get_active_playbook",
    summary="Show the playbook that decides now",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE, Scope.LEADS_READ),
    responses=problems(404),
)
async def get_active_playbook(resources: OpenResources, response: Response) -> PlaybookDocumentOut:
    """The active version with its document; its ETag is what publishing must send back."""
    async with resources.sessions() as session:
        found = await pipeline.active(session)
    response.headers.update(etag(found.version))
    return PlaybookDocumentOut.model_validate(found)


@router.get(
    "/playbooks/{version}",
    operation_id="get_playbook",
    summary="Show a version of the playbook",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    responses=problems(404),
)
async def get_playbook(version: Version, resources: OpenResources) -> PlaybookDocumentOut:
    """One version with its document."""
    async with resources.sessions() as session:
        return PlaybookDocumentOut.model_validate(await store.get(session, version))


@router.get(
    "/playbooks/{version}/diff",
    operation_id="diff_playbook",
    summary="Compare a version of the playbook",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    responses=problems(404),
)
async def diff_playbook(version: Version, query: Annotated[DiffQuery, Query()], resources: OpenResources) -> DiffOut:
    """What is different in a version, rule by rule; comments and layout make no difference."""
    found = await pipeline.compare(resources.sessions, query.against, version)
    return DiffOut(differences=[DifferenceOut.model_validate(one) for one in found])


@router.post(
    "/playbooks/{version}/simulate",
    operation_id="simulate_playbook",
    summary="Try a version of the playbook on leads",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    responses=problems(404),
)
async def simulate_playbook(
    version: Version, query: Annotated[SimulationQuery, Query()], resources: OpenResources, now: Now
) -> SimulationOut:
    """Judge the newest leads by the active version and by this one, and tell what would be different.

    `leadhub playbook simulate` tries the whole history, however long.
    """
    async with resources.sessions() as session:
        tried, active = await store.get(session, version), await pipeline.active(session)
    found = await simulate(
        resources.engine,
        compile_playbook(load(active.document)),
        compile_playbook(load(tried.document)),
        now=now,
        since=now - timedelta(days=query.days) if query.days else None,
        limit=query.limit,
        examples=query.examples,
        slice_rows=50,
        progress=_let_others_run,
    )
    return SimulationOut.model_validate(asdict(found))


async def _let_others_run(_: int) -> None:
    await asyncio.sleep(0)


@router.post(
    "/playbooks/{version}/publish",
    operation_id="publish_playbook",
    summary="Publish a draft",
    openapi_extra=needs(Scope.PLAYBOOKS_WRITE),
    responses=problems(404, 409, 412, 428),
)
async def publish_playbook(
    version: Version, expected: ExpectedVersion, resources: OpenResources, caller: CallerNow, now: Now
) -> PublishedOut:
    """Let a draft decide from now on. `If-Match` names the active version that it was compared with.

    Leads that the change can touch are judged again in the background.
    """
    done = await pipeline.publish(
        resources.sessions, version, author=str(caller.key_id), expected_active=expected, now=now
    )
    return PublishedOut.model_validate(done)


@router.post(
    "/playbooks/{version}/shadow",
    operation_id="shadow_playbook",
    summary="Put a draft in shadow",
    openapi_extra=needs(Scope.PLAYBOOKS_WRITE),
    responses=problems(404, 409),
)
async def shadow_playbook(version: Version, resources: OpenResources) -> PlaybookOut:
    """Let a draft judge every lead beside the active version. What it would decide is counted; nothing follows."""
    return PlaybookOut.model_validate(await pipeline.begin_shadow(resources.sessions, version))


@router.get(
    "/playbooks/{version}/shadow",
    operation_id="get_playbook_shadow",
    summary="Show what a version in shadow would decide otherwise",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    responses=problems(404),
)
async def get_playbook_shadow(
    version: Version, query: Annotated[ShadowQuery, Query()], resources: OpenResources
) -> ShadowedOut:
    """Leads judged since it is in shadow, what would move from where to where, and some of those that would."""
    found = await pipeline.shadowed(resources.sessions, version, examples=query.examples)
    return ShadowedOut.model_validate(asdict(found))


@router.delete(
    "/playbooks/{version}/shadow",
    operation_id="withdraw_playbook",
    summary="Take a version out of shadow",
    openapi_extra=needs(Scope.PLAYBOOKS_WRITE),
    responses=problems(404, 409),
)
async def withdraw_playbook(version: Version, resources: OpenResources) -> PlaybookOut:
    """It is a draft again; what it said in shadow can still be read."""
    return PlaybookOut.model_validate(await pipeline.withdraw(resources.sessions, version))


@router.post(
    "/playbooks/{version}/promote",
    operation_id="promote_playbook",
    summary="Let the version in shadow decide",
    openapi_extra=needs(Scope.PLAYBOOKS_WRITE),
    responses=problems(404, 409, 412, 428),
)
async def promote_playbook(
    version: Version, expected: ExpectedVersion, resources: OpenResources, caller: CallerNow, now: Now
) -> PublishedOut:
    """Publish the version in shadow. `If-Match` names the active version beside which it was watched."""
    done = await pipeline.promote(
        resources.sessions, version, author=str(caller.key_id), expected_active=expected, now=now
    )
    return PublishedOut.model_validate(done)


@router.post(
    "/playbooks/{version}/rollback",
    operation_id="roll_back_playbook",
    summary="Go back to an older version",
    openapi_extra=needs(Scope.PLAYBOOKS_WRITE),
    responses=problems(404, 409, 412, 428),
)
async def roll_back_playbook(
    version: Version, expected: ExpectedVersion, resources: OpenResources, caller: CallerNow, now: Now
) -> PublishedOut:
    """Publish the document of an older version again, under a new number."""
    done = await pipeline.roll_back(
        resources.sessions, version, author=str(caller.key_id), expected_active=expected, now=now
    )
    return PublishedOut.model_validate(done)


@router.get(
    "/playbooks/{version}/rescore",
    operation_id="get_playbook_rescore",
    summary="Show how far re-scoring has come",
    openapi_extra=needs(Scope.PLAYBOOKS_READ, Scope.PLAYBOOKS_WRITE),
    responses=problems(404),
)
async def get_playbook_rescore(version: Version, resources: OpenResources) -> RescoreOut:
    """How many leads were judged again since this version was published."""
    return RescoreOut.model_validate(await pipeline.rescore_of(resources.sessions, version))
