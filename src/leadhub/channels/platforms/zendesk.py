"""`zendesk`: new users and tickets by event, or whatever JSON a trigger's owner wrote.

Source: developer.zendesk.com, "Verifying webhook authenticity": base64 HMAC over time and body, no separator.
"""

from collections.abc import Iterator

from leadhub.channels.digging import members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Clock, Mac, Part, Written

_EVENT = "zen:event-type:"
_DETAILS = {"email": "email", "name": "full_name", "phone": "phone", "description": "message", "locale": "language"}


def read(sent: Sent) -> Iterator[Told]:
    """Read one event, or a trigger's own document."""
    kind = text(sent.document, "type")
    if not kind.startswith(_EVENT):
        yield Told(sent.flat())  # an id in it is its ticket's, about which a trigger tells many times
        return
    detail = members(sent.document, "detail")
    told = Told(
        key=text(sent.document, "id"),
        external_id=text(detail, "id") if kind.startswith(f"{_EVENT}user.") else text(detail, "requester_id"),
        submitted_at=moment(sent.document, "time"),
        attributes={"topic": kind.removeprefix(_EVENT), "subject": text(detail, "subject")},
    )
    for theirs, ours in _DETAILS.items():
        told.answer(ours, *texts(detail, theirs))
    for theirs, ours in (("email", "email"), ("name", "full_name")):
        told.answer(ours, *texts(detail, "requester", theirs))
    yield told


PLATFORM = Platform(
    name="zendesk",
    proof=Mac(
        header="x-zendesk-webhook-signature",
        signed=(Part.TIME, Part.BODY),
        written=Written.BASE64,
        time_header="x-zendesk-webhook-signature-timestamp",
        clock=Clock.ISO,
    ),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Zendesk",
        SecretFrom.PLATFORM,
        (
            "In Zendesk's Admin Center open `Apps and integrations` > `Webhooks` > `Create webhook`: {url}, POST, JSON",
            "Connect it to the event `User created`, or to a trigger whose JSON names email, name and message",
            "`Reveal secret`, and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
