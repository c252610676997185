from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.attempt import AttemptResult, Failure, Outcome, classify, explain
from leadhub.domain.delivery import (
    LONGEST_WAIT,
    OWN_FAULT_PAUSE,
    REPEAT_SPREAD,
    SCHEDULE,
    THROTTLE_PAUSE,
    Dead,
    DeadReason,
    Decision,
    Delivered,
    EndpointState,
    Held,
    Retry,
    decide,
    parse_retry_after,
)

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
RETRIED_FAILURES = [
    Failure.DNS,
    Failure.CONNECT,
    Failure.TLS_EXPIRED,
    Failure.TLS_NAME,
    Failure.TLS_UNTRUSTED,
    Failure.TLS,
    Failure.TIMEOUT,
    Failure.CLOSED,
    Failure.NOT_HTTP,
    Failure.HEADERS,
]


def _decide(result: AttemptResult, attempt_number: int = 1, jitter: float = 0.5) -> Decision:
    return decide(result, attempt_number=attempt_number, now=NOW, jitter=jitter)


def _answer(status: int, retry_after: str | None = None) -> AttemptResult:
    return AttemptResult(status=status, retry_after=retry_after)


def _redirect(location: str) -> AttemptResult:
    return AttemptResult(status=302, location=location)


def _failed(failure: Failure) -> AttemptResult:
    return AttemptResult(failure=failure)


def test_the_schedule_is_that_of_the_standard() -> None:
    assert len(SCHEDULE) == 9
    assert sum(SCHEDULE, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    assert _decide(_answer(status)) == Delivered()


def test_410_gives_up_and_switches_the_endpoint_off() -> None:
    assert _decide(_answer(410)) == Dead(reason=DeadReason.GONE, endpoint_state=EndpointState.GONE)


@pytest.mark.parametrize("status", [301, 304, 307, 400, 401, 403, 404, 418, 422, 500, 501, 599])
@pytest.mark.parametrize("attempt_number", [1, 4, 9])
def test_what_its_owner_can_mend_follows_the_schedule(status: int, attempt_number: int) -> None:
    due_at = NOW + SCHEDULE[attempt_number - 1]

    assert _decide(_answer(status), attempt_number) == Retry(due_at=due_at)


@pytest.mark.parametrize("failure", RETRIED_FAILURES)
def test_a_failed_connection_follows_the_schedule(failure: Failure) -> None:
    assert _decide(_failed(failure), 2) == Retry(due_at=NOW + timedelta(minutes=5))


@pytest.mark.parametrize("result", [_answer(500), _answer(429), _failed(Failure.TIMEOUT), _failed(Failure.UNKNOWN)])
def test_the_tenth_failure_is_the_last(result: AttemptResult) -> None:
    assert isinstance(_decide(result, 9), Retry)
    last = _decide(result, 10)
    assert isinstance(last, Dead)
    assert last.reason is DeadReason.EXHAUSTED


@pytest.mark.parametrize("status", [413, 415])
def test_an_unsuitable_body_is_given_up_after_two_tries(status: int) -> None:
    assert isinstance(_decide(_answer(status), 1), Retry)
    assert _decide(_answer(status), 2) == Dead(reason=DeadReason.UNSUITABLE)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_a_floor_for_the_delivery_and_its_lane(status: int) -> None:
    decision = _decide(_answer(status, "600"), jitter=0)

    assert decision == Retry(due_at=NOW + timedelta(seconds=600), lane_blocked_until=NOW + timedelta(seconds=600))


def test_the_schedule_wins_over_a_shorter_retry_after() -> None:
    decision = _decide(_answer(429, "1"), 3)

    assert decision == Retry(due_at=NOW + timedelta(minutes=30), lane_blocked_until=NOW + timedelta(seconds=1))


def test_an_overloaded_endpoint_that_names_no_time_rests_briefly() -> None:
    decision = _decide(_answer(503), 8)

    assert decision == Retry(due_at=NOW + SCHEDULE[7], lane_blocked_until=NOW + THROTTLE_PAUSE)


def test_the_lane_rests_also_when_the_delivery_is_given_up() -> None:
    decision = _decide(_answer(429, "60"), 10)

    assert decision == Dead(reason=DeadReason.EXHAUSTED, lane_blocked_until=NOW + timedelta(seconds=60))


def test_retry_after_counts_only_where_the_receiver_is_overloaded() -> None:
    assert _decide(_answer(500, "600")) == Retry(due_at=NOW + SCHEDULE[0])


@pytest.mark.parametrize("failure", [Failure.BLOCKED_ADDRESS, Failure.BLOCKED_URL])
def test_a_blocked_target_holds_everything(failure: Failure) -> None:
    decision = _decide(_failed(failure))

    assert decision == Held(reason=explain(_failed(failure)), endpoint_state=EndpointState.MISCONFIGURED)


def test_our_own_fault_is_not_counted() -> None:
    assert _decide(_failed(Failure.INTERNAL), 10) == Retry(due_at=NOW + OWN_FAULT_PAUSE, is_counted=False)


def test_a_secret_that_does_not_open_rests_the_lane() -> None:
    decision = _decide(_failed(Failure.NO_KEY))

    assert decision == Retry(due_at=NOW + OWN_FAULT_PAUSE, lane_blocked_until=NOW + OWN_FAULT_PAUSE, is_counted=False)


def test_an_unknown_outcome_repeats_soon() -> None:
    assert _decide(_failed(Failure.UNKNOWN), 9, jitter=0.5) == Retry(due_at=NOW + REPEAT_SPREAD / 2)


def test_an_erased_event_is_given_up() -> None:
    assert _decide(_failed(Failure.ERASED)) == Dead(reason=DeadReason.ERASED)


@given(st.integers(1, 9), st.floats(0, 1))
def test_jitter_stays_within_a_fifth_and_a_day(attempt_number: int, jitter: float) -> None:
    decision = _decide(_answer(500), attempt_number, jitter)

    assert isinstance(decision, Retry)
    wait = decision.due_at - NOW
    planned = SCHEDULE[attempt_number - 1]
    slack = timedelta(microseconds=2)
    assert min(planned * 0.8, LONGEST_WAIT) - slack <= wait <= min(planned * 1.2, LONGEST_WAIT) + slack


@given(st.integers(1, 9), st.floats(0, 1), st.integers(0, 10**11))
def test_no_retry_comes_before_retry_after_nor_after_a_day(attempt_number: int, jitter: float, seconds: int) -> None:
    decision = _decide(_answer(429, str(seconds)), attempt_number, jitter)

    assert isinstance(decision, Retry)
    floor = min(timedelta(seconds=seconds), LONGEST_WAIT)
    assert floor <= decision.due_at - NOW <= LONGEST_WAIT
    assert decision.lane_blocked_until == NOW + floor


@given(st.integers(100, 999) | st.none(), st.sampled_from([*Failure, None]), st.integers(1, 20), st.text())
def test_every_result_has_a_decision_and_a_reason(
    status: int | None, failure: Failure | None, attempt_number: int, header: str
) -> None:
    result = AttemptResult(status=status, failure=failure, retry_after=header, location=header)

    assert isinstance(_decide(result, attempt_number), Decision)
    assert explain(result).isprintable()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("99999999999", 86400),
        ("Thu, 15 Jan 2026 09:31:00 GMT", 60),
        ("Thu, 15 Jan 2026 10:31:00 +0100", 60),
        ("Thu, 15 Jan 2026 09:31:00 -0000", 60),
        ("Wed, 14 Jan 2026 09:31:00 GMT", 0),
        ("Thu, 15 Jan 2099 09:31:00 GMT", 86400),
    ],
)
def test_retry_after_reads_seconds_and_dates(value: str, seconds: int) -> None:
    assert parse_retry_after(value, now=NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [None, "", "soon", "-1", "1.5", "١٢", "Thu, 99 Jan 2026 09:31:00 GMT", "x" * 10_000])
