"""The intake's operations, written by hand: their route reads raw bytes and has no models for FastAPI to describe."""

from typing import Any, Final

from pydantic.json_schema import models_json_schema

from leadhub.api.embed import PATH as SCRIPT
from leadhub.api.openapi_webhooks import REF
from leadhub.api.problems import problems
from leadhub.channels.activities import ActivityBatchIn, ActivityIn
from leadhub.channels.feedback import FeedbackChannel
from leadhub.channels.registry import PLATFORMS
from leadhub.channels.stated import BatchIn, SubmissionIn

_KEY: Final = {
    "in": "path",
    "name": "key",
    "required": True,
    "description": "The source's key.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{3,64}$"},
    "example": "website-demo",
}
_CHANNEL: Final = {
    "in": "path",
    "name": "channel",
    "required": True,
    "description": "The source's channel; `GET /v1/channels` says how each is connected.",
}
_IDEMPOTENCY_KEY: Final = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "A repeat with the same key and body is the same submission, and gets its first id back.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_ID: Final = "019bc0fd-89bf-7000-8000-000000000001"
_ACCEPTED: Final = {"id": _ID, "status": "accepted"}
_LINKED: Final = {**_ACCEPTED, "links": {"self": f"/v1/submissions/{_ID}"}}
_BATCH_REPLY: Final = {"submissions": [{"id": _ID, "replayed": False}], "accepted": 1, "replayed": 0}
_BOT_REPLY: Final = {
    **_ACCEPTED,
    "next_question": "budget",
    "questions": [{"item": "budget", "framework": "bant", "fields": ["budget_amount", "budget_status"]}],
}
_PERSON: Final = {
    "email": "ada@analytical.example",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "company": "Analytical Engines Ltd",
    "activities": [{"type": "demo_requested"}],
    "consents": [{"purpose": "marketing", "channel": "email", "granted": True}],
    "attribution": {"utm_source": "newsletter"},
}
_REPLAYED: Final = {
    "Idempotency-Replayed": {"description": "`true` on a repeat.", "schema": {"type": "string", "const": "true"}}
}
_ID_SCHEMA: Final = {"type": "string", "format": "uuid"}
SCHEMAS: Final[dict[str, Any]] = {
    "Accepted": {
        "type": "object",
        "description": "The submission is on disk.",
        "required": ["id", "status"],
        "properties": {
            "id": _ID_SCHEMA,
            "status": {"const": "accepted"},
            "links": {"type": "object", "properties": {"self": {"type": "string"}}},
        },
    },
    "BatchAccepted": {
        "type": "object",
        "description": "All submissions of the batch are on disk.",
        "required": ["submissions", "accepted", "replayed"],
        "properties": {
            "submissions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "replayed"],
                    "properties": {"id": _ID_SCHEMA, "replayed": {"type": "boolean"}},
                },
            },
            "accepted": {"type": "integer"},
            "replayed": {"type": "integer"},
        },
    },
}


def intake() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the intake's paths, and the schemas that they refer to."""
    models = (SubmissionIn, BatchIn, ActivityIn, ActivityBatchIn)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    paths = {
        "/in/api/{key}": {"post": _post_json()},
        "/in/{channel}/{key}": {"post": _post_platform(), "get": _handshake()},
        "/in/segment/{key}/v1/{call}": {"post": _post_tracking()},
        "/v1/activities": {"post": _post_activities()},
        "/in/form/{key}": {"post": _post_form(), "options": _preflight(), "get": _get_token()},
        "/in/activities/{key}": {"post": _post_activities_of_source()},
        SCRIPT: {"get": _get_script()},
    }
    return paths, definitions["$defs"] | SCHEMAS


