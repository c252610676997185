from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.views import document, the_guide

from leadhub.domain import business_time
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_loading import load
from leadhub.domain.playbook_people import Member, Team
from leadhub.domain.routing import breaches_due, choose_owner, first_contact_due


def a_team(strategy: str, **members: dict[str, Any]) -> Team:
    return Team.model_validate(
        {"strategy": strategy, "members": [{"user": user, **details} for user, details in members.items()]}
    )


def deal(team: Team, number: int, *, cursor: int = 0, open_leads: dict[str, int] | None = None) -> list[str | None]:
    """Return the owners of so many leads, one after the other; open leads grow as they are dealt."""
    owners = []
    for _ in range(number):
        choice = choose_owner(team, cursor=cursor, open_leads=open_leads)
        cursor = choice.cursor
        owners.append(choice.owner)
        if choice.owner and open_leads is not None:
            open_leads[choice.owner] = open_leads.get(choice.owner, 0) + 1
    return owners


# Owners.


def test_round_robin_takes_turns() -> None:
    assert deal(a_team("round_robin", dora={}, emil={}, fritz={}), 4) == ["dora", "emil", "fritz", "dora"]


def test_round_robin_passes_over_who_is_away() -> None:
    team = a_team("round_robin", ann={}, bob={"active": False}, cid={})

    assert deal(team, 4) == ["ann", "cid", "ann", "cid"]
    assert choose_owner(team, cursor=1).because == "round robin, turn 3 of 3, 1 passed over"


def test_capacity_is_respected_when_open_leads_are_given() -> None:
    team = a_team("round_robin", ann={"capacity": 2}, bob={"capacity": 1})

    assert deal(team, 4, open_leads={}) == ["ann", "bob", "ann", None]
    assert deal(team, 4) == ["ann", "bob", "ann", "bob"]


def test_nobody_at_all_says_why_and_keeps_the_turn() -> None:
    team = a_team("round_robin", ann={"capacity": 2}, bob={"capacity": 1})

    choice = choose_owner(team, cursor=1, open_leads={"ann": 2, "bob": 3})

    assert (choice.owner, choice.cursor) == (None, 1)
    assert choice.because == "everybody is at capacity: ann 2/2, bob 3/1"
    away = Team.model_construct(strategy="round_robin", members=(Member(user="cid", active=False),))
    assert choose_owner(away, cursor=0).because == "nobody is active"


def test_weighted_turns_are_spread_evenly() -> None:
    team = a_team("weighted_round_robin", a={"weight": 5}, b={"weight": 1}, c={"weight": 1})

    assert "".join(map(str, deal(team, 7))) == "aabacaa"


def test_weighted_turns_leave_out_who_is_away() -> None:
    team = the_guide().teams["na"]

    assert deal(team, 6) == ["ann", "bob", "ann", "ann", "bob", "ann"]


def test_least_loaded_looks_at_open_leads_for_the_weight() -> None:
    team = a_team("least_loaded", ann={"weight": 2}, bob={}, cid={"capacity": 1})

    assert choose_owner(team, cursor=0, open_leads={"ann": 3, "bob": 2, "cid": 1}).owner == "ann"
    assert choose_owner(team, cursor=0, open_leads={"ann": 5, "bob": 2}).owner == "cid"
    assert choose_owner(team, cursor=0, open_leads={"ann": 5, "bob": 2, "cid": 1}).owner == "bob"


def test_least_loaded_takes_turns_among_equals() -> None:
    assert deal(a_team("least_loaded", fay={}, gus={}), 4, open_leads={}) == ["fay", "gus", "fay", "gus"]
    assert deal(a_team("least_loaded", fay={}, gus={}), 3) == ["fay", "gus", "fay"]


STRATEGIES = st.sampled_from(["round_robin", "weighted_round_robin", "least_loaded"])
MEMBERS = st.lists(
    st.fixed_dictionaries(
        {"weight": st.integers(1, 4), "active": st.booleans(), "capacity": st.none() | st.integers(1, 5)}
    ),
    min_size=1,
    max_size=6,
).filter(lambda members: any(member["active"] for member in members))


@given(st.integers(1, 7), st.integers(0, 60), st.integers(0, 6))
def test_round_robin_stays_within_one_of_even(size: int, number: int, cursor: int) -> None:
    team = a_team("round_robin", **{f"user{index}": {} for index in range(size)})

    counts = Counter(deal(team, number, cursor=cursor))

    assert max(counts.values(), default=0) - min((counts[member.user] for member in team.members), default=0) <= 1


@given(
    STRATEGIES, MEMBERS, st.integers(0, 10_000), st.dictionaries(st.sampled_from(["u0", "u1", "u2"]), st.integers(0, 6))
)
def test_the_owner_is_active_and_has_room(
    strategy: str, members: list[dict[str, Any]], cursor: int, open_leads: dict[str, int]
) -> None:
    team = a_team(strategy, **{f"u{index}": member for index, member in enumerate(members)})
    able = {
        member.user
        for member in team.members
        if member.active and (member.capacity is None or open_leads.get(member.user, 0) < member.capacity)
    }

    choice = choose_owner(team, cursor=cursor, open_leads=open_leads)

    assert choice.owner in able if able else choice.owner is None
    assert choice.because
    assert choice == choose_owner(team, cursor=cursor, open_leads=open_leads)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 50))
def test_a_full_weighted_round_gives_everybody_their_weight(weights: list[int], cursor: int) -> None:
    team = a_team("weighted_round_robin", **{f"u{index}": {"weight": weight} for index, weight in enumerate(weights)})

    counts = Counter(deal(team, sum(weights), cursor=cursor))

    assert counts == {f"u{index}": weight for index, weight in enumerate(weights)}


