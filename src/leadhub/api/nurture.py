"""Nurture: the queue of due steps that mail tools pull from, and how each track does."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import Depends, Path, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.api.parameters import Id, Line
from leadhub.api.problems import problems
from leadhub.domain.credentials import Scope
from leadhub.domain.event_examples import EXAMPLES
from leadhub.domain.events import Contact
from leadhub.domain.ids import LeadId
from leadhub.pipeline import nurture as pipeline
from leadhub.pipeline.nurture import Leased
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.resources import Ids, Resources, clock
from leadhub.store.reading import nurture as reading

router = admin_router("nurture")

_LOOK_EVERY_SECONDS = 0.5
_LEASE: Final = "019bc0fd-89c0-7000-8000-00000000001b"
_STEP: Final[Mapping[str, Any]] = {
    "id": "019bc0fd-89c0-7000-8000-00000000001a",
    "lease": _LEASE,
    "leased_until": "2026-01-15T09:35:00Z",
    "attempt": 1,
    "redelivered": False,
    "track": "beginner",
    "step": "guide",
    "channel": "email",
    "content": "beginners-guide",
    "due_at": "2026-01-15T09:29:00Z",
    "lead_id": "019bc0fd-89c0-7000-8000-00000000000a",
    "contact": EXAMPLES["nurture.step.due"].model_dump(mode="json")["data"]["contact"],
}
_TRACK: Final[Mapping[str, Any]] = {
    "track": "beginner",
    "leads": 120,
    "due": 4,
    "waiting": 90,
    "leased": 2,
    "sent": 301,
}

TrackId = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9_+-]{0,63}$", description="A track of the playbook.")]
Seconds = Annotated[int, Field(strict=True, ge=1, le=int(pipeline.LONGEST_LEASE.total_seconds()))]


def _playbooks(request: Request, resources: OpenResources) -> ActivePlaybook:
    """Return the process's own look at the active playbook: to compile one for every request would cost too much."""
    state = request.app.state
    if not hasattr(state, "playbooks"):
        state.playbooks = ActivePlaybook(resources.sessions)
    found: ActivePlaybook = state.playbooks
    return found


Playbooks = Annotated[ActivePlaybook, Depends(_playbooks)]


class LeaseIn(BaseModel):
    """How many steps, and for how long."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"max": 10, "wait_seconds": 20}})

    max: int = Field(default=10, strict=True, ge=1, le=pipeline.MOST_LEASED, description="At most so many steps.")
    lease_seconds: Seconds = Field(default=300, description="For so long nobody else gets them.")
    wait_seconds: int = Field(default=0, strict=True, ge=0, le=30, description="Wait so long for the first one.")
    include_test: Annotated[bool, Field(strict=True)] = Field(default=False, description="Also leads that are tests.")


class StepOut(BaseModel):
    """A step to send now. It was checked at this instant that it may be."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_STEP)})

    id: UUID
    lease: UUID = Field(description="Say it with the answer: it proves that the step is still yours.")
    leased_until: datetime
    attempt: int = Field(description="How often the step was given out.")
    redelivered: bool = Field(description="It was given out before and never answered: it may have been sent.")
    track: str
    step: str
    channel: str
    content: str = Field(description="What to send: the key that the playbook gives it.")
    due_at: datetime
    lead_id: UUID
    contact: Contact


class LeasedSteps(BaseModel):
    """The steps that are yours; none, if none is due."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [dict(_STEP)]}})

    items: list[StepOut]


class AckIn(BaseModel):
    """Which lease."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"lease": _LEASE}})

    lease: Id


class NackIn(AckIn):
    """Which lease, and when to try again."""

    model_config = ConfigDict(json_schema_extra={"example": {"lease": _LEASE, "retry_in_seconds": 600}})

    retry_in_seconds: int = Field(default=300, strict=True, ge=0, le=7 * 86_400)
    because: Line = ""


class ExtendIn(AckIn):
    """Which lease, and for how much longer."""

    model_config = ConfigDict(json_schema_extra={"example": {"lease": _LEASE, "lease_seconds": 300}})

    lease_seconds: Seconds = 300


class HoldIn(BaseModel):
    """Until when, or until what, nothing is sent; with both, whichever comes first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"until": "2026-02-01T00:00:00Z", "signal": "hand_raise", "because": "On holiday."},
            "anyOf": [{"required": ["until"]}, {"required": ["signal"]}],
        },
    )

    until: AwareDatetime | None = Field(
        default=None, description="An instant that is past lets the next step come at once."
    )
    signal: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="A signal of the playbook that does not hold now."
    )
    because: Annotated[Line, Field(min_length=1)]

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until is None and self.signal is None:
            raise PydanticCustomError("hold", "needs until or signal")
        return self


class Answered(BaseModel):
    """What became of the step."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": _STEP["id"], "state": "sent", "due_at": None}})

    id: UUID
    state: str = Field(description="`sent`, `waiting` or `leased`.")
    due_at: datetime | None = Field(description="Until when it is yours; null if it is not.")


