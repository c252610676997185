"""A worker's part in asking at platforms: what is due of each source, each source by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from leadhub import telemetry
from leadhub.domain.ids import SourceId
from leadhub.pipeline import checking, fetch, polling
from leadhub.pipeline.fetching import Fetching
from leadhub.store.outage import is_outage

_LOOK_SECONDS = 1.0
"""How often to look for what no hint tells of."""

_log = telemetry.get_logger("platforms")

Find = Callable[[Fetching], Awaitable[Sequence[SourceId]]]
Found = TypeVar("Found")
Act = Callable[[Fetching, SourceId], Awaitable[int]]

_ANNOUNCED: tuple[str, Find, Act] = ("fetch", fetch.due_sources, fetch.fetch_some)
_KINDS: tuple[tuple[str, Find, Act], ...] = (
    _ANNOUNCED,
    ("poll", polling.due_sources, polling.poll_source),
    ("check", checking.due_sources, checking.check_source),
)


async def run(work: Fetching, stop: asyncio.Event, *, pause: Callable[[], Awaitable[None]]) -> None:
    """Ask until `stop` is set; what is under way then is finished first.

    Args:
        work: what asking stands on.
        stop: ends it.
        pause: waits until it is time to look again, at most a second or so.
    """
    under_way: dict[tuple[str, SourceId], asyncio.Task[None]] = {}
    clock, looked_at = asyncio.get_running_loop().time, -_LOOK_SECONDS
    while not stop.is_set():
        is_time = clock() >= looked_at + _LOOK_SECONDS
        looked_at = clock() if is_time else looked_at
        for kind, find, act in _KINDS if is_time else (_ANNOUNCED,):
            for source_id in await _quietly(kind, find(work), otherwise=()):
                task = under_way.get((kind, source_id))
                if task is None or task.done():
                    under_way[kind, source_id] = asyncio.create_task(_drain(work, kind, act, source_id, stop))
        under_way = {place: task for place, task in under_way.items() if not task.done()}
        await pause()
    await asyncio.gather(*under_way.values())


async def _drain(work: Fetching, kind: str, act: Act, source_id: SourceId, stop: asyncio.Event) -> None:
    done = 1
    while done and not stop.is_set():
        done = await _quietly(kind, act(work, source_id), otherwise=0)


async def _quietly(kind: str, awaited: Awaitable[Found], *, otherwise: Found) -> Found:
    """Return what there is, or something else after a fault: one source's must not end the worker's other work."""
    try:
        return await awaited
    except Exception as error:  # noqa: BLE001 - the outermost edge
        event = "database.away" if is_outage(error) else "platforms.fault"
        _log.error(event, kind=kind, error_class=type(error).__name__)
        return otherwise
