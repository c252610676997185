"""Complete what platforms only announced: fetch the lead, put it into the inbox, forget the announcement.

    claim (committed: the try is counted first) → GET → inbox (on disk) → forget
                                                  └→ later / the whole connection later / needs_reauth / put aside

Sources are fetched beside each other, each by itself: one with a backlog, or with a platform that hangs, delays none
of the others. What a platform allows is obeyed by all workers, because a pause is a column of the source's token. A
dead token holds its source back, not its leads: they wait with the reason, and go on when it is renewed.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import assert_never

from leadhub import telemetry
from leadhub.domain.fetching import (
    Fetched,
    Gone,
    Later,
    NeedsReauth,
    Refusal,
    Throttled,
    Usage,
    next_wait,
)
from leadhub.domain.ids import SourceId
from leadhub.outbound.asking import Account
from leadhub.pipeline.fetching import Fetching, judge_source, open_account, take
from leadhub.pipeline.forms import Forms
from leadhub.store import notifications, source_health, tokens
from leadhub.store.driver import Connection, connect, transaction
from leadhub.store.notifications import Announced
from leadhub.store.tokens import Connected

_ROWS = 20
"""Announcements a claim."""
_AT_ONCE = 10
"""Requests of one source under way together; a platform's rate is its own to state, by its answers."""
_LEASE = timedelta(minutes=5)
"""Longer than a claim can take, if each of its requests and each look at a form takes as long as it may."""
_log = telemetry.get_logger("fetch")


async def due_sources(work: Fetching) -> list[SourceId]:
    """Return the sources of which announced leads can be fetched now."""
    async with connect(work.engine) as connection:
        return await notifications.due_sources(connection, now=work.clock())


async def fetch_due(work: Fetching) -> int:
    """Fetch a round of what is due of each source; return how many were tried."""
    return sum(await asyncio.gather(*(fetch_some(work, source_id) for source_id in await due_sources(work))))


async def fetch_some(work: Fetching, source_id: SourceId) -> int:
    """Fetch some announced leads of a source; return how many were claimed."""
    now = work.clock()
    async with transaction(work.engine) as connection:
        claimed = await notifications.claim(connection, source_id, now=now, rows=_ROWS, lease=_LEASE)
        source = await tokens.load(connection, source_id, now=now) if claimed else None
    if source is None:
        return 0
    fetched = _Round(source)
    account = open_account(work, source)
    if isinstance(account, NeedsReauth):
        fetched.halt(account)
    else:
        asking = _Asking(account, Forms(work, source, account), asyncio.Semaphore(_AT_ONCE))
        async with asyncio.TaskGroup() as group:
            for announced in claimed:
                group.create_task(_one(work, fetched, asking, announced))
    async with transaction(work.engine) as connection:
        await _settle(connection, work, fetched, claimed)
    return len(claimed)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What the requests of a claim share."""

    account: Account
    forms: Forms
    slots: asyncio.Semaphore


@dataclass(slots=True)
class _Round:
    """What became of a claim."""

    source: Connected
    taken: list[Announced] = field(default_factory=list)
    gone: list[Announced] = field(default_factory=list)
    later: list[tuple[Announced, Later]] = field(default_factory=list)
    stop: Throttled | NeedsReauth | None = None
    """Why the platform is to be left alone: what was claimed and not asked yet is given back untried."""
    usage: Usage = field(default_factory=Usage)

    def halt(self, because: Throttled | NeedsReauth) -> None:
        """Ask for nothing more. A dead token weighs more than a full quota."""
        if self.stop is None or isinstance(because, NeedsReauth):
            self.stop = because

    def note(self, usage: Usage) -> None:
        """Remember the fullest that the platform's limits were said to be."""
        self.usage = max(self.usage, usage, key=lambda one: (one.wait, one.percent))
        if usage.pause is not None:
            self.halt(Throttled("nearly all that the platform allows is used up", usage.pause))


async def _one(work: Fetching, fetched: _Round, asking: "_Asking", announced: Announced) -> None:
    account = asking.account
    async with asking.slots:
        if fetched.stop is not None:
            return
        found = await work.apis.by_channel[fetched.source.channel].lead(announced.object_id, account)
        result: Refusal | None
        if isinstance(found, Fetched):
            fetched.note(found.usage)
            body = await asking.forms.put_into(found.body)
            taken = await take(work, fetched.source, body, received_at=announced.received_at)
            result = taken if isinstance(taken, Later) else None
        else:
            result = found
    match result:
        case None:
            fetched.taken.append(announced)
        case Gone():
            fetched.gone.append(announced)
        case Later():
            fetched.later.append((announced, result))
        case Throttled() | NeedsReauth():
            fetched.halt(result)
        case _:
            assert_never(result)


async def _settle(connection: Connection, work: Fetching, fetched: _Round, claimed: list[Announced]) -> None:
    """Write what became of a claim, and what that says of its source."""
    now, source = work.clock(), fetched.source
    count = await notifications.finish(connection, [one.id for one in fetched.taken])
    await source_health.count(connection, source.source_id, received=count)
    await notifications.finish(connection, [one.id for one in fetched.gone])
    waits = {one.id: next_wait(one.attempts, is_of_lead=why.is_of_lead) for one, why in fetched.later}
    errors = {one.id: why.because[:500] for one, why in fetched.later}
    await notifications.put_back(
        connection, {one: now + wait for one, wait in waits.items() if wait is not None}, errors=errors
    )
    await notifications.park(connection, {one: errors[one] for one, wait in waits.items() if wait is None}, now=now)
    settled = {one.id for one in (*fetched.taken, *fetched.gone)} | waits.keys()
    untried = [one.id for one in claimed if one.id not in settled]
    await notifications.give_back(
        connection, untried, now=now, error=None if fetched.stop is None else fetched.stop.because
    )
    await judge_source(
        connection,
        work,
        source,
        stop=fetched.stop,
        usage=fetched.usage,
        works=bool(fetched.taken or fetched.gone),
        trouble=next((why for _, why in fetched.later if not why.is_of_lead), None),
    )
    _log.info(
        "leads.fetched",
        channel=source.channel,
        source_id=str(source.source_id),
        count=len(fetched.taken),
        outcome="fetched" if fetched.stop is None else type(fetched.stop).__name__,
    )
