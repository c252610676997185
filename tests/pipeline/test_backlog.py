"""A backlog drains as fast as its platform allows, and no lead of another source waits for it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from tests.support.backlog import at_best, drain
from tests.support.platforms import Deployment, a_lead, leadgen, opened

from leadhub.demo.doubles.serving import running
from leadhub.demo.receiver import listening
from leadhub.outbound import queue
from leadhub.outbound.asking import Answer, Asking
from leadhub.outbound.queue import Wakeup
from leadhub.pipeline import platforms
from leadhub.resources import Resources


@pytest.fixture
async def deployment(resources: Resources) -> AsyncIterator[Deployment]:
    async with running() as double, opened(resources, double) as found:
        yield found


@pytest.mark.parametrize(
    ("leads", "allowed"),
    [(160, 120), pytest.param(10_000, 2_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
async def test_a_backlog_drains_at_the_allowed_rate_and_delays_nobody(
    deployment: Deployment, leads: int, allowed: int
) -> None:
    drained = await drain(deployment, leads=leads, allowed=allowed, look_seconds=0.05)

    assert drained.pauses > 1
    assert drained.minutes <= at_best(leads, allowed) * 1.1 + 10, "as fast as the platform allows"
    assert drained.refused <= 10, "what was under way when the last of an hour was used up"
    rows = "SELECT channel, count(*) FROM submission JOIN source ON source.id = source_id GROUP BY 1 ORDER BY 1"
    found = await deployment.rows(rows)
    assert [tuple(row) for row in found] == [("linkedin", len(drained.waits)), ("meta", leads)]
    assert len(drained.waits) >= 3
    assert max(drained.waits) < 3, "no lead of another source waits for the backlog"


async def test_many_requests_that_hang_hold_up_no_other() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(0 if request.path == "/quick" else 0.6)
        return web.Response()

    application, asking = web.Application(), Asking()
    application.router.add_get("/{path}", slow)
    async with listening(application, "127.0.0.1", 0) as url:
        hanging = [asyncio.create_task(asking.send("GET", f"{url}/hangs", {})) for _ in range(120)]
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        assert isinstance(await asking.send("GET", f"{url}/quick", {}), Answer)
        seconds = time.perf_counter() - began
        await asyncio.gather(*hanging)
    await asking.close()

    assert seconds < 0.5


async def test_an_announced_lead_is_fetched_at_once(deployment: Deployment) -> None:
    await deployment.world(leads={"1": a_lead(1)})
    source, stop = await deployment.source("meta"), asyncio.Event()
    wakeup = Wakeup(deployment.resources.redis, queue.ANNOUNCEMENTS)
    listening_for_hints = asyncio.create_task(wakeup.listen())
    looked = asyncio.Event()

    async def pause() -> None:
        looked.set()
        await wakeup.wait(queue.ANNOUNCEMENTS, at_most_seconds=10)

    working = asyncio.create_task(platforms.run(deployment.work, stop, pause=pause))
    await looked.wait()
    await asyncio.sleep(0.2)  # the subscription's own wake-up is over

    await deployment.announce(source, leadgen(1))
    async with asyncio.timeout(5):
        while not await deployment.rows("SELECT 1 FROM submission"):  # noqa: ASYNC110 - rows, not an event
            await asyncio.sleep(0.01)

    stop.set()
    wakeup.wake(queue.ANNOUNCEMENTS)
    await working
    listening_for_hints.cancel()
