"""Deliveries of proven senders in which no lead could be read: kept as they came, until a person sees to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

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


_INSERT = text("""
INSERT INTO quarantine (id, source_id, received_at, because, body, headers)
VALUES (:id, :source_id, :received_at, :because, :body, CAST(:headers AS jsonb))
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


async def of_source(session: AsyncSession, source_id: SourceId, *, limit: int) -> Sequence[Held]:
    """Return what is held of a source, oldest first."""
    statement = text(
        "SELECT id, source_id, received_at, because, body, headers FROM quarantine"
        " WHERE source_id = :id ORDER BY id LIMIT :limit"
    )
    rows = (await session.execute(statement, {"id": source_id, "limit": limit})).mappings().all()
    return [Held(**row) for row in rows]


async def remove(session: AsyncSession, held_id: UUID) -> None:
    """Forget a delivery: it could be read, or is not wanted."""
    await session.execute(text("DELETE FROM quarantine WHERE id = :id"), {"id": held_id})


async def purge(session: AsyncSession, *, before: datetime) -> int:
    """Forget what is older; return how many."""
    done = await session.execute(text("DELETE FROM quarantine WHERE received_at < :before"), {"before": before})
    return int(done.rowcount)  # type: ignore[attr-defined] # a DELETE's result has it
