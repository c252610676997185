"""What platforms would post of an invented person: the bodies of `leadhub send typeform` and its like."""

from collections.abc import Callable, Mapping
from typing import Any

Sample = Callable[[Mapping[str, Any], str, str], dict[str, Any]]
"""A person as the `api` channel takes it, an id of this submission, the source's secret → a body."""

_ANSWERS = ("email", "first_name", "last_name", "company", "job_title", "country")


def _json(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    return {"id": submission, "lead": {name: lead[name] for name in _ANSWERS}, "utm_source": "leadhub-send"}


def _google_ads(lead: Mapping[str, Any], submission: str, secret: str) -> dict[str, Any]:
    columns = [{"column_id": name.upper(), "string_value": lead[name]} for name in _ANSWERS if name != "company"]
    columns.append({"column_id": "COMPANY_NAME", "string_value": lead["company"]})
    return {
        "lead_id": submission,
        "api_version": "1.0",
        "form_id": 40000000001,
        "campaign_id": 123456789012,
        "google_key": secret,
        "is_test": False,
        "user_column_data": columns,
    }


def _typeform(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    fields = [{"id": name, "title": name.replace("_", " ").capitalize()} for name in _ANSWERS]
    answers = [{"type": "text", "text": lead[name], "field": {"id": name}} for name in _ANSWERS]
    definition = {"title": "Sample form", "fields": fields}
    response = {"form_id": "sample", "token": submission, "definition": definition, "answers": answers}
    return {"event_id": submission, "event_type": "form_response", "form_response": response}


def _tally(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    fields = [{"key": name, "label": name, "type": "INPUT_TEXT", "value": lead[name]} for name in _ANSWERS]
    data = {"submissionId": submission, "formId": "sample", "formName": "Sample form", "fields": fields}
    return {"eventId": submission, "eventType": "FORM_RESPONSE", "data": data}


def _webflow(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    data = {name.replace("_", " ").title(): lead[name] for name in _ANSWERS}
    return {"triggerType": "form_submission", "payload": {"name": "Sample form", "id": submission, "data": data}}


def _calendly(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    payload = {"uri": f"https://api.calendly.com/invitees/{submission}", "email": lead["email"]}
    return {"event": "invitee.created", "payload": {**payload, "name": f"{lead['first_name']} {lead['last_name']}"}}


def _bot(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    visitor = {name: lead[name] for name in _ANSWERS}
    return {"event_id": submission, "visitor": {"id": submission, **visitor}, "message": "I would like a demo."}


def _whatsapp(lead: Mapping[str, Any], submission: str, _: str) -> dict[str, Any]:
    number = f"1415555{int.from_bytes(submission.encode(), 'big') % 10_000:04}"
    name = {"name": f"{lead['first_name']} {lead['last_name']}"}
    message = {"from": number, "id": f"wamid.{submission}", "type": "text", "text": {"body": f"I am {lead['email']}"}}
    value = {"contacts": [{"wa_id": number, "profile": name}], "messages": [message]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


SAMPLES: Mapping[str, Sample] = {
    "json": _json,
    "standard-webhooks": _json,
    "google-ads": _google_ads,
    "typeform": _typeform,
    "tally": _tally,
    "webflow": _webflow,
    "calendly": _calendly,
    "bot": _bot,
    "whatsapp": _whatsapp,
}
"""By channel."""
