"""Imported files: their pieces, how far they were taken in, and the rows that were not."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import SourceId
from leadhub.domain.matching.sighting import Key
from leadhub.store.tables import ImportPart, ImportReject, ImportRun


class ImportState(StrEnum):
    """How far an import is."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    """To be worked on, or being worked on by whoever holds the lease."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A file of leads and how far it was taken in."""

    id: UUID
    source_id: SourceId
    name: str
    state: str
    is_check: bool
    mapping: Mapping[str, str]
    layout: Mapping[str, Any]
    rows_done: int
    """Number of the last row that was looked at."""
    taken: int
    known: int
    rejected: int
    created_at: datetime
    updated_at: datetime
    because: str | None


class Reject(NamedTuple):
    """A row that was not taken."""

    number: int
    reasons: list[str]


class Progress(NamedTuple):
    """How far a pass is, and what became of the rows so far."""

    rows_done: int
    taken: int
    known: int
    rejected: int


async def insert(session: AsyncSession, *, import_id: UUID, source_id: UUID, name: str, now: datetime) -> None:
    """Begin an import: its file is still to come."""
    session.add(
        ImportRun(
            id=import_id,
            source_id=source_id,
            name=name,
            state=ImportState.UPLOADING,
            is_check=False,
            mapping={},
            layout={},
            rows_done=0,
            taken=0,
            known=0,
            rejected=0,
            created_at=now,
            updated_at=now,
            lease_token=None,
            lease_until=now,
            because=None,
        )
    )
    await session.flush()


async def get(session: AsyncSession, import_id: UUID) -> Import:
    """Return one import.

    Raises:
        NotFound: there is no such import.
    """
    row = await session.get(ImportRun, import_id, populate_existing=True)
    if row is None:
        raise NotFound("There is no such import.")
    return _import(row)


async def newest(session: AsyncSession, *, limit: int, before: UUID | None = None) -> list[Import]:
    """Return imports, newest first."""
    query = select(ImportRun).order_by(ImportRun.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ImportRun.id < before)
    return [_import(row) for row in (await session.execute(query)).scalars()]


async def add_part(session: AsyncSession, import_id: UUID, number: int, content: bytes) -> None:
    """Keep a piece of a file; the same piece again replaces itself.

    Raises:
        NotFound: there is no such import.
        Conflict: its file is complete already.
    """
    run = await session.get(ImportRun, import_id, with_for_update={"read": True})
    if run is None:
        raise NotFound("There is no such import.")
    if run.state != ImportState.UPLOADING:
        raise Conflict("The file of this import is complete.")
    row = upsert(ImportPart).values(import_id=import_id, number=number, content=content)
    await session.execute(
        row.on_conflict_do_update(index_elements=["import_id", "number"], set_={"content": row.excluded.content})
    )


async def begin(
    session: AsyncSession, import_id: UUID, *, is_check: bool, mapping: Mapping[str, str], now: datetime
) -> None:
    """Have a pass over the file made from its first row on.

    Raises:
        NotFound: there is no such import.
        Conflict: pieces are missing, it is being worked on, or it was taken in already.
    """
    run = await session.get(ImportRun, import_id, with_for_update=True)
    if run is None:
        raise NotFound("There is no such import.")
    if run.state == ImportState.WAITING or (run.state == ImportState.DONE and not run.is_check):
        raise Conflict("This import is under way or done; begin another one.")
    counted = select(func.count(), func.max(ImportPart.number)).where(ImportPart.import_id == import_id)
    count, last = (await session.execute(counted)).one()
    if not count or count != last:
        raise Conflict("Pieces of the file are missing: they are numbered from 1 on.")
    await session.execute(delete(ImportReject).where(ImportReject.import_id == import_id))
    run.state, run.is_check, run.mapping = ImportState.WAITING, is_check, dict(mapping)
    run.rows_done = run.taken = run.known = run.rejected = 0
    run.lease_token, run.lease_until, run.because, run.updated_at = None, now, None, now
    await session.flush()


async def cancel(session: AsyncSession, import_id: UUID, *, now: datetime) -> None:
    """Stop an import where it is; what was taken stays, its file is forgotten.

    Raises:
        NotFound: there is no such import.
    """
    run = await session.get(ImportRun, import_id, with_for_update=True)
    if run is None:
        raise NotFound("There is no such import.")
    run.state, run.lease_token, run.updated_at = ImportState.CANCELLED, None, now
    await session.execute(delete(ImportPart).where(ImportPart.import_id == import_id))
    await session.flush()


