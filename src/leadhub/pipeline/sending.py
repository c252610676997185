"""Send a claimed delivery to where its endpoint's URL leads, and say what happened.

There are two kinds of destination, a receiver over HTTP and files of JSON lines. What is sent is the same; signature,
headers and authorization are for receivers only.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from leadhub import telemetry
from leadhub.domain.attempt import AttemptResult, Failure
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import EndpointId
from leadhub.domain.signature import SigningKey, parse_signing_key
from leadhub.domain.subscription import Extras, matches, read_filter, thin
from leadhub.outbound.authorization import Authorizer, NoToken
from leadhub.outbound.jsonl import Entry, JsonlFiles, is_file
from leadhub.outbound.webhook import Outgoing, WebhookSender
from leadhub.store.lanes import Claimed
from leadhub.store.vault import Vault, VaultError

_log = telemetry.get_logger("deliver")

_KEYS = 1_024
"""Most signing keys, headers and filters that stay open in memory."""
_NO_EXTRAS = Extras()


class Courier:
    """Makes attempts: one a process."""

    def __init__(
        self, *, vault: Vault, webhooks: WebhookSender, files: JsonlFiles, clock: Callable[[], datetime]
    ) -> None:
        """Build it of open destinations; `vault` opens the endpoints' secrets."""
        self.total_seconds = webhooks.total_seconds
        """Longest attempt."""
        self._vault = vault
        self._webhooks = webhooks
        self._files = files
        self._clock = clock
        self._authorizer = Authorizer(webhooks)
        self._key = lru_cache(_KEYS)(self._open_key)
        self._extras = lru_cache(_KEYS)(self._open_extras)
        self._filter = lru_cache(_KEYS)(read_filter)

    async def send(self, claimed: Claimed) -> AttemptResult:
        """Make one attempt and return what happened: a fault of ours in one delivery must not end the others."""
        try:
            return await self._send(claimed)
        except _NoKey:
            return AttemptResult(failure=Failure.NO_KEY)
        except NoToken:
            return AttemptResult(failure=Failure.NO_TOKEN)
        except Exception as error:  # noqa: BLE001 - see above
            _log.error("delivery.fault", delivery_id=str(claimed.lease.delivery_id), error_class=type(error).__name__)
            return AttemptResult(failure=Failure.INTERNAL)

    async def _send(self, claimed: Claimed) -> AttemptResult:
        if claimed.body is None:
            return AttemptResult(failure=Failure.ERASED)
        if claimed.filter and not matches(self._filter(claimed.filter), json.loads(claimed.body)):
            return AttemptResult(failure=Failure.FILTERED)
        body = thin(claimed.body) if claimed.payload == "thin" else claimed.body
        return await (self._append(claimed, body) if is_file(claimed.url) else self._post(claimed, body))

    async def _append(self, claimed: Claimed, body: bytes) -> AttemptResult:
        return await self._files.append(
            Entry(
                endpoint_id=claimed.lease.endpoint_id,
                url=claimed.url,
                message_id=str(claimed.event_id),
                at=self._clock(),
                body=body,
                attempt=claimed.lease.number,
                sequence=claimed.sequence,
            )
        )

    async def _post(self, claimed: Claimed, body: bytes) -> AttemptResult:
        extras = self._extras(claimed.lease.endpoint_id, claimed.extras) if claimed.extras else _NO_EXTRAS
        result = await self._webhooks.send(
            Outgoing(
                url=claimed.url,
                message_id=str(claimed.event_id),
                at=self._clock(),
                body=body,
                keys=self._keys(claimed),
                headers=await self._headers(extras),
                attempt=claimed.lease.number,
                sequence=claimed.sequence,
            )
        )
        if result.status == 401 and extras.authorization is not None:
            self._authorizer.forget(extras.authorization)
        return result

    async def _headers(self, extras: Extras) -> Mapping[str, str]:
        """Return what the endpoint's owner wants to see in a request."""
        if extras.authorization is None:
            return extras.headers
        return {**extras.headers, "Authorization": await self._authorizer.header(extras.authorization)}

    def _keys(self, claimed: Claimed) -> list[SigningKey]:
        try:
            keys = [self._key(secret_id, sealed) for secret_id, sealed in claimed.secrets]
        except (VaultError, InvalidInput, UnicodeDecodeError) as error:
            raise _NoKey from error
        if not keys:
            raise _NoKey
        return keys

    def _open_key(self, secret_id: UUID, sealed: bytes) -> SigningKey:
        return parse_signing_key(self._vault.open(sealed, context=f"endpoint_secret:{secret_id}").decode())

    def _open_extras(self, endpoint_id: EndpointId, sealed: bytes) -> Extras:
        try:
            return Extras.model_validate_json(self._vault.open(sealed, context=f"endpoint:{endpoint_id}"))
        except VaultError as error:
            raise _NoKey from error


class _NoKey(Exception):
    """An endpoint without a secret that opens, or with headers that do not."""
