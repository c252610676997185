"""Leads that a platform announced and that are still to be fetched there, and the tokens that fetch them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId


@dataclass(frozen=True, slots=True)
class NewNotification:
    """One announcement, as it comes in."""

    id: UUID
    source_id: SourceId
    object_id: str
    action: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Announced:
    """A claimed announcement, this being its n-th try, with the connection that it came by."""

    id: UUID
    object_id: str
    received_at: datetime
    attempts: int
    source_id: SourceId
    channel: str
    name: str
    key: str
    options: dict[str, Any]
    sealed_token: bytes
    secrets: tuple[tuple[UUID, bytes], ...]
    """Sealed under `source_secret:{id}`, newest first."""


@dataclass(frozen=True, slots=True)
class TokenState:
    """How the fetching of a source stands."""

    has_token: bool
    paused_until: datetime | None
    needs_reauth_since: datetime | None
    because: str | None
    waiting: int
    failed: int


_INSERT = text("""
INSERT INTO notification (id, source_id, object_id, action, received_at, due_at, attempts, failed_at, error)
SELECT t.id, t.source_id, t.object_id, t.action, t.received_at, t.received_at, 0,
       CASE WHEN t.action = 'deleted' THEN t.received_at END,
       CASE WHEN t.action = 'deleted' THEN 'the platform orders this lead''s deletion' END
  FROM unnest(CAST(:ids AS uuid[]), CAST(:sources AS uuid[]), CAST(:objects AS text[]), CAST(:actions AS text[]),
              CAST(:moments AS timestamptz[])) AS t (id, source_id, object_id, action, received_at)
 ORDER BY t.source_id, t.object_id, t.action
ON CONFLICT DO NOTHING
""")


async def insert(session: AsyncSession, rows: Sequence[NewNotification]) -> int:
    """Keep announcements; return how many were new. An order to delete is kept for a person, and as a tombstone."""
    done = await session.execute(
        _INSERT,
        {
            "ids": [row.id for row in rows],
            "sources": [row.source_id for row in rows],
            "objects": [row.object_id for row in rows],
            "actions": [row.action for row in rows],
            "moments": [row.received_at for row in rows],
        },
    )
    return int(done.rowcount)  # type: ignore[attr-defined] # an INSERT's result has it


# Each source has its own share of a claim, so that a backlog of one does not delay the others.
_CLAIM = text("""
WITH mine AS (
    SELECT due.id FROM source_token AS t JOIN source AS s ON s.id = t.source_id AND s.enabled
     CROSS JOIN LATERAL (
        SELECT n.id FROM notification AS n
         WHERE n.source_id = t.source_id AND n.failed_at IS NULL AND n.due_at <= :now
           AND NOT EXISTS (SELECT 1 FROM notification AS d WHERE d.source_id = n.source_id
                              AND d.object_id = n.object_id AND d.action = 'deleted')
         ORDER BY n.due_at, n.id LIMIT :rows FOR UPDATE SKIP LOCKED) AS due
     WHERE t.needs_reauth_since IS NULL AND (t.paused_until IS NULL OR t.paused_until <= :now)
), taken AS (
    UPDATE notification AS n SET attempts = attempts + 1, due_at = :lease_until FROM mine WHERE n.id = mine.id
    RETURNING n.id, n.object_id, n.received_at, n.attempts, n.source_id
)
SELECT taken.id, taken.object_id, taken.received_at, taken.attempts, taken.source_id,
       s.channel, s.name, s.key, s.options, t.sealed AS sealed_token
  FROM taken JOIN source AS s ON s.id = taken.source_id JOIN source_token AS t ON t.source_id = s.id
 ORDER BY taken.id
""")
_SECRETS = text("""
SELECT source_id, id, sealed FROM source_secret
 WHERE source_id = ANY (CAST(:sources AS uuid[])) AND (valid_until IS NULL OR valid_until > :now)
 ORDER BY id DESC
