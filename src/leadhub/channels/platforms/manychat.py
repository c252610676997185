"""`manychat`: the action `External Request` with full contact data. It can show a header of its owner's choice.

Custom fields come as a map in a request's body, as a list of objects from the public API: both are read. What to ask
next stands beside the dynamic block: the action's response mapping takes it into a custom field by its JSON path.
"""

from collections.abc import Iterator, Sequence

import orjson

from leadhub.channels.digging import dig, each, members, moment, text, texts
from leadhub.channels.interview import BotOptions, questions_document
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Capture, Guide, Inbound, Receipt, SecretFrom
from leadhub.channels.signatures import Shared
from leadhub.domain.submission import StatedConsent

_NAMES = {
    "first_name": "first_name",
    "last_name": "last_name",
    "name": "full_name",
    "email": "email",
    "phone": "phone",
    "language": "language",
    "last_input_text": "message",
    "ig_username": "ig_username",
    "live_chat_url": "live_chat_url",
}
_BOXES = (("optin_email", "email"), ("optin_phone", "phone"))


def read(sent: Sent) -> Iterator[Told]:
    """Read one contact."""
    contact = members(sent.document)
    contact_id, seen = text(contact, "id"), text(contact, "last_interaction")
    told = Told(
        key=f"{contact_id} {seen}" if contact_id and seen else "",
        external_id=contact_id,
        joins=True,
        submitted_at=moment(contact, "last_interaction"),
        attributes={"page_id": text(contact, "page_id")},
        attribution={"page_id": text(contact, "page_id")},
    )
    for theirs, ours in _NAMES.items():
        told.answer(ours, *texts(contact, theirs))
    if "phone" not in told.answers and (number := text(contact, "whatsapp_phone")):
        told.answer("phone", f"+{number}" if number.isdigit() else number)
    for name, value in members(contact, "custom_fields").items():
        told.answer(name, *texts(value))
    for one in each(contact, "custom_fields") if isinstance(dig(contact, "custom_fields"), list) else ():
        told.answer(text(one, "name"), *texts(one, "value"))
    for name, channel in _BOXES:
        if isinstance(granted := dig(contact, name), bool):
            told.consents.append(StatedConsent(channel=channel, granted=granted))
    yield told


def respond(capture: Capture, receipts: Sequence[Receipt], inbound: Inbound) -> bytes:
    """Return a block without messages, and what to ask next."""
    del receipts, inbound
    block = {"version": "v2", "content": {"messages": []}}
    return orjson.dumps({**block, **questions_document(capture.questions)})


PLATFORM = Platform(
    name="manychat",
    proof=Shared(),
    read=read,
    activity="chat_conversation",
    options=BotOptions,
    respond=respond,
    guide=Guide(
        "ManyChat",
        SecretFrom.LEADHUB,
        (
            "In the flow, where the bot knows the address, add `Action` > `External Request`: POST {url}",
            "Headers: X-LeadHub-Secret with the value {secret}",
            "Body: `Add Full Contact Data`, then `Test the request`",
            "To let the flow ask what is open: under `Response mapping` take $.next_question into a custom field",
        ),
    ),
)
