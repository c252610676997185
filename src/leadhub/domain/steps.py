"""Which step of a track comes next, when it is due, and whether it may be sent now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from leadhub.domain.business_time import due
from leadhub.domain.model import LeadView
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_followup import Track, TrackStep
from leadhub.domain.scoring import CompiledPlaybook

ASK_AGAIN: Final = timedelta(hours=6)
"""When somebody whom nobody may write to now is looked at again: a consent may come, a bounce be put right."""
FOR_EVER: Final = timedelta(days=3660)
"""How long a step is held for a signal at most: as long as the longest time that a playbook can name."""
_NOTHING: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Send:
    """It may be sent."""


@dataclass(frozen=True, slots=True)
class Postpone:
    """Not now."""

    until: datetime
    because: str
    """Begins with a code: "hold: …", "no_consent: …", "suppressed: …", "cap: …", "window: …"."""
    signal: str | None = None
    """What lets it come before that."""


def track_of(playbook: Playbook, track: str) -> Track | None:
    """Return a track by its name, or None."""
    tracks = playbook.nurture.tracks if playbook.nurture else ()
    return next((one for one in tracks if one.id == track), None)


def following(track: Track, done: str | None) -> TrackStep | None:
    """Return the step after the one that was done last; the first one if none was, None at the end.

    A step that the track has no more gives no place in it: nobody gets the whole track again, so it is at its end.
    """
    if done is None:
        return track.steps[0] if track.steps else None
    places = [place for place, step in enumerate(track.steps) if step.id == done]
    return track.steps[places[0] + 1] if places and places[0] + 1 < len(track.steps) else None


def resumed(track: Track, *, done: str | None, left_at: datetime | None, now: datetime) -> TrackStep | None:
    """Return with which step a lead begins that comes to a track, perhaps for another time.

    Args:
        track: as the playbook has it.
        done: the step of it that the lead got last, in whichever earlier time.
        left_at: when it left the track last.
        now: the instant of coming.
    """
    if track.again_after is not None and left_at is not None and now - left_at >= track.again_after:
        done = None
    return following(track, done)


def due_at(playbook: Playbook, step: TrackStep, *, since: datetime) -> datetime:
    """Return when a step may be sent first: after its delay, in its window."""
    return opening(playbook, step.window, now=since + (step.after or _NOTHING))


def opening(playbook: Playbook, window: str | None, *, now: datetime) -> datetime:
    """Return the first instant from now on at which a window is open; without one, now."""
    calendar = playbook.calendars.get(window) if window else None
    if calendar is None:
        return now
    return max(now, due(calendar.week, calendar.zone, calendar.holidays, now=now, after=_NOTHING))


def hold(compiled: CompiledPlaybook, view: LeadView, *, track: str, step: str, now: datetime) -> Postpone | None:
    """Return for how long a step that is due waits for its signal; None if it waits for none, or no longer.

    Args:
        compiled: the playbook that counts now; a step that it does not have waits for nothing.
        view: the lead as it is now.
        track: on which the lead is.
        step: the one that is due.
        now: the instant of asking.
    """
    described = track_of(compiled.playbook, track)
    found = next((one for one in described.steps if one.id == step), None) if described else None
    if found is None or found.until is None or compiled.signal_holds(found.until, view, now=now):
        return None
    return Postpone(now + (found.at_most or FOR_EVER), f"hold: until {found.until}", found.until)


def may_send(
    compiled: CompiledPlaybook,
    view: LeadView,
    *,
    channel: str,
    window: str | None,
    sent_at: Sequence[datetime],
    now: datetime,
) -> Send | Postpone:
    """Decide at the last moment whether a due step may be sent: suppression, consent, frequency, hours.

    Args:
        compiled: the playbook that counts now, whatever counted when the step was planned.
        view: the lead as it is now.
        channel: on which it is to be sent.
        window: name of the calendar of its hours.
        sent_at: when the lead was written to on this channel before.
        now: the instant of sending.
    """
    if (unwanted := compiled.unwanted(view, channel=channel, now=now)) is not None:
        return Postpone(now + ASK_AGAIN, unwanted)
    nurture = compiled.playbook.nurture
    cap = nurture and (nurture.caps.get(channel) or nurture.cap)
    if cap:
        recent = sorted(at for at in sent_at if at > now - cap.per)
        if len(recent) >= cap.messages:
            return Postpone(recent[-cap.messages] + cap.per, f"cap: {len(recent)} by {channel} already")
    opens = opening(compiled.playbook, window, now=now)
    return Postpone(opens, f"window: {window} is closed") if opens > now else Send()
