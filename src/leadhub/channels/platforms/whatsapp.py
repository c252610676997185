"""`whatsapp`: messages to a number of the WhatsApp Cloud API, with the ad that they came from.

Source: developers.facebook.com, WhatsApp webhooks reference. `statuses` are no leads; `wamid` tells repeats. Where the
number is hidden, a `user_id` stands for the person.
"""

from collections.abc import Iterator

from leadhub.channels.decoding import decode_json, flatten
from leadhub.channels.digging import each, members, moment, text
from leadhub.channels.handshakes import MetaOptions, meta
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac
from leadhub.domain.errors import InvalidInput


def read(sent: Sent) -> Iterator[Told]:
    """Read every message of a person."""
    if text(sent.document, "object") != "whatsapp_business_account":
        return
    for entry in each(sent.document, "entry"):
        for change in each(entry, "changes"):
            if text(change, "field") == "messages":
                yield from _messages(members(change, "value"))


def _messages(value: dict[str, object]) -> Iterator[Told]:
    people = {text(one, "wa_id") or text(one, "user_id"): one for one in each(value, "contacts")}
    for message in each(value, "messages"):
        sender = text(message, "from") or text(message, "user_id")
        person = people.get(sender, {})
        told = Told(
            key=text(message, "id"),
            external_id=sender,
            submitted_at=moment(message, "timestamp"),
            attributes={"kind": text(message, "type"), "number_id": text(value, "metadata", "phone_number_id")},
            attribution=_ad(members(message, "referral")),
            part={"contacts": [person], "message": message, "metadata": members(value, "metadata")},
        )
        told.answer("phone", f"+{sender}" if sender.isdigit() else "")
        told.answer("full_name", text(person, "profile", "name"))
        said = text(message, "text", "body") or text(message, "button", "text")
        for kind in ("button_reply", "list_reply"):
            said = said or text(message, "interactive", kind, "title")
        told.answer("message", said)
        told.answers |= _flow(text(message, "interactive", "nfm_reply", "response_json"))
        mine(told, said)
        yield told


def _ad(referral: dict[str, object]) -> dict[str, str]:
    if not referral:
        return {}
    return {
        "ctwa_clid": text(referral, "ctwa_clid"),
        "ad_id": text(referral, "source_id"),
        "ad_name": text(referral, "headline"),
        "referrer": text(referral, "source_url").partition("?")[0],
    }


def _flow(answers: str) -> dict[str, list[str]]:
    """Return what was filled in in a Flow, JSON as text; what is no JSON was not filled in."""
    try:
        document = decode_json(answers.encode("utf-8", "replace")) if answers else None
        found = flatten(document) if isinstance(document, dict) else {}
    except InvalidInput:
        return {}
    return {name: values for name, values in found.items() if name != "flow_token"}


PLATFORM = Platform(
    name="whatsapp",
    proof=Mac(header="x-hub-signature-256", prefix="sha256="),
    read=read,
    activity="chat_conversation",
    options=MetaOptions,
    handshake=meta,
    guide=Guide(
        "WhatsApp Cloud API",
        SecretFrom.PLATFORM,
        (
            "Copy your Meta app's secret (`App settings` > `Basic`) and tell the source: `leadhub sources secret KEY`",
            "In the app open `WhatsApp` > `Configuration`; callback URL: {url}; verify token: {verify_token}",
            "Subscribe to the field `messages`",
        ),
    ),
)
