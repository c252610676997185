"""What asking at platforms stands on, and what every answer means: for a lead, and for its source."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.channels.platform import NOBODY
from leadhub.channels.protocol import Connection as Source
from leadhub.channels.protocol import Inbound
from leadhub.channels.registry import PLATFORMS
from leadhub.domain.errors import LeadHubError, Unavailable
from leadhub.domain.fetching import Later, NeedsReauth, Throttled, Usage
from leadhub.outbound.asking import Account
from leadhub.outbound.fetching import Apis
from leadhub.pipeline import source_news
from leadhub.pipeline.capture import rows_of
from leadhub.pipeline.recognise import NewId
from leadhub.store import tokens
from leadhub.store.driver import Connection
from leadhub.store.inbox import Inbox, Taken
from leadhub.store.tokens import Connected
from leadhub.store.vault import Vault, VaultError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """What asking at platforms stands on."""

    engine: AsyncEngine
    vault: Vault
    inbox: Inbox
    apis: Apis
    new_id: NewId
    clock: Callable[[], datetime]
    public_url: str = ""
    """Base of the addresses that platforms post to; empty: not known."""


def open_account(work: Fetching, source: Connected) -> Account | NeedsReauth:
    """Return what opens a source's platform."""
    try:
        token = work.vault.open(source.token.sealed, context=f"source_token:{source.source_id}").decode()
        secret_id, sealed = source.secrets[0]
        secret = work.vault.open(sealed, context=f"source_secret:{secret_id}")
        refresh = source.token.refresh_sealed
        refresh_token = (
            work.vault.open(refresh, context=f"source_refresh_token:{source.source_id}").decode() if refresh else None
        )
    except (VaultError, IndexError):
        return NeedsReauth("the token or the app's secret is missing, or cannot be opened here")
    hook_url = f"{work.public_url}/in/{source.channel}/{source.key}" if work.public_url else ""
    return Account(token, secret, source.options, hook_url, refresh_token)


async def judge_source(
    connection: Connection,
    work: Fetching,
    source: Connected,
    *,
    stop: Throttled | NeedsReauth | None,
    usage: Usage,
    works: bool,
    trouble: Later | None,
) -> None:
    """Write what the platform's answers say of a source."""
    now = work.clock()
    if isinstance(stop, NeedsReauth):
        await source_news.needs_reauth(connection, source, because=stop.because, now=now, new_id=work.new_id)
        return
    if works:
        await source_news.works(connection, source, now=now, new_id=work.new_id)
    elif trouble is not None:
        await source_news.fails(connection, source, because=trouble.because[:500], now=now, new_id=work.new_id)
    if stop is not None:
        await tokens.pause(connection, source.source_id, until=now + stop.wait, because=stop.because)
    if usage.sparing is not None:
        await tokens.spare(connection, source.source_id, until=now + usage.sparing)


async def take(work: Fetching, source: Connected, body: bytes, *, received_at: datetime) -> Taken | Later:
    """Put a fetched lead into the inbox: it is on disk, or it is to be fetched later again."""
    headers = {"content-type": ["application/json"]}
    inbound = Inbound("POST", "", headers, body, None, received_at)
    connection = Source(source.source_id, source.channel, source.name, source.key, source.options)
    try:
        capture = PLATFORMS[source.channel].preview(inbound, connection)
        if not capture.submissions:
            return Later(NOBODY, is_of_lead=True)
        [taken] = await work.inbox.put(rows_of(capture, connection, inbound, itertools.chain(iter(work.new_id, None))))
    except Unavailable:
        return Later("the inbox is full")
    except LeadHubError as error:
        return Later(f"the platform's answer cannot be read: {error}", is_of_lead=True)
    return taken
