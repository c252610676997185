"""How many leads a second one core scores, decides and explains with the shipped playbook.

Run: `python benchmarks/scoring.py`. Prints the best of many rounds for a lead with fifteen facts.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any
from uuid import UUID

from leadhub.domain.ids import LeadId
from leadhub.domain.model import ConsentState, Fact, LeadView
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
ROUNDS = 120
CALLS = 200


def busy_lead() -> LeadView:
    """Return a lead with a full profile and fifteen facts."""
    facts = [
        *(_fact("email_opened", days, message_id=f"m{days}") for days in range(2, 8)),
        *(
            _fact("content_downloaded", days, asset_id=f"a{days}", asset_type="guide", level="beginner")
            for days in (3, 9)
        ),
        _fact("content_downloaded", 12, asset_id="case-1", asset_type="case_study"),
        _fact("pricing_page_viewed", 4),
        _fact("webinar_registered", 20, webinar_id="w1"),
        _fact("webinar_attended", 19, webinar_id="w1"),
        _fact("newsletter_subscribed", 40),
        _fact("page_viewed", 1),
        _fact("chat_conversation", 30),
    ]
    return LeadView(
        lead_id=LeadId(UUID(int=1)),
        created_at=NOW - timedelta(days=60),
        fields={
            "email": "mia@acme.example",
            "email_domain": "acme.example",
            "job_title": "Marketing Manager",
            "employees": 120,
            "industry": "saas",
            "country": "US",
            "budget_status": "approved",
            "source": "form",
        },
        facts=tuple(facts),
        consents=(ConsentState("marketing", "email", granted=True, at=NOW - timedelta(days=60)),),
        last_activity_at=NOW - timedelta(days=1),
    )


def _fact(kind: str, days: int, **attributes: str) -> Fact:
    at = NOW - timedelta(days=days)
    return Fact(kind, attributes, 1, at, at)


def twenty_rules() -> Playbook:
    """Return the shipped playbook with as many field rules more as make twenty scoring rules."""
    more = "\n".join(
        f"        - {{id: extra{index}, points: 1, when: {{field: employees, between: [{index}, {index + 100}]}}}}"
        for index in range(6)
    )
    text = shipped("guide")
    marker = "    # What the lead did."
    return load(text.replace(marker, f"{more}\n{marker}"))


def nothing() -> int:
    """Do nothing: what a call costs on this box today."""
    return 0


def per_second(call: Callable[[], Any]) -> float:
    """Return the calls a second of CPU of the best round: short rounds find the moments when the box is quiet."""
    best = 0.0
    for _ in range(ROUNDS):
        started = process_time()
        for _ in range(CALLS):
            call()
        best = max(best, CALLS / (process_time() - started))
    return best


def main() -> None:
    """Measure and print."""
    playbook, lead = twenty_rules(), busy_lead()
    compiled = compile_playbook(playbook)
    rules = len(compiled.awards)
    yardstick = per_second(lambda: [nothing() for _ in range(100)]) * 100
    print(f"an empty function call: {1e9 / yardstick:.0f} ns (40 to 60 on a quiet core of 2024)")
    print(f"{playbook.reference}, {rules} scoring rules, {len(lead.facts)} facts, one core, best of {ROUNDS} rounds")
    for name, call in (
        ("score (points only)", lambda: compiled.score(lead, now=NOW)),
        ("decide (+ signals, stage, route, track)", lambda: compiled.decide(lead, now=NOW)),
        ("evaluate (+ every reason, next change)", lambda: compiled.evaluate(lead, now=NOW)),
    ):
        rate = per_second(call)
        print(f"{name:42} {rate:>10,.0f} /s {1e6 / rate:>8.1f} µs")


if __name__ == "__main__":
    main()
