"""`intercom`: leads and conversations of the Messenger. Signed with the app's client secret, in SHA-1.

Source: developers.intercom.com, "Webhook notifications". One subscription serves all workspaces of an app, which
`app_id` tells apart; `ping` comes on set-up; topics that end in `.deleted` carry ids only.
"""

from collections.abc import Iterator

from leadhub.channels.digging import each, members, moment, text, texts
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac

_CONTACT = ("contact.lead.", "contact.user.", "contact.")
_CONVERSATION = ("conversation.user.created", "conversation.user.replied")


def read(sent: Sent) -> Iterator[Told]:
    """Read one notification."""
    topic, item = text(sent.document, "topic"), members(sent.document, "data", "item")
    told = Told(
        key=text(sent.document, "id"),
        submitted_at=moment(sent.document, "created_at"),
        attributes={"topic": topic, "workspace": text(sent.document, "app_id")},
    )
    if topic in _CONVERSATION:
        part = next(reversed(list(each(item, "conversation_parts", "conversation_parts"))), {})
        author = members(part, "author") or members(item, "source", "author") or members(item, "user")
        message = text(part, "body") or text(item, "source", "body")
        told.external_id = text(next(each(item, "contacts", "contacts"), {}), "id") or text(author, "id")
        _person(told, author)
        told.answer("message", message)
        mine(told, message)
        yield told
    elif topic.startswith(_CONTACT) and not topic.endswith(".deleted"):
        told.external_id = text(item, "id")
        _person(told, item)
        yield told


def _person(told: Told, person: dict[str, object]) -> None:
    for name in ("email", "phone", "name"):
        told.answer(name, *texts(person, name))
    for name in ("country", "region", "city"):
        told.answer(name, *texts(person, "location", name))
    for name, value in {**members(person, "custom_attributes"), **members(person, "utm_parameters")}.items():
        told.answer(name, *texts(value))
    for name, value in person.items():
        if name.startswith("utm_"):
            told.answer(name, *texts(value))


PLATFORM = Platform(
    name="intercom",
    proof=Mac(header="x-hub-signature", algorithm="sha1", prefix="sha1="),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Intercom",
        SecretFrom.PLATFORM,
        (
            "In Intercom's Developer Hub open your app, `Webhooks`; endpoint URL: {url}",
            "Topics: contact.lead.created, contact.lead.added_email, conversation.user.created and .replied",
            "Copy the client secret under `Basic information` and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
