"""The worker process: drain loops for what is due, and a schedule.

PostgreSQL holds the work, so the loops need no queue: they claim, work, and wait for the next hint or a second. arq
keeps the schedule only. When Redis goes away, arq ends; it is started again beside the loops, which go on by polling.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import uvloop
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from leadhub import telemetry
from leadhub.outbound import queue
from leadhub.outbound.fetching import Apis
from leadhub.outbound.queue import Wakeup
from leadhub.pipeline import platforms
from leadhub.pipeline.deliver import Deliverer
from leadhub.pipeline.fetching import Fetching
from leadhub.pipeline.importing import Importing, run_due
from leadhub.pipeline.measuring import exposition
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing, Unreachable, process_due
from leadhub.pipeline.replaying import replay_due
from leadhub.resources import Ids, Resources, clock, open_apis, open_courier, open_inbox, open_resources
from leadhub.schedule import Jobs, keep_schedule
from leadhub.settings import Settings
from leadhub.store.inbox import Inbox
from leadhub.store.outage import is_outage

_log = telemetry.get_logger("worker")

_POLL_SECONDS = 1.0
"""The longest that work waits when its hint was lost."""


Wake = Callable[[], None]
"""Tells whoever delivers that there is something to deliver."""


class Duty(StrEnum):
    """What a worker process does."""

    ALL = "all"
    LEADS = "leads"
    """All but deliveries: processing, platforms, imports, replays, the schedule."""
    DELIVERIES = "deliveries"


def run_worker(settings: Settings, duty: Duty = Duty.ALL) -> None:
    """Work until SIGTERM or SIGINT; what is under way is finished first."""
    uvloop.run(_run(settings, duty))


async def _run(settings: Settings, duty: Duty) -> None:
    telemetry.configure_logging(log_format=settings.log_format, level=settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with open_resources(settings) as resources:
        await run_until(resources, stop, duty)


async def run_until(resources: Resources, stop: asyncio.Event, duty: Duty = Duty.ALL) -> None:
    """Run the loops of a duty until `stop` is set."""
    wakeup = Wakeup(resources.redis, queue.SUBMISSIONS, queue.DELIVERIES, queue.ANNOUNCEMENTS)
    listening = asyncio.create_task(wakeup.listen())
    loops = []
    if duty is not Duty.LEADS:
        loops.append(_deliver(resources, wakeup, stop))
    if duty is not Duty.DELIVERIES:
        loops.append(_lead(resources, wakeup, stop, nudges=duty is Duty.LEADS))
    _log.info("worker.started", kind=duty.value)
    try:
        async with serve_metrics(resources):
            await asyncio.gather(*loops)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        _log.info("worker.stopped")


async def _deliver(resources: Resources, wakeup: Wakeup, stop: asyncio.Event) -> None:
    async with open_courier(resources) as courier:
        deliverer = Deliverer(
            engine=resources.engine,
            courier=courier,
            wakeup=wakeup,
            slots=resources.settings.delivery_slots,
            host_cap=resources.settings.delivery_host_cap,
            new_id=Ids(),
            clock=clock,
            jitter=random.random,
        )
        await deliverer.run(stop)


async def _lead(resources: Resources, wakeup: Wakeup, stop: asyncio.Event, *, nudges: bool) -> None:
    """Do all but deliveries.

    Args:
        resources: of this process.
        wakeup: on all queues.
        stop: ends it.
        nudges: whether the deliverers are other processes, to be told by way of Redis.
    """
    wake: Wake = resources.deliveries_nudge if nudges else lambda: wakeup.wake(queue.DELIVERIES)
    shared = _Processing(processing(resources), ActivePlaybook(resources.sessions), wake, stop)
    schedule = asyncio.create_task(keep_schedule(Jobs(resources, shared.work, shared.playbook)))
    try:
        await asyncio.gather(
            _drain(shared, wakeup),
            _help_out(shared),
            _ask_platforms(resources, wakeup, stop),
            _import(resources, stop),
            _replay(resources, wake, stop),
        )
    finally:
        schedule.cancel()
        await asyncio.gather(schedule, return_exceptions=True)


@asynccontextmanager
async def serve_metrics(resources: Resources) -> AsyncIterator[None]:
    """Serve `/metrics`, if a port is set for it. One that is taken is said, and ends nothing: leads matter more."""
    settings = resources.settings
    if settings.worker_metrics_port is None:
        yield
        return

    async def answer(_: web.Request) -> web.Response:
        found = await exposition(resources.engine, now=clock())
        return web.Response(body=found, headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.worker_metrics_host, settings.worker_metrics_port).start()
        _log.info("metrics.served", port=runner.addresses[0][1])
    except OSError as error:
        _log.error("metrics.unserved", port=settings.worker_metrics_port, error_class=type(error).__name__)
    try:
        yield
    finally:
        await runner.cleanup()


async def _ask_platforms(resources: Resources, wakeup: Wakeup, stop: asyncio.Event) -> None:
    """Fetch announced leads, read through what was not announced, look after the connections."""
    inbox, apis = open_inbox(resources), open_apis(resources.settings)
    try:
        work = fetching(resources, inbox, apis)
        await platforms.run(work, stop, pause=lambda: _wait(wakeup, stop, queue.ANNOUNCEMENTS))
    finally:
        await apis.close()
        await inbox.close()


async def _import(resources: Resources, stop: asyncio.Event) -> None:
    """Take files in, one after the other; those whose worker died, too."""
    inbox = open_inbox(resources)
    work = Importing(sessions=resources.sessions, inbox=inbox, new_id=Ids(), clock=clock)
    try:
        while not stop.is_set():
            try:
                worked = await run_due(work, stop=stop)
            except Exception as error:  # noqa: BLE001 - the outermost edge: a fault must not end the worker's other work
                _log.error("import.fault", error_class=type(error).__name__)
                worked = False
            if not worked:
                await _pause(stop, _POLL_SECONDS)
    finally:
        await inbox.close()


async def _replay(resources: Resources, wake: Wake, stop: asyncio.Event) -> None:
    """Make a step of each replay, a second after the last."""
    while not stop.is_set():
        try:
            if await replay_due(resources.sessions, now=clock()):
                wake()
        except Exception as error:  # noqa: BLE001 - the outermost edge: a fault must not end the worker's other work
            _log.error("replay.fault", error_class=type(error).__name__)
        await _pause(stop, _POLL_SECONDS)


def fetching(resources: Resources, inbox: Inbox, apis: Apis) -> Fetching:
    """Return what asking at platforms needs of a process's resources."""
    return Fetching(
        engine=resources.engine,
        vault=resources.vault,
        inbox=inbox,
        apis=apis,
        new_id=Ids(),
        clock=clock,
        public_url=resources.settings.public_url.rstrip("/"),
    )


