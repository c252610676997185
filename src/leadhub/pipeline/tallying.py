"""Count in a gateway what comes by each source, and write it down every few seconds: a lead costs nothing by it.

A gateway that is killed forgets what it counted last. The leads themselves are on disk, and their number for each
channel is a metric, so that is no loss; a row for each lead would be one.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.ids import SourceId
from leadhub.store import source_health
from leadhub.store.driver import transaction
from leadhub.store.outage import is_outage
from leadhub.store.source_health import Seen

_EVERY_SECONDS = 5.0
_MOST_SOURCES = 10_000

_log = telemetry.get_logger("tally")


@dataclass(slots=True)
class _Count:
    received: int = 0
    last_received_at: datetime | None = None
    refused_at: datetime | None = None


class Tally:
    """What came since it was last written down."""

    def __init__(self) -> None:
        self._counts: dict[SourceId, _Count] = {}

    def received(self, source_id: SourceId, leads: int, *, at: datetime) -> None:
        """Count a delivery of a sender that proved itself, and the new leads in it."""
        count = self._of(source_id)
        count.received += leads
        count.last_received_at = at

    def refused(self, source_id: SourceId, *, at: datetime) -> None:
        """Note that somebody did not prove himself."""
        self._of(source_id).refused_at = at

    async def write(self, engine: AsyncEngine) -> None:
        """Write down what was counted; while PostgreSQL is away, it is kept for the next time."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        seen = [
            Seen(source_id, one.last_received_at, one.refused_at, one.received) for source_id, one in counts.items()
        ]
        try:
            async with transaction(engine) as connection:
                await source_health.note(connection, seen)
        except Exception as error:  # noqa: BLE001 - whatever it is, counting must not end
            _log.warning("database.away" if is_outage(error) else "tally.fault", error_class=type(error).__name__)
            for one in seen:
                self._put_back(one)

    async def run(self, engine: AsyncEngine) -> None:
        """Write every few seconds until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.write(engine)

    def _of(self, source_id: SourceId) -> _Count:
        count = self._counts.get(source_id)
        if count is None:
            if len(self._counts) >= _MOST_SOURCES:
                self._counts.clear()
            count = self._counts[source_id] = _Count()
        return count

    def _put_back(self, seen: Seen) -> None:
        count = self._of(seen.source_id)
        count.received += seen.received
        count.last_received_at = count.last_received_at or seen.last_received_at
        count.refused_at = count.refused_at or seen.refused_at
