"""Read platforms' lists of leads through, so that a lead that was never announced comes all the same.

    the lists there are → each from its watermark on, page by page → inbox → the watermark moves when the end is reached

The inbox knows a lead by the platform's id, so what was announced, too, is one submission. A watermark is the beginning
of the last complete reading less a few minutes, so that nothing falls between two; a failure in one list does not stop
the others. A reading that is interrupted goes on at its page. To read again from an earlier day (a backfill) is to move
the watermarks back.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from leadhub import telemetry
from leadhub.domain.errors import Conflict, InvalidInput, NotFound
from leadhub.domain.fetching import Feeds, Later, NeedsReauth, Page, Throttled, Usage
from leadhub.domain.ids import SourceId
from leadhub.outbound.asking import Account, text_at
from leadhub.pipeline.fetching import Fetching, judge_source, open_account, take
from leadhub.pipeline.forms import Forms
from leadhub.store import feeds, notifications, source_health, tokens
from leadhub.store.driver import connect, transaction
from leadhub.store.engine import Sessions
from leadhub.store.feeds import Feed
from leadhub.store.notifications import NewNotification
from leadhub.store.tokens import Connected, Turn

EVERY = timedelta(minutes=15)
_OVERLAP = timedelta(minutes=5)
"""Leads can appear in a list some time after their own time."""
_AT_CONNECT = timedelta(days=30)
"""How far back a list is read that was never read before."""
_LONGEST = timedelta(days=365)
"""The longest that a platform keeps leads: LinkedIn a year, Meta 90 days."""
_PAGES = 20
"""Pages of one list at a turn, so that a long list does not keep the others waiting."""
NEEDED = {"meta": "page_id", "linkedin": "owner"}
"""The option that says whose lists are meant; without it nothing can be read through."""

_log = telemetry.get_logger("poll")


async def due_sources(work: Fetching) -> list[SourceId]:
    """Return the sources whose lists are due."""
    async with connect(work.engine) as connection:
        return list(await tokens.due(connection, Turn.POLL, now=work.clock()))


async def poll_due(work: Fetching) -> int:
    """Read the lists of all sources that are due; return how many leads were new."""
    return sum(await asyncio.gather(*(poll_source(work, source_id) for source_id in await due_sources(work))))


@dataclass(slots=True)
class _Reading:
    """One turn of a source."""

    source: Connected
    account: Account
    forms: Forms
    new: int = 0
    is_complete: bool = True
    works: bool = False
    trouble: Later | None = None
    stop: Throttled | NeedsReauth | None = None
    usage: Usage = field(default_factory=Usage)

    def refused(self, why: Later | Throttled | NeedsReauth) -> None:
        """Take down why something could not be read."""
        self.is_complete = False
        if isinstance(why, Later):
            self.trouble = self.trouble or why
        else:
            self.stop = why


async def poll_source(work: Fetching, source_id: SourceId) -> int:
    """Read a source's lists, as far as one turn goes; return how many leads were new."""
    now = work.clock()
    async with transaction(work.engine) as connection:
        if not await tokens.take_turn(connection, source_id, Turn.POLL, now=now, again_at=now + EVERY):
            return 0
        source = await tokens.load(connection, source_id, now=now)
        since = await feeds.poll_since(connection, source_id)
    if source is None or not source.options.get(NEEDED[source.channel]):
        return 0
    account = open_account(work, source)
    if isinstance(account, NeedsReauth):
        async with transaction(work.engine) as connection:
            await judge_source(connection, work, source, stop=account, usage=Usage(), works=False, trouble=None)
        return 0
    reading = _Reading(source, account, Forms(work, source, account))
    await _read_all(work, reading, since=since, now=now)
    async with transaction(work.engine) as connection:
        if reading.is_complete:
            await tokens.polled(connection, source_id, at=now, since=since)
        elif reading.trouble is None and reading.stop is None:
            await tokens.poll_again(connection, source_id, at=work.clock())
        await judge_source(
            connection,
            work,
            source,
            stop=reading.stop,
            usage=reading.usage,
            works=reading.works,
            trouble=reading.trouble,
        )
    _log.info("source.polled", channel=source.channel, source_id=str(source_id), count=reading.new)
    return reading.new


