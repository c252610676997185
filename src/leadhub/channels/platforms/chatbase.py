"""`chatbase`: leads that a Chatbase bot collected.

Source: chatbase.co/docs/developer-guides/webhooks: event `leads.submit`, signature in SHA-1.
"""

from collections.abc import Iterator

from leadhub.channels.digging import members, text
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac

_NAMES = {"customerEmail": "email", "customerName": "full_name", "customerPhone": "phone"}


def read(sent: Sent) -> Iterator[Told]:
    """Read one lead."""
    if text(sent.document, "eventType") != "leads.submit":
        return
    payload = members(sent.document, "payload")
    conversation = text(payload, "conversationId")
    told = Told(
        key=conversation,
        attributes={"conversation_id": conversation, "bot": text(sent.document, "chatbotId")},
    )
    for theirs, ours in _NAMES.items():
        told.answer(ours, text(payload, theirs))
    yield told


PLATFORM = Platform(
    name="chatbase",
    proof=Mac(header="x-chatbase-signature", algorithm="sha1"),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Chatbase",
        SecretFrom.PLATFORM,
        (
            "In Chatbase open the agent, `Settings` > `Webhooks`: endpoint {url}, event `Leads submitted`",
            "Copy the signing secret and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
