"""Judge leads again when no submission came, but the judgement may be another.

Two reasons: time alone has changed what the playbook says (a window closed, idleness grew), or another playbook was
published. Each evaluation names the next instant at which time counts, so nobody is looked at before it is time. A
publication names whom it can touch; how far that has come is a row, so a killed worker's successor goes on from there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from leadhub import telemetry
from leadhub.domain.lead import Lead
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import qualify, reporting
from leadhub.pipeline.process import Processing
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import from_row, load_facts
from leadhub.pipeline.saving import fact_rows, lead_row
from leadhub.store import changes, driver, events, leads, playbooks
from leadhub.store.driver import Connection
from leadhub.store.events import NewEvent

_log = telemetry.get_logger("rescore")


async def rescore_due(work: Processing, playbook: CompiledPlaybook) -> int:
    """Judge one batch of leads whose time has come; return how many there were, 0 when none is due."""
    async with driver.transaction(work.engine) as connection:
        rows = await leads.load_due(connection, now=work.clock(), rows=work.batch_rows)
        changed = await _changed(connection, rows, work, playbook)
    if rows:
        _log.info("leads.rescored", leads=len(rows), changed=changed)
    return len(rows)


async def rescore_published(work: Processing, playbook: CompiledPlaybook) -> bool:
    """Judge one batch of the leads that a publication touches; return whether there was anything to do.

    The leads and the place in the run are written together: a batch happens once, whoever dies when.
    """
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        run = await playbooks.claim_run(connection, now=now)
        if run is None:
            return False
        version, reach, after = run
        rows, until = await leads.load_touched(connection, after=after, rows=work.batch_rows, **reach)
        changed = await _changed(connection, rows, work, playbook)
        await playbooks.advance_run(
            connection,
            version,
            after_id=until or after,
            judged=len(rows),
            changed=changed,
            finished_at=now if until is None else None,
        )
    _log.info("playbook.rescored", version=version, leads=len(rows), changed=changed, finished=until is None)
    return True


async def _changed(
    connection: Connection, rows: Sequence[dict[str, Any]], work: Processing, playbook: CompiledPlaybook
) -> int:
    """Judge leads again; return with how many something happened that subscribers can see."""
    return sum(judgement.is_news for judgement in await judge_again(connection, rows, work, playbook))


Change = Callable[[Judgement], None]
"""Says what else than the playbook changes a judged lead."""
Tell = Callable[[Judgement], Iterable[NewEvent]]
"""What else subscribers are told of a judged lead, before all else."""


async def judge_again(
    connection: Connection,
    rows: Sequence[dict[str, Any]],
    work: Processing,
    playbook: CompiledPlaybook,
    *,
    before: Callable[[Lead], None] | None = None,
    change: Change | None = None,
    tell: Tell | None = None,
) -> list[Judgement]:
    """Judge leads whose rows are locked, and write and tell what changed.

    Args:
        connection: in the transaction that locked them.
        rows: the leads.
        work: what processing needs.
        playbook: what decides.
        before: changes a lead before it is judged.
        change: changes a judgement before it is followed.
        tell: what else is told.
    """
    if not rows:
        return []
    now = work.clock()
    loaded = {row["id"]: from_row(row, {}) for row in rows}
    await load_facts(connection, loaded)
    if before is not None:
        for lead in loaded.values():
            before(lead)
    judgements = [qualify.judge(lead, playbook, now=now) for lead in loaded.values()]
    if change is not None:
        for judgement in judgements:
            change(judgement)
    rows_changed = await qualify.follow(connection, judgements, playbook, new_id=work.new_id, now=now)
    told: list[NewEvent] = []
    for judgement in judgements:
        told += tell(judgement) if tell is not None else ()
        if judgement.is_news or judgement.lead.changed:
            told += reporting.report(judgement, [], public_url=work.public_url, new_id=work.new_id, now=now)
        elif judgement.is_handed_on:
            told += reporting.handed_on(judgement, public_url=work.public_url, new_id=work.new_id, now=now)
    rows_changed.leads = [lead_row(judgement.lead, judgement, now) for judgement in judgements]
    rows_changed.facts = [row for judgement in judgements for row in fact_rows(judgement.lead)]
    await changes.write(connection, rows_changed)
    await events.append(connection, told)
    return judgements
