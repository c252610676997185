"""The worker process: drain loops for what is due, and a schedule.

PostgreSQL holds the work, so the loops need no queue: they claim, work, and wait for the next hint or a second. arq
keeps the schedule only. When Redis goes away, arq ends; it is started again beside the loops, which go on by polling.
"""

import asyncio
import random
import signal
from contextlib import suppress
from datetime import timedelta

import uvloop

from leadhub import telemetry
from leadhub.outbound import queue
from leadhub.outbound.fetching import Apis
from leadhub.outbound.queue import Wakeup
from leadhub.pipeline import platforms
from leadhub.pipeline.deliver import Deliverer
from leadhub.pipeline.fetching import Fetching
from leadhub.pipeline.importing import Importing, run_due
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing, Unreachable, process_due
from leadhub.pipeline.replaying import replay_due
from leadhub.resources import Ids, Resources, clock, open_apis, open_inbox, open_resources, webhook_sender
from leadhub.schedule import Jobs, keep_schedule
from leadhub.settings import Settings
from leadhub.store.inbox import Inbox
from leadhub.store.outage import is_outage

_log = telemetry.get_logger("worker")

_POLL_SECONDS = 1.0
"""The longest that work waits when its hint was lost."""


def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; what is under way is finished first."""
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    telemetry.configure_logging(log_format=settings.log_format, level=settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with open_resources(settings) as resources:
        await run_until(resources, stop)


async def run_until(resources: Resources, stop: asyncio.Event) -> None:
    """Run every loop until `stop` is set."""
    work = processing(resources)
    playbook = ActivePlaybook(resources.sessions)
    wakeup = Wakeup(resources.redis, queue.SUBMISSIONS, queue.DELIVERIES, queue.ANNOUNCEMENTS)
    background = [
        asyncio.create_task(wakeup.listen()),
        asyncio.create_task(keep_schedule(Jobs(resources, work, playbook))),
    ]
    _log.info("worker.started")
    try:
        async with webhook_sender(resources.settings) as sender:
            deliverer = Deliverer(
                engine=resources.engine,
                vault=resources.vault,
                sender=sender,
                wakeup=wakeup,
                slots=resources.settings.delivery_slots,
                host_cap=resources.settings.delivery_host_cap,
                new_id=Ids(),
                clock=clock,
                jitter=random.random,
            )
            backlog = asyncio.Event()
            await asyncio.gather(
                _drain(work, playbook, wakeup, stop, backlog),
                _help_out(work, playbook, wakeup, stop, backlog),
                deliverer.run(stop),
                _ask_platforms(resources, wakeup, stop),
                _import(resources, stop),
                _replay(resources, wakeup, stop),
            )
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        _log.info("worker.stopped")


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


async def _replay(resources: Resources, wakeup: Wakeup, stop: asyncio.Event) -> None:
    """Make a step of each replay, a second after the last."""
    while not stop.is_set():
        try:
            if await replay_due(resources.sessions, now=clock()):
                wakeup.wake(queue.DELIVERIES)
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


async def _drain(
    work: Processing, playbook: ActivePlaybook, wakeup: Wakeup, stop: asyncio.Event, backlog: asyncio.Event
) -> None:
    """Process batch after batch while they are full; what a batch did not find, a hint tells of."""
    while not stop.is_set():
        if await _process_one(work, playbook, wakeup, stop) >= work.batch_rows:
            backlog.set()
        else:
            await _wait(wakeup, stop, queue.SUBMISSIONS)
    backlog.set()


async def _help_out(
    work: Processing, playbook: ActivePlaybook, wakeup: Wakeup, stop: asyncio.Event, backlog: asyncio.Event
) -> None:
    """Work beside the first loop while there is a backlog: while one waits for PostgreSQL, the other computes.

    Not always: two loops that share a trickle of leads only halve each other's batches.
    """
    while not stop.is_set():
        await backlog.wait()
        backlog.clear()
        while not stop.is_set() and await _process_one(work, playbook, wakeup, stop):
            pass


async def _process_one(work: Processing, playbook: ActivePlaybook, wakeup: Wakeup, stop: asyncio.Event) -> int:
    """Process one batch, wake the deliverer if it has to; return how many submissions were claimed."""
    try:
        outcome = await process_due(work, await playbook.current(now=work.clock()))
    except Exception as error:  # noqa: BLE001 - the outermost edge: a fault must not end the worker's other work
        away = isinstance(error, Unreachable) or is_outage(error)
        _log.error("database.away" if away else "drain.fault", error_class=type(error.__cause__ or error).__name__)
        await _pause(stop, _POLL_SECONDS)
        return 0
    if outcome.deliveries:
        wakeup.wake(queue.DELIVERIES)
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
