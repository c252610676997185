"""Leads that wait for somebody in sales, and leads of somebody who is gone.

A queue is drained whenever somebody may have become free, which nobody has to announce: a lead was closed, a playbook
with more capacity was published, a shift began. Looking costs two statements when nothing can be done.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from leadhub import telemetry
from leadhub.domain import owners
from leadhub.domain.lead import Lead
from leadhub.domain.model import Route
from leadhub.domain.playbook import Playbook
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline.feedback import apply_due
from leadhub.pipeline.handover import Move
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing, describe
from leadhub.pipeline.promises import keep_promises
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.rescore import judge_again
from leadhub.store import driver, followup
from leadhub.store.driver import Connection
from leadhub.store.outage import is_outage

_log = telemetry.get_logger("queueing")

_BATCH = 100


async def look_after_sales(work: Processing, active: ActivePlaybook) -> None:
    """Do all that is due in sales: words of sales, promises that run out, leads of people who left, waiting leads.

    Each of them happens even if another one cannot.
    """
    newest = await active.newest(now=work.clock())

    async def words() -> None:
        while await apply_due(work, newest):
            pass

    async def promised() -> None:
        while await keep_promises(work, newest):
            pass

    async def strangers() -> None:
        await release_strangers(work, newest)

    async def waiting() -> None:
        await drain_queues(work, newest)

    for part in (words, promised, strangers, waiting):
        try:
            await part()
        except Exception as error:
            if is_outage(error):
                raise
            _log.error("sales.fault", part=part.__name__, error_class=describe(error))


async def recount_loads(work: Processing) -> None:
    """Put counters right that an older version, or a hand in the database, left wrong."""
    async with driver.transaction(work.engine) as connection:
        wrong = await followup.recount(connection)
    if wrong:
        _log.warning("loads.recounted", owners=len(wrong))


async def drain_queues(work: Processing, playbook: CompiledPlaybook) -> int:
    """Give waiting leads to whoever can take one, the longest waiting first; return how many somebody got."""
    async with driver.connect(work.engine) as connection:
        waiting = await followup.waiting(connection)
        if not waiting:
            return 0
        people = {user for team in playbook.playbook.teams.values() for user in (one.user for one in team.members)}
        loads = await followup.look_at_loads(connection, people)
    given = 0
    for team, leads in waiting.items():
        left = min(leads, _free(playbook, team, loads, now=work.clock()))
        while left > 0 and (taken := await _drain(work, playbook, team, rows=min(left, _BATCH))):
            given, left = given + taken, left - taken
    if given:
        _log.info("queue.drained", leads=given)
    return given


def _free(playbook: CompiledPlaybook, name: str, loads: Mapping[str, owners.Load], *, now: datetime) -> int:
    """Return how many leads a team can take, about; a team that is not in the document any more gives all away."""
    team = playbook.playbook.teams.get(name)
    if team is None:
        return _BATCH
    absent = playbook.shifts.absent(team, now=now)
    free = 0
    for member in team.members:
        load = loads.get(member.user, owners.NOTHING)
        if member.user not in absent and owners.why_not(member, load, now=now) is None:
            free += _BATCH if member.capacity is None else member.capacity - load.open_leads
    return free


async def _drain(work: Processing, playbook: CompiledPlaybook, team: str, *, rows: int) -> int:
    nobody = playbook.playbook.routing.no_capacity
    newest_first = nobody is not None and nobody.drain == "newest_first"
    async with driver.transaction(work.engine) as connection:
        found = await followup.load_waiting(connection, team, rows=rows, newest_first=newest_first)
        judgements = await _move_all(connection, found, work, playbook, why="somebody is free", stays=True)
    return sum(judgement.is_handed_on or judgement.left_sales for judgement in judgements)


async def release_strangers(work: Processing, playbook: CompiledPlaybook) -> int:
    """Put leads of people that the playbook does not name any more back into the queues; return how many.

    Args:
        work: what processing needs.
        playbook: as it was read just now: an older one may not know somebody who is new.
    """
    async with driver.connect(work.engine) as connection:
        gone = await followup.strangers(connection, sorted(people_of(playbook.playbook)))
    released = 0
    for owner in gone:
        while True:
            async with driver.transaction(work.engine) as connection:
                found = await followup.load_owned(connection, owner, rows=_BATCH)
                why = f"{owner} is not in {playbook.reference}"
                await _move_all(connection, found, work, playbook, why=why, to_queue=True)
            released += len(found)
            if len(found) < _BATCH:
                break
    if released:
        _log.info("owners.released", owners=len(gone), leads=released)
    return released


def people_of(playbook: Playbook) -> set[str]:
    """Return everybody to whom a playbook can give leads."""
    people = {member.user for team in playbook.teams.values() for member in team.members}
    people |= {team.manager for team in playbook.teams.values() if team.manager}
    return people | {breach.to for promise in playbook.sla.values() for breach in promise.breach if breach.to}


async def _move_all(
    connection: Connection,
    rows: Sequence[dict[str, Any]],
    work: Processing,
    playbook: CompiledPlaybook,
    *,
    why: str,
    to_queue: bool = False,
    stays: bool = False,
) -> list[Judgement]:
    """Let leads that sales has change hands, their rows being locked."""
    if not rows:
        return []
    assignments = await followup.open_assignments(connection, [row["id"] for row in rows])
    teams = playbook.playbook.teams

    def change(judgement: Judgement) -> None:
        lead = judgement.lead
        assignment = assignments.get(lead.lead_id)
        if judgement.left_sales or assignment is None:
            return
        if lead.team not in teams and not _moves_team(lead, judgement):
            judgement.leaves_because = f"there is no team {judgement.team_before} any more"
            return
        judgement.move = Move(assignment=assignment, why=why, to_queue=to_queue, stays=stays)

    return await judge_again(connection, rows, work, playbook, change=change)


def _moves_team(lead: Lead, judgement: Judgement) -> bool:
    """Give a lead whose team is gone to the team that the playbook names now; else let it leave sales."""
    decided = judgement.evaluation.routing
    lead.route, lead.route_rule, lead.route_because = decided.route, decided.rule, decided.because
    lead.team = decided.team if decided.route is Route.SALES else None
    lead.owner = None
    if lead.route != Route.SALES:
        lead.track = judgement.evaluation.nurture.track
    return lead.route == Route.SALES
