from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.views import document

from leadhub.domain import business_time
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_loading import load
from leadhub.domain.routing import first_contact_due, promise_steps, time_taken

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


def test_steps_fall_due_at_their_share_of_the_open_time() -> None:
    found = promise_steps(promising(), "hot", now=local("2025-12-22T16:55"))

    assert [(step.at, step.share, step.do) for step in found] == [
        (local("2025-12-22T16:59"), 80, "warn"),
        (local("2025-12-22T17:00"), 100, "reassign"),
        (local("2025-12-23T09:05"), 200, "escalate"),
    ]


def test_a_broken_promise_is_told_even_if_nothing_is_done() -> None:
    found = promise_steps(promising(), "day", now=local("2025-12-22T09:00"))

    assert [(step.share, step.do, step.notify) for step in found] == [
        (80, "warn", ("owner",)),
        (100, "notify", ("owner",)),
    ]


@pytest.mark.parametrize(
    ("promise", "since", "until", "taken"),
    [
        ("hot", "2025-12-22T10:00", "2025-12-22T10:03", timedelta(minutes=3)),
        ("hot", "2025-12-22T16:58", "2025-12-23T09:03", timedelta(minutes=5)),
        ("hot", "2025-12-22T20:00", "2025-12-23T08:00", timedelta(0)),
        ("hot", "2025-12-22T10:00", "2025-12-22T09:00", timedelta(0)),  # a clock that went back
        ("always", "2025-12-22T20:00", "2025-12-23T08:00", timedelta(hours=12)),
        ("gone", "2025-12-22T20:00", "2025-12-23T08:00", timedelta(hours=12)),
    ],
)
def test_time_taken_counts_open_hours(promise: str, since: str, until: str, taken: timedelta) -> None:
    assert time_taken(promising(), promise, since=local(since), until=local(until)) == taken


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


@settings(deadline=None)
@given(WEEKS, ZONES, HOLIDAYS, MOMENTS, AFTER)
def test_as_much_open_time_passes_until_it_is_due_as_was_promised(
    days: dict[str, tuple[int, int]], zone_name: str, holidays: set[date], now: datetime, after: timedelta
) -> None:
    week, zone = week_of(days), ZoneInfo(zone_name)

    due = business_time.due(week, zone, holidays, now=now, after=after)

    assert business_time.elapsed(week, zone, holidays, since=now, until=due) == after
    assert business_time.elapsed(week, zone, holidays, since=due, until=now) == timedelta(0)
    # It falls due while somebody is there, or at closing.
    assert business_time.is_open(week, zone, holidays, now=due - timedelta(microseconds=1))
