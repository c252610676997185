"""One lead as the API shows it: who it is, where each value is from, what was decided and why, what happened."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.lead_example import EXPLANATION, GOLDEN, LEAD
from leadhub.api.timeline import Timeline
from leadhub.domain.events import Attribution, Consent
from leadhub.domain.feedback import acceptance
from leadhub.domain.model import Route, Stage, Temperature
from leadhub.store.reading.leads import LeadRows

Scalar = str | int | float | bool


class GoldenField(BaseModel):
    """A value and where it is from."""

    model_config = ConfigDict(json_schema_extra={"example": dict(GOLDEN)})

    value: Scalar
    source: str = Field(description="The source's name; of an edit, who wrote it.")
    submission_id: UUID = Field(description="What brought it: a submission, or an edit.")
    at: datetime
    rule: str = Field(description="The rule that chose it among several.")
    provenance: str = Field(description="stated, observed, enriched, inferred or edited.")


class CustomAnswer(BaseModel):
    """An answer that no canonical field holds."""

    value: str | list[str]
    submission_id: UUID
    at: datetime


class ContactPoint(BaseModel):
    """A key that finds this lead."""

    kind: str = Field(description="`email`, `phone`, or `external:` and a source's id.", examples=["email"])
    value: str
    status: Literal["active", "shared"] = Field(description="Shared: several people use it, so it needs a name.")
    first_seen_at: datetime
    last_seen_at: datetime


class Reason(BaseModel):
    """A rule, its points and why."""

    rule: str
    points: int
    because: str


class Checklist(BaseModel):
    """A qualification checklist."""

    met: int
    unknown: list[str]
    next_question: str | None


class Explanation(BaseModel):
    """What the playbook said of the lead at its newest evaluation, rule by rule."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": dict(EXPLANATION)})

    lead: UUID
    model: str = Field(description="`name@version` of the playbook.")
    total: int
    raw: int = Field(description="Before the playbook's bounds.")
    fit: int
    engagement: int
    stage: Stage
    temperature: Temperature
    rule: str
    route: str
    lines: list[Reason] = Field(description="Rules that gave or took points.")
    not_met: list[Reason] = Field(description="Rules that could give points and did not.")
    frameworks: dict[str, Checklist]
    changes_at: datetime | None = Field(description="When time alone changes the score next.")
    change: str | None


class RouteOut(BaseModel):
    """Where the lead goes, and why."""

    route: Route
    rule: str
    because: str
    team: str | None
    owner: str | None


class BeatenOut(BaseModel):
    """Somebody else who could have got it."""

    name: str = Field(description="Of a person; `rule:` and a name: of a routing rule further down.")
    because: str


class AssignmentOut(BaseModel):
    """Who in sales has it."""

    team: str
    owner: str | None = Field(description="Null while it waits in a queue.")
    queue: str | None = Field(default=None, description="Where it waits.")
    rule: str
    because: str
    beat: list[BeatenOut] = Field(description="Who it could have been, and why not.")
    sla: str | None
    due_at: datetime | None = Field(description="First contact is promised by then.")
    assigned_at: datetime
    routed_at: datetime = Field(description="When it came to sales, whoever had it first.")


class PromiseOut(BaseModel):
    """The newest promise of first contact, and how it stands."""

    sla: str
    started_at: datetime
    due_at: datetime
    breached_at: datetime | None = None
    next_at: datetime | None = Field(
        default=None, description="When something happens next unless somebody reaches the lead."
    )
    stopped_at: datetime | None = None
    stop_reason: str | None = Field(
        default=None, description="The outcome that met it; `left sales` or `merged` if it is void."
    )
    open_seconds: int | None = Field(default=None, description="Time until it was met, in open hours.")


class HeldOut(BaseModel):
    """Why sales does not get it for now."""

    reason: str = Field(description="Of the rejection; or `won`, `lost`.")
    at: datetime
    until: datetime | None = Field(default=None, description="Null: only what the person does ends it.")
    track: str | None = None


class EnrolmentOut(BaseModel):
    """The nurture track that it is on."""

    track: str
    because: str
    enrolled_at: datetime


class MergedLead(BaseModel):
    """A lead that turned out to be this one."""

    id: UUID = Field(description="Of the merge, to undo it.")
    loser_id: UUID = Field(description="Its id; asking for it shows this lead.")
    rule: str
    because: str
    merged_at: datetime
    undone_at: datetime | None


class LeadOut(BaseModel):
    """A lead: the person we believe it is."""

    model_config = ConfigDict(json_schema_extra={"example": dict(LEAD)})

    id: UUID
    requested_id: UUID = Field(description="The id that was asked for: another one if that lead was merged into this.")
    created_at: datetime
    updated_at: datetime
    last_activity_at: datetime | None
    is_test: bool
    version: int
    sequence: int = Field(description="Number of its newest event.")
    contact: dict[str, GoldenField] = Field(
        description="By canonical field; unknown ones are absent. `former_…`: said of a company or country before."
    )
    contact_points: list[ContactPoint]
    custom: dict[str, CustomAnswer]
    attribution: Attribution
    consents: list[Consent]
    score: Explanation | None = Field(description="Null until it was evaluated for the first time.")
    stage: Stage
    temperature: Temperature
    routing: RouteOut
    assignment: AssignmentOut | None
    promise: PromiseOut | None
    held: HeldOut | None
    acceptance: Literal["pending", "accepted", "rejected"] | None = Field(
        description="What sales says of it so far; null if it was never asked."
    )
    enrolment: EnrolmentOut | None
    disqualified_reason: str | None
    sales_decision: str | None
    submissions: int = Field(description="How many submissions it is made of.")
    merges: list[MergedLead]
    timeline: Timeline


def _assignment(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {**row, "beat": [{"name": name, "because": because} for name, because in row["beat"]]}


def lead_out(
    rows: LeadRows, *, requested_id: UUID, entries: list[dict[str, Any]], counts: Mapping[str, int]
) -> LeadOut:
    """Return the document of a lead from its rows."""
    lead = rows.lead
    same = ("created_at", "updated_at", "last_activity_at", "is_test", "version", "sequence", "custom", "attribution")
    also = ("stage", "temperature", "disqualified_reason", "sales_decision")
    return LeadOut.model_validate(
        {name: lead[name] for name in (*same, *also)}
        | {
            "id": lead["id"],
            "requested_id": requested_id,
            "contact": lead["golden"],
            "contact_points": rows.keys,
            "consents": [one.model_dump() for one in Consent.all_of(lead["consents"])],
            "score": lead["evaluation"],
            "routing": {
                "route": lead["route"],
                "rule": lead["route_rule"],
                "because": lead["route_because"],
                "team": lead["team"],
                "owner": lead["owner"],
            },
            "assignment": _assignment(rows.assignment),
            "promise": rows.promise,
            "held": lead["held"],
            "acceptance": acceptance(lead["route"], lead["sales_decision"]),
            "enrolment": rows.enrolment,
            "submissions": rows.memberships,
            "merges": rows.merges,
            "timeline": {"entries": entries, "counts": counts},
        }
    )