def _post_json() -> dict[str, Any]:
    return {
        "operationId": "submit_json",
        "summary": "Send a lead, or a batch of up to 1,000",
        "description": "Answers when it is on disk. What becomes of it is under `links.self`.",
        "tags": ["intake"],
        "security": [{"bearer": ["leads:write"]}],
        "parameters": [_KEY, _IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [_ref("SubmissionIn"), _ref("BatchIn")]},
                    "examples": {
                        "one": {"value": _PERSON},
                        "batch": {"value": {"submissions": [{**_PERSON, "idempotency_key": "crm-4711"}]}},
                    },
                }
            },
        },
        "responses": _responses(
            {
                "202": {
                    "description": "On disk.",
                    "headers": {
                        **_REPLAYED,
                        "Location": {"description": "The submission.", "schema": {"type": "string"}},
                    },
                    "content": {
                        "application/json": {
                            "schema": {"anyOf": [_ref("Accepted"), _ref("BatchAccepted")]},
                            "examples": {"one": {"value": _LINKED}, "batch": {"value": _BATCH_REPLY}},
                        }
                    },
                }
            },
            400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503,
        ),
    }  # fmt: skip


def _post_activities() -> dict[str, Any]:
    activity = {"event_id": "mail-17-opened", "type": "email_opened", "email": "ada@analytical.example"}
    return {
        "operationId": "record_activities",
        "summary": "Say what people did, one thing or up to 1,000",
        "description": (
            "Page views, downloads, webinars, opened mails, signals of a product or of support. Each says whose it is "
            "by a lead's id, an external id, an e-mail address or an anonymous visitor's id. What leads to nobody "
            "waits, and joins the lead when somebody brings that handle. An `event_id` counts once. The same is taken "
            "under `/in/activities/{key}` of a source."
        ),
        "tags": ["intake"],
        "security": [{"bearer": ["leads:write"]}],
        "parameters": [
            {
                "in": "query",
                "name": "source",
                "required": False,
                "description": "The key of the source whose `external_id`s these are.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{3,64}$"},
            },
            _IDEMPOTENCY_KEY,
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [_ref("ActivityIn"), _ref("ActivityBatchIn")]},
                    "examples": {"one": {"value": activity}, "batch": {"value": {"activities": [activity]}}},
                }
            },
        },
        "responses": _responses(
            {
                "202": {
                    "description": "On disk.",
                    "headers": {
                        **_REPLAYED,
                        "Location": {"description": "The submission.", "schema": {"type": "string"}},
                    },
                    "content": {
                        "application/json": {
                            "schema": {"anyOf": [_ref("Accepted"), _ref("BatchAccepted")]},
                            "examples": {"one": {"value": _LINKED}, "batch": {"value": _BATCH_REPLY}},
                        }
                    },
                }
            },
            400, 401, 403, 404, 408, 413, 415, 422, 503,
        ),
    }  # fmt: skip


def _post_activities_of_source() -> dict[str, Any]:
    return _post_activities() | {
        "operationId": "record_activities_of_source",
        "summary": "Say what people did, as a source",
        "description": "The same as `POST /v1/activities?source={key}`.",
        "parameters": [_KEY, _IDEMPOTENCY_KEY],
    }


def _post_tracking() -> dict[str, Any]:
    call = {
        "in": "path",
        "name": "call",
        "required": True,
        "description": "What is sent; the one-letter names are those of browsers.",
        "schema": {"type": "string", "enum": sorted(each.removeprefix("v1/") for each in PLATFORMS["segment"].calls)},
        "example": "track",
    }
    example = {"type": "track", "userId": "u-9", "event": "Content Downloaded", "properties": {"asset_id": "guide-1"}}
    return {
        "operationId": "track",
        "summary": "Send what an analytics library sends",
        "description": (
            "Takes what Segment's libraries send to theirs. The write key is the source's secret. Answers 200 whatever "
            "an event says: what cannot be read is kept in the source's quarantine."
        ),
        "tags": ["intake"],
        "security": [],
        "parameters": [_KEY, call],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
        },
        "responses": _responses(
            {
                "200": {
                    "description": "On disk.",
                    "content": {"application/json": {"schema": {"type": "object"}, "example": {"success": True}}},
                }
            },
            400, 401, 404, 408, 413, 415, 422, 503,
        ),
    }  # fmt: skip


