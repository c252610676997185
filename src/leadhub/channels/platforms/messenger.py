"""`messenger`: messages to a Facebook page or an Instagram account. A lead begins where somebody leaves an address.

Source: developers.facebook.com, Messenger webhooks; echoes are the page's own messages. `mid` tells repeats.
"""

from collections.abc import Iterator

from leadhub.channels.digging import each, members, moment, text
from leadhub.channels.handshakes import MetaOptions, meta
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac


def read(sent: Sent) -> Iterator[Told]:
    """Read every message of a person."""
    if text(sent.document, "object") not in {"page", "instagram"}:
        return
    for entry in each(sent.document, "entry"):
        for event in each(entry, "messaging"):
            if text(event, "message", "is_echo") != "true":
                yield _told(event, page_id=text(entry, "id"))


def _told(event: dict[str, object], *, page_id: str) -> Told:
    message, postback = members(event, "message"), members(event, "postback")
    referral = members(event, "referral") or members(message, "referral") or members(postback, "referral")
    told = Told(
        key=text(message, "mid") or text(postback, "mid"),
        external_id=text(event, "sender", "id"),
        submitted_at=moment(event, "timestamp"),
        attributes={"ref": text(referral, "ref")},
        attribution={"page_id": page_id, "ad_id": text(referral, "ad_id")},
        part=event,
    )
    said = text(message, "text") or text(postback, "title")
    told.answer("message", said)
    mine(told, f"{said} {text(message, 'quick_reply', 'payload')}")
    return told


PLATFORM = Platform(
    name="messenger",
    proof=Mac(header="x-hub-signature-256", prefix="sha256="),
    read=read,
    activity="chat_conversation",
    options=MetaOptions,
    handshake=meta,
    guide=Guide(
        "Messenger and Instagram messages",
        SecretFrom.PLATFORM,
        (
            "Copy your Meta app's secret (`App settings` > `Basic`) and tell the source: `leadhub sources secret KEY`",
            "In the app open `Messenger` > `Settings` > `Webhooks`; callback URL: {url}; verify token: {verify_token}",
            "Subscribe the page to messages, messaging_postbacks and messaging_referrals",
        ),
    ),
)