def processing(resources: Resources) -> Processing:
    """Return what processing needs of a process's resources."""
    settings = resources.settings
    return Processing(
        resources.engine,
        new_id=Ids(),
        clock=clock,
        public_url=settings.public_url.rstrip("/"),
        batch_rows=settings.batch_rows,
        lease=timedelta(seconds=settings.lease_seconds),
        most_attempts=settings.processing_attempts,
    )


@dataclass(frozen=True, slots=True)
class _Processing:
    """What the loops that process leads share."""

    work: Processing
    playbook: ActivePlaybook
    wake: Wake
    stop: asyncio.Event
    backlog: asyncio.Event = field(default_factory=asyncio.Event)


async def _drain(shared: _Processing, wakeup: Wakeup) -> None:
    """Process batch after batch while they are full; what a batch did not find, a hint tells of."""
    while not shared.stop.is_set():
        if await _process_one(shared) >= shared.work.batch_rows:
            shared.backlog.set()
        else:
            await _wait(wakeup, shared.stop, queue.SUBMISSIONS)
    shared.backlog.set()


async def _help_out(shared: _Processing) -> None:
    """Work beside the first loop while there is a backlog: while one waits for PostgreSQL, the other computes.

    Not always: two loops that share a trickle of leads only halve each other's batches.
    """
    while not shared.stop.is_set():
        await shared.backlog.wait()
        shared.backlog.clear()
        while not shared.stop.is_set() and await _process_one(shared):
            pass


async def _process_one(shared: _Processing) -> int:
    """Process one batch, wake the deliverer if it has to; return how many submissions were claimed."""
    work = shared.work
    try:
        outcome = await process_due(work, await shared.playbook.current(now=work.clock()))
    except Exception as error:  # noqa: BLE001 - the outermost edge: a fault must not end the worker's other work
        away = isinstance(error, Unreachable) or is_outage(error)
        _log.error("database.away" if away else "drain.fault", error_class=type(error.__cause__ or error).__name__)
        await _pause(shared.stop, _POLL_SECONDS)
        return 0
    if outcome.deliveries:
        shared.wake()
    return outcome.claimed


async def _wait(wakeup: Wakeup, stop: asyncio.Event, channel: str) -> None:
    hint = asyncio.ensure_future(wakeup.wait(channel, at_most_seconds=_POLL_SECONDS))
    stopped = asyncio.ensure_future(stop.wait())
    _, waiting = await asyncio.wait({hint, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