def _post_form() -> dict[str, Any]:
    fields = {"type": "object", "additionalProperties": {"type": ["string", "array"], "items": {"type": "string"}}}
    example = {"email": "ada@analytical.example", "name": "Ada Lovelace", "message": "Please call me."}
    kinds = ("application/x-www-form-urlencoded", "multipart/form-data", "application/json", "text/plain")
    return {
        "operationId": "submit_form",
        "summary": "Send a web form",
        "description": (
            "Point a form's `action` here. Fields are recognised by their usual names; what is not recognised is kept "
            "under its own name. A browser's own post is answered with a page, refusals too, a script's with JSON."
        ),
        "tags": ["intake"],
        "security": [],
        "parameters": [_KEY, _IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": fields, "example": example} for kind in kinds[:3]}
            | {kinds[3]: {"schema": {"type": "string"}, "example": '{"email": "ada@analytical.example"}'}},
        },
        "responses": _responses(
            {
                "200": {"description": "A page that says thank you.", "content": _page()},
                "202": {
                    "description": "On disk; for scripts.",
                    "headers": _REPLAYED,
                    "content": {"application/json": {"schema": _ref("Accepted"), "example": _ACCEPTED}},
                },
                "303": {
                    "description": "On disk; on to the form's thank-you page.",
                    "headers": {**_REPLAYED, "Location": {"required": True, "schema": {"type": "string"}}},
                },
            },
            400, 403, 404, 408, 409, 413, 415, 422, 429, 503,
        ),
    }  # fmt: skip


def _post_platform() -> dict[str, Any]:
    channel = {
        **_CHANNEL,
        "schema": {"type": "string", "enum": [*PLATFORMS, FeedbackChannel.name]},
        "example": "json",
    }
    anything = {"type": ["object", "array"], "items": {}}
    example = {"email": "ada@analytical.example", "seats": 40}
    return {
        "operationId": "submit_platform",
        "summary": "Send leads as a platform does",
        "description": (
            "Where a lead form, form builder, calendar or bot posts its webhook, signed in the platform's own way. The "
            "body is the platform's. A lead that was there before is acknowledged and not taken again. A bot is told "
            "what to ask next."
        ),
        "tags": ["intake"],
        "security": [],
        "parameters": [channel, _KEY],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": anything, "example": example},
                "application/x-www-form-urlencoded": {"schema": {"type": "object"}, "example": example},
            },
        },
        "responses": _responses(
            {
                "200": {
                    "description": "On disk, or nothing that is a lead. What the platform expects to read.",
                    "content": {
                        "application/json": {
                            "schema": {"type": "object"},
                            "examples": {
                                "most": {"value": {"status": "accepted"}},
                                "bot": {"value": _BOT_REPLY},
                            },
                        }
                    },
                },
                "202": {
                    "description": "On disk, for `feedback`: what a CRM says of its leads.",
                    "content": {"application/json": {"schema": {"type": "object"}, "example": {"accepted": 1}}},
                },
            },
            400, 401, 404, 408, 413, 415, 422, 429, 503,
        ),
    }  # fmt: skip


