"""One submission's way from the post to the CRM, as somebody outside sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadhub.demo.crm_process import Crm
from leadhub.demo.gateway import Answer, Gateway
from leadhub.demo.samples import Sample

_PATIENCE_SECONDS = 10.0
"""How long a webhook may take before the journey is shown without it."""


@dataclass(slots=True)
class Journey:
    """A submission, what became of it, and when its first webhook came."""

    source: str
    posted_at: float
    """Unix seconds."""
    status: int
    sample: Sample | None = None
    problem: str = ""
    submission_id: str | None = None
    submission: Mapping[str, Any] = field(default_factory=dict)
    lead: Mapping[str, Any] = field(default_factory=dict)
    webhook_ms: float | None = None
    """From the post to the first byte of its webhook."""

    @property
    def is_accepted(self) -> bool:
        """Whether it is on disk."""
        return self.submission_id is not None

    @property
    def outcome(self) -> str:
        """In a word or two: new, merged and by what; and why it is no lead, if it is none."""
        if not self.is_accepted:
            return f"refused {self.status}: {self.problem}"
        state = self.submission.get("state", "?")
        if state == "spam":
            return "spam: kept apart, told to nobody"
        if state != "processed":
            return str(state)
        rule = self.submission.get("rule")
        return "new" if rule == "new" else f"merged: {str(rule).removeprefix('same ')}"

    @property
    def who(self) -> str:
        """The person's name as known now, else the best address."""
        contact = self.lead.get("contact", {})
        for name in ("full_name", "email", "phone"):
            if name in contact:
                return str(contact[name]["value"])
        return ""

    @property
    def destination(self) -> str:
        """Where the lead is: `sales emea/dora`, `nurture beginner`, `none`."""
        routing = self.lead.get("routing", {})
        if routing.get("route") == "sales":
            return f"sales {routing['team']}/{routing['owner'] or 'queue'}"
        if routing.get("route") == "nurture":
            return f"nurture {(self.lead.get('enrolment') or {}).get('track') or '(no track)'}"
        return str(routing.get("route", ""))


def begin(sample: Sample, source: str, answer: Answer, place: int) -> Journey:
    """Return the journey of the sample at a place of an answered request."""
    accepted = answer.submission_ids[place] if answer.submission_ids else None
    return Journey(
        source=source,
        posted_at=answer.posted_at,
        status=answer.status,
        sample=sample,
        problem=answer.problem,
        submission_id=accepted,
    )


async def follow(journey: Journey, gateway: Gateway, crm: Crm) -> Journey:
    """Wait for the webhook that tells of an accepted submission, then ask the API what became of it."""
    if journey.submission_id is None:
        return journey
    if journey.sample is None or journey.sample.is_lead:
        receipt = await crm.told_of(journey.submission_id, within_seconds=_PATIENCE_SECONDS)
        if receipt is not None:
            journey.webhook_ms = (receipt.received_at - journey.posted_at) * 1_000
    await look_again(journey, gateway)
    return journey


async def look_again(journey: Journey, gateway: Gateway) -> None:
    """Read how it stands now."""
    if journey.submission_id is None:
        return
    journey.submission = await gateway.submission(journey.submission_id)
    lead_id = journey.submission["lead_id"]
    if lead_id is not None:
        journey.lead = await gateway.lead(lead_id)


async def unforeseen(submission_id: str, gateway: Gateway, crm: Crm) -> Journey:
    """Return the journey of a submission that somebody else sent, by the form page or with the curl."""
    submission = await gateway.submission(submission_id)
    received_at = datetime.fromisoformat(submission["received_at"]).timestamp()
    journey = Journey(str(submission["source"]), received_at, 202, submission_id=submission_id)
    return await follow(journey, gateway, crm)
