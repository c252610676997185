"""Turn stored submissions into leads that somebody acts on.

    claim (committed: the try is counted before the work) → one transaction a batch:
    recognise → judge (pure) → follow (owner, track, ledger) → report → write, events and deliveries with it

Everything that a batch decides stands or falls together. A batch that fails is repeated one submission at a time, so
that a bad one fails alone; after its last try it is parked with its reason, visible and replayable.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.model import Route
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import qualify, reporting
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import Contention, NewId, recognise
from leadhub.pipeline.saving import add_leads, merge
from leadhub.store import changes, driver, events, pending
from leadhub.store.driver import Connection
from leadhub.store.outage import driver_error, is_contention, is_outage
from leadhub.store.pending import Claimed

_log = telemetry.get_logger("process")

_REPEATS = 5
"""Tries of a transaction that other workers were in the way of; nothing is wrong with its submissions."""
_BACKOFF = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5))


@dataclass(frozen=True, slots=True)
class Processing:
    """What processing needs; one for each worker process."""

    engine: AsyncEngine
    new_id: NewId
    clock: Callable[[], datetime]
    public_url: str = ""
    batch_rows: int = 32
    lease: timedelta = timedelta(seconds=30)
    most_attempts: int = 5


@dataclass(slots=True)
class Outcome:
    """What became of one batch."""

    claimed: int = 0
    created: int = 0
    updated: int = 0
    merged: int = 0
    routed: int = 0
    nurtured: int = 0
    deliveries: int = 0
    waiting: int = 0
    """Behaviour of somebody whom nobody knows yet."""
    retried: int = 0
    failed: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


class Unreachable(Exception):
    """PostgreSQL does not answer; the claims come back by themselves when their lease ends."""


async def process_due(work: Processing, playbook: CompiledPlaybook) -> Outcome:
    """Claim and process one batch of due submissions; an outcome with `claimed` 0 means that none was due.

    Raises:
        Unreachable: PostgreSQL does not answer.
    """
    try:
        now = work.clock()
        async with driver.connect(work.engine) as connection:
            claimed = await pending.claim(connection, now=now, rows=work.batch_rows, lease=work.lease)
        if not claimed:
            return Outcome()
        with telemetry.PROCESS_SECONDS.time():
            outcome = await _process(work, playbook, claimed)
    except Exception as error:
        if is_outage(error):
            raise Unreachable from error
        raise
    outcome.claimed = len(claimed)
    telemetry.BATCH_ROWS.observe(len(claimed))
    _log.info("batch.processed", **{name: getattr(outcome, name) for name in Outcome.__slots__})
    return outcome


async def _process(work: Processing, playbook: CompiledPlaybook, claimed: Sequence[Claimed]) -> Outcome:
    """Process a batch; if it fails as a whole, each of its submissions alone."""
    crashed = [one for one in claimed if one.attempts > work.most_attempts]
    ready = [one for one in claimed if one.attempts <= work.most_attempts]
    outcome = Outcome()
    for one in crashed:
        outcome += await _give_up(work, one, "WorkerDied")
    if not ready:
        return outcome
    try:
        return outcome + await _together(work, playbook, ready)
    except Exception as error:  # whatever a batch may raise, each submission gets its own chance
        if is_outage(error):
            raise
        if len(ready) == 1:
            return outcome + await _alone_failed(work, ready[0], error)
    for one in ready:
        try:
            outcome += await _together(work, playbook, [one])
        except Exception as error:
            if is_outage(error):
                raise
            outcome += await _alone_failed(work, one, error)
    return outcome


async def _together(work: Processing, playbook: CompiledPlaybook, claimed: Sequence[Claimed]) -> Outcome:
    """Process submissions in one transaction, repeating it whole while other workers are in the way."""
    for repeat in range(_REPEATS):
        try:
            async with driver.transaction(work.engine) as connection:
                return await _transaction(connection, work, playbook, claimed)
        except (asyncpg.PostgresError, Contention) as error:
            if repeat == _REPEATS - 1 or not (isinstance(error, Contention) or is_contention(error)):
                raise
    raise AssertionError


async def _transaction(
    connection: Connection, work: Processing, playbook: CompiledPlaybook, claimed: Sequence[Claimed]
) -> Outcome:
    waiting = await pending.load(connection, [one.submission_id for one in claimed])
    if not waiting:
        return Outcome()
    now = work.clock()
    batch = await recognise(connection, waiting, new_id=work.new_id)
    touched = batch.touched()
    new = {lead.lead_id for lead in touched if lead.is_new}
    judgements = [qualify.judge(lead, playbook, now=now) for lead in touched]
    moved = await merge(connection, batch, new_id=work.new_id, now=now)
    rows = await qualify.follow(connection, judgements, playbook, new_id=work.new_id, now=now)
    reported = [
        event
        for judgement in judgements
        if judgement.is_news or judgement.lead.changed or not judgement.lead.only_behaved
        for event in reporting.report(
            judgement,
            [(won, members) for won, members in moved if won.winner == judgement.lead.lead_id],
            public_url=work.public_url,
            new_id=work.new_id,
            now=now,
        )
    ]
    add_leads(rows, batch, judgements, now=now)
    await changes.write(connection, rows)
    deliveries = await events.append(connection, reported)
    outcome = _outcome(judgements, moved, new=len(new), processed=len(waiting), deliveries=deliveries)
    outcome.waiting = len(batch.waiting)
    return outcome


def _outcome(
    judgements: Sequence[Judgement], moved: Sequence[object], *, new: int, processed: int, deliveries: int
) -> Outcome:
    telemetry.PROCESSED.inc(processed)
    for judgement in judgements:
        if judgement.goes_to_sales or judgement.changes_track:
            telemetry.ROUTED.labels(judgement.lead.route or Route.NONE).inc()
    return Outcome(
        created=new,
        updated=len(judgements) - new,
        merged=len(moved),
        routed=sum(judgement.goes_to_sales for judgement in judgements),
        nurtured=sum(judgement.changes_track for judgement in judgements),
        deliveries=deliveries,
    )


async def _alone_failed(work: Processing, one: Claimed, error: Exception) -> Outcome:
    """Put a submission that failed by itself back for a later try, or aside after its last."""
    name = describe(error)
    _log.warning("submission.retry", submission_id=str(one.submission_id), attempts=one.attempts, error_class=name)
    if one.attempts >= work.most_attempts:
        return await _give_up(work, one, name)
    due_at = work.clock() + _BACKOFF[min(one.attempts, len(_BACKOFF)) - 1]
    async with driver.transaction(work.engine) as connection:
        await pending.retry(connection, one.submission_id, due_at=due_at, error=name)
    return Outcome(retried=1)


def describe(error: Exception) -> str:
    """Return an error's class and the function of ours that met it: enough to find the fault, and never a value."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [
        f"{f.f_globals['__name__']}.{f.f_code.co_qualname.partition('.<locals>')[0]}" for f in frames if _is_ours(f)
    ]
    return f"{type(driver_error(error)).__name__} in {ours[-1]}" if ours else type(driver_error(error)).__name__


def _is_ours(frame: FrameType) -> bool:
    name = str(frame.f_globals.get("__name__"))
    return name.startswith("leadhub.") and name != __name__


async def _give_up(work: Processing, one: Claimed, error: str) -> Outcome:
    """Park a submission: it stays on disk, is listed with its error, can be replayed, and subscribers are told."""
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        parked = await pending.park(connection, one.submission_id, now=now, error=error)
        if parked is None:
            return Outcome()
        event = reporting.failure(
            submission_id=one.submission_id,
            source_name=parked.source_name,
            channel=parked.channel,
            error=error,
            attempts=min(one.attempts, work.most_attempts),
            new_id=work.new_id,
            now=now,
        )
        deliveries = await events.append(connection, [event])
    telemetry.FAILED.inc()
    _log.error("submission.failed", submission_id=str(one.submission_id), attempts=one.attempts, error_class=error)
    return Outcome(failed=1, deliveries=deliveries)