class TrackOut(BaseModel):
    """How a track does."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": dict(_TRACK)})

    track: str
    leads: int = Field(description="Leads that are on it now.")
    due: int = Field(description="Steps that could be sent now.")
    waiting: int
    leased: int
    sent: int


class Tracks(BaseModel):
    """All tracks on which leads are or were, and those of the playbook."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [dict(_TRACK)]}})

    items: list[TrackOut]


@router.get(
    "/nurture",
    operation_id="list_tracks",
    summary="List nurture tracks",
    openapi_extra=needs(Scope.LEADS_READ, Scope.NURTURE_WRITE),
)
async def list_tracks(resources: OpenResources, playbooks: Playbooks, now: Now) -> Tracks:
    """Each track with its leads and steps."""
    playbook = await playbooks.current(now=now)
    section = playbook.playbook.nurture
    async with resources.sessions() as session:
        rows = await reading.tracks(session, [one.id for one in section.tracks] if section else [], now=now)
    return Tracks(items=[TrackOut.model_validate(row) for row in rows])


@router.post(
    "/nurture/{track}/lease",
    operation_id="lease_steps",
    summary="Lease due steps of a track",
    openapi_extra=needs(Scope.NURTURE_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def lease_steps(
    track: TrackId, body: LeaseIn, resources: OpenResources, playbooks: Playbooks, now: Now
) -> LeasedSteps:
    """Get steps to send now, with whom to send them to. Nobody else gets them until the lease ends.

    Consent, suppression, frequency and hours are checked in this very moment. Acknowledge each step when it was sent.
    What is not acknowledged comes again when its lease ends, with `redelivered`.
    """
    work, until = _processing(resources), now + timedelta(seconds=body.wait_seconds)
    while True:
        leased = await pipeline.lease(
            work,
            await playbooks.current(now=clock()),
            track,
            most=body.max,
            lease_for=timedelta(seconds=body.lease_seconds),
            include_test=body.include_test,
        )
        left = (until - clock()).total_seconds()
        if leased or left <= 0:
            return LeasedSteps(items=[_out(one) for one in leased])
        await asyncio.sleep(min(_LOOK_EVERY_SECONDS, left))


@router.post(
    "/nurture/steps/{item_id}/ack",
    operation_id="ack_step",
    summary="Say that a step was sent",
    openapi_extra=needs(Scope.NURTURE_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def ack_step(item_id: Id, body: AckIn, resources: OpenResources, playbooks: Playbooks, now: Now) -> Answered:
    """The lead goes on to the next step of its track; again changes nothing."""
    await pipeline.ack(_processing(resources), await playbooks.current(now=now), item_id, body.lease)
    return Answered(id=item_id, state="sent", due_at=None)


@router.post(
    "/nurture/steps/{item_id}/nack",
    operation_id="nack_step",
    summary="Give a step back unsent",
    openapi_extra=needs(Scope.NURTURE_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def nack_step(item_id: Id, body: NackIn, resources: OpenResources) -> Answered:
    """It is due again after `retry_in_seconds`, for whoever asks."""
    retry_after = timedelta(seconds=body.retry_in_seconds)
    await pipeline.nack(_processing(resources), item_id, body.lease, retry_after=retry_after, because=body.because)
    return Answered(id=item_id, state="waiting", due_at=None)


@router.post(
    "/nurture/steps/{item_id}/extend",
    operation_id="extend_step",
    summary="Keep a step for longer",
    openapi_extra=needs(Scope.NURTURE_WRITE),
    responses=problems(400, 404, 409, 413),
)
async def extend_step(item_id: Id, body: ExtendIn, resources: OpenResources) -> Answered:
    """The lease ends `lease_seconds` from now."""
    lease_for = timedelta(seconds=body.lease_seconds)
    until = await pipeline.extend(_processing(resources), item_id, body.lease, lease_for=lease_for)
    return Answered(id=item_id, state="leased", due_at=until)


@router.post(
    "/leads/{lead_id}/hold",
    operation_id="hold_lead",
    summary="Let a lead's next step wait",
    openapi_extra=needs(Scope.NURTURE_WRITE),
    responses=problems(400, 404, 409, 413),
    status_code=204,
)
async def hold_lead(lead_id: Id, body: HoldIn, resources: OpenResources, playbooks: Playbooks, now: Now) -> None:
    """Nothing is sent before that instant or signal. What the lead does meanwhile counts: it may leave for sales."""
    await pipeline.hold(
        _processing(resources),
        await playbooks.current(now=now),
        LeadId(lead_id),
        until=body.until,
        signal=body.signal,
        because=body.because,
    )


def _processing(resources: Resources) -> Processing:
    return Processing(resources.engine, new_id=Ids(), clock=clock, public_url=resources.settings.public_url.rstrip("/"))


def _out(one: Leased) -> StepOut:
    told = pipeline.described(one.due, one.lead)
    return StepOut(
        id=told.pop("item_id"),
        lease=one.token,
        leased_until=one.until,
        attempt=one.attempt,
        redelivered=one.attempt > 1,
        due_at=one.due.due_at,
        lead_id=one.lead.lead_id,
        **told,
    )
