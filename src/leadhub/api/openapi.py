"""The OpenAPI document: what FastAPI knows of the admin API, the intake's operations, and the events as webhooks.

It is written to `openapi/leadhub.json` by `leadhub openapi`; a test compares, so the file's diff in a commit is the
change of the contract.
"""

import json
import re
from typing import Any, Final

from fastapi import FastAPI

from leadhub.api import health
from leadhub.api.openapi_intake import intake
from leadhub.api.openapi_webhooks import webhooks
from leadhub.api.problems import describe
from leadhub.api.routers import ROUTERS
from leadhub.domain.credentials import Scope

_PAGE: Final = re.compile(r"\bPage_([A-Za-z]+?)(?:Out|Summary)_")
_VERSION: Final = "1.0.0"
"""Of the contract, not of a release: its first number is in every path."""
_DESCRIPTION: Final = """\
One front door for every lead: durable intake, identity, scoring, routing, signed delivery.

- **Intake** answers `202` when the lead is on disk, and the same again for a repeat under the same `Idempotency-Key`.
- **Errors** are `application/problem+json` (RFC 9457): `type` is stable, `errors` names each field.
- **Lists** have a `limit` and a `next`; send `next` as `after` for the page that follows.
- **Changes** need `If-Match` with the `ETag` that was read.
- **Events** are delivered as in Standard Webhooks 1.0; see *webhooks*.
"""
_TAGS: Final = {
    "intake": "Where leads come in.",
    "leads": "Who they are, what was decided, and why.",
    "submissions": "What came in and what became of it.",
    "deliveries": "What was sent to whom, and what they answered.",
    "replays": "What is delivered once more: preview, run, pause, cancel.",
    "nurture": "Steps of nurture tracks: lease them, send them, say so.",
    "overview": "How things stand.",
    "playbooks": "Versions of the playbook: draft, compare, try, publish, roll back.",
    "sources": "The connections through which leads arrive.",
    "endpoints": "The URLs that are told what happens.",
    "keys": "Credentials of this API.",
    "health": "Whether this process is alive and ready.",
    "events": "What an endpoint is told.",
}


def document() -> dict[str, Any]:
    """Return the whole document."""
    app = FastAPI(title="LeadHub", version=_VERSION, description=_DESCRIPTION)
    for router in (*ROUTERS, health.router):
        app.include_router(router)
    found = describe(app.openapi())
    intake_paths, intake_schemas = intake()
    events, event_schemas = webhooks()
    found["paths"] = intake_paths | found["paths"]
    found["webhooks"] = events
    found["servers"] = [{"url": "/", "description": "The deployment that serves this document."}]
    found["tags"] = [{"name": name, "description": text} for name, text in _TAGS.items()]
    components = found["components"]
    components["schemas"] = _united(components["schemas"], intake_schemas, event_schemas)
    components["securitySchemes"] = {"bearer": _bearer()}
    for schema in components["schemas"].values():
        _complete_example(schema)
    return _with_plain_names(found)


def render() -> str:
    """Return the document as the file holds it."""
    return json.dumps(document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _bearer() -> dict[str, str]:
    scopes = ", ".join(f"`{scope}`" for scope in Scope)
    return {
        "type": "http",
        "scheme": "bearer",
        "description": f"An API key, `lh_live_…`. It holds scopes, of which each operation names one: {scopes}.",
    }


def _united(*parts: dict[str, Any]) -> dict[str, Any]:
    """Unite schemas; two that share a name must be one and the same."""
    united: dict[str, Any] = {}
    for part in parts:
        for name, schema in _without_null_defaults(part).items():
            if united.setdefault(name, schema) != schema:
                raise ValueError(f"two schemas are called {name}")
    return united


def _without_null_defaults(part: Any) -> Any:
    """Return schemas without `default: null`, which FastAPI leaves out and pydantic does not."""
    if isinstance(part, list):
        return [_without_null_defaults(one) for one in part]
    if not isinstance(part, dict):
        return part
    return {name: _without_null_defaults(one) for name, one in part.items() if (name, one) != ("default", None)}


def _complete_example(schema: dict[str, Any]) -> None:
    """Say `null` again where an example does: FastAPI leaves it out of all that it describes."""
    if "example" in schema:
        for name, part in schema["properties"].items():
            if {"type": "null"} in part.get("anyOf", ()):
                schema["example"].setdefault(name, None)


def _with_plain_names(found: dict[str, Any]) -> dict[str, Any]:
    """Return the document with `LeadPage` for `Page_LeadSummary_`, as client generators make class names of them."""
    named: dict[str, Any] = json.loads(_PAGE.sub(r"\1Page", json.dumps(found)))
    return named
