"""`calendly`: somebody booked a meeting, or cancelled it.

Source: Calendly's webhook signatures: `t=` and `v1=`, HMAC over `t.body`; three minutes. A reschedule is a cancellation
and a booking.
"""

from collections.abc import Iterator

from leadhub.channels.digging import each, members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Part

_ACTIVITIES = {"invitee.created": "meeting_booked", "invitee.canceled": "meeting_cancelled"}


def read(sent: Sent) -> Iterator[Told]:
    """Read one booking or cancellation."""
    event = text(sent.document, "event")
    if event not in _ACTIVITIES:
        return
    payload = members(sent.document, "payload")
    uri = text(payload, "uri")
    told = Told(
        key=f"{uri} {event}" if uri else "",
        submitted_at=moment(sent.document, "created_at"),
        activity="" if event == "invitee.created" else _ACTIVITIES[event],
        attributes={
            "event_name": text(payload, "scheduled_event", "name"),
            "starts_at": text(payload, "scheduled_event", "start_time"),
            "rescheduled": text(payload, "rescheduled"),
        },
    )
    for ours, theirs in (("full_name", "name"), ("first_name", "first_name"), ("last_name", "last_name")):
        told.answer(ours, text(payload, theirs))
    told.answer("email", text(payload, "email"))
    told.answer("phone", text(payload, "text_reminder_number"))
    for question in each(payload, "questions_and_answers"):
        told.answer(text(question, "question"), text(question, "answer"))
    for name, value in members(payload, "tracking").items():
        told.answer(name, *texts(value))
    yield told


PLATFORM = Platform(
    name="calendly",
    proof=Mac(
        header="calendly-webhook-signature", signed=(Part.TIME, b".", Part.BODY), member="v1", window_seconds=180
    ),
    read=read,
    keeps_nobody=True,
    activity="meeting_booked",
    guide=Guide(
        "Calendly",
        SecretFrom.LEADHUB,
        (
            (
                "With a personal access token of your Calendly account create the subscription: POST "
                "https://api.calendly.com/webhook_subscriptions with url {url}, events invitee.created and "
                "invitee.canceled, your organization, scope organization, and signing_key {secret}"
            ),
        ),
    ),
)
