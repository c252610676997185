"""Ask a receiver to prove that it wants the events: it must send a challenge back.

Without that anybody who may subscribe could point our requests at somebody else's server.
"""

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from leadhub.domain.attempt import AttemptResult, explain
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import EndpointId, Entropy, uuid7
from leadhub.domain.signature import parse_signing_key
from leadhub.domain.subscription import Extras
from leadhub.outbound.authorization import Authorizer, NoToken
from leadhub.outbound.jsonl import is_file
from leadhub.outbound.webhook import Outgoing, WebhookSender
from leadhub.store import endpoints
from leadhub.store.endpoints import Endpoint
from leadhub.store.engine import Sessions
from leadhub.store.vault import Vault

_CHALLENGE_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How a challenge ended."""

    is_verified: bool
    because: str


async def verify_endpoint(
    sessions: Sessions, vault: Vault, sender: WebhookSender, endpoint_id: EndpointId, *, now: datetime, entropy: Entropy
) -> Verification:
    """Send an `endpoint.verify` with a challenge, signed as every webhook, and note whether it came back.

    The answer is 2xx with the challenge alone, or as `{"challenge": "…"}`.

    Raises:
        NotFound: there is no such endpoint.
    """
    async with sessions() as session:
        endpoint = await endpoints.get_endpoint(session, endpoint_id)
        sealed = await endpoints.secrets_of(session, endpoint_id, now=now)
    if is_file(endpoint.url):
        return Verification(is_verified=False, because="a file of this deployment has nobody to ask")
    challenge = base64.urlsafe_b64encode(entropy(_CHALLENGE_BYTES)).decode("ascii")
    event = {"type": "endpoint.verify", "timestamp": now.isoformat(), "data": {"challenge": challenge}}
    try:
        headers = await _headers(endpoint, vault, sender)
    except NoToken:
        return Verification(is_verified=False, because="the authorization server gave no token")
    result = await sender.send(
        Outgoing(
            url=endpoint.url,
            message_id=str(uuid7(now, entropy(10))),
            at=now,
            body=json.dumps(event, separators=(",", ":")).encode(),
            keys=[
                parse_signing_key(vault.open(one.sealed, context=f"endpoint_secret:{one.id}").decode())
                for one in sealed
            ],
            headers=headers,
            attempt=1,
            sequence=None,
        )
    )
    verification = _judge(result, challenge)
    if verification.is_verified:
        async with sessions.begin() as session:
            current = await endpoints.lock_endpoint(session, endpoint_id)
            if current.url != endpoint.url:
                raise InvalidInput.at("#/url", "the URL was changed meanwhile: verify the new one")
            await endpoints.save_endpoint(session, replace(current, verified_at=now))
    return verification


async def verify_again(
    sessions: Sessions,
    vault: Vault,
    open_sender: Callable[[], AbstractAsyncContextManager[WebhookSender]],
    before: Endpoint,
    endpoint: Endpoint,
    *,
    now: datetime,
    entropy: Entropy,
) -> Endpoint:
    """Return a changed endpoint; if its old URL had proved that it wants the events, the new one is asked at once.

    Events go there in any case. One that does not prove it stays unverified, for everybody to see.
    """
    if before.verified_at is None or before.url == endpoint.url:
        return endpoint
    async with open_sender() as sender:
        asked = await verify_endpoint(sessions, vault, sender, endpoint.id, now=now, entropy=entropy)
    return replace(endpoint, verified_at=now) if asked.is_verified else endpoint


async def _headers(endpoint: Endpoint, vault: Vault, sender: WebhookSender) -> dict[str, str]:
    if endpoint.extras is None:
        return {}
    extras = Extras.model_validate_json(vault.open(endpoint.extras, context=f"endpoint:{endpoint.id}"))
    if extras.authorization is None:
        return extras.headers
    return {**extras.headers, "Authorization": await Authorizer(sender).header(extras.authorization)}


def _judge(result: AttemptResult, challenge: str) -> Verification:
    if result.status is None or not 200 <= result.status < 300:
        return Verification(is_verified=False, because=explain(result))
    if challenge not in _echoes(result.body):
        return Verification(is_verified=False, because="the receiver answered, but did not send the challenge back")
    return Verification(is_verified=True, because="the receiver sent the challenge back")


def _echoes(body: bytes) -> tuple[object, ...]:
    """Return what may be the challenge in an answer: all of it, or the member of that name."""
    text = body.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return (text,)
    return (document.get("challenge"),) if isinstance(document, dict) else (document,)
