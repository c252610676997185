"""`linkedin`: lead gen forms of sponsored content and events. A notification only names the response.

Source: learn.microsoft.com, LinkedIn "Webhook validation" (the prefix `hmacsha256=` is a part of what is signed) and
"Lead Sync". Answers carry numbers of questions; what they ask stands in the form, which the fetch brings along.
"""

import re
from collections.abc import Iterator

from leadhub.channels.digging import dig, each, members, moment, text
from leadhub.channels.handshakes import LinkedInOptions, linkedin
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, Notice, SecretFrom
from leadhub.channels.signatures import Mac, Part

_RESPONSE = re.compile(r"[A-Za-z0-9_-]{1,200}")
"""An id that can stand in an address."""
_URN = "urn:li:leadGenFormResponse:"
_ACTIONS = {"CREATED": "created", "DELETED": "deleted"}
_PREDEFINED = {"ZIP_CODE": "postal_code", "COMPANY_NAME": "company", "WORK_EMAIL": "work_email"}


def announced(sent: Sent) -> Iterator[Notice]:
    """Read one action, or a list of them."""
    for event in each(sent.document):
        response = text(event, "leadGenFormResponse").removeprefix(_URN)
        action = _ACTIONS.get(text(event, "leadAction") or "CREATED")
        if text(event, "type") in {"", "LEAD_ACTION"} and action and _RESPONSE.fullmatch(response):
            yield Notice(response, action)


def read(sent: Sent) -> Iterator[Told]:
    """Read a fetched response."""
    lead = sent.document
    lead_id, form = text(lead, "id"), members(lead, "form")
    form_id = text(form, "id")
    told = Told(
        key=lead_id,
        submitted_at=moment(lead, "submittedAt"),
        is_test=text(lead, "testLead") == "true",
        attributes={"lead_id": lead_id, "form_id": form_id, "form_name": text(form, "name")},
        attribution={
            "form_id": form_id,
            "form_name": text(form, "name"),
            "campaign_id": _last(text(lead, "leadMetadata", "sponsoredLeadMetadata", "campaign")),
            "creative_id": _last(text(lead, "associatedEntity", "associatedCreative")),
        },
        wordings={
            f"consent_{text(box, 'id')}": words
            for box in each(form, "content", "legalInfo", "consents")
            if (words := _localized(box, "consent")[:4_000])
        },
    )
    questions = {text(one, "questionId"): one for one in each(form, "content", "questions")}
    for answer in each(lead, "formResponse", "answers"):
        number = text(answer, "questionId")
        question = questions.get(number, {})
        predefined = text(question, "predefinedField")
        name = _PREDEFINED.get(predefined, predefined.lower()) or _localized(question, "question") or number
        told.answer(name, *_values(members(answer, "answerDetails") or members(answer, "accepted"), question))
    for box in each(lead, "formResponse", "consentResponses"):  # what it means, the source's option `consents` says
        told.answer(f"consent_{text(box, 'consentId')}", text(box, "accepted"))
    for hidden in each(form, "hiddenFields"):
        told.answer(text(hidden, "name"), text(hidden, "value"))
    yield told


def _values(answer: dict[str, object], question: dict[str, object]) -> list[str]:
    """Return an answer's texts; of a choice those of its options."""
    chosen = dig(answer, "multipleChoiceAnswer", "options")
    if not isinstance(chosen, list):
        return [text(answer, "textQuestionAnswer", "answer")]
    options = {
        text(option, "id"): _localized(option, "text")
        for option in each(question, "questionDetails", "multipleChoiceQuestionDetails", "options")
    }
    return [options.get(text(one)) or text(one) for one in chosen]


def _localized(holder: dict[str, object], name: str) -> str:
    """Return a text in whichever language the form has it."""
    found = members(holder, name, "localized")
    return next((text(value) for value in found.values() if text(value)), "")


def _last(urn: str) -> str:
    return urn.rpartition(":")[2]


PLATFORM = Platform(
    name="linkedin",
    proof=Mac(header="x-li-signature", signed=(b"hmacsha256=", Part.BODY), prefix="hmacsha256=", prefix_may_lack=True),
    read=read,
    announced=announced,
    activity="lead_form_submitted",
    options=LinkedInOptions,
    handshake=linkedin,
    guide=Guide(
        "LinkedIn lead gen forms",
        SecretFrom.PLATFORM,
        (
            "Your LinkedIn app needs the product Lead Sync; copy its client secret: `leadhub sources secret KEY`",
            "In the developer portal open the app's `Webhooks` and add {url}: it is validated, then every 2 hours",
            "Subscribe your ad account: POST https://api.linkedin.com/rest/leadNotifications with webhook {url}",
            "Give the source an access token with r_marketing_leadgen_automation: `leadhub sources token KEY`",
            "Name whose leads they are: `leadhub sources set KEY owner=urn:li:sponsoredAccount:… client_id=…`",
        ),
    ),
)
