"""Which nurture track a lead is on: exactly one, unless it may not be written to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from leadhub.domain.context import Context, NextChange, Scope
from leadhub.domain.facts import day
from leadhub.domain.model import ConsentState, Route, TrackDecision
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_followup import Nurture
from leadhub.domain.predicates import Ladder

LIFTED_BY_CONSENT: Final = frozenset({"unsubscribed"})
"""Suppressions that a newer consent ends. A bounce, a complaint or an erasure stays, whatever a form says later."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The compiled nurture section."""

    nurture: Nurture | None
    ladder: Ladder
    scope: Scope

    def choose(self, context: Context) -> str | None:
        """Return the track, or None for a lead that is not in nurture or may not be written to."""
        nurture = self.nurture
        if nurture is None or context.routed is not Route.NURTURE or _forbidden(nurture, context):
            return None
        return nurture.tracks[self.ladder.first(context)].id

    def decide(self, context: Context) -> TrackDecision:
        """Return the track with its reason; without one the reason begins with a code: "no_consent: …"."""
        if self.nurture is None or context.routed is not Route.NURTURE:
            return TrackDecision(None, f"routed to {context.routed}")
        if forbidden := _forbidden(self.nurture, context):
            return TrackDecision(None, forbidden(context, self.scope))
        index = self.ladder.first(context)
        return TrackDecision(self.nurture.tracks[index].id, self.ladder.because(index, context))

    @property
    def changes(self) -> tuple[NextChange, ...]:
        """When time alone may change the track."""
        return self.ladder.changes


def compile_tracks(playbook: Playbook, scope: Scope) -> Tracks:
    """Compile the nurture section; without one no lead has a track."""
    tracks = playbook.nurture.tracks if playbook.nurture else ()
    return Tracks(playbook.nurture, Ladder.of([track.when for track in tracks], scope), scope)


def _forbidden(nurture: Nurture, context: Context) -> Callable[[Context, Scope], str] | None:
    """Return why nobody may write to the lead, as a text yet to be made; None if one may."""
    if not context.view.contactable:
        return lambda _, __: "no_contact: there is no way to contact them"
    required = nurture.requires
    consent = newest_consent(context.view.consents, required.purpose, required.channel) if required else None
    for name in nurture.suppress_on:
        if name in context.facts and not _lifted(name, consent, context):
            return lambda context, scope: _suppressed(name, context, scope)
    if required and not (consent and consent.granted):
        said = "was withdrawn" if consent else "is missing"
        return lambda _, __: f"no_consent: consent to {required.purpose} by {required.channel} {said}"
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
