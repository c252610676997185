"""Sections of the playbook about what comes later: the answers of sales, and nurture."""

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from leadhub.domain.playbook_conditions import AfterFeedback, AfterRoute
from leadhub.domain.playbook_lists import distinct, first_match
from leadhub.domain.playbook_part import Part
from leadhub.domain.playbook_values import Duration, EventType, FieldName, Id, PlainValue, TrackName


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
    """At most so many messages within a time, over all tracks."""

    messages: StrictInt = Field(ge=1)
    per: Duration


class Exit(Part):
    """Leaves its track."""

    when: AfterRoute


class Track(Part):
    """One nurture track; the first that matches counts."""

    id: Id
    when: AfterRoute | None = None


class Nurture(Part):
    """What becomes of leads that are not with sales."""

    requires: ConsentRequired | None = None
    suppress_on: tuple[EventType, ...] = ()
    cap: MessageCap | None = None
    exits: tuple[Exit, ...] = ()
    tracks: Annotated[tuple[Track, ...], Field(min_length=1, max_length=200), first_match, distinct("id")]
