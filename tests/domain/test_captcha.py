import pytest

from leadhub.domain.captcha import Expected, Failed, Passed, Unreachable, Verdict, judge
from leadhub.domain.rate import Bucket, take

ANYWHERE = Expected()
HERE = Expected(hostnames=["example.org"])
SIGNUP = Expected(action="signup", min_score=0.5)


@pytest.mark.parametrize(
    ("answer", "expected", "verdict"),
    [
        ({"success": True}, ANYWHERE, Passed()),
        ({"success": True, "hostname": "Example.org"}, HERE, Passed()),
        ({"success": True, "hostname": "evil.test"}, HERE, Failed("captcha: solved on another site")),
        ({"success": True}, HERE, Failed("captcha: solved on another site")),
        ({"success": True, "hostname": 7}, HERE, Failed("captcha: solved on another site")),
        ({"success": True, "action": "signup", "score": 0.5}, SIGNUP, Passed()),
        ({"success": True, "action": "login", "score": 0.9}, SIGNUP, Failed("captcha: solved for another action")),
        ({"success": True, "action": "signup", "score": 0.4}, SIGNUP, Failed("captcha: the score is too low")),
        ({"success": True, "action": "signup"}, SIGNUP, Failed("captcha: the score is too low")),
        ({"success": False, "error-codes": ["timeout-or-duplicate"]}, HERE, Failed("captcha: expired or used before")),
        ({"success": False, "error-codes": ["invalid-or-already-seen-response"]}, HERE,
         Failed("captcha: expired or used before")),
        ({"success": False, "error-codes": ["invalid-input-response"]}, HERE, Failed("captcha: not solved")),
        ({"success": False}, HERE, Failed("captcha: not solved")),
        ({"success": False, "error-codes": ["invalid-input-secret"]}, HERE,
         Unreachable("captcha: the captcha's secret is not right")),
        ({"success": False, "error-codes": ["internal-error"]}, HERE,
         Unreachable("captcha: the provider had a fault")),
        ({"success": "true"}, HERE, Unreachable("captcha: the provider's answer makes no sense")),
        ({"success": 1}, HERE, Unreachable("captcha: the provider's answer makes no sense")),
        ([], HERE, Unreachable("captcha: the provider's answer makes no sense")),
        (None, HERE, Unreachable("captcha: the provider's answer makes no sense")),
    ],
)  # fmt: skip
def test_a_providers_answer_is_judged(answer: object, expected: Expected, verdict: Verdict) -> None:
    assert judge(answer, expected) == verdict


def test_a_bucket_gives_a_minutes_worth_at_once_and_then_as_fast_as_it_refills() -> None:
    bucket, waits = None, []
    for now in (0.0, 0.0, 0.0, 10.0, 29.0, 31.0):
        bucket, wait = take(bucket, per_minute=2, now=now)
        waits.append(wait)

    assert waits == pytest.approx([0.0, 0.0, 30.0, 20.0, 1.0, 0.0])


def test_a_clock_that_goes_back_gives_nothing() -> None:
    assert take(Bucket(0.0, 100.0), per_minute=60, now=50.0)[1] == 1.0
