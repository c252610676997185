"""What lets us ask at a source's platform, how that does, and when the platform is asked next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import SourceId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedToken:
    """A source's token, sealed under `source_token:{source_id}`, and what renews it (`source_refresh_token:…`)."""

    sealed: bytes = field(repr=False)
    expires_at: datetime | None = None
    refresh_sealed: bytes | None = field(repr=False, default=None)
    refresh_expires_at: datetime | None = None
    renew_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A source that asks at its platform, with what that takes."""

    source_id: SourceId
    channel: str
    name: str
    key: str
    options: dict[str, Any]
    token: SealedToken
    warned_at: datetime | None
    secrets: tuple[tuple[UUID, bytes], ...]
    """Sealed under `source_secret:{id}`, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What subscribers were told of a source that works again, or fails for long."""

    told: str | None
    since: datetime
    waiting: int


_SET = text("""
INSERT INTO source_token (source_id, sealed, updated_at, expires_at, refresh_sealed, refresh_expires_at, renew_at,
                          poll_at, check_at)
VALUES (:id, :sealed, :now, :expires_at, :refresh_sealed, :refresh_expires_at, :renew_at, :now, :now)
ON CONFLICT (source_id) DO UPDATE
   SET sealed = :sealed, updated_at = :now, expires_at = :expires_at, refresh_sealed = :refresh_sealed,
       refresh_expires_at = :refresh_expires_at, renew_at = :renew_at, poll_at = :now, check_at = :now,
       paused_until = NULL, spared_until = NULL, needs_reauth_since = NULL, because = NULL, warned_at = NULL
""")


async def set_token(session: AsyncSession, source_id: SourceId, token: SealedToken, *, now: datetime) -> None:
    """Keep a source's token; what waited for it goes on, and its platform is asked at once what is new."""
    await session.execute(
        _SET,
        {
            "id": source_id,
            "now": now,
            "sealed": token.sealed,
            "expires_at": token.expires_at,
            "refresh_sealed": token.refresh_sealed,
            "refresh_expires_at": token.refresh_expires_at,
            "renew_at": token.renew_at,
        },
    )


_RENEW = """
UPDATE source_token
   SET sealed = $3, expires_at = $4, refresh_sealed = $5, refresh_expires_at = $6, renew_at = $7, updated_at = $8
 WHERE source_id = $1 AND sealed = $2
"""


async def renew(connection: Connection, source_id: SourceId, *, old: bytes, new: SealedToken, now: datetime) -> None:
    """Put a renewed token in the place of the old one, unless a person was faster."""
    await connection.execute(
        _RENEW,
        source_id,
        old,
        new.sealed,
        new.expires_at,
        new.refresh_sealed,
        new.refresh_expires_at,
        new.renew_at,
        now,
    )


_LOAD = """
SELECT s.id, s.channel, s.name, s.key, s.options, t.sealed, t.expires_at, t.refresh_sealed, t.refresh_expires_at,
       t.renew_at, t.warned_at
  FROM source AS s JOIN source_token AS t ON t.source_id = s.id WHERE s.id = $1 AND s.enabled
"""
_SECRETS = """
SELECT id, sealed FROM source_secret WHERE source_id = $1 AND (valid_until IS NULL OR valid_until > $2) ORDER BY id DESC
"""


async def load(connection: Connection, source_id: SourceId, *, now: datetime) -> Connected | None:
    """Return a source with its token and live secrets, or None without a token."""
    row = await connection.fetchrow(_LOAD, source_id)
    if row is None:
        return None
    secrets = await connection.fetch(_SECRETS, source_id, now)
    return Connected(
        source_id=source_id,
        channel=row["channel"],
        name=row["name"],
        key=row["key"],
        options=row["options"],
        token=SealedToken(
            sealed=row["sealed"],
            expires_at=row["expires_at"],
            refresh_sealed=row["refresh_sealed"],
            refresh_expires_at=row["refresh_expires_at"],
            renew_at=row["renew_at"],
        ),
        warned_at=row["warned_at"],
        secrets=tuple((one["id"], one["sealed"]) for one in secrets),
    )


async def pause(connection: Connection, source_id: SourceId, *, until: datetime, because: str) -> None:
    """Let nothing be asked for a source for a while."""
    statement = "UPDATE source_token SET paused_until = greatest(paused_until, $2), because = $3 WHERE source_id = $1"
    await connection.execute(statement, source_id, until, because)


async def spare(connection: Connection, source_id: SourceId, *, until: datetime) -> None:
    """Let nothing be asked for a source for a while that can wait."""
    statement = "UPDATE source_token SET spared_until = greatest(spared_until, $2) WHERE source_id = $1"
    await connection.execute(statement, source_id, until)


_NEEDS_REAUTH = """
WITH before AS (SELECT told FROM source_token WHERE source_id = $1 AND sealed = $2 FOR UPDATE)
UPDATE source_token AS t
   SET needs_reauth_since = coalesce(t.needs_reauth_since, $3), because = $4, told = 'needs_reauth'
  FROM before WHERE t.source_id = $1
RETURNING before.told, t.needs_reauth_since,
          (SELECT count(*) FROM notification WHERE source_id = $1 AND action = 'created')
"""