async def _read_all(work: Fetching, reading: _Reading, *, since: datetime | None, now: datetime) -> None:
    found = await work.apis.by_channel[reading.source.channel].feeds(reading.account)
    if not isinstance(found, Feeds):
        reading.refused(found if isinstance(found, Later | Throttled | NeedsReauth) else Later(found.because))
        return
    reading.works, reading.usage = not found.feeds, found.usage
    async with transaction(work.engine) as connection:
        await feeds.seen(connection, reading.source.source_id, found.feeds, now=now)
        stored = await feeds.of_source(connection, reading.source.source_id, [one.feed_id for one in found.feeds])
    for feed in stored:
        if reading.stop is not None or reading.usage.sparing is not None:
            reading.is_complete = False
            break
        await _read(work, reading, feed, fallback=since or now - _AT_CONNECT, now=now)


async def _read(work: Fetching, reading: _Reading, feed: Feed, *, fallback: datetime, now: datetime) -> None:
    """Read a list from its watermark on: to its end, or as far as a turn goes."""
    source_id = reading.source.source_id
    began_at, cursor = feed.began_at or now, feed.cursor
    since = max(feed.watermark or fallback, now - _LONGEST)
    for _ in range(_PAGES):
        page = await work.apis.by_channel[reading.source.channel].page(
            feed.feed_id, reading.account, since=since, until=began_at, cursor=cursor
        )
        if isinstance(page, Page) and await _keep(work, reading, page):
            reading.works, reading.usage, cursor = True, page.usage, page.cursor
        else:
            why = Later("the inbox is full") if isinstance(page, Page) else page
            async with connect(work.engine) as connection:
                is_cursor = isinstance(why, Later) and why.is_of_lead and cursor is not None
                await feeds.failed(connection, source_id, feed.feed_id, error=why.because, is_cursor=is_cursor)
            reading.refused(why if isinstance(why, Later | Throttled | NeedsReauth) else Later(why.because))
            return
        async with connect(work.engine) as connection:
            if cursor is None:
                await feeds.ended(
                    connection, source_id, feed.feed_id, watermark=began_at - _OVERLAP, before=feed.watermark
                )
                return
            await feeds.advance(
                connection, source_id, feed.feed_id, began_at=began_at, cursor=cursor, before=feed.watermark
            )
        if reading.usage.sparing is not None:
            break
    reading.is_complete = False


async def _keep(work: Fetching, reading: _Reading, page: Page) -> bool:
    """Put a page's leads into the inbox; whether all are on disk. What nobody can read is put aside, visibly."""
    source, now = reading.source, work.clock()
    bodies = [await reading.forms.put_into(lead) for lead in page.leads]
    taken = await asyncio.gather(*(take(work, source, body, received_at=now) for body in bodies))
    new: list[str] = []
    async with transaction(work.engine) as connection:
        for lead, one in zip(page.leads, taken, strict=True):
            lead_id = text_at(orjson.loads(lead), "id")
            if not isinstance(one, Later):
                new += [] if one.replayed else [lead_id]
            elif one.is_of_lead and lead_id:
                row = NewNotification(work.new_id(), source.source_id, lead_id, "created", now)
                await notifications.park_new(connection, row, error=one.because)
        announced = await notifications.finish_objects(connection, source.source_id, new)
        await source_health.count(connection, source.source_id, received=announced, found=len(new) - announced)
    reading.new += len(new)
    return all(not isinstance(one, Later) or one.is_of_lead for one in taken)


async def backfill(sessions: Sessions, source_id: SourceId, *, since: datetime, now: datetime) -> None:
    """Have the lists of a source read again from an instant on; the workers begin at once.

    Raises:
        InvalidInput: an instant of the future, or from before what any platform keeps.
        Conflict: the source cannot ask at its platform.
        NotFound: there is no such source.
    """
    if not now - _LONGEST <= since <= now:
        raise InvalidInput.at("#/since", "a moment of the past year: platforms keep leads no longer")
    async with sessions.begin() as session:
        if await source_health.read(session, source_id) is None:
            raise NotFound("There is no such source.")
        if not await feeds.read_again(session, source_id, since=since, now=now):
            raise Conflict("The source has no token, so nothing can be read at its platform.")
