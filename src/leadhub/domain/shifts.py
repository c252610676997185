"""Who is at work: the hours, holidays and absences of the people in a playbook."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from leadhub.domain import business_time
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_people import Member, Team


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which somebody is at work throughout, or is not."""

    begin: datetime
    end: datetime
    is_open: bool


class Shifts:
    """The working times of a playbook's people. Safe to share: what it keeps follows from the playbook alone."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook
        self._spans: dict[tuple[str, str], Span] = {}

    def absent(self, team: Team, *, now: datetime) -> dict[str, str]:
        """Return those of a team who are not at work, each with the reason; whoever is not in it is."""
        found = ((member.user, self.absence(team, member, now=now)) for member in team.members)
        return {user: reason for user, reason in found if reason is not None}

    def absence(self, team: Team, member: Member, *, now: datetime) -> str | None:
        """Return why somebody is not at work, or None."""
        if (last := self.away_until(team, member, now=now)) is not None:
            return f"away until {last.isoformat()}"
        span = self._span(member.calendar or team.calendar, member.timezone, now)
        if span is None or span.is_open:
            return None
        return f"off until {span.end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    def away_until(self, team: Team, member: Member, *, now: datetime) -> date | None:
        """Return the last day of an absence that somebody has today, or None."""
        if not member.away:
            return None
        today = now.astimezone(self._zone(team, member)).date()
        return max((away.until for away in member.away if away.first <= today <= away.until), default=None)

    def _zone(self, team: Team, member: Member) -> ZoneInfo:
        name = member.calendar or team.calendar
        if member.timezone is not None:
            return ZoneInfo(member.timezone)
        return self._playbook.calendars[name].zone if name else ZoneInfo(self._playbook.metadata.timezone)

    def _span(self, name: str | None, timezone: str | None, now: datetime) -> Span | None:
        """Return the span that an instant is in; None without a calendar. The newest of each calendar is kept."""
        if name is None:
            return None
        known = self._spans.get((name, timezone or ""))
        if known is None or not known.begin <= now < known.end:
            calendar = self._playbook.calendars[name]
            zone = ZoneInfo(timezone) if timezone else calendar.zone
            known = _span_at(calendar.week, zone, frozenset(calendar.holidays), now)
            self._spans[name, timezone or ""] = known
        return known


def _span_at(week: business_time.WeekHours, zone: ZoneInfo, holidays: Collection[date], now: datetime) -> Span:
    begin, end = next(business_time.open_spans(week, zone, holidays, since=now))
    return Span(begin, end, is_open=True) if begin <= now else Span(now, begin, is_open=False)
