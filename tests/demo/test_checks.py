"""Each check of the demo fails when what it claims is not so."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from leadhub.demo.checks import Evidence, check, percentile, summary
from leadhub.demo.journey import Journey
from leadhub.demo.receiver import Receipt
from leadhub.demo.samples import Sample


def _lead(lead_id: str, route: str) -> dict[str, Any]:
    return {"id": lead_id, "routing": {"route": route}, "score": None, "contact": {}}


def _journey(person: str, expect: str, *, lead_id: str = "L1", ms: float = 20.0, number: int = 1) -> Journey:
    sample = Sample("website", "json", person, expect, "", {})  # type: ignore[arg-type] # any of the five words
    one = Journey("Website", 0.0, 202, sample=sample, submission_id=f"S{number}", webhook_ms=ms)
    one.submission = {"state": "processed", "rule": "new"}
    one.lead = _lead(lead_id, expect)
    return one


def _receipt(event: str, lead_id: str, sequence: int) -> Receipt:
    data = {"lead_id": lead_id, "sequence": sequence}
    return Receipt(
        received_at=0.0, webhook_id=event, doubt=None, is_repeat=False, status=204,
        message={"type": "lead.created", "data": data},
    )  # fmt: skip


def _good() -> Evidence:
    spam = _journey("bot", "spam", number=3)
    spam.submission, spam.lead, spam.webhook_ms = {"state": "spam"}, {}, None
    refused = Journey("Website", 0.0, 422, sample=Sample("website", "json", "nobody", "refused", "", {}))
    return Evidence(
        journeys=[_journey("ada", "sales"), _journey("bob", "nurture", lead_id="L2", ms=40, number=2), spam, refused],
        leads=[{"id": "L1"}, {"id": "L2"}],
        deliveries=[{"event_id": f"E{n}", "state": "delivered"} for n in (1, 2, 3)],
        status={"queue": {"pending": 0, "failed": 0}},
        receipts=[_receipt("E1", "L1", 1), _receipt("E2", "L1", 2), _receipt("E3", "L2", 1)],
    )


def test_when_all_is_well_every_check_holds() -> None:
    assert [one.found for one in check(_good())] == [""] * 9


def _accept_the_refused(evidence: Evidence) -> Evidence:
    evidence.journeys[3].submission_id = "S9"
    return evidence


def _fail_one(evidence: Evidence) -> Evidence:
    evidence.journeys[0].submission, evidence.journeys[0].lead = {"state": "failed", "error": "ValueError"}, {}
    return evidence


def _split(evidence: Evidence) -> Evidence:
    again = _journey("ada", "sales", lead_id="L3", number=5)
    return replace(evidence, journeys=[*evidence.journeys, again])


def _join(evidence: Evidence) -> Evidence:
    evidence.journeys[1].lead = _lead("L1", "nurture")
    return evidence


def _misroute(evidence: Evidence) -> Evidence:
    evidence.journeys[0].lead = _lead("L1", "nurture")
    return evidence


@pytest.mark.parametrize(
    ("harm", "claim", "found"),
    [
        (_accept_the_refused, "the door", "nobody was answered 422"),
        (_fail_one, "every accepted submission", "ada is failed ValueError"),
        (_split, "one person is one lead", "ada is 2 leads"),
        (_join, "one person is one lead", "ada and bob are one lead"),
        (lambda one: replace(one, leads=[*one.leads, {"id": "L9"}]), "nobody is there", "3 leads are listed"),
        (_misroute, "every lead is where", "ada is at nurture instead of sales"),
        (
            lambda one: replace(one, deliveries=[*one.deliveries, {"event_id": "E4", "state": "dead"}]),
            "every event reached",
            "1 deliveries are dead; 1 events never came",
        ),
        (lambda one: replace(one, deliveries=[]), "every event reached", "there were no deliveries"),
        (
            lambda one: replace(one, receipts=[*one.receipts, replace(one.receipts[0], doubt="no signature matches")]),
            "every signature",
            "1 times: no signature matches",
        ),
        (lambda one: replace(one, receipts=[one.receipts[1], one.receipts[2]]), "have a gap", "has events [2]"),
        (lambda one: replace(one, status={"queue": {"pending": 1, "failed": 2}}), "nothing failed", "2 are failed"),
    ],
)
def test_what_is_not_so_is_found(harm: Callable[[Evidence], Evidence], claim: str, found: str) -> None:
    results = check(harm(_good()))

    (told,) = [one.found for one in results if claim in one.claim]
    assert found in told


def test_the_summary_counts_people_and_what_was_merged() -> None:
    evidence = _good()
    again = replace(evidence, journeys=[*evidence.journeys, _journey("ada", "sales", number=6)])

    numbers = summary(again)

    assert (numbers.accepted, numbers.refused, numbers.spam) == (4, 1, 1)
    assert (numbers.people, numbers.merged, numbers.sales, numbers.nurture) == (2, 1, 1, 1)
    assert (numbers.delivered, numbers.p50_ms, numbers.p99_ms) == (3, 20.0, 40)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile(list(range(1, 101)), share) == expected
