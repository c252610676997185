"""Creating requests that come twice: the second gets the first one's answer.

The answer is written in the transaction that makes the thing, so there is no moment at which one exists without the
other. It is kept sealed: the answer to `create a key` holds the key.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import IdempotencyConflict
from leadhub.store.tables import AdminIdempotency
from leadhub.store.vault import Vault

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeatable:
    """A request that its sender may repeat: who asks, under which key, and what exactly was asked."""

    caller_id: UUID
    key: str
    fingerprint: bytes
    """SHA-256 over the operation and its body: another request under the same key is a mistake, not a repeat."""
    vault: Vault

    @property
    def context(self) -> str:
        """What the sealed answer is tied to."""
        return f"admin_idempotency:{self.caller_id}:{hashlib.sha256(self.key.encode()).hexdigest()}"


async def once(
    session: AsyncSession,
    repeatable: Repeatable | None,
    answer: type[Made],
    make: Callable[[], Awaitable[Made]],
    *,
    now: datetime,
) -> Made:
    """Return what `make` makes, or what it made the first time that this request came.

    Two at once are one: the second waits on the first one's row and then reads it.

    Raises:
        IdempotencyConflict: the key was used before for another request.
    """
    if repeatable is None:
        return await make()
    if not await _is_first(session, repeatable, now=now):
        return await _first_answer(session, repeatable, answer)
    made = await make()
    sealed = repeatable.vault.seal(TypeAdapter(answer).dump_json(made), context=repeatable.context)
    await session.execute(update(AdminIdempotency).where(*_same(repeatable)).values(response=sealed))
    return made


async def purge(session: AsyncSession, *, before: datetime) -> int:
    """Forget answers given before an instant; return how many."""
    gone = delete(AdminIdempotency).where(AdminIdempotency.created_at < before).returning(AdminIdempotency.key)
    return len((await session.execute(gone)).all())


async def _is_first(session: AsyncSession, repeatable: Repeatable, *, now: datetime) -> bool:
    claim = (
        insert(AdminIdempotency)
        .values(
            caller_id=repeatable.caller_id,
            key=repeatable.key,
            fingerprint=repeatable.fingerprint,
            response=b"",
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(AdminIdempotency.key)
    )
    return (await session.execute(claim)).first() is not None


async def _first_answer(session: AsyncSession, repeatable: Repeatable, answer: type[Made]) -> Made:
    query = select(AdminIdempotency.fingerprint, AdminIdempotency.response).where(*_same(repeatable))
    fingerprint, response = (await session.execute(query)).one()
    if fingerprint != repeatable.fingerprint:
        raise IdempotencyConflict("This Idempotency-Key was used before for another request.")
    return TypeAdapter(answer).validate_json(repeatable.vault.open(response, context=repeatable.context))


def _same(repeatable: Repeatable) -> tuple[ColumnElement[bool], ...]:
    return (AdminIdempotency.caller_id == repeatable.caller_id, AdminIdempotency.key == repeatable.key)
