"""Deliveries of proven senders in which no lead could be read: kept as they came, until a person sees to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import NotFound
from leadhub.domain.ids import SourceId


@dataclass(frozen=True, slots=True)
class Held:
    """One delivery."""

    id: UUID
    source_id: SourceId
    received_at: datetime
    because: str
    body: bytes
    headers: Mapping[str, str]
    """What of the request is needed to read it again, content-type among them."""


class HeldNote(NamedTuple):
    """That a delivery is held and why; nothing of what is in it."""

    id: UUID
    source_id: UUID
    source: str
    channel: str
    received_at: datetime
    because: str
    bytes: int
    content_type: str | None


_INSERT = text("""
INSERT INTO quarantine (id, source_id, received_at, because, body, headers)
VALUES (:id, :source_id, :received_at, :because, :body, CAST(:headers AS jsonb))
""")
_HELD = "SELECT id, source_id, received_at, because, body, headers FROM quarantine"
_OF_SOURCE = text(f"{_HELD} WHERE source_id = :id ORDER BY id LIMIT :limit")
_ONE = text(f"{_HELD} WHERE id = :id")
_NOTES = text("""
SELECT q.id, q.source_id, s.name, s.channel, q.received_at, q.because, octet_length(q.body),
       q.headers ->> 'content-type'
  FROM quarantine AS q JOIN source AS s ON s.id = q.source_id
 WHERE (CAST(:source_id AS uuid) IS NULL OR q.source_id = :source_id)
   AND (CAST(:id AS uuid) IS NULL OR q.id = :id)
   AND (CAST(:before AS uuid) IS NULL OR q.id < :before)
 ORDER BY q.id DESC LIMIT :limit
""")


async def insert(session: AsyncSession, held: Held, *, headers_json: str) -> None:
    """Keep a delivery."""
    values = {
        "id": held.id,
        "source_id": held.source_id,
        "received_at": held.received_at,
        "because": held.because,
        "body": held.body,
        "headers": headers_json,
    }
    await session.execute(_INSERT, values)


async def notes(
    session: AsyncSession, *, limit: int, source_id: UUID | None = None, before: UUID | None = None
) -> Sequence[HeldNote]:
    """Return what is held, newest first."""
    values = {"source_id": source_id, "id": None, "before": before, "limit": limit}
    return [HeldNote(*row) for row in await session.execute(_NOTES, values)]


async def note(session: AsyncSession, held_id: UUID) -> HeldNote:
    """Return what is said of one delivery.

    Raises:
        NotFound: there is none, or it was read or discarded.
    """
    row = (await session.execute(_NOTES, {"source_id": None, "id": held_id, "before": None, "limit": 1})).first()
    if row is None:
        raise _unknown()
    return HeldNote(*row)


async def of_source(session: AsyncSession, source_id: SourceId, *, limit: int) -> Sequence[Held]:
    """Return what is held of a source, oldest first."""
    rows = (await session.execute(_OF_SOURCE, {"id": source_id, "limit": limit})).mappings().all()
    return [Held(**row) for row in rows]


async def get(session: AsyncSession, held_id: UUID) -> Held:
    """Return one delivery.

    Raises:
        NotFound: there is none, or it was read or discarded.
    """
    row = (await session.execute(_ONE, {"id": held_id})).mappings().first()
    if row is None:
        raise _unknown()
    return Held(**row)


async def remove(session: AsyncSession, held_id: UUID) -> bool:
    """Forget a delivery: it could be read, or is not wanted; whether it was there."""
    done = await session.execute(text("DELETE FROM quarantine WHERE id = :id RETURNING 1"), {"id": held_id})
    return done.first() is not None


async def purge(session: AsyncSession, *, before: datetime) -> int:
    """Forget what is older; return how many."""
    done = await session.execute(text("DELETE FROM quarantine WHERE received_at < :before"), {"before": before})
    return int(done.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it


def _unknown() -> NotFound:
    return NotFound("Nothing is held under this id.")
