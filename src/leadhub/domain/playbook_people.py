"""Sections of the playbook about people: teams, calendars, territories, routing and promises."""

from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, Discriminator, Field, StrictBool, StrictInt, Tag, model_validator

from leadhub.domain.business_time import WeekHours, parse_week
from leadhub.domain.playbook_conditions import AfterStage
from leadhub.domain.playbook_lists import distinct, first_match
from leadhub.domain.playbook_part import Part, complain, complaint, did_you_mean
from leadhub.domain.playbook_values import (
    CalendarName,
    Duration,
    Id,
    Percent,
    PromiseName,
    TeamName,
    TeamOrTerritory,
    Values,
    Word,
)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: the name of a folder of zones, such as "Europe".
        near = sorted(zone for zone in available_timezones() if zone[:2] == name[:2])
        raise complaint(f"unknown time zone '{name}'{did_you_mean(name, near)}") from None
    return name


ZoneName = Annotated[Word, AfterValidator(_known_zone)]
"""A time zone of the IANA database: Europe/Berlin."""


class Rate(Part):
    """At most so many new leads within a time, counted back from each moment."""

    leads: StrictInt = Field(ge=1, le=200)
    per: Duration


class Away(Part):
    """Days on which somebody does not work, the first and the last included: a holiday, an illness."""

    first: date = Field(alias="from")
    until: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until < self.first:
            complain("Away", [(("until",), "the last day is before the first")])
        return self


class Member(Part):
    """One person of a team. `weight`: how many turns for each turn of another; `capacity`: most open leads."""

    user: Id
    weight: StrictInt = Field(1, ge=1, le=100)
    capacity: StrictInt | None = Field(None, ge=1)
    rate: Rate | None = None
    calendar: CalendarName | None = None
    """When this person works; the team's calendar if absent, and at every hour if that is absent, too."""
    timezone: ZoneName | None = None
    """In which the calendar's hours are meant for this person."""
    away: Annotated[tuple[Away, ...], Field(max_length=200)] = ()
    active: StrictBool = True


class Team(Part):
    """Who shares leads, and how they are dealt out."""

    strategy: Literal["round_robin", "weighted_round_robin", "least_loaded"] = "round_robin"
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=200), distinct("user")]
    calendar: CalendarName | None = None
    manager: Id | None = None
    """Who `manager` is where a promise names one."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        found: list[tuple[tuple[str | int, ...], str]] = []
        if not any(member.active for member in self.members):
            found.append((("members",), "no member is active: leads for this team would stay without an owner"))
        for index, member in enumerate(self.members):
            if member.timezone is not None and member.calendar is None and self.calendar is None:
                detail = "says in which zone a calendar's hours are meant, and there is no calendar"
                found.append((("members", index, "timezone"), detail))
        complain("Team", found)
        return self


def _open_hours(days: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    try:
        week = parse_week(days)
    except ValueError as error:
        raise complaint(str(error)) from None
    if not any(week):
        raise complaint("the calendar is never open: no promise could be kept")
    return days


class Calendar(Part):
    """When people work."""

    timezone: ZoneName
    days: Annotated[dict[str, tuple[str, ...]], AfterValidator(_open_hours)]
    """Open hours in local time: {"mon-fri": ["09:00-17:00"]}; 24:00 is the end of a day."""
    holidays: tuple[date, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that the hours are meant in."""
        return ZoneInfo(self.timezone)

    @cached_property
    def week(self) -> WeekHours:
        """The open hours of each weekday, Monday first."""
        return parse_week(self.days)


class Territory(Part):
    """Which team looks after whom; the first that matches counts."""

    team: TeamName
    when: AfterStage | None = None


class ToTeam(Part):
    """To sales: a team, or the team of the lead's territory."""

    team: TeamOrTerritory


def _shape_of(written: Any) -> str:
    return "<word>" if isinstance(written, str) else "<team>"


Destination = Annotated[
    Annotated[Literal["none", "nurture"], Tag("<word>")] | Annotated[ToTeam, Tag("<team>")], Discriminator(_shape_of)
]


class RoutingRule(Part):
    """Where leads go that match, and within which promise."""

    id: Id
    when: AfterStage | None = None
    to: Destination
    sla: PromiseName | None = None

    @model_validator(mode="after")
    def _promise_needs_people(self) -> Self:
        if self.sla is not None and not isinstance(self.to, ToTeam):
            complain("RoutingRule", [(("sla",), "only a team can keep a promise: 'sla' goes with {team: …}")])
        return self


class StickyOwner(Part):
    """Whether a lead that comes back keeps its owner."""

    respect: StrictBool = True
    while_: tuple[Literal["owner_active", "under_capacity", "at_work"], ...] = Field(("owner_active",), alias="while")
    release_after: Duration | None = None
    """How long after it left the owner."""


class StickyAccount(Part):
    """Whether the leads of one company, told by its domain, stay with one owner of a team."""

    respect: StrictBool = True
    except_: Values | None = Field(None, alias="except")
    """Domains that are no company's: `$free_mail`. Well-known ones never are."""
    release_after: Duration | None = None
    """How long after the newest of them was handed over."""


class NoCapacity(Part):
    """Where leads wait when nobody of the team can take one."""

    queue: Id
    drain: Literal["oldest_first", "newest_first"] = "oldest_first"


class Routing(Part):
    """Every lead goes somewhere: the first rule that matches decides."""

    sticky_owner: StickyOwner = StickyOwner()
    sticky_account: StickyAccount | None = None
    rules: Annotated[tuple[RoutingRule, ...], Field(min_length=1, max_length=500), first_match, distinct("id")]
    no_capacity: NoCapacity | None = None


class Breach(Part):
    """What happens when so much of the promised time has passed without contact."""

    at: Annotated[Percent, Field(ge=1, le=1000)]
    do: Literal["reassign", "escalate", "notify"]
    notify: tuple[Id, ...] = ()
    to: Id | None = None

    @model_validator(mode="after")
    def _to_someone(self) -> Self:
        if self.do == "escalate" and self.to is None:
            complain("Breach", [(("to",), "'escalate' needs 'to'")])
        return self


class Promise(Part):
    """How soon a lead is contacted, in open hours of the calendar; without a calendar every hour counts."""

    first_contact: Annotated[Duration, Field(le=timedelta(days=30))]
    calendar: CalendarName | None = None
    met_by: Literal["attempt", "contact"] = "attempt"
    """Whether trying to reach the lead is enough, or only reaching it."""
    warn: Annotated[Percent, Field(ge=1, le=99)] | None = 80
    """When the owner is reminded, as a share of the promised time; null: never."""
    breach: tuple[Breach, ...] = ()
