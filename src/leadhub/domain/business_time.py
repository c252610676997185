"""Open hours: when a promise made in working time falls due.

Hours are local wall-clock times in the calendar's zone; what is counted is real elapsed time inside them, so a day on
which the clocks change has an hour more or less and nobody is owed or robbed of it.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

Minutes = tuple[int, int]
"""From and until, in minutes of the local day: (540, 1020) is 09:00-17:00."""
WeekHours = tuple[tuple[Minutes, ...], ...]
"""Seven days, Monday first; each in ascending order."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_MIDNIGHT = 24 * 60


def parse_week(days: Mapping[str, Sequence[str]]) -> WeekHours:
    """Read open hours.

    >>> parse_week({"mon-tue": ["09:00-12:00", "13:00-17:00"], "sun": []})[1]
    ((540, 720), (780, 1020))

    Raises:
        ValueError: an unknown day, an unreadable span, or spans that overlap.
    """
    week: list[list[Minutes]] = [[] for _ in _DAYS]
    for name, spans in days.items():
        for day in _weekdays(name):
            week[day] += [_span(span) for span in spans]
    for name, hours in zip(_DAYS, week, strict=True):
        hours.sort()
        if any(before[1] > after[0] for before, after in pairwise(hours)):
            raise ValueError(f"the hours of {name} overlap")
    return tuple(map(tuple, week))


def _weekdays(name: str) -> range:
    """Return the days that a name such as `mon` or `mon-fri` means; Monday is 0."""
    first, _, last = name.lower().partition("-")
    if first not in _DAYS or (last or first) not in _DAYS:
        raise ValueError(f"unknown day '{name}': days are mon, tue, … or a range mon-fri")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    if begin > end:
        raise ValueError(f"the days '{name}' run backwards: write two ranges")
    return range(begin, end + 1)


def _span(written: str) -> Minutes:
    found = _SPAN.fullmatch(written)
    if found is None:
        raise ValueError(f"'{written}' is no span of hours: 09:00-17:00")
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if not begin < end <= _MIDNIGHT:
        raise ValueError(f"'{written}' does not end after it begins, within one day")
    return begin, end


def open_spans(
    week: WeekHours, zone: ZoneInfo, holidays: Collection[date], *, since: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the open spans that end after an instant, in UTC and in order, for as long as you ask."""
    day = since.astimezone(zone).date() - timedelta(days=1)
    while True:
        for begin, end in () if day in holidays else week[day.weekday()]:
            span = _instant(day, begin, zone), _instant(day, end, zone)
            # A span inside the hour that a clock change skips has no length.
            if span[0] < span[1] and span[1] > since:
                yield span
        day += timedelta(days=1)


@lru_cache(maxsize=4_096)  # each promise and each shift asks for the same few days again and again
def _instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the instant of a local time; of an hour that comes twice the first, of a skipped one what would follow."""
    midnight = datetime.combine(day + timedelta(days=minutes // _MIDNIGHT), time(0))
    return (midnight + timedelta(minutes=minutes % _MIDNIGHT)).replace(tzinfo=zone).astimezone(UTC)


def is_open(week: WeekHours, zone: ZoneInfo, holidays: Collection[date], *, now: datetime) -> bool:
    """Return whether an instant lies within open hours; closing time itself does not."""
    begin, _ = next(open_spans(week, zone, holidays, since=now))
    return begin <= now


def elapsed(
    week: WeekHours, zone: ZoneInfo, holidays: Collection[date], *, since: datetime, until: datetime
) -> timedelta:
    """Return how much open time lies between two instants; none if the second is not after the first."""
    spent = timedelta(0)
    if until <= since:
        return spent
    for begin, end in open_spans(week, zone, holidays, since=since):
        if begin >= until:
            return spent
        spent += min(end, until) - max(begin, since)
    raise AssertionError("open_spans never ends")


def due(week: WeekHours, zone: ZoneInfo, holidays: Collection[date], *, now: datetime, after: timedelta) -> datetime:
    """Return the instant, in UTC, at which so much open time has passed since now.

    Time promised until closing is due at closing, not the next morning. `week` must be open at some time.
    """
    left = after
    for begin, end in open_spans(week, zone, holidays, since=now):
        start = max(begin, now)
        if left <= end - start:
            return (start + left).astimezone(UTC)
        left -= end - start
    raise AssertionError("open_spans never ends")
