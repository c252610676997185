"""Replay what happened: preview it, run it step by step, pause and cancel it.

A step a second queues what the replay's rate allows, and never more than a few hundred ahead of what was sent: what is
new goes first, and a replay that is paused or cancelled ends soon.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from leadhub import telemetry
from leadhub.domain.errors import Conflict, InvalidInput
from leadhub.domain.ids import EndpointId, Entropy, LeadId, ReplayId, first_uuid7, uuid7
from leadhub.domain.subscription import Condition, matches, read_filter, write_filter
from leadhub.store import endpoints, replays
from leadhub.store.engine import Sessions
from leadhub.store.idempotency import Repeatable, once
from leadhub.store.reading.events import settled_before
from leadhub.store.replays import Candidate, Replay, Selection

_log = telemetry.get_logger("replay")

_STEP = timedelta(seconds=1)
_LONGEST_STEP_SECONDS = 2.0
"""A replay that stood still does not make up for it all at once."""
_AHEAD = 200
"""Most deliveries of one replay that wait or are on their way."""
_AT_ONCE = 500
"""Most events that a step looks at."""
_TRIED = 1_000
"""Most events on which a preview tries the filter."""
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be replayed, as somebody asks for it."""

    endpoint_id: EndpointId
    since: datetime
    until: datetime | None = None
    """None: now."""
    event_types: Sequence[str] = ()
    """Empty: those that the endpoint subscribes to."""
    lead_id: LeadId | None = None
    filter: Sequence[Condition] = ()
    only_undelivered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a replay would do."""

    total: int
    """Events in the range, whatever the filter says; at most `replays.MOST_COUNTED`."""
    tried: int
    """The filter was tried on so many, the oldest."""
    wanted: int
    """So many of them it lets through."""
    sample: Sequence[Candidate]
    """The first of those."""


async def preview(sessions: Sessions, wish: Wish, *, now: datetime) -> Preview:
    """Say what a replay would do, and change nothing.

    Raises:
        NotFound: there is no such endpoint.
        InvalidInput: the range ends before it begins.
    """
    async with sessions() as session:
        chosen = await _selection(session, wish, now=now)
        total = await replays.count(session, chosen)
        tried = await replays.candidates(session, chosen, limit=_TRIED)
    wanted = _wanted(chosen, tried)
    return Preview(total=total, tried=len(tried), wanted=len(wanted), sample=wanted[:_SHOWN])


async def start(
    sessions: Sessions,
    wish: Wish,
    *,
    per_second: int,
    actor: str,
    now: datetime,
    entropy: Entropy,
    repeatable: Repeatable | None = None,
) -> Replay:
    """Begin a replay; workers run it.

    Raises:
        NotFound: there is no such endpoint.
        InvalidInput: the range ends before it begins.
    """

    async def insert() -> Replay:
        chosen = await _selection(session, wish, now=now)
        replay = Replay(
            id=ReplayId(uuid7(now, entropy(10))),
            selection=chosen,
            state="running",
            state_because=None,
            per_second=per_second,
            cursor=first_uuid7(wish.since - timedelta(milliseconds=1)),
            total=await replays.count(session, chosen),
            examined=0,
            queued=0,
            created_at=now,
            created_by=actor,
            stepped_at=now - _STEP,
            finished_at=None,
        )
        await replays.insert_replay(session, replay)
        return replay

    async with sessions.begin() as session:
        return await once(session, repeatable, Replay, insert, now=now)


async def pause(sessions: Sessions, replay_id: ReplayId) -> Replay:
    """Queue no more; what is queued already, at most a few hundred, is still sent.

    Raises:
        NotFound: there is no such replay.
        Conflict: it has come to an end.
    """
    return await _turn(sessions, replay_id, of=("running", "paused"), to="paused", because="paused by hand")


async def resume(sessions: Sessions, replay_id: ReplayId) -> Replay:
    """Go on where it was paused.

    Raises:
        NotFound: there is no such replay.
        Conflict: it has come to an end.
    """
    return await _turn(sessions, replay_id, of=("running", "paused"), to="running", because=None)


async def cancel(sessions: Sessions, replay_id: ReplayId, *, now: datetime) -> Replay:
    """Queue no more, and take back what nobody has begun to send.

    Raises:
        NotFound: there is no such replay.
    """
    async with sessions.begin() as session:
        replay = await replays.get_replay(session, replay_id, is_locked=True)
        cancelled = replace(replay, state="cancelled", state_because="cancelled by hand", finished_at=now)
        await replays.save_progress(session, cancelled)
        await replays.withdraw(session, replay_id, now=now)
        return cancelled


async def replay_due(sessions: Sessions, *, now: datetime) -> int:
    """Make a step of each replay that made none for a second; return how many deliveries were queued."""
    queued = 0
    while True:
        async with sessions.begin() as session:
            replay = await replays.lock_next(session, now=now, pause=_STEP)
            if replay is None:
                return queued
            stepped = await _step(session, replay, now=now)
            await replays.save_progress(session, stepped)
        queued += stepped.queued - replay.queued
        _log.info("replay.step", job=str(replay.id), count=stepped.queued - replay.queued, kind=stepped.state)


async def _step(session: AsyncSession, replay: Replay, *, now: datetime) -> Replay:
    """Queue what may be queued now, and say how far the replay has come."""
    stepped = replace(replay, stepped_at=now)
    state = await replays.endpoint_state(session, replay.selection.endpoint_id)
    if state is None:
        return replace(stepped, state="cancelled", state_because="its endpoint was deleted", finished_at=now)
    if state != "active":
        return replace(stepped, state_because=f"it waits: its endpoint is {state}")
    room = await _room(session, replay, now=now)
    if not room:
        return replace(stepped, state_because=None)
    chosen = replay.selection
    settled = first_uuid7(await settled_before(session, now=now))
    found = await replays.candidates(session, chosen, after=replay.cursor, until=settled, limit=_AT_ONCE)
    wanted = _wanted(chosen, found)
    last = wanted[room - 1] if len(wanted) >= room else None
    examined = found if last is None else found[: found.index(last) + 1]
    queued = await replays.queue(session, replay, [event.id for event in wanted[:room]], now=now)
    is_done = last is None and len(found) < _AT_ONCE and settled >= chosen.events_until
    return replace(
        stepped,
        state="finished" if is_done else "running",
        state_because=None,
        cursor=examined[-1].id if examined else replay.cursor,
        examined=replay.examined + len(examined),
        queued=replay.queued + queued,
        finished_at=now if is_done else None,
    )


async def _room(session: AsyncSession, replay: Replay, *, now: datetime) -> int:
    """Return how many deliveries may be queued now: by its rate, and by how many are still on their way."""
    seconds = min((now - replay.stepped_at).total_seconds(), _LONGEST_STEP_SECONDS)
    ahead = await replays.waiting(session, replay.id, at_most=_AHEAD)
    return max(0, min(round(replay.per_second * seconds), _AHEAD - ahead))


def _wanted(chosen: Selection, found: Sequence[Candidate]) -> list[Candidate]:
    if chosen.filter is None:
        return list(found)
    conditions = read_filter(chosen.filter)
    return [event for event in found if matches(conditions, json.loads(event.body))]


async def _selection(session: AsyncSession, wish: Wish, *, now: datetime) -> Selection:
    until = min(wish.until or now, now)
    if until <= wish.since:
        raise InvalidInput.at("#/until", "the range has to end after it begins, and to begin in the past")
    endpoint = await endpoints.get_endpoint(session, wish.endpoint_id)
    return Selection(
        endpoint_id=wish.endpoint_id,
        events_from=first_uuid7(wish.since),
        events_until=first_uuid7(until),
        event_types=tuple(wish.event_types) or endpoint.event_types,
        lead_id=wish.lead_id,
        filter=write_filter(wish.filter) if wish.filter else None,
        only_undelivered=wish.only_undelivered,
    )


async def _turn(sessions: Sessions, replay_id: ReplayId, *, of: Sequence[str], to: str, because: str | None) -> Replay:
    async with sessions.begin() as session:
        replay = await replays.get_replay(session, replay_id, is_locked=True)
        if replay.state not in of:
            raise Conflict(f"The replay is {replay.state} already.")
        turned = replace(replay, state=to, state_because=because)
        await replays.save_progress(session, turned)
        return turned
