"""Promises of first contact that run out: warn, hand the lead to somebody else, escalate, and tell subscribers.

What happens when was written down at routing, and each step is passed in the transaction that does it: a worker that
dies repeats nothing, one that was away catches up, and a clock that goes back does nothing twice.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from leadhub import telemetry
from leadhub.domain import events
from leadhub.domain.ids import LeadId
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import reporting
from leadhub.pipeline.handover import Move
from leadhub.pipeline.process import Processing, describe
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.rescore import judge_again
from leadhub.store import driver, followup, promises
from leadhub.store.events import NewEvent
from leadhub.store.outage import is_outage
from leadhub.store.promises import Advanced, Clock

_log = telemetry.get_logger("promises")

_BATCH = 100
_PUT_OFF = timedelta(minutes=5)
_WHOLE = 100
_MANAGER = "manager"
_OWNER = "owner"


async def keep_promises(work: Processing, playbook: CompiledPlaybook) -> int:
    """Do one step of each promise of a batch for which one is due; return how many, 0 when none is due.

    A batch that fails is repeated one lead at a time; a lead that fails alone is put off and holds up nobody else.
    """
    try:
        return await _keep(work, playbook, rows=_BATCH)
    except Exception as error:
        if is_outage(error):
            raise
    async with driver.connect(work.engine) as connection:
        due = await promises.due_leads(connection, now=work.clock(), rows=_BATCH)
    for lead_id in due:
        try:
            await _keep(work, playbook, rows=1, lead_id=lead_id)
        except Exception as error:
            if is_outage(error):
                raise
            _log.error("promise.failed", lead_id=str(lead_id), error_class=describe(error))
            async with driver.transaction(work.engine) as connection:
                await promises.put_off(connection, lead_id, until=work.clock() + _PUT_OFF)
    return len(due)


async def _keep(work: Processing, playbook: CompiledPlaybook, *, rows: int, lead_id: LeadId | None = None) -> int:
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        due = await promises.load_due(connection, now=now, rows=rows, lead_id=lead_id)
        if not due:
            return 0
        ids = [row["id"] for row in due]
        running = await promises.open_clocks(connection, ids)
        # Another worker may have done a step between our look and our lock.
        clocks = {lead_id: clock for lead_id, clock in running.items() if _is_due(clock, now)}
        assignments = await followup.open_assignments(connection, ids)
        had = await promises.owners_so_far(connection, ids)
        steps = {lead_id: _step(clock, now) for lead_id, clock in clocks.items()}
        await promises.advance(connection, [_passed(clock, steps[lead_id]) for lead_id, clock in clocks.items()])

        def change(judgement: Judgement) -> None:
            lead = judgement.lead
            assignment = assignments.get(lead.lead_id)
            if assignment is None or lead.lead_id not in clocks or judgement.left_sales:
                return
            step = clocks[lead.lead_id].steps[steps[lead.lead_id]]
            tried = had.get(lead.lead_id, frozenset())
            judgement.move = _move(step, clocks[lead.lead_id], assignment, playbook, tried)

        def tell(judgement: Judgement) -> Iterator[NewEvent]:
            clock = clocks.get(judgement.lead.lead_id)
            if clock is not None and judgement.lead.lead_id in assignments and not judgement.left_sales:
                yield _told(judgement, clock, steps[clock.lead_id], playbook, work, now=now)

        await judge_again(connection, due, work, playbook, change=change, tell=tell)
    breached = sum(clocks[lead_id].steps[step]["share"] >= _WHOLE for lead_id, step in steps.items())
    _log.info("promises.due", leads=len(due), breached=breached)
    return len(due)


def _is_due(clock: Clock, now: datetime) -> bool:
    return clock.step < len(clock.steps) and _at(clock, clock.step) <= now


def _step(clock: Clock, now: datetime) -> int:
    """Return which step of a due promise is to be done: a reminder that comes after the time itself is passed over."""
    due = [number for number in range(clock.step, len(clock.steps)) if _at(clock, number) <= now]
    return next((number for number in due if clock.steps[number]["share"] >= _WHOLE), due[-1])


def _at(clock: Clock, number: int) -> datetime:
    return datetime.fromisoformat(clock.steps[number]["at"])


def _passed(clock: Clock, number: int) -> Advanced:
    following = number + 1
    breached = clock.due_at if clock.steps[number]["share"] >= _WHOLE else None
    return Advanced(clock.id, following, _at(clock, following) if following < len(clock.steps) else None, breached)


def _move(
    step: Mapping[str, Any],
    clock: Clock,
    assignment: Mapping[str, Any],
    playbook: CompiledPlaybook,
    had: frozenset[str],
) -> Move | None:
    """Return to whom a lead goes because of a step: to the next who can take it, or to somebody by name."""
    if assignment["team"] not in playbook.playbook.teams:
        return None
    why = f"{clock.sla}: no first contact after {step['share']}% of the time"
    if step["do"] == "escalate":
        return Move(assignment=assignment, why=why, to=_named(step["to"], assignment["team"], playbook))
    if step["do"] == "reassign":
        return Move(assignment=assignment, why=why, not_to=had, stays=True)
    return None


def _named(who: str, team: str, playbook: CompiledPlaybook) -> str:
    """Return whom a name in a promise means: `manager` is the team's, if it has one."""
    known = playbook.playbook.teams.get(team)
    return known.manager if who == _MANAGER and known is not None and known.manager else who


def _told(
    judgement: Judgement, clock: Clock, number: int, playbook: CompiledPlaybook, work: Processing, *, now: datetime
) -> NewEvent:
    step, lead = clock.steps[number], judgement.lead
    is_breach = step["share"] >= _WHOLE
    owner = judgement.owner_before
    notify = [owner if one == _OWNER else _named(one, lead.team or "", playbook) for one in step["notify"]]
    because = f"{step['share']}% of the promised time have passed without first contact"
    if judgement.handed is not None:
        because = f"{because}; {judgement.handed.because}"
    elif step["do"] == "reassign":
        because = f"{because}; nobody else can take it"
    data = {
        **reporting.described(judgement),
        "team": lead.team,
        "owner": lead.owner,
        "owner_before": owner,
        "sla": {"name": clock.sla, "due_at": clock.due_at},
        "started_at": clock.started_at,
        "share": step["share"],
        "action": step["do"],
        "notify": list(dict.fromkeys(one for one in notify if one)),
        "because": because,
        "links": {"lead": f"{work.public_url}/v1/leads/{lead.lead_id}"},
    }
    model = events.LeadSlaBreached if is_breach else events.LeadSlaWarning
    return reporting.numbered(lead, model, data, new_id=work.new_id, now=now)
