"""`landbot`: message hooks, one message each. A token may be set, which is then repeated in every request.

Source: dev.landbot.io, message hook. Retries are the same by their header `sentry-trace`.
"""

from collections.abc import Iterator

from leadhub.channels.digging import each, members, moment, text, texts
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import OneOf, Shared

_OWN = frozenset({"id", "type", "token", "channel_id", "archived", "opt_in", "avatar", "status", "unread", "metadata"})


def read(sent: Sent) -> Iterator[Told]:
    """Read one message of a customer."""
    for message in each(sent.document, "messages"):
        if text(message, "sender", "type") not in {"", "customer"}:
            continue
        customer = members(message, "customer")
        customer_id, said_at = text(customer, "id"), text(message, "timestamp")
        told = Told(
            key=sent.header("sentry-trace") or (f"{customer_id} {said_at}" if customer_id and said_at else ""),
            external_id=customer_id,
            submitted_at=moment(message, "timestamp"),
            attributes={"channel": text(message, "channel", "name")},
        )
        for name, value in customer.items():
            if name not in _OWN:
                told.answer("page_url" if name == "url" else name, *texts(value))
        body = text(message, "data", "body")
        told.answer("message", body)
        mine(told, body)
        yield told


PLATFORM = Platform(
    name="landbot",
    proof=OneOf((Shared(header="authorization", scheme="Token"), Shared(is_required=False))),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Landbot",
        SecretFrom.LEADHUB,
        (
            "In Landbot open the channel, `Settings` > `Message hooks` > `Add`: URL {url}",
            "Hook token: {secret} (a channel that can send none: drop the secret, the address alone then protects)",
        ),
    ),
)
