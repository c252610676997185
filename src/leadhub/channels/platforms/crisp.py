"""`crisp`: what a visitor left in Crisp's chatbox: an address, a number, data of a bot. Hooks of a plugin are signed.

Source: crisp-im/node-crisp-api: HMAC over `[time;body]`, where the body is the JSON written again without blanks.
"""

from collections.abc import Iterator

from leadhub.channels.digging import members, moment, text, texts
from leadhub.channels.mining import mine
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Clock, Mac, Part

_SETS = {"session:set_email": "email", "session:set_phone": "phone"}


def read(sent: Sent) -> Iterator[Told]:
    """Read one event of a session."""
    event, data = text(sent.document, "event"), members(sent.document, "data")
    session, time = text(data, "session_id"), text(sent.document, "timestamp")
    told = Told(
        key=" ".join((session, event, text(data, "fingerprint") or time)) if session else "",
        external_id=session,
        submitted_at=moment(sent.document, "timestamp"),
        attributes={"topic": event, "website_id": text(sent.document, "website_id")},
    )
    if event in _SETS:
        told.answer(_SETS[event], *texts(data, _SETS[event]))
        yield told
    elif event == "session:set_data":
        for name, value in members(data, "data").items():
            told.answer(name, *texts(value))
        yield told
    elif event == "message:send" and text(data, "from") == "user":
        told.answer("full_name", text(data, "user", "nickname"))
        told.answer("message", text(data, "content"))
        mine(told, text(data, "content"))
        yield told


PLATFORM = Platform(
    name="crisp",
    proof=Mac(
        header="x-crisp-signature",
        signed=(b"[", Part.TIME, b";", Part.BODY, b"]"),
        time_header="x-crisp-request-timestamp",
        clock=Clock.EITHER,
        or_compact=True,
    ),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Crisp",
        SecretFrom.PLATFORM,
        (
            "In Crisp's Marketplace open your plugin, `Web Hooks`: URL {url}",
            "Events: session:set_email, session:set_phone, session:set_data, message:send",
            "Copy the hook's secret and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
