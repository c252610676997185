"""Look after the platforms' own side of a connection: is it subscribed, does its token end, can it be renewed?

Connections die silently. A subscription that vanished is made again; a token that can be renewed is, in time; and what
only a person can do is asked of a person a month before it is too late.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from leadhub import telemetry
from leadhub.domain.errors import InvalidInput, NotFound
from leadhub.domain.fetching import (
    Checked,
    Gone,
    Later,
    NeedsReauth,
    Refusal,
    Renewed,
    Throttled,
    Usage,
    is_ending,
    renewal_due,
)
from leadhub.domain.ids import SourceId
from leadhub.outbound.asking import Account
from leadhub.outbound.linkedin import LinkedIn
from leadhub.pipeline import source_news
from leadhub.pipeline.fetching import Fetching, judge_source, open_account
from leadhub.pipeline.polling import NEEDED
from leadhub.store import notifications, source_health, tokens
from leadhub.store.driver import connect, transaction
from leadhub.store.engine import Sessions
from leadhub.store.tokens import Connected, SealedToken, Turn
from leadhub.store.vault import Vault

EVERY = timedelta(hours=1)

_log = telemetry.get_logger("check")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """What a person, or a consent screen, gives a source to ask with."""

    token: str
    expires_at: datetime | None = None
    refresh_token: str | None = None
    """Renews the token without a person, where the platform gives one out."""
    refresh_expires_at: datetime | None = None
    """After that nothing but a person's new consent helps."""


async def set_token(sessions: Sessions, vault: Vault, source_id: SourceId, new: NewToken, *, now: datetime) -> None:
    """Keep a source's token. What waited for it goes on, also what was put aside meanwhile.

    Raises:
        NotFound: there is no such source.
        InvalidInput: a token that has ended already.
    """
    for name in ("expires_at", "refresh_expires_at"):
        ends: datetime | None = getattr(new, name)
        if ends is not None and ends <= now:
            raise InvalidInput.at(f"#/{name}", "a moment to come")
    sealed = _sealed(vault, source_id, new, now=now)
    async with sessions.begin() as session:
        if await source_health.read(session, source_id) is None:
            raise NotFound("There is no such source.")
        await tokens.set_token(session, source_id, sealed, now=now)
        await notifications.replay(session, source_id, now=now)


def _sealed(vault: Vault, source_id: SourceId, new: NewToken, *, now: datetime) -> SealedToken:
    can_renew = new.refresh_token is not None and new.expires_at is not None
    return SealedToken(
        sealed=vault.seal(new.token.encode(), context=f"source_token:{source_id}"),
        expires_at=new.expires_at,
        refresh_sealed=(
            vault.seal(new.refresh_token.encode(), context=f"source_refresh_token:{source_id}")
            if new.refresh_token
            else None
        ),
        refresh_expires_at=new.refresh_expires_at,
        renew_at=renewal_due(since=now, until=new.expires_at) if can_renew and new.expires_at else None,
    )


async def due_sources(work: Fetching) -> list[SourceId]:
    """Return the sources to look after now."""
    async with connect(work.engine) as connection:
        return list(await tokens.due(connection, Turn.CHECK, now=work.clock()))


async def check_due(work: Fetching) -> int:
    """Look after all sources that are due; return how many."""
    return sum(await asyncio.gather(*(check_source(work, source_id) for source_id in await due_sources(work))))


async def check_source(work: Fetching, source_id: SourceId) -> int:
    """Look after one source; return 1, or 0 if it was not due any more."""
    now = work.clock()
    async with transaction(work.engine) as connection:
        if not await tokens.take_turn(connection, source_id, Turn.CHECK, now=now, again_at=now + EVERY):
            return 0
        source = await tokens.load(connection, source_id, now=now)
    if source is None:
        return 0
    account: Account | Refusal = open_account(work, source)
    if isinstance(account, Account) and source.token.renew_at is not None and source.token.renew_at <= now:
        account = await _renew(work, source, account)
    await _note(work, source, await _ask(work, source, account) if isinstance(account, Account) else account)
    return 1


async def _renew(work: Fetching, source: Connected, account: Account) -> Account | Refusal:
    """Renew a token in time. Its refresh token may be a new one, too, but lives no longer for that."""
    api = work.apis.by_channel[source.channel]
    if not isinstance(api, LinkedIn) or account.refresh_token is None:
        return account
    renewed = await api.renew(account)
    if not isinstance(renewed, Renewed):
        return renewed
    new = NewToken(
        token=renewed.token,
        expires_at=renewed.expires_at,
        refresh_token=renewed.refresh_token or account.refresh_token,
        refresh_expires_at=renewed.refresh_expires_at or source.token.refresh_expires_at,
    )
    now = work.clock()
    sealed = _sealed(work.vault, source.source_id, new, now=now)
    async with connect(work.engine) as connection:
        await tokens.renew(connection, source.source_id, old=source.token.sealed, new=sealed, now=now)
    _log.info("token.renewed", source_id=str(source.source_id), channel=source.channel)
    return replace(account, token=renewed.token)


async def _ask(work: Fetching, source: Connected, account: Account) -> Checked | Refusal:
    if not account.option(NEEDED[source.channel]):
        return Checked(f"unknown: the option {NEEDED[source.channel]} is not set")
    return await work.apis.by_channel[source.channel].check(account)


async def _note(work: Fetching, source: Connected, found: Checked | Refusal) -> None:
    """Write what was found, and ask for a new token where nothing else can help in time."""
    now = work.clock()
    async with transaction(work.engine) as connection:
        is_checked = isinstance(found, Checked)
        await tokens.checked(
            connection,
            source.source_id,
            now=now,
            subscription=found.subscription if isinstance(found, Checked) else found.because,
            expires_at=found.expires_at if isinstance(found, Checked) else None,
        )
        await judge_source(
            connection,
            work,
            source,
            stop=found if isinstance(found, Throttled | NeedsReauth) else None,
            usage=Usage(),
            works=is_checked,
            trouble=found if isinstance(found, Later) else Later(found.because) if isinstance(found, Gone) else None,
        )
        current = await tokens.load(connection, source.source_id, now=now)
        ends = None if current is None else _end(current.token)
        if is_checked and ends is not None and is_ending(ends, now=now):
            await source_news.ends_soon(connection, source, works_until=ends, now=now, new_id=work.new_id)


def _end(token: SealedToken) -> datetime | None:
    """Return the end that nothing but a person can move; None: none is known."""
    return token.refresh_expires_at if token.refresh_sealed is not None else token.expires_at
