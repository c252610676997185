"""Whether every number of the demo adds up. Each check is a claim; what fails is told with what was found instead."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leadhub.demo.journey import Journey
from leadhub.demo.receiver import Receipt


@dataclass(frozen=True, slots=True)
class Check:
    """A claim; `found` is empty when it holds."""

    claim: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen from outside, after all had come to rest."""

    journeys: Sequence[Journey]
    leads: Sequence[Mapping[str, Any]]
    deliveries: Sequence[Mapping[str, Any]]
    status: Mapping[str, Any]
    receipts: Sequence[Receipt]


@dataclass(frozen=True, slots=True)
class Summary:
    """The demo in numbers."""

    accepted: int
    refused: int
    spam: int
    people: int
    merged: int
    sales: int
    nurture: int
    nowhere: int
    delivered: int
    p50_ms: float
    p99_ms: float


def summary(evidence: Evidence) -> Summary:
    """Return the numbers."""
    journeys = evidence.journeys
    leads = {journey.lead["id"]: journey.lead for journey in journeys if journey.lead}
    routes = Counter(lead["routing"]["route"] for lead in leads.values())
    members = sum(1 for journey in journeys if journey.lead)
    times = sorted(journey.webhook_ms for journey in journeys if journey.webhook_ms is not None)
    return Summary(
        accepted=sum(journey.is_accepted for journey in journeys),
        refused=sum(not journey.is_accepted for journey in journeys),
        spam=sum(journey.submission.get("state") == "spam" for journey in journeys),
        people=len(leads),
        merged=members - len(leads),
        sales=routes["sales"],
        nurture=routes["nurture"],
        nowhere=routes["none"],
        delivered=len(_valid_ids(evidence)),
        p50_ms=percentile(times, 0.5),
        p99_ms=percentile(times, 0.99),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which this share of the ordered values lies: of 1, 2, 3, 4 the 0.5 is 2.

    >>> percentile([1, 2, 3, 4], 0.5), percentile([7], 0.99), percentile([], 0.5)
    (2, 7, 0.0)
    """
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)] if ordered else 0.0


def check(evidence: Evidence) -> list[Check]:
    """Return every check, in the order of a lead's journey."""
    return [
        _of("the door accepted and refused what it should", _door(evidence)),
        _of("every accepted submission is part of a lead, or spam", _accounted(evidence)),
        _of("one person is one lead", _people(evidence)),
        _of("nobody is there whom nobody sent", _strays(evidence)),
        _of("every lead is where it belongs", _routes(evidence)),
        _of("every event reached the CRM", _delivered(evidence)),
        _of("every signature is valid", _signatures(evidence)),
        _of("no lead's events have a gap", _sequences(evidence)),
        _of("nothing failed and nothing waits", _queue(evidence)),
    ]


def _of(claim: str, faults: Iterator[str]) -> Check:
    return Check(claim, "; ".join(faults))


def _door(evidence: Evidence) -> Iterator[str]:
    for journey in evidence.journeys:
        if journey.sample is None:
            continue
        expects_refusal = journey.sample.expect == "refused"
        if expects_refusal == journey.is_accepted or (expects_refusal and not 400 <= journey.status < 500):
            yield f"{journey.sample.person} was answered {journey.status} {journey.problem}".strip()


def _accounted(evidence: Evidence) -> Iterator[str]:
    for journey in evidence.journeys:
        if journey.sample is None or not journey.is_accepted:
            continue
        expected = "spam" if journey.sample.expect == "spam" else "processed"
        state = journey.submission.get("state")
        if state != expected or bool(journey.lead) != (expected == "processed"):
            yield f"{journey.sample.person} is {state} {journey.submission.get('error') or ''}".strip()


def _people(evidence: Evidence) -> Iterator[str]:
    leads_of: dict[str, set[str]] = defaultdict(set)
    people_of: dict[str, set[str]] = defaultdict(set)
    for journey in evidence.journeys:
        if journey.sample is not None and journey.lead:
            leads_of[journey.sample.person].add(journey.lead["id"])
            people_of[journey.lead["id"]].add(journey.sample.person)
    yield from (f"{person} is {len(leads)} leads" for person, leads in leads_of.items() if len(leads) > 1)
    yield from (f"{' and '.join(sorted(people))} are one lead" for people in people_of.values() if len(people) > 1)


def _strays(evidence: Evidence) -> Iterator[str]:
    sent = {journey.lead["id"] for journey in evidence.journeys if journey.lead}
    listed = {lead["id"] for lead in evidence.leads}
    if sent != listed:
        yield f"{len(listed)} leads are listed, {len(sent)} were sent"


def _routes(evidence: Evidence) -> Iterator[str]:
    last: dict[str, Journey] = {}
    for journey in evidence.journeys:
        if journey.sample is not None and journey.lead:
            last[journey.sample.person] = journey
    for person, journey in last.items():
        route = journey.lead["routing"]["route"]
        if journey.sample is not None and route != journey.sample.expect:
            yield f"{person} is at {route} instead of {journey.sample.expect}"


def _delivered(evidence: Evidence) -> Iterator[str]:
    undone = Counter(one["state"] for one in evidence.deliveries if one["state"] != "delivered")
    yield from (f"{count} deliveries are {state}" for state, count in undone.items())
    missing = {one["event_id"] for one in evidence.deliveries} - _valid_ids(evidence)
    if missing:
        yield f"{len(missing)} events never came"
    if not evidence.deliveries:
        yield "there were no deliveries"


def _signatures(evidence: Evidence) -> Iterator[str]:
    doubts = Counter(receipt.doubt for receipt in evidence.receipts if receipt.doubt is not None)
    yield from (f"{count} times: {doubt}" for doubt, count in doubts.items())


def _sequences(evidence: Evidence) -> Iterator[str]:
    numbers: dict[str, set[int]] = defaultdict(set)
    for receipt in evidence.receipts:
        if receipt.doubt is None and "lead_id" in receipt.data:
            numbers[receipt.data["lead_id"]].add(receipt.data["sequence"])
    for lead_id, found in numbers.items():
        if found != set(range(1, len(found) + 1)):
            yield f"lead {lead_id} has events {sorted(found)}"


def _queue(evidence: Evidence) -> Iterator[str]:
    queue = evidence.status["queue"]
    yield from (f"{queue[name]} are {name}" for name in ("pending", "failed") if queue[name])


def _valid_ids(evidence: Evidence) -> set[str]:
    return {receipt.webhook_id for receipt in evidence.receipts if receipt.doubt is None}
