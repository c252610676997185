"""What platforms would post of an invented person: the bodies of `leadhub send typeform` and its like."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Sample = Callable[[Mapping[str, Any], str, str], dict[str, Any]]
"""A person as the `api` channel takes it, an id of this submission, the source's secret → a body."""

_PAGE, _FORM = "153125381133", "660010001"
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


def _meta(lead: Mapping[str, Any], submission: str) -> tuple[dict[str, Any], dict[str, Any]]:
    lead_id = str(int.from_bytes(submission.encode()[-16:], "big"))
    now = datetime.now(UTC)
    value = {"leadgen_id": lead_id, "page_id": _PAGE, "form_id": _FORM, "created_time": int(now.timestamp())}
    change = {"field": "leadgen", "value": value}
    announced = {"object": "page", "entry": [{"id": _PAGE, "time": int(now.timestamp()), "changes": [change]}]}
    names = {"company": "company_name"}
    answers = [{"name": names.get(name, name), "values": [lead[name]]} for name in _ANSWERS]
    behind = {"id": lead_id, "created_time": f"{now:%Y-%m-%dT%H:%M:%S}+0000", "form_id": _FORM, "platform": "fb"}
    return announced, {**behind, "is_organic": True, "field_data": answers}


def _linkedin(lead: Mapping[str, Any], submission: str) -> tuple[dict[str, Any], dict[str, Any]]:
    now = int(datetime.now(UTC).timestamp() * 1_000)
    announced = {
        "type": "LEAD_ACTION",
        "leadGenFormResponse": f"urn:li:leadGenFormResponse:{submission}",
        "leadType": "SPONSORED",
        "leadAction": "CREATED",
        "occurredAt": now,
    }
    predefined = {"company": "COMPANY_NAME"}
    questions = [
        {"questionId": number, "predefinedField": predefined.get(name, name.upper())}
        for number, name in enumerate(_ANSWERS)
    ]
    answers = [
        {"questionId": number, "answerDetails": {"textQuestionAnswer": {"answer": lead[name]}}}
        for number, name in enumerate(_ANSWERS)
    ]
    form = {"id": 7234246, "name": "Sample form", "content": {"questions": questions}}
    response = {"id": submission, "leadType": "SPONSORED", "testLead": False, "submittedAt": now}
    return announced, {**response, "formResponse": {"answers": answers}, "form": form}


Announcement = Callable[[Mapping[str, Any], str], tuple[dict[str, Any], dict[str, Any]]]
"""A person, an id of this submission → what the platform posts, and the lead that can then be fetched there."""

ANNOUNCED: Mapping[str, Announcement] = {"meta": _meta, "linkedin": _linkedin}
"""By channel: platforms that only announce their leads."""
