"""What the hot path must know about a request, kept for two seconds: its connection and its API key.

A look-up a request would cost more than storing the lead. So a change of a source is felt after `_FRESH_SECONDS` at
the latest, and a revoked key opens nothing after as long. While PostgreSQL is away, what was known last is believed
for `_STALE_SECONDS`: a short outage then looks like one to the sender (503, come again), not like a wrong address.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from leadhub import telemetry
from leadhub.channels.protocol import Connection
from leadhub.domain.errors import Unavailable
from leadhub.domain.ids import SourceId
from leadhub.store import keys
from leadhub.store.connections import StoredConnection, find_connection, make_connection
from leadhub.store.engine import Sessions
from leadhub.store.keys import Key
from leadhub.store.outage import is_outage
from leadhub.store.vault import Vault, VaultError

_FRESH_SECONDS = 2.0
_STALE_SECONDS = 60.0
_WAIT_SECONDS = 1.0
_MOST_ENTRIES = 4_096

ACTIVITIES: Final = "activities"
"""Channel and key of the source of activities that come through none; it is made when the first one comes."""
_ACTIVITIES_ID: Final = UUID("019bc000-0000-7000-8000-000000000ac7")

_log = telemetry.get_logger("lookups")

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(slots=True)
class _Entry(Generic[Found]):
    value: Found | None
    confirmed_at: float
    fresh_until: float


class Lookup(Generic[Asked, Found]):
    """A bounded cache of answers, also of "there is none"; each question is asked by one task at a time."""

    def __init__(
        self, load: Callable[[Asked], Awaitable[Found | None]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._clock = clock
        self._entries: OrderedDict[Asked, _Entry[Found]] = OrderedDict()
        self._loading: dict[Asked, asyncio.Task[Found | None]] = {}

    async def find(self, asked: Asked) -> Found | None:
        """Return the answer, at most a little old.

        Raises:
            Unavailable: PostgreSQL is away, and nothing is known from before.
        """
        entry = self._entries.get(asked)
        if entry is not None and self._clock() < entry.fresh_until:
            self._entries.move_to_end(asked)
            return entry.value
        task = self._loading.get(asked)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._refresh(asked))
            self._loading[asked] = task
            task.add_done_callback(lambda done: self._done(asked, done))
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                return await asyncio.shield(task)  # who gives up must not take the answer from the others
        except TimeoutError as error:
            return self._last_known(asked, error)

    def _done(self, asked: Asked, task: asyncio.Task[Found | None]) -> None:
        del self._loading[asked]
        if not task.cancelled():
            task.exception()  # marks it as seen: those who wait have it, and if none does it is no news

    async def _refresh(self, asked: Asked) -> Found | None:
        asked_at = self._clock()
        try:
            value = await self._load(asked)
        except Exception as error:
            if not is_outage(error):
                raise
            return self._last_known(asked, error)
        self._entries[asked] = _Entry(value, asked_at, asked_at + _FRESH_SECONDS)
        self._entries.move_to_end(asked)
        if len(self._entries) > _MOST_ENTRIES:
            self._entries.popitem(last=False)
        return value

    def _last_known(self, asked: Asked, error: Exception) -> Found | None:
        entry = self._entries.get(asked)
        if entry is None or self._clock() - entry.confirmed_at > _STALE_SECONDS:
            raise Unavailable("The configuration cannot be read right now. Send it again.") from error
        _log.warning("lookup.stale", error_class=type(error).__name__)
        entry.fresh_until = self._clock() + _FRESH_SECONDS
        return entry.value


class Connections:
    """Finds connections by the two variable parts of their path."""

    def __init__(self, sessions: Sessions, vault: Vault, *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._vault = vault
        self._now = now
        self._lookup = Lookup(self._load)

    async def find(self, channel: str | None, key: str) -> Connection | None:
        """Return an enabled connection, of any channel if none is given, or None.

        Raises:
            Unavailable: it cannot be known now, or none of its secrets can be opened.
        """
        return await self._lookup.find((channel, key))

    async def _load(self, address: tuple[str | None, str]) -> Connection | None:
        channel, key = address
        now = self._now()
        async with self._sessions.begin() as session:
            stored = await find_connection(session, channel=channel, key=key, now=now)
            if stored is None and address == (None, ACTIVITIES):
                await make_connection(session, SourceId(_ACTIVITIES_ID), channel=ACTIVITIES, key=key, now=now)
                stored = await find_connection(session, channel=channel, key=key, now=now)
        return self._opened(stored) if stored else None

    def _opened(self, stored: StoredConnection) -> Connection:
        secrets = []
        for secret_id, sealed in stored.sealed:
            try:
                secrets.append(self._vault.open(sealed, context=f"source_secret:{secret_id}"))
            except VaultError:
                _log.error("lookup.sealed", source_id=str(stored.source_id), error_class="VaultError")
        if stored.sealed and not secrets:
            raise Unavailable("This connection's secrets cannot be opened here.")
        return Connection(
            stored.source_id,
            stored.channel,
            stored.name,
            stored.key,
            stored.options,
            tuple(secrets),
            self._vault.derive(f"source {stored.source_id}"),
        )


class ApiKeys:
    """Finds live API keys by the hash of their token."""

    def __init__(self, sessions: Sessions, *, now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now
        self._lookup = Lookup(self._load)

    async def find(self, token_sha256: bytes) -> Key | None:
        """Return the key of a token unless it is unknown, revoked or expired.

        Raises:
            Unavailable: it cannot be known now.
        """
        key = await self._lookup.find(token_sha256)
        if key is None or (key.expires_at is not None and key.expires_at <= self._now()):
            return None
        return key

    async def _load(self, token_sha256: bytes) -> Key | None:
        now = self._now()
        async with self._sessions.begin() as session:
            key = await keys.live_key(session, token_sha256, now=now)
            if key is not None:
                await keys.note_use(session, key.id, now=now)
        return key