def _handshake() -> dict[str, Any]:
    def asked(name: str, description: str) -> dict[str, Any]:
        return {"in": "query", "name": name, "description": description, "schema": {"type": "string"}}

    return {
        "operationId": "answer_handshake",
        "summary": "Prove to a platform that this address is yours",
        "description": (
            "What Meta and LinkedIn ask before they send anything, and LinkedIn every two hours again. Meta's "
            "challenge is answered with itself if it comes with the source's `verify_token`, LinkedIn's signed."
        ),
        "tags": ["intake"],
        "security": [],
        "parameters": [
            {**_CHANNEL, "schema": {"type": "string", "enum": [n for n, p in PLATFORMS.items() if p.handshake]}},
            _KEY,
            asked("hub.mode", "Meta: `subscribe`."),
            asked("hub.verify_token", "Meta: the source's option `verify_token`."),
            asked("hub.challenge", "Meta: what to answer."),
            asked("challengeCode", "LinkedIn: a UUID of version 4."),
        ],
        "responses": _responses(
            {
                "200": {
                    "description": "The answer to the challenge.",
                    "content": {
                        "text/plain": {"schema": {"type": "string"}, "example": "1158201444"},
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "challengeCode": {"type": "string"},
                                    "challengeResponse": {"type": "string"},
                                },
                            },
                            "example": {
                                "challengeCode": "890e4665-4dfe-4ab1-b689-ed553bceeed0",
                                "challengeResponse": "5cf9b6d0c1b0e4d2f2a7e9c80f6a3c6be8e24e2f8f8e0a6c1f6ad2f5f1a9e7b3",
                            },
                        },
                    },
                }
            },
            403, 404, 405, 503,
        ),
    }  # fmt: skip


def _get_token() -> dict[str, Any]:
    return {
        "operationId": "get_form_token",
        "summary": "Say that somebody has opened a form",
        "description": (
            "For a source with the option `form_token`: what the form's script asks for, and the form then sends as "
            "`_form_token`. Good for one submission, for a day, and not in less time than a person needs."
        ),
        "tags": ["intake"],
        "security": [],
        "parameters": [
            _KEY,
            {
                "in": "query",
                "name": "token",
                "required": True,
                "allowEmptyValue": True,
                "description": "Only the name, without a value.",
                "schema": {"type": "string", "enum": [""]},
            },
        ],
        "responses": _responses(
            {
                "200": {
                    "description": "The token.",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["token"],
                                "properties": {"token": {"type": "string"}},
                            },
                            "example": {"token": f"1768469400000000-0123456789abcdef-{'0' * 64}"},
                        }
                    },
                }
            },
            404, 405, 503,
        ),
    }  # fmt: skip


def _get_script() -> dict[str, Any]:
    tag = {"ETag": {"description": "Of this script.", "schema": {"type": "string"}}}
    return {
        "operationId": "get_form_script",
        "summary": "Get the form script",
        "description": (
            "Load it in a page with a form that is marked `data-leadhub`: it sends the form from any origin, keeps the "
            "first touch, shows what is wrong at its field, and never sends one form twice. Good for an hour."
        ),
        "tags": ["intake"],
        "security": [],
        "parameters": [
            {
                "in": "header",
                "name": "If-None-Match",
                "description": "The `ETag` of the script that you have.",
                "schema": {"type": "string"},
            }
        ],
        "responses": {
            "200": {
                "description": "The script.",
                "headers": tag,
                "content": {"text/javascript": {"schema": {"type": "string"}}},
            },
            "304": {"description": "Yours is still good.", "headers": tag},
        },
    }


def _preflight() -> dict[str, Any]:
    return {
        "operationId": "preflight_form",
        "summary": "Ask whether a page may post",
        "description": "What browsers send before a script's post from another origin.",
        "tags": ["intake"],
        "security": [],
        "parameters": [_KEY],
        "responses": _responses({"204": {"description": "It may: see `Access-Control-Allow-Origin`."}}, 403, 404, 503),
    }


def _responses(answers: dict[str, Any], *statuses: int) -> dict[str, Any]:
    found = answers | {str(status): problem for status, problem in problems(*statuses).items()}
    if "303" in answers:
        for status in statuses:
            found[str(status)] = {**found[str(status)], "content": found[str(status)]["content"] | _page()}
    return found


def _page() -> dict[str, Any]:
    return {"text/html": {"schema": {"type": "string"}}}


def _ref(model: str) -> dict[str, str]:
    return {"$ref": REF.format(model=model)}
