"""Which nurture track a lead is on: exactly one, unless it may not be written to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from leadhub.domain.context import Context, NextChange, Predicate, Scope
from leadhub.domain.facts import day
from leadhub.domain.model import ConsentState, Route, TrackDecision
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_followup import Nurture
from leadhub.domain.predicates import Ladder, changes_of, compile_condition

LIFTED_BY_CONSENT: Final = frozenset({"unsubscribed"})
"""Suppressions that a newer consent ends. A bounce, a complaint or an erasure stays, whatever a form says later."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The compiled nurture section."""

    nurture: Nurture | None
    ladder: Ladder
    scope: Scope
    exits: tuple[Predicate, ...] = ()
    goals: Mapping[str, Predicate] = field(default_factory=dict)
    """By track."""

    def choose(self, context: Context) -> str | None:
        """Return the track, or None for a lead that is not in nurture or may not be written to."""
        nurture = self.nurture
        if nurture is None or context.routed is not Route.NURTURE:
            return None
        if any(gone.holds(context) for gone in self.exits) or _forbidden(nurture, context):
            return None
        index = self._first(context)
        return None if index is None else nurture.tracks[index].id

    def decide(self, context: Context) -> TrackDecision:
        """Return the track with its reason; without one the reason begins with a code: "no_consent: …"."""
        if self.nurture is None or context.routed is not Route.NURTURE:
            return TrackDecision(None, f"routed to {context.routed}")
        if (gone := self._exit(context)) is not None:
            return TrackDecision(None, gone)
        if forbidden := _forbidden(self.nurture, context):
            return TrackDecision(None, forbidden(context, self.scope))
        index = self._first(context)
        if index is None:
            return TrackDecision(None, "no_track: the goal of every track that matches is reached")
        return TrackDecision(self.nurture.tracks[index].id, self.ladder.because(index, context))

    def left(self, track: str, context: Context) -> str | None:
        """Return why a lead had to leave a track, beginning with a code; None if it only matches another one now."""
        if (gone := self._exit(context)) is not None:
            return gone
        goal = self.goals.get(track)
        return f"goal: {goal.because(context)}" if goal is not None and goal.holds(context) else None

    def unwanted(self, context: Context, *, channel: str) -> str | None:
        """Return why nobody may write to the lead on a channel now, or None."""
        if self.nurture is None:
            return "no_nurture: the playbook has no such section"
        forbidden = _forbidden(self.nurture, context, channel=channel)
        return forbidden(context, self.scope) if forbidden else None

    def _first(self, context: Context) -> int | None:
        if not self.goals or self.nurture is None:
            return self.ladder.first(context)
        for index, (rung, track) in enumerate(zip(self.ladder.rungs, self.nurture.tracks, strict=True)):
            goal = self.goals.get(track.id)
            if (rung is None or rung.holds(context)) and not (goal is not None and goal.holds(context)):
                return index
        return None

    def _exit(self, context: Context) -> str | None:
        return next((f"exit: {gone.because(context)}" for gone in self.exits if gone.holds(context)), None)

    @property
    def changes(self) -> tuple[NextChange, ...]:
        """When time alone may change the track."""
        return tuple(dict.fromkeys((*self.ladder.changes, *changes_of((*self.exits, *self.goals.values())))))


def compile_tracks(playbook: Playbook, scope: Scope) -> Tracks:
    """Compile the nurture section; without one no lead has a track."""
    nurture = playbook.nurture
    tracks = nurture.tracks if nurture else ()
    return Tracks(
        nurture,
        Ladder.of([track.when for track in tracks], scope),
        scope,
        exits=tuple(compile_condition(one.when, scope) for one in (nurture.exits if nurture else ())),
        goals={track.id: compile_condition(track.goal, scope) for track in tracks if track.goal is not None},
    )


def _forbidden(
    nurture: Nurture, context: Context, *, channel: str | None = None
) -> Callable[[Context, Scope], str] | None:
    """Return why nobody may write to the lead, as a text yet to be made; None if one may.

    Args:
        nurture: what the playbook requires.
        context: the lead.
        channel: on which to write; the one that the playbook requires consent for if absent.
    """
    if not context.view.contactable:
        return lambda _, __: "no_contact: there is no way to contact them"
    required = nurture.requires
    asked = (required.purpose, channel or required.channel) if required else None
    consent = newest_consent(context.view.consents, *asked) if asked else None
    for name in nurture.suppress_on:
        if name in context.facts and not _lifted(name, consent, context):
            return lambda context, scope: _suppressed(name, context, scope)
    if asked and not (consent and consent.granted):
        said = "was withdrawn" if consent else "is missing"
        return lambda _, __: f"no_consent: consent to {asked[0]} by {asked[1]} {said}"
    return None


def newest_consent(consents: tuple[ConsentState, ...], purpose: str, channel: str) -> ConsentState | None:
    """Return the newest decision for a purpose and channel; of two at one instant, the refusal."""
    newest: ConsentState | None = None
    for one in consents:
        if one.purpose != purpose or one.channel != channel:
            continue
        if newest is None or one.at > newest.at or (one.at == newest.at and not one.granted):
            newest = one
    return newest


def _lifted(name: str, consent: ConsentState | None, context: Context) -> bool:
    if name not in LIFTED_BY_CONSENT or consent is None or not consent.granted:
        return False
    return all(consent.at > fact.last_at for fact in context.facts[name])


def _suppressed(name: str, context: Context, scope: Scope) -> str:
    newest = max(fact.last_at for fact in context.facts[name])
    return f"suppressed: {name} {day(newest, scope.zone)}"