async def needs_reauth(
    connection: Connection, source_id: SourceId, *, sealed: bytes, now: datetime, because: str
) -> Standing | None:
    """Say that a token is dead; None if it was renewed meanwhile. `told` is what had been told before."""
    row = await connection.fetchrow(_NEEDS_REAUTH, source_id, sealed, now, because)
    return Standing(told=row[0], since=row[1], waiting=row[2]) if row else None


_FAILS = """
WITH before AS (SELECT told FROM source_token WHERE source_id = $1 FOR UPDATE)
UPDATE source_token AS t
   SET failing_since = coalesce(t.failing_since, $2), because = $3,
       told = CASE WHEN t.failing_since <= $4 THEN coalesce(t.told, 'failing') ELSE t.told END
  FROM before WHERE t.source_id = $1
RETURNING before.told IS DISTINCT FROM t.told, t.told, t.failing_since,
          (SELECT count(*) FROM notification WHERE source_id = $1 AND action = 'created')
"""


async def fails(
    connection: Connection, source_id: SourceId, *, now: datetime, because: str, before: datetime
) -> Standing | None:
    """Note a failure; return how it stands if it has been failing since `before` and nobody was told yet."""
    row = await connection.fetchrow(_FAILS, source_id, now, because, before)
    return Standing(told=row[1], since=row[2], waiting=row[3]) if row and row[0] else None


_WORKS = """
WITH before AS (
    SELECT told, coalesce(failing_since, updated_at) AS since FROM source_token
     WHERE source_id = $1 AND (failing_since IS NOT NULL OR told IS NOT NULL) AND needs_reauth_since IS NULL FOR UPDATE
)
UPDATE source_token AS t SET failing_since = NULL, because = NULL, told = NULL
  FROM before WHERE t.source_id = $1
RETURNING before.told, before.since,
          (SELECT count(*) FROM notification WHERE source_id = $1 AND action = 'created')
"""


async def works(connection: Connection, source_id: SourceId) -> Standing | None:
    """Note that the platform answers; return what subscribers had been told to the contrary, if anything."""
    row = await connection.fetchrow(_WORKS, source_id)
    return Standing(told=row[0], since=row[1], waiting=row[2]) if row and row[0] else None


_WARNED = """
UPDATE source_token SET warned_at = $2 WHERE source_id = $1 AND warned_at IS NULL
RETURNING (SELECT count(*) FROM notification WHERE source_id = $1 AND action = 'created')
"""


async def warned(connection: Connection, source_id: SourceId, *, now: datetime) -> int | None:
    """Note that a person was told of a token's end; return how many leads wait, None if it was told before."""
    count: int | None = await connection.fetchval(_WARNED, source_id, now)
    return count


class Turn(Enum):
    """What is asked at a platform from time to time."""

    POLL = "poll"
    """Which leads it has."""
    CHECK = "check"
    """Whether the connection is well."""


_DUE = {
    Turn.POLL: """
SELECT t.source_id FROM source_token AS t JOIN source AS s ON s.id = t.source_id
 WHERE t.poll_at <= $1 AND s.enabled AND t.needs_reauth_since IS NULL
   AND (t.paused_until IS NULL OR t.paused_until <= $1) AND (t.spared_until IS NULL OR t.spared_until <= $1)
""",
    Turn.CHECK: """
SELECT t.source_id FROM source_token AS t JOIN source AS s ON s.id = t.source_id
 WHERE t.check_at <= $1 AND s.enabled AND t.needs_reauth_since IS NULL
   AND (t.paused_until IS NULL OR t.paused_until <= $1)
""",
}
_TAKE = {
    Turn.POLL: "UPDATE source_token SET poll_at = $3 WHERE source_id = $1 AND poll_at <= $2 RETURNING 1",
    Turn.CHECK: "UPDATE source_token SET check_at = $3 WHERE source_id = $1 AND check_at <= $2 RETURNING 1",
}


async def due(connection: Connection, turn: Turn, *, now: datetime) -> Sequence[SourceId]:
    """Return the sources whose platform is to be asked now."""
    return [SourceId(row[0]) for row in await connection.fetch(_DUE[turn], now)]


async def take_turn(
    connection: Connection, source_id: SourceId, turn: Turn, *, now: datetime, again_at: datetime
) -> bool:
    """Take a source's turn; whether it was still due."""
    return await connection.fetchval(_TAKE[turn], source_id, now, again_at) is not None


async def poll_again(connection: Connection, source_id: SourceId, *, at: datetime) -> None:
    """Have a source's lists read on."""
    await connection.execute("UPDATE source_token SET poll_at = $2 WHERE source_id = $1", source_id, at)


async def polled(connection: Connection, source_id: SourceId, *, at: datetime, since: datetime | None) -> None:
    """Note that every list was read to its end, new ones from `since` on."""
    statement = (
        "UPDATE source_token SET polled_at = $2,"
        " poll_since = CASE WHEN poll_since IS DISTINCT FROM $3 THEN poll_since END WHERE source_id = $1"
    )
    await connection.execute(statement, source_id, at, since)


async def checked(
    connection: Connection, source_id: SourceId, *, now: datetime, subscription: str, expires_at: datetime | None
) -> None:
    """Note what a check found."""
    statement = (
        "UPDATE source_token SET checked_at = $2, subscription = $3, expires_at = coalesce($4, expires_at)"
        " WHERE source_id = $1"
    )
    await connection.execute(statement, source_id, now, subscription[:500], expires_at)
