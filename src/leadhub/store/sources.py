"""Sources as the administrator sees them. What the door needs of them on every request is in `connections`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import Conflict, NotFound, PreconditionFailed
from leadhub.domain.ids import SourceId
from leadhub.store import tables

KEY_TAKEN = "Another source has this key."


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretNote:
    """That a secret exists; never the secret."""

    id: UUID
    created_at: datetime
    valid_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A connection through which leads arrive."""

    id: SourceId
    channel: str
    name: str
    key: str
    enabled: bool
    options: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    secrets: tuple[SecretNote, ...] = ()
    """Those still valid, newest first."""


async def insert_source(session: AsyncSession, source: Source) -> None:
    """Keep a new source.

    Raises:
        Conflict: another source has this key.
    """
    session.add(
        tables.Source(
            id=source.id,
            channel=source.channel,
            name=source.name,
            key=source.key,
            enabled=source.enabled,
            options=source.options,
            version=source.version,
            created_at=source.created_at,
            updated_at=source.updated_at,
        )
    )
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(KEY_TAKEN) from None


async def insert_secret(session: AsyncSession, source_id: SourceId, secret: SecretNote, *, sealed: bytes) -> None:
    """Keep one more secret of a source, sealed under `source_secret:{id}`."""
    session.add(
        tables.SourceSecret(
            id=secret.id,
            source_id=source_id,
            sealed=sealed,
            created_at=secret.created_at,
            valid_until=secret.valid_until,
        )
    )
    await session.flush()


async def get_source(session: AsyncSession, source_id: SourceId, *, now: datetime) -> Source:
    """Return one source.

    Raises:
        NotFound: there is no such source.
    """
    row = await session.get(tables.Source, source_id)
    if row is None:
        raise NotFound("There is no such source.")
    return (await _with_secrets(session, [row], now=now))[0]


async def list_sources(
    session: AsyncSession, *, limit: int, now: datetime, before: SourceId | None = None
) -> list[Source]:
    """Return sources, newest first."""
    query = select(tables.Source).order_by(tables.Source.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tables.Source.id < before)
    return await _with_secrets(session, (await session.execute(query)).scalars().all(), now=now)


async def lock_source(
    session: AsyncSession, source_id: SourceId, *, expected_version: int | None, now: datetime
) -> Source:
    """Return one source and keep others from changing it until the transaction ends.

    Raises:
        NotFound: there is no such source.
        PreconditionFailed: it is no longer at the expected version.
    """
    row = await session.get(tables.Source, source_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such source.")
    if expected_version is not None and row.version != expected_version:
        raise PreconditionFailed("The source was changed meanwhile.")
    return (await _with_secrets(session, [row], now=now))[0]


async def save_source(session: AsyncSession, source: Source) -> None:
    """Write the changed parts of a locked source; channel and key are for good."""
    row = await session.get_one(tables.Source, source.id)
    row.name = source.name
    row.enabled = source.enabled
    row.options = source.options
    row.version = source.version
    row.updated_at = source.updated_at
    await session.flush()


async def delete_secret(session: AsyncSession, source_id: SourceId, secret_id: UUID) -> None:
    """Forget a secret of a source.

    Raises:
        NotFound: the source has no such secret.
    """
    row = await session.get(tables.SourceSecret, secret_id)
    if row is None or row.source_id != source_id:
        raise NotFound("The source has no such secret.")
    await session.delete(row)
    await session.flush()


async def _with_secrets(session: AsyncSession, rows: Sequence[tables.Source], *, now: datetime) -> list[Source]:
    secret = tables.SourceSecret
    query = (
        select(secret.source_id, secret.id, secret.created_at, secret.valid_until)
        .where(secret.source_id.in_([row.id for row in rows]))
        .where(or_(secret.valid_until.is_(None), secret.valid_until > now))
        .order_by(secret.id.desc())
    )
    notes: dict[UUID, list[SecretNote]] = {row.id: [] for row in rows}
    for source_id, secret_id, created_at, valid_until in await session.execute(query):
        notes[source_id].append(SecretNote(id=secret_id, created_at=created_at, valid_until=valid_until))
    return [_source(row, notes[row.id]) for row in rows]


def _source(row: tables.Source, secrets: Sequence[SecretNote]) -> Source:
    return Source(
        id=SourceId(row.id),
        channel=row.channel,
        name=row.name,
        key=row.key,
        enabled=row.enabled,
        options=row.options,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        secrets=tuple(secrets),
    )
