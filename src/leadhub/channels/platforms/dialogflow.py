"""`dialogflow`: fulfilment of Dialogflow CX and ES.

What the agent has as parameters becomes a lead as soon as one of them is an address or a number; further turns of the
session are further activities of the same lead.
"""

from collections.abc import Iterator

from leadhub.channels.digging import dig, members, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import OneOf, Shared


def read(sent: Sent) -> Iterator[Told]:
    """Read one turn, in either edition's shape."""
    document = sent.document
    is_cx = "sessionInfo" in members(document) or "detectIntentResponseId" in members(document)
    result = members(document, "sessionInfo" if is_cx else "queryResult")
    session = text(result, "session") or text(document, "session")
    told = Told(
        key=text(document, "detectIntentResponseId") or text(document, "responseId"),
        external_id=session.rpartition("/")[2],
        attributes={
            "intent": text(document, "intentInfo", "displayName") or text(result, "intent", "displayName"),
            "page": text(document, "pageInfo", "displayName"),
            "tag": text(document, "fulfillmentInfo", "tag"),
        },
    )
    for name, value in members(result, "parameters").items():
        told.answer(name.replace("-", "_"), *_values(value))
    told.answer("language", text(document, "languageCode") or text(result, "languageCode"))
    told.answer("message", text(document, "text") or text(document, "transcript") or text(result, "queryText"))
    yield told


def _values(value: object) -> list[str]:
    """Return a parameter's texts; a person is an object with its name, other entities with what was said."""
    if isinstance(value, dict):
        return texts(dig(value, "name") or dig(value, "original") or dig(value, "resolved"))
    if isinstance(value, list):
        return [found for one in value for found in _values(one)]
    return texts(value)


PLATFORM = Platform(
    name="dialogflow",
    proof=OneOf((Shared(header="authorization", scheme="Basic"), Shared())),
    read=read,
    activity="chat_conversation",
    answer=b"{}",
    guide=Guide(
        "Dialogflow CX and ES",
        SecretFrom.LEADHUB,
        (
            "CX: `Manage` > `Webhooks` > `Create`; ES: `Fulfillment` > `Webhook`; URL: {url}",
            "Basic auth: any user name, password {secret} (or the request header X-LeadHub-Secret)",
            "Call it where the agent has collected the address; parameters named email, phone, name, company are known",
        ),
    ),
)
