"""Keep what a proven sender sent and nobody could read, and read it again once its mapping is right."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.channels.protocol import Capture, Connection, Inbound, Unpacked
from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import LeadHubError, NotFound
from leadhub.domain.ids import SourceId
from leadhub.pipeline.capture import notices_of, rows_of
from leadhub.pipeline.recognise import NewId
from leadhub.store import notifications, quarantine, sources
from leadhub.store.engine import Sessions
from leadhub.store.inbox import Inbox, NewSubmission
from leadhub.store.quarantine import Held

_MOST = 1_000
"""Deliveries read again at once."""


class Replayed(NamedTuple):
    """What came of reading again."""

    taken: int
    held: int


async def replay(sessions: Sessions, inbox: Inbox, source_id: SourceId, *, new_id: NewId, now: datetime) -> Replayed:
    """Read again what is held of a source, with its options as they are now; what can be read becomes leads.

    Raises:
        NotFound: there is no such source.
        Unavailable: the inbox is full; nothing of what is left was lost.
    """
    async with sessions() as session:
        connection = await _connection(session, source_id, now=now)
        held = await quarantine.of_source(session, source_id, limit=_MOST)
    return await _read_all(sessions, inbox, connection, held, new_id=new_id)


async def replay_one(sessions: Sessions, inbox: Inbox, held_id: UUID, *, new_id: NewId, now: datetime) -> Replayed:
    """Read one delivery again.

    Raises:
        NotFound: it is not held.
        Unavailable: the inbox is full; it stays.
    """
    async with sessions() as session:
        one = await quarantine.get(session, held_id)
        connection = await _connection(session, one.source_id, now=now)
    return await _read_all(sessions, inbox, connection, [one], new_id=new_id)


async def preview(
    sessions: Sessions, held_id: UUID, *, options: Mapping[str, object] | None, now: datetime
) -> tuple[Unpacked, ...]:
    """Return what a held delivery would become with other options, or with those of its source as they are now.

    Raises:
        NotFound: it is not held.
        InvalidInput: options that the channel refuses, or it cannot be read with them either.
    """
    async with sessions() as session:
        one = await quarantine.get(session, held_id)
        connection = await _connection(session, one.source_id, options=options, now=now)
    return _read(one, connection).submissions


async def discard(sessions: Sessions, held_id: UUID) -> None:
    """Forget a delivery that nobody wants.

    Raises:
        NotFound: it is not held.
    """
    async with sessions.begin() as session:
        if not await quarantine.remove(session, held_id):
            raise NotFound("Nothing is held under this id.")


async def _connection(
    session: AsyncSession, source_id: SourceId, *, options: Mapping[str, object] | None = None, now: datetime
) -> Connection:
    source = await sources.get_source(session, source_id, now=now)
    known = source.options if options is None else CHANNELS[source.channel].validate_options(options)
    return Connection(source.id, source.channel, source.name, source.key, known)


async def _read_all(
    sessions: Sessions, inbox: Inbox, connection: Connection, held: Sequence[Held], *, new_id: NewId
) -> Replayed:
    taken = 0
    for one in held:
        try:
            capture = _read(one, connection)
            rows = rows_of(capture, connection, _inbound(one), iter(new_id, None))
        except LeadHubError:
            continue
        if not rows and not capture.notices:
            continue
        await inbox.put([_once(row, one, number) for number, row in enumerate(rows)])
        async with sessions.begin() as session:
            if capture.notices:
                await notifications.insert(session, notices_of(capture, connection, one.received_at, new_id=new_id))
            await quarantine.remove(session, one.id)
        taken += 1
    return Replayed(taken, len(held) - taken)


def _read(one: Held, connection: Connection) -> Capture:
    return CHANNELS[connection.channel].preview(_inbound(one), connection)


def _inbound(one: Held) -> Inbound:
    headers = {name: [value] for name, value in one.headers.items()}
    return Inbound("POST", "", headers, one.body, None, one.received_at)


def _once(row: NewSubmission, one: Held, number: int) -> NewSubmission:
    """Return a row that is taken once, also if reading it again ends between the inbox and forgetting."""
    if row.dedupe_key is not None:
        return row
    fingerprint = hashlib.sha256(row.raw).digest()
    return row._replace(dedupe_key=f"quarantine:{one.id}:{number}", fingerprint=fingerprint)
