"""`tally`: form responses. Choices are sent as ids of options.

Source: Tally's webhooks: base64 HMAC over the body; `submissionId` identifies.
"""

from collections.abc import Iterator

from leadhub.channels.digging import dig, each, members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Written

_TYPES = {"INPUT_EMAIL": "email", "INPUT_PHONE_NUMBER": "phone"}


def read(sent: Sent) -> Iterator[Told]:
    """Read one response."""
    if text(sent.document, "eventType") != "FORM_RESPONSE":
        return
    data = members(sent.document, "data")
    lead_id, form_id = text(data, "submissionId") or text(data, "responseId"), text(data, "formId")
    told = Told(
        key=lead_id,
        submitted_at=moment(data, "createdAt") or moment(sent.document, "createdAt"),
        attributes={"lead_id": lead_id, "form_id": form_id, "form_name": text(data, "formName")},
        attribution={"form_id": form_id, "form_name": text(data, "formName")},
    )
    for field in each(data, "fields"):
        kind, label = text(field, "type"), text(field, "label") or text(field, "key")
        if isinstance(dig(field, "value"), bool) and "(" in label:
            continue  # one box of a group, which is there as a whole as well
        options = {text(option, "id"): text(option, "text") for option in each(field, "options")}
        told.answer(_TYPES.get(kind, label), *(options.get(value, value) for value in texts(field, "value")))
    yield told


PLATFORM = Platform(
    name="tally",
    proof=Mac(header="tally-signature", written=Written.BASE64),
    read=read,
    keeps_nobody=True,
    guide=Guide(
        "Tally",
        SecretFrom.LEADHUB,
        (
            "In Tally open the form, `Integrations` > `Webhooks` > `Connect`",
            "Endpoint URL: {url}",
            "Signing secret: {secret}",
        ),
    ),
)
