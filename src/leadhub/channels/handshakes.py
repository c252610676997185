"""What platforms ask before they send: is this address yours, and do you know our secret?"""

import hmac
import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl

import orjson
from pydantic import StringConstraints

from leadhub.channels.platform import PlatformOptions
from leadhub.channels.protocol import Connection, Inbound, Reply
from leadhub.domain.errors import NotAllowed

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_PARAMETERS = 20


class MetaOptions(PlatformOptions):
    """Options of a source that Meta's webhooks feed."""

    verify_token: Annotated[str, StringConstraints(min_length=16, max_length=200, pattern="^[!-~]+$")] | None = None
    """What Meta's verification request must repeat; none: it is refused."""
    page_id: Annotated[str, StringConstraints(pattern="^[0-9]{1,40}$")] | None = None
    """The Page whose forms are read through, so that a lead comes whose notification was lost; none: it does not."""
    app_id: Annotated[str, StringConstraints(pattern="^[0-9]{1,40}$")] | None = None
    """The app that the Page must send its leads to; none: any app that takes leads will do."""


class LinkedInOptions(PlatformOptions):
    """Options of a source that LinkedIn's webhooks feed."""

    owner: Annotated[str, StringConstraints(pattern="^urn:li:(sponsoredAccount|organization):[0-9]{1,20}$")] | None = (
        None
    )
    """Whose responses are read through and announced, as urn:li:sponsoredAccount:123; none: nobody's."""
    lead_type: Literal["SPONSORED", "EVENT", "COMPANY", "ORGANIZATION_PRODUCT"] = "SPONSORED"
    """Of which kind."""
    client_id: Annotated[str, StringConstraints(pattern="^[!-~]{1,200}$")] | None = None
    """Of the app, to renew the token with."""


def meta(inbound: Inbound, connection: Connection) -> Reply | None:
    """Answer Meta's verification request with its challenge, as plain text and nothing else.

    Source: developers.facebook.com, "Webhooks: getting started".

    Raises:
        NotAllowed: another mode, a wrong token, or a challenge that could be read as something else.
    """
    if inbound.method != "GET":
        return None
    asked = parameters(inbound)
    token = connection.options.get("verify_token")
    given = asked.get("hub.verify_token", "").encode()
    is_known = isinstance(token, str) and hmac.compare_digest(given, token.encode())
    challenge = asked.get("hub.challenge", "")
    if not is_known or asked.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
        raise NotAllowed("The verification request does not carry this source's verify_token.")
    return Reply(200, challenge.encode("ascii"), "text/plain", (("Cache-Control", "no-store"),))


def linkedin(inbound: Inbound, connection: Connection) -> Reply | None:
    """Answer LinkedIn's challenge, which comes again every two hours and must be answered within three seconds.

    The answer is made with the key, and in the way, that notifications are signed with. So nothing but a UUID of
    version 4 is ever signed: no text of a stranger's choice, which could be a forged notification.

    Source: learn.microsoft.com, LinkedIn "Webhook validation".

    Raises:
        NotAllowed: the challenge is no UUIDv4, or the source has no secret.
    """
    if inbound.method != "GET":
        return None
    challenge = parameters(inbound).get("challengeCode", "")
    if not _UUID4.fullmatch(challenge) or not connection.secrets:
        raise NotAllowed("A challengeCode that is a UUIDv4 is answered, by a source that has its client secret.")
    answer = hmac.digest(connection.secrets[0], challenge.encode("ascii"), "sha256").hex()
    body = orjson.dumps({"challengeCode": challenge, "challengeResponse": answer})
    return Reply(200, body, headers=(("Cache-Control", "no-store"),))


def parameters(inbound: Inbound) -> dict[str, str]:
    """Return the query's parameters; one that stands twice, or too many of them, and there are none."""
    try:
        pairs = parse_qsl(inbound.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="replace")
    except ValueError:
        return {}
    found = dict(pairs)
    return found if len(found) == len(pairs) else {}
