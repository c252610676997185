"""What can happen to a lead, as its timeline shows it: one model for each kind of entry."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class _Entry(BaseModel):
    at: datetime


class SubmissionEntry(_Entry):
    """Something came in, and why it belongs to this lead."""

    kind: Literal["submission"]
    submission_id: UUID
    source: str | None
    channel: str | None
    rule: str
    because: str


class EditEntry(_Entry):
    """Somebody wrote into it."""

    kind: Literal["edit"]
    edit_id: UUID
    actor: str
    fields: list[str] = Field(description="What it still sets.")
    taken_back: list[str] = Field(description="What it set before somebody took it back.")


class ActivityEntry(_Entry):
    """The person did something."""

    kind: Literal["activity"]
    type: str
    attributes: dict[str, str]
    submission_id: UUID


class ScoreEntry(_Entry):
    """A rule's points changed."""

    kind: Literal["score"]
    rule: str
    points: int
    previous: int
    because: str
    playbook: str


class StageEntry(_Entry):
    """The stage changed."""

    kind: Literal["stage"]
    stage: str
    previous: str | None
    because: str
    playbook: str


class AssignmentEntry(_Entry):
    """Somebody in sales got it."""

    kind: Literal["assignment"]
    team: str
    owner: str | None
    rule: str
    because: str
    released_at: datetime | None
    release_reason: str | None
    queue: str | None


class FeedbackEntry(_Entry):
    """Sales said something of it."""

    kind: Literal["feedback"]
    feedback_id: UUID
    outcome: str
    reason: str | None
    owner: str | None
    effect: str
    sender: str


class EnrolmentEntry(_Entry):
    """It was put on a nurture track."""

    kind: Literal["enrolment"]
    track: str
    because: str
    exited_at: datetime | None
    exit_reason: str | None


class MergeEntry(_Entry):
    """Another lead turned out to be this one."""

    kind: Literal["merge"]
    loser_id: UUID
    rule: str
    because: str
    undone_at: datetime | None


class DeliveryEntry(_Entry):
    """A subscriber was told, or is yet to be."""

    kind: Literal["delivery"]
    delivery_id: UUID
    event_type: str
    endpoint_id: UUID
    state: str
    outcome: str | None
    attempts: int


Entry = Annotated[
    SubmissionEntry
    | EditEntry
    | ActivityEntry
    | ScoreEntry
    | StageEntry
    | AssignmentEntry
    | FeedbackEntry
    | EnrolmentEntry
    | MergeEntry
    | DeliveryEntry,
    Field(discriminator="kind"),
]


class Timeline(BaseModel):
    """What happened, newest first."""

    entries: list[Entry] = Field(description="The newest ones.")
    counts: dict[str, int] = Field(description="How many there are of each kind.")
