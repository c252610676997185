"""`drift`: who gave an address to a Drift bot. The verification token comes in a header, and again in the body.

Drift's own events name contacts by number; where the body has their attributes they are read, and otherwise the event
is acknowledged without a lead.
"""

from collections.abc import Iterator

from leadhub.channels.digging import members, moment, text, texts
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Shared

_OWN = frozenset({"id", "contactId", "conversationId", "createdAt", "attributes", "contact", "author", "body", "type"})


def read(sent: Sent) -> Iterator[Told]:
    """Read one event."""
    kind, data = text(sent.document, "type"), members(sent.document, "data")
    author = text(data, "author", "type")
    if author not in {"", "contact"}:
        return
    contact = members(data, "contact") or data
    contact_id = text(data, "contactId") or text(data, "contact", "id") or text(data, "author", "id")
    created = text(data, "createdAt") or text(sent.document, "timeStamp")
    told = Told(
        key=f"{kind} {contact_id} {created}" if contact_id and created else "",
        external_id=contact_id,
        submitted_at=moment(data, "createdAt") or moment(sent.document, "timeStamp"),
        attributes={"topic": kind, "conversation_id": text(data, "conversationId")},
    )
    attributes = members(contact, "attributes") or {name: data[name] for name in data if name not in _OWN}
    for name, value in attributes.items():
        told.answer(name, *texts(value))
    if kind == "new_message":
        told.answer("message", text(data, "body"))
        mine(told, text(data, "body"))
    yield told


PLATFORM = Platform(
    name="drift",
    proof=Shared(header="x-verification-token"),
    read=read,
    activity="chat_conversation",
    hidden=("token",),
    guide=Guide(
        "Drift",
        SecretFrom.PLATFORM,
        (
            "In Drift's developer pages open your app, `Webhooks`; request URL: {url}",
            "Events: contact_identified, new_message",
            "Copy the verification token and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
