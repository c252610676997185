"""Weights: the table of bits that matching adds up, its versions, and what another one would decide."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.dependencies import CallerNow, Now, OpenResources, admin_router, needs
from leadhub.api.paging import Page, PageQuery, cursors, page
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.matching import weights as table
from leadhub.pipeline import weighing
from leadhub.resources import Resources
from leadhub.store import driver
from leadhub.store import weights as store

router = admin_router("leads")

MOST_COMPARED: Final = 1_000
"""Leads that one request tries; `leadhub dedupe weights compare` tries more, in a process of its own."""

_EXAMPLE: Final[Mapping[str, Any]] = {
    "version": 2,
    "state": "draft",
    "author": "leadhub",
    "note": "learnt from 48211 comparisons among 50210 leads, from version 1 on",
    "created_at": "2026-01-15T09:30:00Z",
    "activated_at": None,
    "activated_by": None,
}
_ROW: Final[Mapping[str, Any]] = {
    "compares": "last name",
    "level": "exact",
    "bits": 9,
    "meaning": "the same last name",
    "picks_one": False,
}
_COMPARISON: Final[Mapping[str, Any]] = {
    "old": 1,
    "new": 2,
    "rows": [
        {"compares": "town", "level": "equal", "meaning": "the same town", "before": 3, "after": 7.2},
    ],
    "common_values": [0, 212],
    "leads": 200,
    "pairs": 341,
    "turns": [{"before": "review", "after": "new", "pairs": 4}],
    "examples": [
        {
            "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
            "with_lead_id": "019b9cf1-2a40-7000-8000-00000000000b",
            "before": "review",
            "after": "new",
            "bits_before": 1,
            "bits_after": -3.4,
        }
    ],
}

Version = Annotated[int, Path(ge=1, le=999_999_999, description="The version's number.")]
Answer = Literal["same", "review", "new"]


class WeightsOut(BaseModel):
    """A version, without its table."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_EXAMPLE)})

    version: int = Field(description="What the explanation of a match names as `weights`.")
    state: Literal["draft", "active", "retired"]
    author: str
    note: str
    created_at: datetime
    activated_at: datetime | None
    activated_by: str | None


class RowOut(BaseModel):
    """What one outcome of one comparison is worth."""

    compares: str
    level: str = Field(description="How the comparison turned out.")
    bits: float = Field(description="One bit doubles the odds that it is the same person.")
    meaning: str = Field(description="In plain words.")
    picks_one: bool = Field(description="Whether the bits come on top of those that it takes to pick one among all.")


class WeightsTableOut(WeightsOut):
    """A version with its table."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_EXAMPLE,
                "rows": [dict(_ROW)],
                "same_from": 4,
                "ask_from": -1,
                "common_values": {"last name": {"smith": 6.2}, "town": {"berlin": 2.1}},
            }
        }
    )

    rows: list[RowOut]
    same_from: float = Field(description="Bits from which it is the same person, if a hard agreement stands behind it.")
    ask_from: float = Field(description="Bits from which a person is asked.")
    common_values: dict[str, dict[str, float]] = Field(
        description="Names, streets and towns that many leads have → the bits that the same one is worth."
    )


class ComparedRow(BaseModel):
    """One row of two tables side by side; null: the table has no such row."""

    compares: str
    level: str
    meaning: str
    before: float | None
    after: float | None


class TurnOut(BaseModel):
    """How many comparisons would end otherwise."""

    before: Answer
    after: Answer
    pairs: int


class TurnedOut(BaseModel):
    """One comparison that would end otherwise."""

    lead_id: UUID
    with_lead_id: UUID = Field(description="The lead itself: one of its submissions against its others.")
    before: Answer
    after: Answer
    bits_before: float
    bits_after: float


class ComparisonOut(BaseModel):
    """What one version would decide otherwise than another; nothing was changed to find out."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_COMPARISON)})

    old: int
    new: int
    rows: list[ComparedRow] = Field(description="Those that differ most first.")
    common_values: list[int] = Field(description="How many names, streets and towns each table knows to be common.")
    leads: int = Field(description="In the sample: the newest.")
    pairs: int = Field(description="Compared: leads that share a key, and each lead's submissions with each other.")
    turns: list[TurnOut]
    examples: list[TurnedOut]


class ComparisonQuery(BaseModel):
    """What to compare with, and on how many leads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    against: Annotated[int, Field(ge=1, le=999_999_999)] | None = Field(
        default=None, description="A version's number; the one that decides if absent."
    )
    leads: Annotated[int, Field(ge=1, le=MOST_COMPARED)] = Field(default=200, description="Try so many of the newest.")


@router.get(
    "/weights",
    operation_id="list_weights",
    summary="List versions of the bits",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(400),
)
async def list_weights(query: Annotated[PageQuery, Query()], resources: OpenResources) -> Page[WeightsOut]:
    """Versions, newest first: the shipped table, and those that `leadhub dedupe scan` learnt."""
    marks = cursors(resources.settings, "weights")
    before = int(marks.read(query.after)[0]) if query.after else None
    async with driver.transaction(resources.engine) as connection:
        rows = await store.list_versions(connection, limit=query.limit + 1, before=before)
    return page(rows, query, marks, item=WeightsOut.model_validate, position=lambda row: [row.version])


@router.get(
    "/weights/{version}",
    operation_id="get_weights",
    summary="Show a version of the bits",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(404),
)
async def get_weights(version: Version, resources: OpenResources) -> WeightsTableOut:
    """The whole table, each row in plain words."""
    return await _shown(resources, version)


@router.get(
    "/weights/{version}/comparison",
    operation_id="compare_weights",
    summary="Compare a version of the bits",
    openapi_extra=needs(Scope.LEADS_READ),
    responses=problems(404),
)
async def compare_weights(
    version: Version, query: Annotated[ComparisonQuery, Query()], resources: OpenResources
) -> ComparisonOut:
    """Both tables side by side, and which comparisons of the newest leads would end otherwise."""
    found = await weighing.compare(resources.engine, query.against, version, leads=query.leads)
    return ComparisonOut.model_validate(asdict(found))


@router.post(
    "/weights/{version}/activate",
    operation_id="activate_weights",
    summary="Activate a version of the bits",
    openapi_extra=needs(Scope.LEADS_MERGE),
    responses=problems(404),
)
async def activate_weights(version: Version, resources: OpenResources, caller: CallerNow, now: Now) -> WeightsTableOut:
    """Let a version decide from now on, in every worker; what was decided stays. Again changes nothing."""
    await weighing.activate(resources.engine, version, author=f"key:{caller.key_id}", now=now)
    return await _shown(resources, version)


@router.post(
    "/weights/rollback",
    operation_id="roll_back_weights",
    summary="Go back to the version that decided before",
    openapi_extra=needs(Scope.LEADS_MERGE),
    responses=problems(409),
)
async def roll_back_weights(resources: OpenResources, caller: CallerNow, now: Now) -> WeightsTableOut:
    """Let the version decide again that decided before the active one."""
    version = await weighing.roll_back(resources.engine, author=f"key:{caller.key_id}", now=now)
    return await _shown(resources, version)


async def _shown(resources: Resources, version: int) -> WeightsTableOut:
    async with driver.transaction(resources.engine) as connection:
        stored = await store.get(connection, version)
    decides = table.read(stored.version, stored.document)
    return WeightsTableOut.model_validate({**asdict(stored), **decides.document()})
