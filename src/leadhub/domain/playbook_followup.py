"""Sections of the playbook about what comes later: the answers of sales, and nurture."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from leadhub.domain.playbook_conditions import AfterFeedback, AfterRoute
from leadhub.domain.playbook_lists import distinct, first_match
from leadhub.domain.playbook_part import Part, complain
from leadhub.domain.playbook_values import Duration, EventType, FieldName, Id, PlainValue, TrackName


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
