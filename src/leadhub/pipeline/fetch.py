"""Complete what platforms only announced: fetch the lead, put it into the inbox, forget the announcement.

    claim (committed: the try is counted first) → GET → inbox (on disk) → forget
                                                  └→ later / the whole connection later / needs_reauth / put aside

Each source has its own share of every round. A dead token holds its source back, not its leads: they wait with the
reason, and go on when the token is renewed.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from leadhub import telemetry
from leadhub.channels.platform import NOBODY
from leadhub.channels.protocol import Connection, Inbound
from leadhub.channels.registry import PLATFORMS
from leadhub.domain.errors import LeadHubError, Unavailable
from leadhub.domain.fetching import Fetched, FetchResult, Gone, Later, NeedsReauth, Throttled, next_wait
from leadhub.domain.ids import SourceId
from leadhub.outbound.fetching import Account
from leadhub.pipeline.capture import rows_of
from leadhub.pipeline.recognise import NewId
from leadhub.store import notifications
from leadhub.store.engine import Sessions
from leadhub.store.inbox import Inbox
from leadhub.store.notifications import Announced
from leadhub.store.vault import Vault, VaultError

_ROWS_A_SOURCE = 20
_AT_ONCE = 10
"""Requests under way together; a platform's rate is its own to state, by its answers."""
_LEASE = timedelta(minutes=2)

_log = telemetry.get_logger("fetch")


class Fetches(Protocol):
    """Reads one lead at its platform."""

    def fetch(self, channel: str, object_id: str, account: Account, *, now: datetime) -> Awaitable[FetchResult]:
        """Return what became of it; never raises for what a platform does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """What fetching stands on."""

    sessions: Sessions
    vault: Vault
    inbox: Inbox
    fetcher: Fetches
    new_id: NewId
    clock: Callable[[], datetime]


async def set_token(sessions: Sessions, vault: Vault, source_id: SourceId, token: str, *, now: datetime) -> None:
    """Keep a source's access token; what waited for it goes on."""
    sealed = vault.seal(token.encode(), context=f"source_token:{source_id}")
    async with sessions.begin() as session:
        await notifications.set_token(session, source_id, sealed=sealed, now=now)


async def fetch_due(work: Fetching) -> int:
    """Fetch what is due; return how many were tried."""
    now = work.clock()
    async with work.sessions.begin() as session:
        claimed = await notifications.claim(session, now=now, rows=_ROWS_A_SOURCE, lease=_LEASE)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(announced: Announced) -> None:
        async with slots:
            await _complete(work, announced)

    async with asyncio.TaskGroup() as group:
        for announced in claimed:
            group.create_task(one(announced))
    return len(claimed)


async def _complete(work: Fetching, announced: Announced) -> None:
    fetched = await _fetched(work, announced)
    result = await _taken(work, announced, fetched) if isinstance(fetched, Fetched) else fetched
    now = work.clock()
    async with work.sessions.begin() as session:
        match result:
            case None | Gone():
                await notifications.finish(session, announced.id)
            case Later(because):
                wait = next_wait(announced.attempts)
                if wait is None:
                    await notifications.park(session, announced.id, now=now, error=because)
                else:
                    await notifications.retry(session, announced.id, due_at=now + wait, error=because)
            case Throttled(because, wait):
                await notifications.give_back(session, announced.id, now=now, error=because)
                await notifications.pause(session, announced.source_id, until=now + wait, because=because)
            case NeedsReauth(because):
                await notifications.give_back(session, announced.id, now=now, error=because)
                await notifications.needs_reauth(
                    session, announced.source_id, sealed=announced.sealed_token, now=now, because=because
                )
            case _:
                assert_never(result)
    outcome = "fetched" if result is None else type(result).__name__
    _log.info("lead.fetched", channel=announced.channel, source_id=str(announced.source_id), outcome=outcome)


async def _fetched(work: Fetching, announced: Announced) -> FetchResult:
    try:
        token = work.vault.open(announced.sealed_token, context=f"source_token:{announced.source_id}").decode()
        secret_id, sealed = announced.secrets[0]
        secret = work.vault.open(sealed, context=f"source_secret:{secret_id}")
    except (VaultError, IndexError):
        return NeedsReauth("the token or the app's secret is missing, or cannot be opened here")
    return await work.fetcher.fetch(announced.channel, announced.object_id, Account(token, secret), now=work.clock())


async def _taken(work: Fetching, announced: Announced, fetched: Fetched) -> Later | None:
    """Put a fetched lead into the inbox; None: it is on disk."""
    headers = {"content-type": ["application/json"]}
    inbound = Inbound("POST", "", headers, fetched.body, None, announced.received_at)
    connection = Connection(announced.source_id, announced.channel, announced.name, announced.key, announced.options)
    try:
        capture = PLATFORMS[announced.channel].preview(inbound, connection)
        if not capture.submissions:
            return Later(NOBODY)
        await work.inbox.put(rows_of(capture, connection, inbound, itertools.chain(iter(work.new_id, None))))
    except Unavailable:
        return Later("the inbox is full")
    except LeadHubError as error:
        return Later(f"the platform's answer cannot be read: {error}")
    return None
