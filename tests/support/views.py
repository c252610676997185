"""Leads as a playbook sees them, and small playbooks to judge them by."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from leadhub.domain.ids import LeadId
from leadhub.domain.model import ConsentState, Fact, FieldValue, LeadView
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook

NOW = datetime(2025, 3, 10, 10, tzinfo=UTC)
LEAD = LeadId(UUID("019bc0fd-89c0-7000-8000-000000000000"))
CONSENT = ConsentState("marketing", "email", granted=True, at=datetime(2025, 1, 1, tzinfo=UTC))
PERFECT_FIT: dict[str, FieldValue | None] = {
    "job_title": "Marketing Manager",
    "employees": 120,
    "industry": "saas",
    "country": "US",
}


def did(kind: str, *, ago: timedelta = timedelta(0), count: int = 1, **attributes: str) -> Fact:
    """Return what a lead did so long before `NOW`."""
    return Fact(kind, attributes, count, NOW - ago, NOW - ago)


def days(number: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=number)


def a_view(fields: dict[str, FieldValue | None] | None = None, *facts: Fact, **changes: Any) -> LeadView:
    """Return a lead that consented to marketing by e-mail and was last active when its newest fact says."""
    defaults: dict[str, Any] = {
        "lead_id": LEAD,
        "created_at": NOW - days(200),
        "fields": fields or {},
        "facts": facts,
        "consents": (CONSENT,),
        "last_activity_at": max((fact.last_at for fact in facts), default=NOW),
    }
    return LeadView(**(defaults | changes))


def document(**sections: Any) -> str:
    """Return a small playbook as JSON: one rule, one stage, everybody to nurture; sections are replaced or added."""
    smallest: dict[str, Any] = {
        "apiVersion": "leadhub/v1",
        "kind": "Playbook",
        "metadata": {"name": "small", "version": 1},
        "scoring": scored({"id": "seen", "points": 5, "when": {"event": "page_viewed"}}),
        "temperature": [{"level": "cold"}],
        "stages": [{"stage": "LEAD"}],
        "routing": {"rules": [{"id": "rest", "to": "nurture"}]},
        "nurture": {"tracks": [{"id": "awareness"}]},
    }
    return json.dumps(smallest | sections)


def scored(*rules: dict[str, Any], **group: Any) -> dict[str, Any]:
    """Return a scoring section with one group, `engagement`, without bounds to speak of."""
    return {"clamp": {"min": -1000, "max": 1000}, "groups": {"engagement": {"rules": list(rules)} | group}}


def a_playbook(**sections: Any) -> CompiledPlaybook:
    """Return a small playbook, compiled."""
    return compile_playbook(load(document(**sections)))


def the_guide(*replacements: tuple[str, str]) -> Playbook:
    """Return the shipped guide, with some of its text replaced."""
    text = shipped("guide")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return load(text)
