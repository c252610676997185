"""Keep what a proven sender sent and nobody could read, and read it again once its mapping is right."""

from datetime import datetime
from typing import NamedTuple

from leadhub.channels.protocol import Connection, Inbound
from leadhub.channels.registry import CHANNELS
from leadhub.domain.errors import LeadHubError
from leadhub.domain.ids import SourceId
from leadhub.pipeline.capture import rows_of
from leadhub.pipeline.recognise import NewId
from leadhub.store import quarantine, sources
from leadhub.store.engine import Sessions
from leadhub.store.inbox import Inbox

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
        source = await sources.get_source(session, source_id, now=now)
        held = await quarantine.of_source(session, source_id, limit=_MOST)
    connection = Connection(source.id, source.channel, source.name, source.key, source.options)
    taken = 0
    for one in held:
        headers = {name: [value] for name, value in one.headers.items()}
        inbound = Inbound("POST", "", headers, one.body, None, one.received_at)
        try:
            capture = CHANNELS[source.channel].preview(inbound, connection)
            rows = rows_of(capture, connection, inbound, iter(new_id, None))
        except LeadHubError:
            continue
        if rows:
            await inbox.put(rows)
            async with sessions.begin() as session:
                await quarantine.remove(session, one.id)
            taken += 1
    return Replayed(taken, len(held) - taken)
