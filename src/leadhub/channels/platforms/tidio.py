"""`tidio`: contacts of Tidio's chat.

Source: developers.tidio.com, "Webhooks signature verification": `t=` and one `s=` for each live secret, HMAC over
body, underscore and time.
"""

from collections.abc import Iterator

from leadhub.channels.digging import dig, each, members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Part
from leadhub.domain.submission import StatedConsent


def read(sent: Sent) -> Iterator[Told]:
    """Read one contact."""
    topic, contact = text(sent.document, "topic"), members(sent.document, "content")
    contact = members(contact, "contact") or contact
    if not topic.startswith(("contact.", "conversation.")):
        return
    contact_id, created = text(contact, "id"), text(sent.document, "created_at")
    told = Told(
        key=" ".join((text(sent.document, "webhook_id"), topic, contact_id, created)) if contact_id and created else "",
        external_id=contact_id,
        submitted_at=moment(created),
        attributes={"topic": topic},
    )
    for name in ("email", "phone", "first_name", "last_name", "language", "country", "city"):
        told.answer(name, *texts(contact, name))
    for one in each(contact, "properties"):
        told.answer(text(one, "name"), *texts(one, "value"))
    if isinstance(granted := dig(contact, "email_consent"), bool):
        told.consents.append(StatedConsent(granted=granted))
    yield told


PLATFORM = Platform(
    name="tidio",
    proof=Mac(header="x-tidio-signature", signed=(Part.BODY, b"_", Part.TIME), member="s"),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Tidio",
        SecretFrom.PLATFORM,
        (
            "In Tidio open `Settings` > `Developer` > `Webhooks` > `Add webhook`: URL {url}",
            "Topics: contact.created, contact.updated",
            "Copy the webhook's secret and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
