"""Tell subscribers how a source does: that it fails for long, needs a new token, works again. Each once.

What was told last is a column of the source's token, changed in the transaction that writes the event, so that any
number of workers tell it once, and only what had been told is taken back.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from leadhub import telemetry
from leadhub.domain import events as models
from leadhub.domain.ids import EventId
from leadhub.store import events, tokens
from leadhub.store.driver import Connection
from leadhub.store.events import NewEvent
from leadhub.store.tokens import Connected

_PATIENCE = timedelta(minutes=10)
"""How long a platform may fail before somebody is told: most failures are over by then."""

_log = telemetry.get_logger("source")

NewId = Callable[[], UUID]


async def works(connection: Connection, source: Connected, *, now: datetime, new_id: NewId) -> None:
    """Note that the platform answers as it should."""
    standing = await tokens.works(connection, source.source_id)
    if standing is None:
        return
    data = models.SourceRecoveredData(
        source_id=source.source_id, source=_of(source), waiting=standing.waiting, failing_since=standing.since
    )
    await _tell(connection, source, models.SourceRecovered(timestamp=now, data=data), new_id=new_id)


async def fails(connection: Connection, source: Connected, *, because: str, now: datetime, new_id: NewId) -> None:
    """Note that the platform does not answer as it should."""
    standing = await tokens.fails(connection, source.source_id, now=now, because=because, before=now - _PATIENCE)
    if standing is None:
        return
    data = models.SourceFailingData(
        source_id=source.source_id,
        source=_of(source),
        waiting=standing.waiting,
        failing_since=standing.since,
        because=because,
    )
    await _tell(connection, source, models.SourceFailing(timestamp=now, data=data), new_id=new_id)


async def needs_reauth(
    connection: Connection, source: Connected, *, because: str, now: datetime, new_id: NewId
) -> None:
    """Hold a source back until a person gives it a new token."""
    standing = await tokens.needs_reauth(
        connection, source.source_id, sealed=source.token.sealed, now=now, because=because
    )
    if standing is not None and standing.told != "needs_reauth":
        await _ask(connection, source, because, None, waiting=standing.waiting, now=now, new_id=new_id)


async def ends_soon(
    connection: Connection, source: Connected, *, works_until: datetime, now: datetime, new_id: NewId
) -> None:
    """Ask for a new token before the old one ends, once."""
    waiting = await tokens.warned(connection, source.source_id, now=now)
    if waiting is not None:
        because = f"the token ends at {works_until:%Y-%m-%d %H:%M} UTC, and nothing but a new one can change that"
        await _ask(connection, source, because, works_until, waiting=waiting, now=now, new_id=new_id)


async def _ask(
    connection: Connection,
    source: Connected,
    because: str,
    works_until: datetime | None,
    *,
    waiting: int,
    now: datetime,
    new_id: NewId,
) -> None:
    data = models.SourceNeedsReauthData(
        source_id=source.source_id, source=_of(source), waiting=waiting, because=because, works_until=works_until
    )
    await _tell(connection, source, models.SourceNeedsReauth(timestamp=now, data=data), new_id=new_id)


async def _tell(
    connection: Connection,
    source: Connected,
    event: models.SourceFailing | models.SourceRecovered | models.SourceNeedsReauth,
    *,
    new_id: NewId,
) -> None:
    new = NewEvent(
        id=EventId(new_id()),
        type=event.type,
        lead_id=None,
        sequence=None,
        occurred_at=event.timestamp,
        received_at=None,
        is_test=False,
        body=models.body(event),
    )
    await events.append(connection, [new])
    _log.warning("source.told", kind=event.type, source_id=str(source.source_id))


def _of(source: Connected) -> models.SourceRef:
    return models.SourceRef(name=source.name, channel=source.channel)
