"""`standard-webhooks`: whoever signs by that convention. What it sends is mapped like any other JSON.

Source: standardwebhooks.com, specification 1.0: `webhook-id` is the idempotency key; ±5 minutes.
"""

from collections.abc import Iterator

from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.platforms.generic import JsonOptions
from leadhub.channels.platforms.generic import read as read_json
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Part, Written, standard_key


def read(sent: Sent) -> Iterator[Told]:
    """Read as any JSON does, with the message's id as its key."""
    for number, told in enumerate(read_json(sent)):
        message = sent.header("webhook-id")
        told.key = told.key or (f"{message}#{number}" if number and message else message)
        yield told


PLATFORM = Platform(
    name="standard-webhooks",
    proof=Mac(
        header="webhook-signature",
        signed=(Part.ID, b".", Part.TIME, b".", Part.BODY),
        written=Written.BASE64,
        version="v1",
        time_header="webhook-timestamp",
        id_header="webhook-id",
        read_key=standard_key,
    ),
    read=read,
    keeps_nobody=True,
    options=JsonOptions,
    guide=Guide(
        "Standard Webhooks",
        SecretFrom.PLATFORM,
        (
            "Add an endpoint with the URL {url} in the sender's webhook settings",
            "Copy the signing secret that it shows (whsec_…) and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