""")


async def claim(session: AsyncSession, *, now: datetime, rows: int, lease: timedelta) -> list[Announced]:
    """Take up to `rows` due announcements of each source that has a live token; what a dead worker took comes back."""
    found = await session.execute(_CLAIM, {"now": now, "lease_until": now + lease, "rows": rows})
    taken = found.mappings().all()
    secrets: dict[UUID, list[tuple[UUID, bytes]]] = {}
    for source_id, secret_id, sealed in await session.execute(
        _SECRETS, {"sources": list({row["source_id"] for row in taken}), "now": now}
    ):
        secrets.setdefault(source_id, []).append((secret_id, sealed))
    return [Announced(**row, secrets=tuple(secrets.get(row["source_id"], ()))) for row in taken]


async def finish(session: AsyncSession, notification_id: UUID) -> None:
    """Forget an announcement: its lead is in the inbox."""
    await session.execute(text("DELETE FROM notification WHERE id = :id"), {"id": notification_id})


async def retry(session: AsyncSession, notification_id: UUID, *, due_at: datetime, error: str) -> None:
    """Put an announcement back for a later try, with its reason."""
    statement = text("UPDATE notification SET due_at = :due_at, error = :error WHERE id = :id")
    await session.execute(statement, {"id": notification_id, "due_at": due_at, "error": error})


async def give_back(session: AsyncSession, notification_id: UUID, *, now: datetime, error: str) -> None:
    """Put an announcement back as if it had not been tried: it was not its fault."""
    statement = text("UPDATE notification SET due_at = :now, attempts = attempts - 1, error = :error WHERE id = :id")
    await session.execute(statement, {"id": notification_id, "now": now, "error": error})


async def park(session: AsyncSession, notification_id: UUID, *, now: datetime, error: str) -> None:
    """Put an announcement aside, visible and replayable."""
    statement = text("UPDATE notification SET failed_at = :now, error = :error WHERE id = :id")
    await session.execute(statement, {"id": notification_id, "now": now, "error": error})


async def replay(session: AsyncSession, source_id: SourceId, *, now: datetime) -> int:
    """Try again what was put aside, but for orders to delete; return how many."""
    statement = text(
        "UPDATE notification SET failed_at = NULL, attempts = 0, due_at = :now"
        " WHERE source_id = :id AND failed_at IS NOT NULL AND action <> 'deleted'"
    )
    return int((await session.execute(statement, {"id": source_id, "now": now})).rowcount)  # type: ignore[attr-defined]


_SET_TOKEN = text("""
INSERT INTO source_token (source_id, sealed, updated_at) VALUES (:id, :sealed, :now)
ON CONFLICT (source_id) DO UPDATE
   SET sealed = :sealed, updated_at = :now, paused_until = NULL, needs_reauth_since = NULL, because = NULL
""")


async def set_token(session: AsyncSession, source_id: SourceId, *, sealed: bytes, now: datetime) -> None:
    """Keep a source's token, sealed under `source_token:{source_id}`; what waited for it goes on."""
    await session.execute(_SET_TOKEN, {"id": source_id, "sealed": sealed, "now": now})


async def pause(session: AsyncSession, source_id: SourceId, *, until: datetime, because: str) -> None:
    """Let nothing of a source be fetched for a while."""
    statement = text("UPDATE source_token SET paused_until = :until, because = :because WHERE source_id = :id")
    await session.execute(statement, {"id": source_id, "until": until, "because": because})


async def needs_reauth(
    session: AsyncSession, source_id: SourceId, *, sealed: bytes, now: datetime, because: str
) -> None:
    """Say that a token is dead, unless it was renewed meanwhile."""
    statement = text(
        "UPDATE source_token SET needs_reauth_since = coalesce(needs_reauth_since, :now), because = :because"
        " WHERE source_id = :id AND sealed = :sealed"
    )
    await session.execute(statement, {"id": source_id, "sealed": sealed, "now": now, "because": because})


_STATE = text("""
SELECT t.source_id IS NOT NULL, t.paused_until, t.needs_reauth_since, t.because,
       (SELECT count(*) FROM notification WHERE source_id = s.id AND failed_at IS NULL),
       (SELECT count(*) FROM notification WHERE source_id = s.id AND failed_at IS NOT NULL)
  FROM source AS s LEFT JOIN source_token AS t ON t.source_id = s.id WHERE s.id = :id
""")


async def token_state(session: AsyncSession, source_id: SourceId) -> TokenState:
    """Return how the fetching of a source stands."""
    return TokenState(*(await session.execute(_STATE, {"id": source_id})).one())