# Response times.

BERLIN = ZoneInfo("Europe/Berlin")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def promising(**calendar: Any) -> Playbook:
    """Return a playbook with promises of five minutes, eight hours and ten days on one calendar."""
    office = {"timezone": "Europe/Berlin", "days": {"mon-fri": ["09:00-17:00"]}, "holidays": ["2025-12-25"]}
    return load(
        document(
            calendars={"office": office | calendar},
            sla={
                "hot": {
                    "first_contact": "5m",
                    "calendar": "office",
                    "breach": [{"at": "100%", "do": "reassign"}, {"at": "200%", "do": "escalate", "to": "manager"}],
                },
                "day": {"first_contact": "8h", "calendar": "office"},
                "always": {"first_contact": "10d"},
            },
        )
    )


@pytest.mark.parametrize(
    ("promise", "now", "due"),
    [
        ("hot", "2025-12-22T10:00", "2025-12-22T10:05"),  # a Monday
        ("hot", "2025-12-22T08:00", "2025-12-22T09:05"),
        ("hot", "2025-12-22T16:55", "2025-12-22T17:00"),  # until closing is at closing
        ("hot", "2025-12-22T16:58", "2025-12-23T09:03"),
        ("hot", "2025-12-22T17:00", "2025-12-23T09:05"),
        ("hot", "2025-12-24T18:00", "2025-12-26T09:05"),  # over the holiday
        ("hot", "2025-12-26T17:01", "2025-12-29T09:05"),  # over the weekend
        ("day", "2025-12-22T13:00", "2025-12-23T13:00"),
        ("day", "2025-12-22T09:00", "2025-12-22T17:00"),
        ("always", "2025-12-20T23:30", "2025-12-30T23:30"),
    ],
)
def test_first_contact_is_due_in_open_hours(promise: str, now: str, due: str) -> None:
    found = first_contact_due(promising(), promise, now=local(now))

    assert found == local(due)
    assert found.tzinfo is UTC


def test_a_breach_falls_due_at_its_share_of_the_open_time() -> None:
    found = breaches_due(promising(), "hot", now=local("2025-12-22T16:55"))

    assert found == (local("2025-12-22T17:00"), local("2025-12-23T09:05"))


def test_unknown_promise() -> None:
    with pytest.raises(KeyError):
        first_contact_due(promising(), "cold", now=local("2025-12-22T16:55"))


def test_the_day_of_a_clock_change_has_its_real_hours() -> None:
    around_the_clock = promising(days={"mon-sun": ["00:00-24:00"]}, holidays=[])

    # On 30 March 2025 the hour from two to three does not exist: eight hours end an hour later on the wall clock.
    assert first_contact_due(around_the_clock, "day", now=local("2025-03-30T00:00")) == local("2025-03-30T09:00")
    # On 26 October it comes twice.
    assert first_contact_due(around_the_clock, "day", now=local("2025-10-26T00:00")) == local("2025-10-26T07:00")


def test_open_hours_inside_the_skipped_hour_are_no_time_at_all() -> None:
    early = promising(days={"sun": ["02:00-03:00"]}, holidays=[])

    # 30 March has none of its hour, so the next is a week later.
    assert first_contact_due(early, "hot", now=local("2025-03-29T12:00")) == local("2025-04-06T02:05")


HOURS = st.tuples(st.integers(0, 23), st.integers(1, 24)).filter(lambda span: span[0] < span[1])
WEEKS = st.dictionaries(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), HOURS, min_size=1)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # zone follows
AFTER = st.timedeltas(timedelta(seconds=1), timedelta(days=3))
HOLIDAYS = st.sets(st.dates(date(2024, 1, 1), date(2027, 1, 1)), max_size=5)


def week_of(days: dict[str, tuple[int, int]]) -> business_time.WeekHours:
    return business_time.parse_week({day: [f"{begin:02}:00-{end:02}:00"] for day, (begin, end) in days.items()})


@settings(deadline=None)
@given(WEEKS, ZONES, HOLIDAYS, MOMENTS, AFTER)
def test_due_is_always_within_open_hours(
    days: dict[str, tuple[int, int]], zone_name: str, holidays: set[date], now: datetime, after: timedelta
) -> None:
    zone = ZoneInfo(zone_name)

    due = business_time.due(week_of(days), zone, holidays, now=now, after=after)

    assert due >= now + after
    wall = due.astimezone(zone)
    # Midnight at the end of a day counts as that day's closing.
    day = wall.date() - timedelta(days=1) if wall.time() == time(0) else wall.date()
    assert day not in holidays
    begin, end = days[("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day.weekday()]]
    minutes = 24 * 60 if wall.time() == time(0) else wall.hour * 60 + wall.minute
    # An opening or closing inside a skipped hour moves by it.
    assert begin * 60 <= minutes <= end * 60 + 60


@settings(deadline=None)
@given(WEEKS, ZONES, MOMENTS, AFTER, AFTER)
def test_coming_later_is_never_due_earlier_and_time_adds_up(
    days: dict[str, tuple[int, int]], zone_name: str, now: datetime, after: timedelta, more: timedelta
) -> None:
    week, zone = week_of(days), ZoneInfo(zone_name)

    due = business_time.due(week, zone, (), now=now, after=after)

    assert business_time.due(week, zone, (), now=now + more, after=after) >= due
    assert business_time.due(week, zone, (), now=due, after=more) == business_time.due(
        week, zone, (), now=now, after=after + more
    )
