"""`dialogflow`: fulfilment of Dialogflow CX and ES.

What the agent has as parameters becomes a lead as soon as one of them is an address or a number; further turns of the
session are further activities of the same lead. CX is answered with a session parameter that names what to ask next,
ES with a context of the same name: a route, or an intent, can wait for it.

Source: Dialogflow CX, SessionInfo: parameters of the answer are set in the session, null removes one.
"""

from collections.abc import Iterator, Sequence

import orjson

from leadhub.channels.decoding import decode_json
from leadhub.channels.digging import dig, members, text, texts
from leadhub.channels.interview import BotOptions
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Capture, Guide, Inbound, Receipt, SecretFrom
from leadhub.channels.signatures import OneOf, Shared

_NEXT = "leadhub_next_question"


def read(sent: Sent) -> Iterator[Told]:
    """Read one turn, in either edition's shape."""
    document = sent.document
    is_cx = _is_cx(document)
    result = members(document, "sessionInfo" if is_cx else "queryResult")
    session = text(result, "session") or text(document, "session")
    told = Told(
        key=text(document, "detectIntentResponseId") or text(document, "responseId"),
        external_id=session.rpartition("/")[2],
        joins=True,
        attributes={
            "intent": text(document, "intentInfo", "displayName") or text(result, "intent", "displayName"),
            "page": text(document, "pageInfo", "displayName"),
            "tag": text(document, "fulfillmentInfo", "tag"),
        },
    )
    for name, value in members(result, "parameters").items():
        if name != _NEXT:
            told.answer(name.replace("-", "_"), *_values(value))
    told.answer("language", text(document, "languageCode") or text(result, "languageCode"))
    told.answer("message", text(document, "text") or text(document, "transcript") or text(result, "queryText"))
    yield told


def respond(capture: Capture, receipts: Sequence[Receipt], inbound: Inbound) -> bytes:
    """Return what to ask next as a parameter of the session, or as a context of it."""
    del receipts
    if capture.questions is None:
        return b"{}"
    asked = capture.questions[0].item if capture.questions else None
    document = decode_json(inbound.body)
    if _is_cx(document):
        return orjson.dumps({"sessionInfo": {"parameters": {_NEXT: asked}}})
    session = text(document, "session")
    context = {"name": f"{session}/contexts/{_NEXT}", "lifespanCount": 5 if asked else 0}
    return orjson.dumps({"outputContexts": [context | {"parameters": {_NEXT: asked}}]} if session else {})


def _is_cx(document: object) -> bool:
    return not members(document).keys().isdisjoint({"sessionInfo", "detectIntentResponseId"})


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
    options=BotOptions,
    respond=respond,
    guide=Guide(
        "Dialogflow CX and ES",
        SecretFrom.LEADHUB,
        (
            "CX: `Manage` > `Webhooks` > `Create`; ES: `Fulfillment` > `Webhook`; URL: {url}",
            "Basic auth: any user name, password {secret} (or the request header X-LeadHub-Secret)",
            "CX routes can wait for $session.params.leadhub_next_question, which names what is open",
            "Call it where the agent has collected the address; parameters named email, phone, name, company are known",
        ),
    ),
)
