"""How the sources do: what came by each, how, and since when nothing does."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gateway saw of a source since it last said so."""

    source_id: SourceId
    last_received_at: datetime | None
    refused_at: datetime | None
    received: int


_NOTE = """
INSERT INTO source_health (source_id, last_received_at, refused_at, received, found)
SELECT t.id, t.last_received_at, t.refused_at, t.received, t.found
  FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::bigint[], $5::bigint[])
    AS t (id, last_received_at, refused_at, received, found)
  JOIN source AS s ON s.id = t.id
 ORDER BY t.id
ON CONFLICT (source_id) DO UPDATE
   SET last_received_at = greatest(source_health.last_received_at, excluded.last_received_at),
       refused_at = greatest(source_health.refused_at, excluded.refused_at),
       received = source_health.received + excluded.received, found = source_health.found + excluded.found
"""


async def note(connection: Connection, seen: Iterable[Seen]) -> None:
    """Add what was seen."""
    rows = list(seen)
    await connection.execute(
        _NOTE,
        [row.source_id for row in rows],
        [row.last_received_at for row in rows],
        [row.refused_at for row in rows],
        [row.received for row in rows],
        [0] * len(rows),
    )


async def count(connection: Connection, source_id: SourceId, *, received: int = 0, found: int = 0) -> None:
    """Count leads that are in the inbox now: of announcements, and of the platform's lists only."""
    if received or found:
        await connection.execute(_NOTE, [source_id], [None], [None], [received], [found])


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """How far a list was read."""

    feed_id: str
    name: str
    read_up_to: datetime | None
    is_under_way: bool
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How a source does. What only a source that fetches can have is None or 0 for all others."""

    source_id: SourceId
    last_received_at: datetime | None
    refused_at: datetime | None
    received: int
    found: int
    has_token: bool
    token_expires_at: datetime | None
    reconnect_by: datetime | None
    needs_reauth_since: datetime | None
    paused_until: datetime | None
    failing_since: datetime | None
    because: str | None
    polled_at: datetime | None
    checked_at: datetime | None
    subscription: str | None
    waiting: int
    put_aside: int
    erasures: int
    feeds: tuple[FeedHealth, ...]


_READ = text("""
SELECT s.id AS source_id, h.last_received_at, h.refused_at, coalesce(h.received, 0) AS received,
       coalesce(h.found, 0) AS found, t.source_id IS NOT NULL AS has_token, t.expires_at AS token_expires_at,
       coalesce(t.refresh_expires_at, CASE WHEN t.refresh_sealed IS NULL THEN t.expires_at END) AS reconnect_by,
       t.needs_reauth_since, t.paused_until, t.failing_since, t.because, t.polled_at, t.checked_at, t.subscription,
       n.waiting, n.put_aside, n.erasures
  FROM source AS s
  LEFT JOIN source_health AS h ON h.source_id = s.id
  LEFT JOIN source_token AS t ON t.source_id = s.id
 CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE action = 'created' AND failed_at IS NULL) AS waiting,
           count(*) FILTER (WHERE action = 'created' AND failed_at IS NOT NULL) AS put_aside,
           count(*) FILTER (WHERE action = 'deleted' AND done_at IS NOT NULL) AS erasures
      FROM notification WHERE source_id = s.id) AS n
 WHERE s.id = :id
""")
_FEEDS = text("""
SELECT feed_id, name, watermark AS read_up_to, began_at IS NOT NULL AS is_under_way, error
  FROM source_feed WHERE source_id = :id ORDER BY feed_id LIMIT 1000
""")


async def read(session: AsyncSession, source_id: SourceId) -> SourceHealth | None:
    """Return how a source does, or None if there is none."""
    row = (await session.execute(_READ, {"id": source_id})).mappings().one_or_none()
    if row is None:
        return None
    feeds: Any = (await session.execute(_FEEDS, {"id": source_id})).mappings().all()
    return SourceHealth(**row, feeds=tuple(FeedHealth(**feed) for feed in feeds))