def test_an_unreadable_retry_after_says_nothing(value: str | None) -> None:
    assert parse_retry_after(value, now=NOW) is None


@given(st.text())
def test_no_text_breaks_retry_after(value: str) -> None:
    wait = parse_retry_after(value, now=NOW)

    assert wait is None or timedelta() <= wait <= LONGEST_WAIT


def test_every_failure_has_a_class_and_words() -> None:
    for failure in Failure:
        assert classify(_failed(failure)) is not Outcome.DELIVERED
        assert explain(_failed(failure))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (_answer(404), "the receiver answered 404: the path of the URL is wrong"),
        (_answer(500), "the receiver answered 500: the receiver has a fault"),
        (_answer(307), "the receiver answered 307: webhooks follow no redirect; change the URL"),
        (
            AttemptResult(status=301, location="https://u:p@www.example.com/hook?token=secret#x"),
            "the receiver answered 301 to https://www.example.com/hook: change the URL",
        ),
        (_redirect("/login?next=x"), "the receiver answered 302 to /login: change the URL"),
        (_redirect("http://["), "the receiver answered 302: webhooks follow no redirect; change the URL"),
        (_failed(Failure.TLS_EXPIRED), "the certificate expired"),
        (_failed(Failure.BLOCKED_ADDRESS), "the address is private or reserved: webhooks may not go there"),
    ],
)  # fmt: skip
def test_results_are_explained_in_plain_words(result: AttemptResult, words: str) -> None:
    assert explain(result) == words
