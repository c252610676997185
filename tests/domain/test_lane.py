from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.attempt import Outcome
from leadhub.domain.lane import (
    CLEAN_STREAK,
    FEWEST_FAILURES,
    FEWEST_TRIES,
    FIRST_OPENING,
    LONGEST_OPENING,
    PATIENCE,
    WARNINGS,
    WINDOW,
    Disable,
    LaneHealth,
    Sign,
    Warn,
    after,
    next_step,
)

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
WELL = LaneHealth(cap=8, width=8)
ILL = [
    Outcome.SERVER_ERROR,
    Outcome.DNS,
    Outcome.CONNECTION,
    Outcome.TLS,
    Outcome.TIMEOUT,
    Outcome.PROTOCOL,
]


def _after(
    health: LaneHealth, *outcomes: Outcome, now: datetime = NOW, openings: int | None = None, ms: int = 5
) -> LaneHealth:
    for outcome in outcomes:
        of = health.openings if openings is None else openings
        health = after(health, Sign(outcome=outcome, duration_ms=ms, openings=of), now=now)
    return health


class TestTheCircuit:
    @pytest.mark.parametrize("outcome", ILL)
    def test_opens_after_ten_failures_in_a_row(self, outcome: Outcome) -> None:
        nearly = _after(WELL, *[outcome] * (FEWEST_FAILURES - 1))
        assert nearly.openings == 0

        opened = _after(nearly, outcome)

        assert (opened.openings, opened.blocked_until) == (1, NOW + FIRST_OPENING)

    def test_opens_when_most_of_a_window_fails(self) -> None:
        mixed = [Outcome.SERVER_ERROR] * 3 + [Outcome.DELIVERED]
        assert _after(WELL, *mixed, *mixed, Outcome.SERVER_ERROR).openings == 0
        assert _after(WELL, *mixed, *mixed, *[Outcome.SERVER_ERROR] * 2).openings == 1

    def test_forgets_a_window_that_is_over(self) -> None:
        failed = _after(WELL, *[Outcome.SERVER_ERROR] * 6, Outcome.DELIVERED)

        later = _after(failed, Outcome.SERVER_ERROR, Outcome.SERVER_ERROR, Outcome.SERVER_ERROR, now=NOW + 2 * WINDOW)

        assert (later.openings, later.window_attempts) == (0, 3)

    @pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.REDIRECTED, Outcome.THROTTLED])
    def test_stays_closed_for_a_receiver_that_answers(self, outcome: Outcome) -> None:
        assert _after(WELL, *[outcome] * 50).openings == 0

    @pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.INTERNAL, Outcome.BLOCKED, Outcome.ERASED])
    def test_learns_nothing_from_what_is_not_the_receivers_doing(self, outcome: Outcome) -> None:
        assert _after(WELL, *[outcome] * 50) == WELL

    def test_stays_open_for_twice_as_long_after_each_failed_probe(self) -> None:
        health = _after(WELL, *[Outcome.TIMEOUT] * FEWEST_FAILURES)
        waits = []
        for _ in range(8):
            now = health.blocked_until or NOW
            health = _after(health, Outcome.TIMEOUT, now=now)
            assert health.blocked_until is not None
            waits.append((health.blocked_until - now).total_seconds())

        assert waits == [60, 120, 240, 480, 900, 900, 900, 900]
        assert LONGEST_OPENING.total_seconds() == 900

    @pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.REJECTED])
    def test_closes_when_the_probe_is_answered(self, outcome: Outcome) -> None:
        opened = _after(WELL, *[Outcome.SERVER_ERROR] * FEWEST_FAILURES)

        closed = _after(opened, outcome)

        assert (closed.openings, closed.failures, closed.window_from) == (0, 0, None)

    def test_stays_as_it_is_when_the_probe_is_asked_to_slow_down(self) -> None:
        opened = _after(WELL, *[Outcome.SERVER_ERROR] * FEWEST_FAILURES)
        assert _after(opened, Outcome.THROTTLED).openings == 1

    @pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.SERVER_ERROR])
    def test_ignores_what_set_out_before_it_opened(self, outcome: Outcome) -> None:
        opened = _after(WELL, *[Outcome.SERVER_ERROR] * FEWEST_FAILURES)

        stale = _after(opened, outcome, openings=0)

        assert (stale.openings, stale.blocked_until) == (opened.openings, opened.blocked_until)

    @given(st.lists(st.sampled_from(list(Outcome)), max_size=80))
    def test_never_leaves_its_bounds(self, outcomes: list[Outcome]) -> None:
        health = _after(WELL, *outcomes)

        assert 1 <= health.width <= health.cap
        assert health.window_failures <= health.window_attempts
        assert health.openings == 0 or health.blocked_until is not None
        assert (health.failing_since is None) == (health.failing_attempts == 0)


