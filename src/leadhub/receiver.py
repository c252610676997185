"""Receive LeadHub's webhooks in Python: verify them, know repeats, answer the challenge.

from leadhub.receiver import Webhook, verified

@app.post("/hooks/leadhub")
async def hook(webhook: Annotated[Webhook, Depends(verified("whsec_…"))]) -> Response:
    if webhook.challenge is not None:
        return PlainTextResponse(webhook.challenge)
    if not seen.is_repeat(webhook.id):
        ...  # soon, and elsewhere: LeadHub waits for the answer
    return Response(status_code=204)
"""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import HTTPException, Request

from leadhub.domain import signature
from leadhub.domain.errors import NotAuthenticated

_LARGEST = 1_000_000


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - a receiver is an edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A message that LeadHub sent just now."""

    id: str
    """The same for every repeat of a message."""
    attempt: int
    """From 1."""
    type: str
    data: Mapping[str, Any]

    @property
    def challenge(self) -> str | None:
        """What has to be sent back, if LeadHub asks whether its events are wanted."""
        return str(self.data.get("challenge")) if self.type == "endpoint.verify" else None


def verify(headers: Mapping[str, str], body: bytes, *secrets: str, now: datetime | None = None) -> Webhook:
    """Return a message that one of these secrets signed within five minutes of now.

    Args:
        headers: of the request; their names in lower case, or of a mapping that does not mind.
        body: as it came, not parsed and not written again.
        secrets: `whsec_…`; two while one is being rotated.
        now: aware; the clock if absent.

    Raises:
        NotAuthenticated: it is malformed, too old or too new, or signed by nobody we know.
    """
    signature.verify(
        message_id=headers.get("webhook-id", ""),
        timestamp=headers.get("webhook-timestamp", ""),
        signatures=headers.get("webhook-signature", ""),
        body=body,
        keys=[signature.parse_secret(secret) for secret in secrets],
        now=now or _now(),
    )
    try:
        event = json.loads(body)
        return Webhook(
            id=headers["webhook-id"],
            attempt=int(headers.get("leadhub-attempt", "1")),
            type=str(event["type"]),
            data=dict(event["data"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotAuthenticated("the body is not one of LeadHub's events") from error


class Seen:
    """Remembers the newest ids, in memory; a receiver with a database keeps them there, in a unique column.

    >>> seen = Seen()
    >>> seen.is_repeat("a"), seen.is_repeat("a")
    (False, True)
    """

    def __init__(self, *, at_most: int = 100_000) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._at_most = at_most

    def is_repeat(self, webhook_id: str) -> bool:
        """Whether this id was asked about before; it is remembered from now on."""
        if webhook_id in self._ids:
            return True
        self._ids[webhook_id] = None
        while len(self._ids) > self._at_most:
            self._ids.popitem(last=False)
        return False


def verified(*secrets: str) -> Callable[[Request], Awaitable[Webhook]]:
    """Return a FastAPI dependency: the message, or an answer of 401, or of 413 if it is larger than any of ours."""

    async def dependency(request: Request) -> Webhook:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST:
                raise HTTPException(413)
        try:
            return verify(request.headers, bytes(body), *secrets)
        except NotAuthenticated as error:
            raise HTTPException(401, str(error)) from error

    return dependency
