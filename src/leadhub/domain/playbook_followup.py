"""Sections of the playbook about what comes later: the answers of sales, and nurture."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from leadhub.domain.playbook_conditions import AfterFeedback, AfterRoute
from leadhub.domain.playbook_lists import distinct, first_match
from leadhub.domain.playbook_part import Part, complain
from leadhub.domain.playbook_values import (
    CalendarName,
    Duration,
    EventType,
    FieldName,
    Id,
    PlainValue,
    SignalName,
    TrackName,
    Word,
)


class Acceptance(Part):
    """What a yes of sales sets: `sales_decision`, which rules may ask for. All else is the lead's own to say."""

    sets: dict[FieldName, PlainValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sets_the_decision(self) -> Self:
        others = [name for name in self.sets if name != "sales_decision"]
        complain("Acceptance", [(("sets", name), "a yes of sales sets 'sales_decision' only") for name in others])
        return self


class Rejection(Part):
    """What follows when sales gives a lead back for this reason."""

    track: TrackName | None = None
    hold: Duration | None = None
    reopen_when: AfterFeedback | None = None
    do: Literal["disqualify", "merge_review"] | None = None
    credit: StrictBool | None = None
    """Whether the owner gets the next turn for it; if absent: when the lead was none (`do`)."""

    @property
    def gives_credit(self) -> bool:
        """Whether the owner gets another lead instead."""
        return self.do is not None if self.credit is None else self.credit


class Rejections(Part):
    """The reasons that sales may give, by code."""

    reasons: dict[Id, Rejection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _are_reasons(self) -> Self:
        taken = [name for name in self.reasons if name in {"won", "lost"}]
        complain("Rejections", [(("reasons", name), f"'{name}' is no reason to give a lead back") for name in taken])
        return self


class Closing(Part):
    """What follows when sales is done with a lead; with neither time nor condition, its next activity counts again."""

    track: TrackName | None = None
    hold: Duration | None = None
    reopen_when: AfterFeedback | None = None


class Feedback(Part):
    """What the answers of sales change."""

    accept: Acceptance = Acceptance()
    reject: Rejections = Rejections()
    won: Closing = Closing()
    lost: Closing = Closing()

    @property
    def ends(self) -> Mapping[str, Rejection | Closing]:
        """What follows from each way in which sales is done with a lead: a reason, `won` or `lost`."""
        return {**self.reject.reasons, "won": self.won, "lost": self.lost}


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
    until: SignalName | None = None
    """Held, when it is due, until this signal holds."""
    at_most: Duration | None = None
    """The longest that it is held; then it is sent without the signal. For ever if absent."""
    channel: Id = "email"
    content: Word
    """What to send, in the words of whoever sends it: the key of a template."""

    @model_validator(mode="after")
    def _held_for_something(self) -> Self:
        if self.at_most is not None and self.until is None:
            complain("TrackStep", [(("at_most",), "says how long a signal is waited for: it goes with 'until'")])
        return self


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
