"""Connect, change and disconnect sources."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.channels.protocol import Channel, Connection, Inbound, Unpacked
from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import Conflict, InvalidInput
from leadhub.domain.ids import Entropy, SourceId, uuid7
from leadhub.store import sources
from leadhub.store.engine import Sessions
from leadhub.store.idempotency import Repeatable, once
from leadhub.store.sources import SecretNote, Source
from leadhub.store.vault import Vault

KEY = re.compile(r"[A-Za-z0-9_-]{3,64}")
"""How a source's key is spelt: it stands in a path."""
_KEY_BYTES = 16
_SECRET_BYTES = 24
MAX_SECRETS = 4
"""Two rotate; twice that leaves room for a mistake. Each is tried on every request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanges:
    """What to change; None leaves a part as it is. Options are replaced as a whole."""

    name: str | None = None
    enabled: bool | None = None
    options: Mapping[str, object] | None = None


async def create_source(
    sessions: Sessions,
    vault: Vault,
    *,
    channel: str,
    name: str,
    key: str | None = None,
    options: Mapping[str, object] | None = None,
    secrets: Sequence[str] = (),
    enabled: bool = True,
    now: datetime,
    entropy: Entropy,
    repeatable: Repeatable | None = None,
) -> Source:
    """Connect a source; without a key it gets one that nobody can guess.

    Raises:
        InvalidInput: an unknown channel, a misspelt key, options that the channel refuses, too many secrets.
        Conflict: another source has this key.
    """
    checked = _channel(channel).validate_options(options or {})
    key = key if key is not None else make_key(entropy)
    if KEY.fullmatch(key) is None:
        raise InvalidInput.at("#/key", "3 to 64 letters, digits, hyphens or underscores")
    if len(secrets) > MAX_SECRETS:
        raise InvalidInput.at("#/secrets", f"at most {MAX_SECRETS}")
    for index, secret in enumerate(secrets):
        _check_secret(_channel(channel), secret, at=f"#/secrets/{index}")
    source = Source(
        id=SourceId(uuid7(now, entropy(10))),
        channel=channel,
        name=name,
        key=key,
        enabled=enabled,
        options=checked,
        version=1,
        created_at=now,
        updated_at=now,
    )

    async def insert() -> Source:
        await sources.insert_source(session, source)
        notes = [await _add(session, vault, source.id, secret, now=now, entropy=entropy) for secret in secrets]
        return replace(source, secrets=tuple(reversed(notes)))

    async with sessions.begin() as session:
        return await once(session, repeatable, Source, insert, now=now)


async def update_source(
    sessions: Sessions, source_id: SourceId, changes: SourceChanges, *, expected_version: int | None, now: datetime
) -> Source:
    """Change a source; None for `expected_version` means: whatever it is now.

    Raises:
        NotFound, PreconditionFailed: see `store.sources.lock_source`.
        InvalidInput: options that the channel refuses.
    """
    async with sessions.begin() as session:
        source = await sources.lock_source(session, source_id, expected_version=expected_version, now=now)
        options = source.options
        if changes.options is not None:
            options = _channel(source.channel).validate_options(changes.options)
        changed = replace(
            _next(source, now),
            name=source.name if changes.name is None else changes.name,
            enabled=source.enabled if changes.enabled is None else changes.enabled,
            options=options,
        )
        await sources.save_source(session, changed)
        return changed


async def add_secret(
    sessions: Sessions,
    vault: Vault,
    source_id: SourceId,
    secret: str,
    *,
    now: datetime,
    entropy: Entropy,
    repeatable: Repeatable | None = None,
) -> Source:
    """Give a source one more secret; all are believed, so that a sender can change over.

    Raises:
        NotFound: there is no such source.
        InvalidInput: a secret that its channel could never match.
        Conflict: it has as many as it may have.
    """

    async def insert() -> Source:
        source = await sources.lock_source(session, source_id, expected_version=None, now=now)
        _check_secret(_channel(source.channel), secret, at="#/secret")
        if len(source.secrets) >= MAX_SECRETS:
            raise Conflict(f"A source has at most {MAX_SECRETS} secrets; remove one first.")
        await _add(session, vault, source_id, secret, now=now, entropy=entropy)
        return await _saved(session, source, now=now)

    async with sessions.begin() as session:
        return await once(session, repeatable, Source, insert, now=now)


async def remove_secret(sessions: Sessions, source_id: SourceId, secret_id: UUID, *, now: datetime) -> Source:
    """Believe a secret no longer.

    Raises:
        NotFound: there is no such source, or it has no such secret.
    """
    async with sessions.begin() as session:
        source = await sources.lock_source(session, source_id, expected_version=None, now=now)
        await sources.delete_secret(session, source_id, secret_id)
        return await _saved(session, source, now=now)


async def preview(
    sessions: Sessions,
    source_id: SourceId,
    *,
    body: bytes,
    content_type: str,
    headers: Mapping[str, str],
    options: Mapping[str, object] | None,
    now: datetime,
) -> tuple[Unpacked, ...]:
    """Return what a source would make of a payload, with its own options or with others; nothing is stored.

    Raises:
        NotFound: there is no such source.
        InvalidInput, TooLarge, UnsupportedMedia: what the sender would be told, or options that the channel refuses.
    """
    async with sessions() as session:
        source = await sources.get_source(session, source_id, now=now)
    channel = _channel(source.channel)
    checked = source.options if options is None else channel.validate_options(options)
    known = {name.lower(): [value] for name, value in headers.items()} | {"content-type": [content_type]}
    inbound = Inbound("POST", "", known, body, None, now)
    connection = Connection(source.id, source.channel, source.name, source.key, checked)
    return channel.preview(inbound, connection).submissions


def make_key(entropy: Entropy) -> str:
    """Return a key that nobody can guess."""
    return base64.urlsafe_b64encode(entropy(_KEY_BYTES)).rstrip(b"=").decode()


def make_secret(entropy: Entropy) -> str:
    """Return a secret to paste into a platform: 32 letters, digits, hyphens and underscores."""
    return base64.urlsafe_b64encode(entropy(_SECRET_BYTES)).decode()


async def _saved(session: AsyncSession, source: Source, *, now: datetime) -> Source:
    await sources.save_source(session, _next(source, now))
    return await sources.get_source(session, source.id, now=now)


async def _add(
    session: AsyncSession, vault: Vault, source_id: SourceId, secret: str, *, now: datetime, entropy: Entropy
) -> SecretNote:
    note = SecretNote(id=uuid7(now, entropy(10)), created_at=now, valid_until=None)
    sealed = vault.seal(secret.encode(), context=f"source_secret:{note.id}")
    await sources.insert_secret(session, source_id, note, sealed=sealed)
    return note


def _check_secret(channel: Channel, secret: str, *, at: str) -> None:
    try:
        channel.check_secret(secret)
    except ValueError as error:
        raise InvalidInput.at(at, str(error)) from None


def _next(source: Source, now: datetime) -> Source:
    return replace(source, version=source.version + 1, updated_at=now)


def _channel(name: str) -> Channel:
    channel = CHANNELS.get(name)
    if channel is None:
        raise InvalidInput.at("#/channel", f"known channels are {', '.join(sorted(CHANNELS))}")
    return channel
