"""What platforms ask before they send: is this address yours, and do you know our secret?"""

import hmac
import re
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import StringConstraints

from leadhub.channels.platform import PlatformOptions
from leadhub.channels.protocol import Connection, Inbound, Reply
from leadhub.domain.errors import NotAllowed

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MOST_PARAMETERS = 20


class MetaOptions(PlatformOptions):
    """Options of a source that Meta's webhooks feed."""

    verify_token: Annotated[str, StringConstraints(min_length=16, max_length=200, pattern="^[!-~]+$")] | None = None
    """What Meta's verification request must repeat; none: it is refused."""


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


def parameters(inbound: Inbound) -> dict[str, str]:
    """Return the query's parameters; one that stands twice, or too many of them, and there are none."""
    try:
        pairs = parse_qsl(inbound.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="replace")
    except ValueError:
        return {}
    found = dict(pairs)
    return found if len(found) == len(pairs) else {}
