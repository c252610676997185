"""The lead that the API's description shows."""

from collections.abc import Mapping
from typing import Any, Final

_LEAD_ID: Final = "019bc0fd-89c0-7000-8000-00000000000a"
_SUBMISSION_ID: Final = "019bc0fd-89bf-7000-8000-000000000001"
_AT: Final = "2026-01-15T09:30:00Z"
_DUE: Final = "2026-01-15T09:35:00Z"
_MAIL: Final = "ada@analytical.example"
_ROUTE: Final = {"rule": "sql", "because": "stage is SQL", "team": "emea", "owner": "dora"}

GOLDEN: Final[Mapping[str, Any]] = {
    "value": _MAIL,
    "source": "Website demo form",
    "submission_id": _SUBMISSION_ID,
    "at": _AT,
    "rule": "most recent",
    "provenance": "stated",
}
"""A value and where it is from."""

EXPLANATION: Final[Mapping[str, Any]] = {
    "lead": _LEAD_ID,
    "model": "guide@1",
    "total": 75,
    "raw": 75,
    "fit": 50,
    "engagement": 25,
    "stage": "SQL",
    "temperature": "hot",
    "rule": "sql",
    "route": "sales:emea",
    "lines": [
        {"rule": "fit.title", "points": 10, "because": "title 'Head of Marketing' contains the word 'head'"},
        {"rule": "engagement.pricing", "points": 25, "because": "1 pricing_page_viewed, counts once"},
    ],
    "not_met": [{"rule": "engagement.webinar", "points": 15, "because": "no webinar_attended"}],
    "frameworks": {"bant": {"met": 1, "unknown": ["budget", "authority"], "next_question": "budget"}},
    "changes_at": "2026-02-14T09:30:00Z",
    "change": "idle 30d: -10 → total 65",
}
"""Why a lead has its score."""

_TOUCH: Final = {
    "source": "Website demo form",
    "channel": "form",
    "at": _AT,
    "submission_id": _SUBMISSION_ID,
    "parameters": {"utm_source": "newsletter"},
}

LEAD: Final[Mapping[str, Any]] = {
    "id": _LEAD_ID,
    "requested_id": _LEAD_ID,
    "created_at": _AT,
    "updated_at": _AT,
    "last_activity_at": _AT,
    "is_test": False,
    "version": 1,
    "sequence": 2,
    "contact": {"email": dict(GOLDEN), "first_name": {**GOLDEN, "value": "Ada"}},
    "contact_points": [
        {"kind": "email", "value": _MAIL, "status": "active", "first_seen_at": _AT, "last_seen_at": _AT}
    ],
    "custom": {"favourite_number": {"value": "42", "submission_id": _SUBMISSION_ID, "at": _AT}},
    "attribution": {"first": _TOUCH, "last": _TOUCH},
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True, "at": _AT}],
    "score": dict(EXPLANATION),
    "stage": "SQL",
    "temperature": "hot",
    "routing": {"route": "sales", **_ROUTE},
    "assignment": {
        **_ROUTE,
        "queue": None,
        "beat": [{"name": "emil", "because": "20 of 20 open leads"}],
        "sla": "hot",
        "due_at": _DUE,
        "assigned_at": _AT,
        "routed_at": _AT,
    },
    "promise": {
        "sla": "hot",
        "started_at": _AT,
        "due_at": _DUE,
        "breached_at": None,
        "next_at": _DUE,
        "stopped_at": None,
        "stop_reason": None,
        "open_seconds": None,
    },
    "held": None,
    "acceptance": "pending",
    "enrolment": None,
    "disqualified_reason": None,
    "sales_decision": None,
    "submissions": 1,
    "merges": [],
    "timeline": {
        "entries": [
            {
                "at": _AT,
                "kind": "activity",
                "type": "demo_requested",
                "attributes": {},
                "submission_id": _SUBMISSION_ID,
            }
        ],
        "counts": {"activity": 1, "submission": 1},
    },
}
"""All that is known of a lead."""
