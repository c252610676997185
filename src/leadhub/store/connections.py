"""Sources as the door needs them on every request: found by channel and key, with their live secrets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId
from leadhub.store.tables import Source, SourceSecret


@dataclass(frozen=True, slots=True)
class StoredConnection:
    """An enabled source, its secrets still sealed under `source_secret:{id}`, newest first."""

    source_id: SourceId
    channel: str
    name: str
    key: str
    options: dict[str, Any]
    sealed: tuple[tuple[UUID, bytes], ...]


async def find_connection(
    session: AsyncSession, *, channel: str | None, key: str, now: datetime
) -> StoredConnection | None:
    """Return the enabled source with this key, or None: what is disabled looks like what never was.

    Args:
        session: in any transaction.
        channel: of the source; None for whichever it is.
        key: of the source.
        now: for the secrets that are live.
    """
    live = and_(
        SourceSecret.source_id == Source.id,
        or_(SourceSecret.valid_until.is_(None), SourceSecret.valid_until > now),
    )
    query = (
        select(Source.id, Source.name, Source.options, SourceSecret.id, SourceSecret.sealed, Source.channel)
        .outerjoin(SourceSecret, live)
        .where(Source.key == key, Source.enabled, *([] if channel is None else [Source.channel == channel]))
        .order_by(SourceSecret.id.desc())
    )
    rows = (await session.execute(query)).all()
    if not rows:
        return None
    source_id, name, options, _, _, channel = rows[0]
    sealed = tuple((row[3], row[4]) for row in rows if row[3] is not None)
    return StoredConnection(SourceId(source_id), channel, name, key, options, sealed)


async def make_connection(session: AsyncSession, source_id: SourceId, *, channel: str, key: str, now: datetime) -> None:
    """Make a source with no options of its own, unless there is one with this key."""
    row = insert(Source).values(
        id=source_id,
        channel=channel,
        name=channel.capitalize(),
        key=key,
        enabled=True,
        options={},
        version=1,
        created_at=now,
        updated_at=now,
    )
    await session.execute(row.on_conflict_do_nothing())
