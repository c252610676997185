"""Lists of leads at a platform: how far each was read, and what its form asks."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.fetching import FeedSeen
from leadhub.domain.ids import SourceId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class KnownForm:
    """A form as it was last read; None: it could not be."""

    form: Mapping[str, Any] | None
    read_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A list, and how far it was read."""

    feed_id: str
    name: str
    watermark: datetime | None
    began_at: datetime | None
    cursor: str | None


_SEEN = """
INSERT INTO source_feed (source_id, feed_id, name, form, read_at)
SELECT $1, t.feed_id, t.name, t.form::jsonb, $5
  FROM unnest($2::text[], $3::text[], $4::text[]) AS t (feed_id, name, form)
 ORDER BY t.feed_id
ON CONFLICT (source_id, feed_id) DO UPDATE
   SET name = coalesce(nullif(excluded.name, ''), source_feed.name),
       form = coalesce(excluded.form, source_feed.form), read_at = excluded.read_at
"""


async def seen(connection: Connection, source_id: SourceId, found: Iterable[FeedSeen], *, now: datetime) -> None:
    """Keep what a platform says of its lists."""
    feeds = {feed.feed_id: feed for feed in found}.values()
    forms = [orjson.dumps(feed.form).decode() if feed.form is not None else None for feed in feeds]
    await connection.execute(
        _SEEN, source_id, [feed.feed_id for feed in feeds], [feed.name for feed in feeds], forms, now
    )


async def form(connection: Connection, source_id: SourceId, feed_id: str) -> KnownForm | None:
    """Return a form as it was last read, None if it never was."""
    row = await connection.fetchrow(
        "SELECT form, read_at FROM source_feed WHERE source_id = $1 AND feed_id = $2", source_id, feed_id
    )
    return KnownForm(row[0], row[1]) if row else None


_OPEN = """
SELECT feed_id, name, watermark, began_at, cursor FROM source_feed
 WHERE source_id = $1 AND feed_id = ANY ($2::text[]) ORDER BY watermark NULLS FIRST, feed_id
"""


async def of_source(connection: Connection, source_id: SourceId, feed_ids: Iterable[str]) -> list[Feed]:
    """Return lists, those first that were read the longest ago."""
    return [Feed(**row) for row in await connection.fetch(_OPEN, source_id, list(feed_ids))]


async def poll_since(connection: Connection, source_id: SourceId) -> datetime | None:
    """Return from when a list is read that was never read before, where somebody said so."""
    since: datetime | None = await connection.fetchval(
        "SELECT poll_since FROM source_token WHERE source_id = $1", source_id
    )
    return since


async def advance(
    connection: Connection,
    source_id: SourceId,
    feed_id: str,
    *,
    began_at: datetime,
    cursor: str,
    before: datetime | None,
) -> None:
    """Note where the reading of a list from `before` on goes on, unless somebody moved its mark back meanwhile."""
    statement = (
        "UPDATE source_feed SET began_at = $3, cursor = $4, error = NULL"
        " WHERE source_id = $1 AND feed_id = $2 AND watermark IS NOT DISTINCT FROM $5"
    )
    await connection.execute(statement, source_id, feed_id, began_at, cursor, before)


_ENDED = """
UPDATE source_feed SET watermark = $3, began_at = NULL, cursor = NULL, error = NULL
 WHERE source_id = $1 AND feed_id = $2 AND watermark IS NOT DISTINCT FROM $4
"""


async def ended(
    connection: Connection, source_id: SourceId, feed_id: str, *, watermark: datetime, before: datetime | None
) -> None:
    """Note that a list was read to its end from `before` on, unless somebody moved its mark back meanwhile."""
    await connection.execute(_ENDED, source_id, feed_id, watermark, before)


async def failed(connection: Connection, source_id: SourceId, feed_id: str, *, error: str, is_cursor: bool) -> None:
    """Note why a list was not read to its end; where its cursor may be at fault, it begins anew the next time."""
    statement = (
        "UPDATE source_feed SET error = $3, began_at = CASE WHEN $4 THEN NULL ELSE began_at END,"
        " cursor = CASE WHEN $4 THEN NULL ELSE cursor END WHERE source_id = $1 AND feed_id = $2"
    )
    await connection.execute(statement, source_id, feed_id, error[:500], is_cursor)


async def read_again(session: AsyncSession, source_id: SourceId, *, since: datetime, now: datetime) -> bool:
    """Have every list of a source read again from an instant on; whether the source can ask at all."""
    feeds = text(
        "UPDATE source_feed SET watermark = least(watermark, :since), began_at = NULL, cursor = NULL"
        " WHERE source_id = :id"
    )
    await session.execute(feeds, {"id": source_id, "since": since})
    turn = text(
        "UPDATE source_token SET poll_at = :now, poll_since = least(poll_since, :since)"
        " WHERE source_id = :id RETURNING 1"
    )
    return (await session.execute(turn, {"id": source_id, "since": since, "now": now})).scalar() is not None
