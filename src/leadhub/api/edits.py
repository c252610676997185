"""Edit a lead's values: a person knows better than all sources."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from leadhub.api.dependencies import CallerNow, ExpectedVersion, Now, OpenResources, admin_router, etag, needs
from leadhub.api.parameters import Id, Storable
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.fields import FIELDS
from leadhub.domain.ids import LeadId
from leadhub.pipeline.editing import Edit, edit_lead
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.resources import Ids, clock

router = admin_router("leads")

_LONGEST = max(spec.limit for spec in FIELDS.values())
Text = Annotated[Storable, StringConstraints(min_length=1, max_length=_LONGEST)]


class LeadPatch(BaseModel):
    """What a lead is to say, field by field."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"fields": {"job_title": "CTO", "city": None}}}
    )

    fields: dict[str, Text | None] = Field(
        min_length=1,
        max_length=len(FIELDS),
        description="Canonical field → text, or null to take the edits of this field back. A name, and an address, is "
        "edited as a whole: parts that are not named stay as they are shown.",
    )


class EditOut(BaseModel):
    """What came of an edit."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
                "version": 3,
                "edit_id": "019bc0fd-89c1-7000-8000-00000000000e",
                "changed": ["job_title", "seniority"],
                "also_held_by": [],
            }
        },
    )

    lead_id: UUID = Field(description="The lead, or the one that it was merged into.")
    version: int
    edit_id: UUID | None = Field(description="What `submission_id` of the edited values names; null if none was set.")
    changed: list[str] = Field(description="Fields that show another value now, also derived ones.")
    also_held_by: list[UUID] = Field(
        description="Leads that hold an address or number of this edit, too. Nobody is merged by an edit: where it may "
        "be the same person, a review asks."
    )


@router.patch(
    "/leads/{lead_id}",
    operation_id="edit_lead",
    summary="Edit a lead",
    openapi_extra=needs(Scope.LEADS_WRITE),
    responses=problems(400, 404, 409, 412, 413, 428),
)
async def edit(
    lead_id: Id,
    body: LeadPatch,
    *,
    expected: ExpectedVersion,
    caller: CallerNow,
    resources: OpenResources,
    response: Response,
    now: Now,
) -> EditOut:
    """Write values that no later submission replaces, until they are edited again or taken back with null.

    They are normalised as any value is, and judged at once. An address or number finds this lead from then on, as one
    that a submission brought does. Send the lead's `ETag` as `If-Match`.
    """
    wish = Edit(lead_id=LeadId(lead_id), fields=body.fields, actor=f"key:{caller.key_id}", expected_version=expected)
    public_url = resources.settings.public_url.rstrip("/")
    work = Processing(resources.engine, new_id=Ids(), clock=clock, public_url=public_url)
    done = await edit_lead(work, await ActivePlaybook(resources.sessions).current(now=now), wish)
    resources.deliveries_nudge()
    response.headers.update(etag(done.version))
    return EditOut.model_validate(done)
