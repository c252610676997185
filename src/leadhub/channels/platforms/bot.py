"""`bot`: the contract for any chatbot that has no channel of its own.

    {"event_id": "e-17",                       a repeat is the same submission; optional
     "conversation_id": "c-4", "at": "2026-01-15T09:30:00Z",
     "visitor": {"id": "v-9", "email": …, "phone": …, "name": …, any other answer},
     "message": "last thing the visitor said",
     "transcript": [{"from": "visitor" | "bot" | "agent", "text": …}],
     "attribution": {"utm_source": …}, "page_url": …,
     "consents": [{"purpose": "marketing", "channel": "email", "granted": true, "wording": …}]}

A lead begins with the first e-mail address or telephone number, also one that the visitor only wrote in a message.
What came before it waits for it. All with the same `visitor.id` are one person's.

The answer says what to ask next, of all that was told of this visitor; each answer goes into `visitor` under one of the
question's fields. Without `next_question`, nobody could say in time; null: nothing is open.

    {"status": "accepted", "id": submission, "next_question": "budget",
     "questions": [{"item": "budget", "framework": "bant", "fields": ["budget_amount", "budget_status"]}, …]}
"""

from collections.abc import Iterator, Sequence

import orjson
from pydantic import ValidationError

from leadhub.channels.decoding import flatten
from leadhub.channels.digging import each, members, moment, text
from leadhub.channels.interview import BotOptions, questions_document
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.pointers import invalid
from leadhub.channels.protocol import Capture, Guide, Inbound, Receipt, SecretFrom
from leadhub.channels.signatures import OneOf, Shared
from leadhub.domain.errors import InvalidInput
from leadhub.domain.submission import MAX_CONSENTS, StatedConsent

_LONGEST_TRANSCRIPT = 20_000


def read(sent: Sent) -> Iterator[Told]:
    """Read one event."""
    document = members(sent.document)
    if "visitor" not in document:
        raise InvalidInput.at("#/visitor", "This field is required: what is known of the person, at least an id.")
    visitor = members(document, "visitor")
    conversation = text(document, "conversation_id")
    told = Told(
        key=text(document, "event_id"),
        external_id=text(visitor, "id"),
        joins=True,
        submitted_at=moment(document, "at"),
        attributes={"conversation_id": conversation},
        attribution={name: text(value) for name, value in members(document, "attribution").items()},
        consents=[_consent(one, index) for index, one in enumerate(each(document, "consents"))][:MAX_CONSENTS],
    )
    told.answers = flatten({name: value for name, value in visitor.items() if name != "id"})
    told.answer("page_url", text(document, "page_url"))
    lines = list(each(document, "transcript"))
    said = [text(line, "text") for line in lines if text(line, "from") == "visitor"]
    message = text(document, "message") or next(reversed(said), "")
    told.answer("message", message)
    transcript = "\n".join(f"{text(line, 'from')}: {text(line, 'text')}" for line in lines)
    told.answer("transcript", transcript[-_LONGEST_TRANSCRIPT:])
    mine(told, "\n".join([message, *said]))
    yield told


def respond(capture: Capture, receipts: Sequence[Receipt], inbound: Inbound) -> bytes:
    """Return the answer to one event."""
    del inbound
    taken = {"id": receipts[0].submission_id} if receipts else {}
    return orjson.dumps({"status": "accepted", **taken, **questions_document(capture.questions)})


def _consent(stated: dict[str, object], index: int) -> StatedConsent:
    try:
        return StatedConsent.model_validate(stated, strict=True)
    except ValidationError as error:
        raise invalid(error, prefix=("consents", index)) from None


PLATFORM = Platform(
    name="bot",
    proof=OneOf((Shared(header="authorization", scheme="Bearer"), Shared())),
    read=read,
    options=BotOptions,
    respond=respond,
    activity="chat_conversation",
    guide=Guide(
        "Any chatbot",
        SecretFrom.LEADHUB,
        (
            "From the bot's code POST JSON to {url} with the header X-LeadHub-Secret: {secret}",
            (
                'Send {"event_id": …, "conversation_id": …, "visitor": {"id": …, "email": …, "name": …}, "message": …} '
                "whenever the bot has learned something"
            ),
            (
                "The answer's `next_question` says what is open, `questions` under which names to send the answers; "
                "the source's option `framework` chooses the checklist"
            ),
        ),
    ),
)
