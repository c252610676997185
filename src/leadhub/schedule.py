"""What is done by the clock: arq keeps the times, and PostgreSQL what is due.

No job needs its predecessor to have run: each looks for what is due by now, so a pause costs time and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from arq import cron
from arq.connections import RedisSettings
from arq.cron import CronJob
from arq.worker import Worker
from redis.exceptions import RedisError

from leadhub import telemetry
from leadhub.pipeline import housekeeping, nurture
from leadhub.pipeline.erasing import erase_due
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.pipeline.queueing import look_after_sales, recount_loads
from leadhub.pipeline.recheck import recheck_due
from leadhub.pipeline.rescore import rescore_due, rescore_published
from leadhub.pipeline.retention import retain
from leadhub.resources import Ids, Resources, clock, retention_of
from leadhub.store.outage import is_outage

_log = telemetry.get_logger("worker")


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs, and what they need."""

    resources: Resources
    work: Processing
    playbook: ActivePlaybook
    under_way: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by a round of sales."""

    async def partitions(self) -> None:
        """Make the partitions of the next months."""
        await housekeeping.make_partitions(self.resources.engine, now=clock())

    async def purge(self) -> None:
        """Forget what was kept for a time only."""
        keep = timedelta(days=self.resources.settings.idempotency_days)
        await housekeeping.purge_keys(self.resources.sessions, now=clock(), keep=keep)
        await housekeeping.purge_quarantine(self.resources.sessions, now=clock())
        await housekeeping.purge_spam(self.resources.sessions, now=clock())
        await housekeeping.purge_imports(self.resources.sessions, now=clock())
        await housekeeping.purge_shadows(self.resources.sessions, now=clock())

    async def retention(self) -> None:
        """Drop old events, deliveries and attempts."""
        resources = self.resources
        keep = retention_of(resources.settings)
        await retain(resources.engine, resources.sessions, keep, now=clock(), new_id=Ids())
        resources.deliveries_nudge()

    async def rescore(self) -> None:
        """Judge again whose score time, or a new playbook, has changed."""
        while await rescore_due(self.work, await self.playbook.current(now=clock())):
            pass
        while await rescore_published(self.work, await self.playbook.current(now=clock())):
            pass

    async def recheck(self) -> None:
        """Look once more at leads that were new at the same moment."""
        while await recheck_due(self.work, await self.playbook.current(now=clock())):
            pass

    async def erase(self) -> None:
        """Carry out orders of deletion."""
        while await erase_due(self.work, await self.playbook.current(now=clock())):
            pass

    async def sales(self) -> None:
        """Hand out what waits in queues, keep promises, apply what sales said."""
        if not self.under_way.locked():  # a round that takes longer than a second is not joined by the next
            async with self.under_way:
                await look_after_sales(self.work, self.playbook)

    async def recount(self) -> None:
        """Put counters of open leads right."""
        await recount_loads(self.work)

    async def nurture_steps(self) -> None:
        """Make steps of nurture tracks that are due."""
        if await nurture.run_round(self.work, await self.playbook.current(now=clock())):
            self.resources.deliveries_nudge()


async def keep_schedule(jobs: Jobs) -> None:
    """Run the jobs at their times for ever; without Redis the schedule pauses and nothing else does."""
    await _at_start(jobs)
    while True:
        worker = _arq_worker(jobs)
        try:
            await worker.async_run()
        except (RedisError, OSError) as error:
            _log.warning("schedule.paused", error_class=type(error).__name__)
        finally:
            with suppress(RedisError, OSError):
                await worker.close()
        await asyncio.sleep(5)


async def _at_start(jobs: Jobs) -> None:
    """Make partitions before the first daily run, unless PostgreSQL is away: then the schedule will."""
    try:
        await jobs.partitions()
    except Exception as error:
        if not is_outage(error):
            raise


def _arq_worker(jobs: Jobs) -> Worker:
    return Worker(
        cron_jobs=[
            _cron(jobs.partitions, hour={3}, minute={17}),
            _cron(jobs.purge, minute={29}),
            _cron(jobs.retention, minute={41}),
            _cron(jobs.rescore, second=set(range(5, 60, 10))),
            _cron(jobs.nurture_steps, second=set(range(3, 60, 5))),
            _cron(jobs.erase, second=set(range(4, 60, 10))),
            _cron(jobs.sales, second=set(range(60))),
            _cron(jobs.recount, minute={47}),
            _cron(jobs.recheck, second=set(range(1, 60, 2))),
        ],
        redis_settings=RedisSettings.from_dsn(jobs.resources.settings.redis_url),
        queue_name="leadhub:jobs",
        handle_signals=False,
        poll_delay=0.25,
        max_jobs=16,
        keep_result=0,
        max_tries=1,
        job_completion_wait=20,
        health_check_interval=10,
        job_serializer=orjson.dumps,
        job_deserializer=orjson.loads,
    )


def _cron(
    job: Callable[[], Awaitable[None]],
    *,
    hour: set[int] | None = None,
    minute: set[int] | None = None,
    second: set[int] | int = 0,
) -> CronJob:
    async def run(*_: Any, **__: Any) -> None:
        await job()

    return cron(run, name=job.__name__, hour=hour, minute=minute, second=second)
