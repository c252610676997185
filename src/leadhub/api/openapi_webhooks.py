"""The events that subscribers receive, as the `webhooks` of the OpenAPI document."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from leadhub.domain.event_examples import EXAMPLES
from leadhub.domain.events import EVENTS

REF: Final = "#/components/schemas/{model}"

_HEADERS: Final = (
    ("webhook-id", "The event's id: the same at every attempt. Remember it to notice repeats.", True),
    ("webhook-timestamp", "Unix seconds of this attempt. Refuse what is more than five minutes away.", True),
    (
        "webhook-signature",
        "Space-separated `v1,` and base64 of HMAC-SHA-256 over `id.timestamp.body`; one of them must match.",
        True,
    ),
    ("leadhub-attempt", "Number of this attempt, from 1.", True),
    ("leadhub-sequence", "Number of this event among its lead's events, to notice gaps.", False),
)
_ANSWERS: Final = {
    "2XX": {"description": "Taken: it is not sent again."},
    "410": {"description": "Nobody wants this any more: the endpoint is switched off, what follows is kept."},
    "429": {"description": "Too fast: nothing is sent to this endpoint before `Retry-After`."},
    "default": {"description": "Not taken: it is sent again, ten times in all over three days."},
}


def webhooks() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the webhooks by type of event, and the schemas that they refer to."""
    _, definitions = models_json_schema([(model, "serialization") for model in EVENTS.values()], ref_template=REF)
    found: dict[str, Any] = {}
    for kind, model in EVENTS.items():
        found[kind] = {"post": _operation(kind, model.__name__, model.__doc__ or "")}
    return found, definitions["$defs"]


def _operation(kind: str, model: str, text: str) -> dict[str, Any]:
    example = EXAMPLES[kind].model_dump(mode="json")
    return {
        "operationId": f"on_{kind.replace('.', '_')}",
        "summary": kind,
        "description": text,
        "tags": ["events"],
        "security": [],
        "parameters": [
            {"in": "header", "name": name, "description": says, "required": required, "schema": {"type": "string"}}
            for name, says, required in _HEADERS
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": REF.format(model=model)},
                    "examples": {kind: {"value": example}},
                }
            },
        },
        "responses": _ANSWERS,
    }
