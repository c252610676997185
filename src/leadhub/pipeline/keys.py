"""Make and revoke API keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain import credentials
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import ApiKeyId, Entropy, uuid7
from leadhub.store import keys
from leadhub.store.engine import Sessions
from leadhub.store.idempotency import Repeatable, once
from leadhub.store.keys import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKey:
    """A new key and, this once, its token."""

    token: str
    key: Key


async def create_key(
    sessions: Sessions,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
    entropy: Entropy,
    repeatable: Repeatable | None = None,
) -> CreatedKey:
    """Make a key; its token can be read from the result and nowhere else, ever.

    Raises:
        InvalidInput: an unknown scope, none at all, or an expiry that has passed.
        IdempotencyConflict: see `store.idempotency.once`.
    """
    _check(scopes=scopes, expires_at=expires_at, now=now)
    token = credentials.make_token(entropy(credentials.TOKEN_BYTES))
    key = Key(
        id=ApiKeyId(uuid7(now, entropy(10))),
        name=name,
        last4=token[-4:],
        scopes=tuple(sorted(set(scopes))),
        created_at=now,
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    async with sessions.begin() as session:
        return await once(session, repeatable, CreatedKey, lambda: _insert(session, key, token), now=now)


async def revoke_key(sessions: Sessions, key_id: ApiKeyId, *, now: datetime) -> Key:
    """Make a key useless; doing it again changes nothing.

    Raises:
        NotFound: there is no such key.
    """
    async with sessions.begin() as session:
        return await keys.revoke_key(session, key_id, now=now)


async def _insert(session: AsyncSession, key: Key, token: str) -> CreatedKey:
    await keys.insert_key(session, key, token_sha256=credentials.hash_token(token))
    return CreatedKey(token=token, key=key)


def _check(*, scopes: Sequence[str], expires_at: datetime | None, now: datetime) -> None:
    if not scopes:
        raise InvalidInput.at("#/scopes", "name at least one scope")
    if set(scopes) - credentials.SCOPES:
        raise InvalidInput.at("#/scopes", f"known scopes are {', '.join(sorted(credentials.SCOPES))}")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput.at("#/expires_at", "must lie in the future")
