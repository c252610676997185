"""A long backlog of one source at a platform that allows so many requests a minute, and another source beside it."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta

from tests.support.platforms import Deployment, a_lead, a_response, action, leadgen

from leadhub.pipeline import platforms
from leadhub.store.sources import Source

_AT_ONCE = 1_000
_MOST_OTHERS = 500


@dataclass
class Drained:
    """How a backlog went."""

    minutes: float = 0
    """On the deployment's clock, on which waiting for the platform is a jump."""
    refused: int = 0
    """Requests that the platform refused as too many."""
    pauses: int = 0
    seconds: float = 0
    """Of real work."""
    waits: list[float] = field(default_factory=list)
    """Real seconds from the announcement of each lead of the other source until it was on disk."""


def at_best(leads: int, allowed: int) -> float:
    """Minutes in which so many requests can be made where `allowed` of an hour may be made at once."""
    return max(0, leads - allowed) / allowed * 60


async def drain(deployment: Deployment, *, leads: int, allowed: int, look_seconds: float) -> Drained:
    """Announce all at once, then let the worker's own loop fetch them.

    Args:
        deployment: beside a double of its own.
        leads: of the source with the backlog.
        allowed: requests in any hour; what was used comes back steadily.
        look_seconds: how often the worker looks what is due.
    """
    await deployment.world(
        leads={str(n): a_lead(n) for n in range(leads)} | {f"r-{n}": a_response(n) for n in range(_MOST_OTHERS)},
        budget=allowed,
        allowed=allowed,
    )
    backlog, other = await deployment.source("meta"), await deployment.source("linkedin")
    for start in range(0, leads, _AT_ONCE):
        await deployment.announce(backlog, leadgen(*range(start, min(start + _AT_ONCE, leads))))
    drained, enough, stop, began = Drained(), asyncio.Event(), asyncio.Event(), time.perf_counter()
    working = asyncio.create_task(platforms.run(deployment.work, stop, pause=lambda: asyncio.sleep(look_seconds)))
    visiting = asyncio.create_task(_visit(deployment, other, drained, enough))
    while await _waiting(deployment, backlog):
        if pause := await _pause(deployment):
            seen = await deployment.seen()
            drained.pauses += 1
            drained.refused += seen["refused"]
            drained.minutes += pause / 60
            came_back = allowed * pause / 3_600
            await deployment.change(budget=min(allowed, int(seen["budget"] + came_back)))
            deployment.ahead.by += timedelta(seconds=pause)
        await asyncio.sleep(0.02)
    drained.seconds = time.perf_counter() - began
    enough.set()
    await visiting
    stop.set()
    await working
    return drained


async def _visit(deployment: Deployment, other: Source, drained: Drained, enough: asyncio.Event) -> None:
    """Let leads of the other source arrive, one after another."""
    for number in range(_MOST_OTHERS):
        if enough.is_set():
            return
        began = time.perf_counter()
        await deployment.announce(other, action(number))
        while await _waiting(deployment, other):  # noqa: ASYNC110 - rows, not an event
            await asyncio.sleep(0.01)
        drained.waits.append(time.perf_counter() - began)
        await asyncio.sleep(0.1)


async def _waiting(deployment: Deployment, source: Source) -> bool:
    return bool(await deployment.rows(f"SELECT 1 FROM notification WHERE source_id = '{source.id}' LIMIT 1"))  # noqa: S608


async def _pause(deployment: Deployment) -> float:
    """For how many seconds the platform is left alone from now on."""
    rows = await deployment.rows("SELECT max(paused_until) FROM source_token")
    until = rows[0][0]
    return max(0.0, (until - deployment.ahead.now()).total_seconds()) if until is not None else 0.0