_CLAIM = text("""
UPDATE import_run SET lease_token = :token, lease_until = :until
 WHERE id = (SELECT id FROM import_run
              WHERE state = 'waiting' AND lease_until <= :now AND (CAST(:id AS uuid) IS NULL OR id = :id)
              ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
""")


async def claim(
    session: AsyncSession, *, token: UUID, now: datetime, until: datetime, import_id: UUID | None = None
) -> Import | None:
    """Take an import that waits, or whose worker died; None if there is none."""
    values = {"token": token, "until": until, "now": now, "id": import_id}
    row = (await session.execute(_CLAIM, values)).first()
    return await get(session, row[0]) if row else None


async def advance(
    session: AsyncSession,
    import_id: UUID,
    progress: Progress,
    rejects: Sequence[Reject],
    *,
    token: UUID,
    now: datetime,
    until: datetime,
) -> bool:
    """Write down how far a pass is; False if somebody else has it now, or it was cancelled."""
    moved = (
        update(ImportRun)
        .where(ImportRun.id == import_id, ImportRun.lease_token == token)
        .values(**progress._asdict(), lease_until=until, updated_at=now)
        .returning(ImportRun.id)
    )
    if (await session.execute(moved)).first() is None:
        return False
    if rejects:
        rows = [{"import_id": import_id, "number": one.number, "reasons": one.reasons} for one in rejects]
        await session.execute(upsert(ImportReject).on_conflict_do_nothing(), rows)
    return True


async def keep_layout(session: AsyncSession, import_id: UUID, layout: Mapping[str, Any], *, token: UUID) -> None:
    """Keep what was found out of a file."""
    kept = update(ImportRun).where(ImportRun.id == import_id, ImportRun.lease_token == token)
    await session.execute(kept.values(layout=dict(layout)))


async def finish(
    session: AsyncSession, import_id: UUID, state: ImportState, *, token: UUID, because: str | None, now: datetime
) -> None:
    """End a pass."""
    ended = update(ImportRun).where(ImportRun.id == import_id, ImportRun.lease_token == token)
    await session.execute(ended.values(state=state, because=because, lease_token=None, updated_at=now))


async def parts(session: AsyncSession, import_id: UUID) -> AsyncIterator[bytes]:
    """Yield a file's pieces in their order, one in memory at a time."""
    number = 0
    while True:
        number += 1
        row = await session.execute(
            select(ImportPart.content).where(ImportPart.import_id == import_id, ImportPart.number == number)
        )
        content = row.scalar_one_or_none()
        if content is None:
            return
        yield content


async def rejects(session: AsyncSession, import_id: UUID, *, after: int, limit: int) -> list[Reject]:
    """Return rejected rows behind a row number, in the file's order."""
    query = (
        select(ImportReject.number, ImportReject.reasons)
        .where(ImportReject.import_id == import_id, ImportReject.number > after)
        .order_by(ImportReject.number)
        .limit(limit)
    )
    return [Reject(*row) for row in await session.execute(query)]


_KNOWN = text("""
SELECT k.kind, k.value
  FROM jsonb_to_recordset(CAST(:keys AS jsonb)) AS k (kind text, value text)
 WHERE EXISTS (SELECT 1 FROM identity_key AS i WHERE i.kind = k.kind AND i.value = k.value)
""")


async def known(session: AsyncSession, keys: Collection[Key]) -> set[Key]:
    """Return those keys that find a lead."""
    asked = orjson.dumps([{"kind": key.kind, "value": key.value} for key in keys]).decode()
    return {Key(*row) for row in await session.execute(_KNOWN, {"keys": asked})}


async def purge(session: AsyncSession, *, before: datetime) -> int:
    """Forget files, and with them who was rejected, that nobody touched since an instant; return how many."""
    gone = delete(ImportRun).where(ImportRun.updated_at < before).returning(ImportRun.id)
    return len((await session.execute(gone)).all())


def _import(row: ImportRun) -> Import:
    return Import(
        id=row.id,
        source_id=SourceId(row.source_id),
        name=row.name,
        state=row.state,
        is_check=row.is_check,
        mapping=row.mapping,
        layout=row.layout,
        rows_done=row.rows_done,
        taken=row.taken,
        known=row.known,
        rejected=row.rejected,
        created_at=row.created_at,
        updated_at=row.updated_at,
        because=row.because,
    )
