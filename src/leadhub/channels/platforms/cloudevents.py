"""`cloudevents`: CloudEvents 1.0 over HTTP, binary, structured and batched. An event's data is mapped like any JSON.

Source: cloudevents/spec 1.0.2, http-protocol-binding and http-webhook: identity is `source` and `id` together.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from leadhub.channels.digging import each, members, moment, text
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.platforms.generic import JsonOptions
from leadhub.channels.platforms.generic import read as read_json
from leadhub.channels.protocol import Connection, Guide, Inbound, Reply, SecretFrom
from leadhub.channels.signatures import OneOf, Shared
from leadhub.domain.errors import InvalidInput

_ORIGIN = re.compile(r"[A-Za-z0-9.:*_-]{1,255}")
_RATE = "120"
"""Events a minute that a sender is granted when it asks for a rate."""


def read(sent: Sent) -> Iterator[Told]:
    """Read events; those of a batch each by itself."""
    if sent.media.name in {"application/cloudevents+json", "application/cloudevents-batch+json"}:
        for event in each(sent.document):
            yield from _event(sent, event, members(event, "data"), part=event)
        return
    names = ("id", "source", "specversion", "type", "time", "subject")
    event = {name: unquote(sent.header(f"ce-{name}")) for name in names}
    yield from _event(sent, event, members(sent.document), part=None)


def _event(sent: Sent, event: dict[str, object], data: dict[str, object], *, part: object) -> Iterator[Told]:
    if not all(text(event, name) for name in ("id", "source", "type")):
        raise InvalidInput.at("#", "A CloudEvent needs id, source, specversion and type.")
    for told in read_json(Sent(sent.inbound, sent.options, data, sent.media)):
        told.key = told.key or f"{text(event, 'source')} {text(event, 'id')}"
        told.submitted_at = moment(event, "time")
        told.attributes = {"event_type": text(event, "type"), "event_source": text(event, "source")}
        told.part = told.part if part is None else part
        yield told


def handshake(inbound: Inbound, connection: Connection) -> Reply | None:
    """Allow a sender that asks whether it may deliver; a browser's preflight asks with other headers."""
    del connection
    origins = inbound.headers.get("webhook-request-origin", ())
    if inbound.method != "OPTIONS" or len(origins) != 1 or not _ORIGIN.fullmatch(origins[0]):
        return None
    rate = (("WebHook-Allowed-Rate", _RATE),) if "webhook-request-rate" in inbound.headers else ()
    return Reply(200, b"", "text/plain", (("WebHook-Allowed-Origin", origins[0]), ("Allow", "POST"), *rate))


PLATFORM = Platform(
    name="cloudevents",
    proof=OneOf((Shared(header="authorization", scheme="Bearer"), Shared())),
    read=read,
    options=JsonOptions,
    handshake=handshake,
    guide=Guide(
        "CloudEvents",
        SecretFrom.LEADHUB,
        (
            "Subscribe {url} to the events that are leads (binary, structured and batched mode are all read)",
            "Let the sender authenticate with Authorization: Bearer {secret}",
        ),
    ),
)
