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


class Member(Part):
    """One person of a team. `weight`: how many turns for each turn of another; `capacity`: most open leads."""

    user: Id
    weight: StrictInt = Field(1, ge=1, le=100)
    capacity: StrictInt | None = Field(None, ge=1)
    active: StrictBool = True


class Team(Part):
    """Who shares leads, and how they are dealt out."""

    strategy: Literal["round_robin", "weighted_round_robin", "least_loaded"] = "round_robin"
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=200), distinct("user")]

    @model_validator(mode="after")
    def _someone_works(self) -> Self:
        if not any(member.active for member in self.members):
            complain("Team", [(("members",), "no member is active: leads for this team would stay without an owner")])
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
    while_: tuple[Literal["owner_active", "under_capacity"], ...] = Field(("owner_active",), alias="while")
    release_after: Duration | None = None


class NoCapacity(Part):
    """Where leads wait when nobody of the team can take one."""

    queue: Id
    drain: Literal["oldest_first", "newest_first"] = "oldest_first"


class Routing(Part):
    """Every lead goes somewhere: the first rule that matches decides."""

    sticky_owner: StickyOwner = StickyOwner()
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
    breach: tuple[Breach, ...] = ()