class TestTheWidth:
    @pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.TIMEOUT])
    def test_halves_when_the_receiver_cannot_keep_up(self, outcome: Outcome) -> None:
        assert [_after(WELL, *[outcome] * times).width for times in range(1, 5)] == [4, 2, 1, 1]

    def test_grows_by_one_after_each_streak_of_quick_successes(self) -> None:
        narrow = LaneHealth(cap=8, width=2)
        assert _after(narrow, *[Outcome.DELIVERED] * (CLEAN_STREAK - 1)).width == 2
        assert _after(narrow, *[Outcome.DELIVERED] * CLEAN_STREAK).width == 3
        assert _after(narrow, *[Outcome.DELIVERED] * CLEAN_STREAK * 20) == WELL

    def test_does_not_grow_on_slow_successes(self) -> None:
        assert _after(LaneHealth(cap=8, width=2), *[Outcome.DELIVERED] * 50, ms=3_000).width == 2


def test_the_latest_wish_for_rest_counts() -> None:
    def asked(seconds: int) -> Sign:
        return Sign(outcome=Outcome.THROTTLED, duration_ms=1, openings=0, floor=NOW + seconds * SECOND)

    health = after(after(WELL, asked(600), now=NOW), asked(60), now=NOW)

    assert health.blocked_until == NOW + 600 * SECOND


def test_a_success_where_all_is_well_is_no_news() -> None:
    assert WELL.is_well
    assert _after(WELL, Outcome.DELIVERED) == WELL
    failed = _after(WELL, Outcome.REJECTED)
    assert not failed.is_well
    assert _after(failed, Outcome.DELIVERED).is_well


class TestTheLadder:
    def _failing(self, since: datetime, attempts: int = FEWEST_TRIES, warnings: int = 0) -> LaneHealth:
        return replace(WELL, failing_since=since, failing_attempts=attempts, warnings=warnings)

    def test_warns_after_an_hour_a_day_and_three_days_with_the_date(self) -> None:
        for given_before, wait in enumerate(WARNINGS):
            failing = self._failing(NOW, warnings=given_before)
            assert next_step(failing, now=NOW + wait - SECOND) is None
            assert next_step(failing, now=NOW + wait) == Warn(since=NOW, disabled_at=NOW + PATIENCE)
            assert next_step(replace(failing, warnings=given_before + 1), now=NOW + wait) is None

    def test_disables_after_five_days_without_a_success(self) -> None:
        failing = self._failing(NOW, warnings=3)
        assert next_step(failing, now=NOW + PATIENCE - SECOND) is None
        assert next_step(failing, now=NOW + PATIENCE) == Disable(since=NOW)

    def test_does_not_disable_what_was_hardly_tried(self) -> None:
        assert next_step(self._failing(NOW, attempts=FEWEST_TRIES - 1, warnings=3), now=NOW + 2 * PATIENCE) is None

    def test_begins_anew_after_a_success(self) -> None:
        failing = self._failing(NOW - PATIENCE, warnings=2)

        recovered = _after(failing, Outcome.DELIVERED, Outcome.REJECTED)

        assert (recovered.failing_since, recovered.failing_attempts, recovered.warnings) == (NOW, 1, 0)
