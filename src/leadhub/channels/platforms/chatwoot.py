"""`chatwoot`: contacts and messages. Signed from version 4.11.2 on; before that the address itself is the secret.

Source: chatwoot/chatwoot pull requests 13573 and 13892: HMAC over `time.body`; the secret is made by Chatwoot.
"""

from collections.abc import Iterator

from leadhub.channels.digging import members, moment, text, texts
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, OneOf, Part, Shared

_CONTACT = ("contact_created", "contact_updated")
_CONVERSATION = ("conversation_created", "conversation_updated", "conversation_status_changed", "webwidget_triggered")


def read(sent: Sent) -> Iterator[Told]:
    """Read one event."""
    document, event = sent.document, text(sent.document, "event")
    message = ""
    if event in _CONTACT:
        contact = members(document)
    elif event in _CONVERSATION:
        contact = members(document, "meta", "sender") or members(document, "contact")
    elif event == "message_created" and text(document, "message_type") in {"incoming", "0"}:
        contact, message = members(document, "sender"), text(document, "content")
    else:
        return
    told = Told(
        key=sent.header("x-chatwoot-delivery"),
        external_id=text(contact, "id"),
        submitted_at=moment(document, "created_at"),
        attributes={"topic": event, "conversation_id": text(document, "conversation", "id")},
    )
    for name in ("email", "phone_number", "name"):
        told.answer(name, *texts(contact, name))
    extra = members(contact, "additional_attributes")
    for name in ("company_name", "city", "country_code"):
        told.answer(name, *texts(extra, name))
    for name, value in members(contact, "custom_attributes").items():
        told.answer(name, *texts(value))
    told.answer("message", message)
    mine(told, message)
    yield told


PLATFORM = Platform(
    name="chatwoot",
    proof=OneOf(
        (
            Mac(
                header="x-chatwoot-signature",
                signed=(Part.TIME, b".", Part.BODY),
                prefix="sha256=",
                time_header="x-chatwoot-timestamp",
            ),
            Shared(is_required=False),
        )
    ),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Chatwoot",
        SecretFrom.PLATFORM,
        (
            "In Chatwoot open `Settings` > `Integrations` > `Webhooks` > `Add new webhook`: URL {url}",
            "Events: contact created, contact updated, message created",
            (
                "From 4.11.2 on copy the webhook's secret and tell the source: `leadhub sources secret KEY`; from "
                "then on unsigned events are refused. Older ones cannot sign: their address is the secret"
            ),
        ),
    ),
)
