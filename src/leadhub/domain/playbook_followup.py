"""Sections of the playbook about what comes later: the answers of sales, and nurture."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from leadhub.domain.playbook_conditions import AfterFeedback, AfterRoute
from leadhub.domain.playbook_lists import distinct, first_match
from leadhub.domain.playbook_part import Part
from leadhub.domain.playbook_values import CalendarName, Duration, EventType, FieldName, Id, PlainValue, TrackName, Word


class Acceptance(Part):
    """What a yes of sales sets."""

    sets: dict[FieldName, PlainValue] = Field(default_factory=dict)


class Rejection(Part):
    """What follows when sales gives a lead back for this reason."""

    track: TrackName | None = None
    hold: Duration | None = None
    reopen_when: AfterFeedback | None = None
    do: Literal["disqualify", "merge_review"] | None = None


class Rejections(Part):
    """The reasons that sales may give, by code."""

    reasons: dict[Id, Rejection] = Field(default_factory=dict)


class Feedback(Part):
    """What the answers of sales change."""

    accept: Acceptance = Acceptance()
    reject: Rejections = Rejections()


class ConsentRequired(Part):
    """The consent without which nobody is written to."""

    purpose: Id
    channel: Id


class MessageCap(Part):
    """At most so many messages on one channel within a time, over all tracks."""

    messages: StrictInt = Field(ge=1)
    per: Duration


class Exit(Part):
    """Leaves its track."""

    when: AfterRoute


class TrackStep(Part):
    """One message of a track."""

    id: Id
    after: Duration | None = None
    """Since the step before was sent, or since the lead came to the track; at once if absent."""
    window: CalendarName | None = None
    """A calendar: sent while it is open only."""
    channel: Id = "email"
    content: Word
    """What to send, in the words of whoever sends it: the key of a template."""


class Track(Part):
    """One nurture track; the first that matches counts."""

    id: Id
    when: AfterRoute | None = None
    steps: Annotated[tuple[TrackStep, ...], Field(max_length=100), distinct("id")] = ()
    goal: AfterRoute | None = None
    """Leaves the track, and does not come back, while this holds."""
    again_after: Duration | None = None
    """Who comes back later than this begins anew; sooner, or without it, where they stopped."""
    push: StrictBool = False
    """Due steps are told to endpoints as `nurture.step.due` instead of waiting in a queue to be leased."""


class Nurture(Part):
    """What becomes of leads that are not with sales."""

    requires: ConsentRequired | None = None
    suppress_on: tuple[EventType, ...] = ()
    cap: MessageCap | None = None
    caps: dict[Id, MessageCap] = Field(default_factory=dict)
    """By channel; the others keep to `cap`."""
    exits: tuple[Exit, ...] = ()
    tracks: Annotated[tuple[Track, ...], Field(min_length=1, max_length=200), first_match, distinct("id")]
