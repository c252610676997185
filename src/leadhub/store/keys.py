"""API keys as kept: a hash, the last four characters, what the key may do and until when.

A key is never changed and never deleted: to rotate, make a second one and revoke the first. So a line in a log that
names a key's id can always be traced to what that key could do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import NotFound
from leadhub.domain.ids import ApiKeyId
from leadhub.store.tables import ApiKey

_USE_INTERVAL = timedelta(minutes=1)
"""`last_used_at` is exact to this: a write for every request would cost more than the answer is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key without its secret."""

    id: ApiKeyId
    name: str
    last4: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


async def insert_key(session: AsyncSession, key: Key, *, token_sha256: bytes) -> None:
    """Keep a new key."""
    row = ApiKey(
        id=key.id,
        name=key.name,
        token_sha256=token_sha256,
        last4=key.last4,
        scopes=list(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
    session.add(row)
    await session.flush()


async def live_key(session: AsyncSession, token_sha256: bytes, *, now: datetime) -> Key | None:
    """Return the key of a token, unless it is unknown, revoked or expired."""
    query = select(ApiKey).where(
        ApiKey.token_sha256 == token_sha256,
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
    )
    row = (await session.execute(query)).scalar_one_or_none()
    return _key(row) if row else None


async def get_key(session: AsyncSession, key_id: ApiKeyId) -> Key:
    """Return one key.

    Raises:
        NotFound: there is no such key.
    """
    row = await session.get(ApiKey, key_id)
    if row is None:
        raise NotFound("There is no such key.")
    return _key(row)


async def list_keys(session: AsyncSession, *, limit: int, before: ApiKeyId | None = None) -> list[Key]:
    """Return keys, newest first, revoked ones too."""
    query = select(ApiKey).order_by(ApiKey.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ApiKey.id < before)
    return [_key(row) for row in (await session.execute(query)).scalars()]


async def revoke_key(session: AsyncSession, key_id: ApiKeyId, *, now: datetime) -> Key:
    """Make a key useless from now on; the first revocation's time stays.

    Raises:
        NotFound: there is no such key.
    """
    row = await session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound("There is no such key.")
    if row.revoked_at is None:
        row.revoked_at = now
        await session.flush()
    return _key(row)


async def note_use(session: AsyncSession, key_id: ApiKeyId, *, now: datetime) -> None:
    """Write down that a key was used, unless that was done a moment ago or somebody else is just doing it."""
    stale = (
        select(ApiKey.id)
        .where(ApiKey.id == key_id, or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - _USE_INTERVAL))
        .with_for_update(skip_locked=True)
    )
    await session.execute(update(ApiKey).where(ApiKey.id.in_(stale)).values(last_used_at=now))


def _key(row: ApiKey) -> Key:
    return Key(
        id=ApiKeyId(row.id),
        name=row.name,
        last4=row.last4,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
