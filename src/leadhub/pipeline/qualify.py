"""Judge leads and follow the judgement: ledger, stage, owner, track.

The playbook decides (pure); here it is decided what that changes for a lead that may already be with sales or on a
track, and the changes are written for a whole batch at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from leadhub.domain import routing, scoring, steps
from leadhub.domain.context import earliest
from leadhub.domain.feedback import REJECTED
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import Lead
from leadhub.domain.model import Evaluation, Route
from leadhub.domain.playbook_followup import TrackStep
from leadhub.domain.standing import Standing
from leadhub.pipeline.handover import Floor, Handed, Move, open_floor
from leadhub.pipeline.recognise import NewId
from leadhub.store import followup, nurture, shadows
from leadhub.store.changes import Changes
from leadhub.store.driver import Connection
from leadhub.store.followup import Release
from leadhub.store.nurture import Place


@dataclass(slots=True)
class Judgement:
    """What a playbook says of a lead now, beside what was so before."""

    lead: Lead
    evaluation: Evaluation
    explanation: dict[str, Any]
    stage_before: str | None
    route_before: str | None
    track_before: str | None
    temperature_before: str | None
    points_before: Mapping[str, int]
    total_before: int | None
    team_before: str | None = None
    owner_before: str | None = None
    move: Move | None = None
    """That the lead changes hands though it stays with sales."""
    leaves_because: str | None = None
    """Why it leaves sales, if not because the playbook says so."""
    is_owed: bool = False
    """Whether its owner gets another one instead."""
    handed: Handed | None = None
    """Who got it."""
    sla: str | None = None
    sla_due_at: datetime | None = None
    shadow: Standing | None = None
    """Where the version in shadow would put it."""

    @property
    def is_news(self) -> bool:
        """Whether anything changed that a subscriber can see, besides what the lead itself said."""
        return (
            self.evaluation.total != self.total_before
            or self.lead.temperature != self.temperature_before
            or self.lead.stage != self.stage_before
            or self.goes_to_sales
            or self.changes_track
            or self.left_sales
        )

    @property
    def goes_to_sales(self) -> bool:
        """Whether sales gets this lead now, and did not have it before."""
        return self.lead.route == Route.SALES and self.route_before != Route.SALES

    @property
    def is_handed_on(self) -> bool:
        """Whether somebody else in sales, or a queue, has this lead now."""
        return self.move is not None and self.handed is not None

    @property
    def changes_track(self) -> bool:
        """Whether the lead turns to nurture now, or to another track."""
        if self.lead.route != Route.NURTURE:
            return False
        return self.route_before != Route.NURTURE or self.lead.track != self.track_before

    @property
    def left_sales(self) -> bool:
        """Whether sales had this lead until now."""
        return self.route_before == Route.SALES and self.lead.route != Route.SALES

    @property
    def left_track(self) -> bool:
        """Whether the lead's enrolment ends."""
        return self.track_before is not None and self.lead.track != self.track_before


def judge(lead: Lead, playbook: scoring.CompiledPlaybook, *, now: datetime) -> Judgement:
    """Evaluate a lead and write the result into its working copy."""
    _end_hold(lead, playbook, now=now)
    view = lead.view()
    evaluation = playbook.evaluate(view, now=now)
    judgement = Judgement(
        lead,
        evaluation,
        scoring.explanation(evaluation, lead.lead_id),
        stage_before=lead.stage,
        route_before=lead.route,
        track_before=lead.track,
        temperature_before=lead.temperature,
        total_before=(lead.evaluation or {}).get("total"),
        points_before={line["rule"]: line["points"] for line in (lead.evaluation or {}).get("lines", ())},
        team_before=lead.team,
        owner_before=lead.owner,
    )
    if playbook.shadow is not None:
        judgement.shadow = Standing.of(playbook.shadow.playbook.decide(view, now=now))
    lead.version += 1
    lead.stage, lead.temperature = evaluation.stage, evaluation.temperature
    lead.rescore_at = earliest((evaluation.changes_at, lead.held.until if lead.held else None))
    lead.evaluation = judgement.explanation
    if lead.held is not None and evaluation.routing.route is not Route.NONE:
        _hold(lead, playbook, judgement, now=now)
    else:
        _follow_route(lead, evaluation)
    return judgement


def _end_hold(lead: Lead, playbook: scoring.CompiledPlaybook, *, now: datetime) -> None:
    """Let a lead that sales gave back count again, once its time is over or the person did what ends it."""
    held = lead.held
    if held is None:
        return
    if held.until is not None and now >= held.until:
        lead.held = None
    elif playbook.reopens(held.reason, lead.view(), now=now, since=held.scores, since_at=held.at) is not None:
        lead.held = lead.sales_decision = None


def _hold(lead: Lead, playbook: scoring.CompiledPlaybook, judgement: Judgement, *, now: datetime) -> None:
    """Keep a lead out of sales though the playbook would send it there: on its track, if it may be written to."""
    held = lead.held
    assert held is not None  # noqa: S101 - what the caller has just looked at
    track = playbook.track_beside_sales(lead.view(), now=now)
    named = held.track if track.track is not None else None
    lead.track = named or (None if held.is_won else track.track)
    lead.route = Route.NURTURE if lead.track or not held.is_won else Route.NONE
    lead.team = lead.owner = None
    until = f" until {held.until:%Y-%m-%d}" if held.until else ""
    lead.route_rule, lead.route_because = f"held:{held.reason}", f"{held.reason}: held{until}"
    if lead.route == Route.NURTURE and lead.track is None:
        lead.route_because = f"{lead.route_because}; {track.because}"
    route = lead.route if lead.route == Route.NONE else f"{lead.route}:{lead.track or 'none'}"
    judgement.explanation |= {"rule": lead.route_rule, "route": route}


def _follow_route(lead: Lead, evaluation: Evaluation) -> None:
    """Take the playbook's route, except that what sales has stays with sales until it is given back or disqualified."""
    decided = evaluation.routing
    if lead.route == Route.SALES and decided.route is not Route.NONE:
        lead.track = None
        return
    lead.route, lead.route_rule, lead.route_because = decided.route, decided.rule, decided.because
    lead.team = decided.team if decided.route is Route.SALES else None
    lead.owner = None
    lead.track = evaluation.nurture.track if decided.route is Route.NURTURE else None
    if decided.route is Route.NURTURE and lead.track is None:
        lead.route_because = evaluation.nurture.because
    if decided.route is Route.SALES and (lead.sales_decision or "").startswith(REJECTED):
        # Another chance: whether sales accepts it is open again.
        lead.sales_decision = None


async def follow(
    connection: Connection,
    judgements: Sequence[Judgement],
    playbook: scoring.CompiledPlaybook,
    *,
    new_id: NewId,
    now: datetime,
) -> Changes:
    """Release, choose owners and end enrolments as the judgements say; return the rows that are still to write."""
    changes = await _hand_over(connection, judgements, playbook, new_id=new_id, now=now)
    left = {j.lead.lead_id: _why_left(j, playbook, now) for j in judgements if j.left_track}
    await followup.leave_tracks(connection, left, now=now)
    await nurture.release(connection, [one for j in judgements for one in _awaited(j)], now=now)
    enrolled = [j for j in judgements if j.changes_track and j.lead.track]
    changes.enrolments, changes.items = await enrol(connection, enrolled, playbook, new_id=new_id, now=now)
    changes.score_lines = [line for j in judgements for line in _ledger(j, now)]
    changes.stage_changes = [_stage_change(j, now) for j in judgements if j.lead.stage != j.stage_before]
    if playbook.shadow is not None:
        rows = [_shadow_row(j) for j in judgements]
        await shadows.note(connection, playbook.shadow.version, rows, now=now)
    return changes


def _awaited(judgement: Judgement) -> list[tuple[LeadId, str]]:
    """Return the signals for which the next step of a lead that stays on its track has waited, if it waits for one."""
    if judgement.lead.track is None or judgement.changes_track:
        return []
    return [(judgement.lead.lead_id, name) for name in judgement.evaluation.signals]


def _shadow_row(judgement: Judgement) -> dict[str, Any]:
    decided, shadow = judgement.evaluation, judgement.shadow
    assert shadow is not None  # noqa: S101 - the playbook that judged it has a shadow
    before = Standing(decided.total, decided.stage.value, decided.temperature.value, scoring.route_words(decided))
    differ = before != shadow
    return {
        "lead_id": judgement.lead.lead_id,
        "against": decided.playbook,
        "before": asdict(before) if differ else None,
        "after": asdict(shadow) if differ else None,
    }


def _why_left(judgement: Judgement, playbook: scoring.CompiledPlaybook, now: datetime) -> str:
    """Return why an enrolment ends: an exit, a goal, or what became of the lead instead."""
    track = judgement.track_before
    reason = playbook.why_left(track, judgement.lead.view(), now=now) if track else None
    return reason or _why(judgement)


async def enrol(
    connection: Connection,
    judgements: Sequence[Judgement],
    playbook: scoring.CompiledPlaybook,
    *,
    new_id: NewId,
    now: datetime,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of new enrolments and of their first steps, for those that have one still to come."""
    came = [(j.lead.lead_id, j.lead.track or "") for j in judgements]
    history = await nurture.histories(connection, came, now=now)
    enrolments, items = [], []
    for judgement, (lead_id, track) in zip(judgements, came, strict=True):
        place, lead = Place(new_id(), lead_id, track), judgement.lead
        enrolments.append(
            {
                "id": place.enrolment_id,
                "lead_id": lead_id,
                "track": track,
                "because": lead.route_because if lead.held else judgement.evaluation.nurture.because,
                "enrolled_at": now,
                "planned_by": playbook.reference,
            }
        )
        described = steps.track_of(playbook.playbook, track)
        past = history.get((lead_id, track), nurture.NEVER)
        step = described and steps.resumed(described, done=past.done, left_at=past.left_at, now=now)
        if step:
            attempt = past.doubtful_attempt if step.id == past.doubtful else 0
            due_at = steps.due_at(playbook.playbook, step, since=now)
            items.append(item_row(step, place, item_id=new_id(), due_at=due_at, attempt=attempt))
    return enrolments, items


def item_row(step: TrackStep, on: Place, *, item_id: UUID, due_at: datetime, attempt: int = 0) -> dict[str, Any]:
    """Return a step that is to come as its row."""
    return {
        "id": item_id,
        "enrolment_id": on.enrolment_id,
        "lead_id": on.lead_id,
        "track": on.track,
        "step": step.id,
        "channel": step.channel,
        "content": step.content,
        "window_name": step.window,
        "state": "waiting",
        "due_at": due_at,
        "attempt": attempt,
    }


def _why(judgement: Judgement) -> str:
    if judgement.leaves_because is not None:
        return judgement.leaves_because
    if judgement.lead.route == Route.NURTURE and judgement.lead.track:
        return f"moved to {judgement.lead.track}"
    return f"{judgement.lead.route}: {judgement.lead.route_rule}"


async def _hand_over(
    connection: Connection,
    judgements: Sequence[Judgement],
    playbook: scoring.CompiledPlaybook,
    *,
    new_id: NewId,
    now: datetime,
) -> Changes:
    """Take leads from those who have them no longer, and give those that go to sales an owner, in turn.

    All locks are taken before anything is written: see `store.followup`.
    """
    comers = [j for j in judgements if (j.goes_to_sales or j.move) and j.lead.team]
    leaving = [j for j in judgements if j.left_sales]
    freed = [j.owner_before for j in (*leaving, *comers) if j.owner_before]
    freed += [owner for j in judgements for owner in j.lead.freed]
    named = [j.move.to for j in comers if j.move and j.move.to]
    if not comers and not leaving and not freed:
        return Changes()
    floor = await open_floor(
        connection,
        playbook,
        [(j.lead, j.lead.team) for j in comers if j.lead.team],
        returning=[j.lead.lead_id for j in comers if j.goes_to_sales and j.route_before is not None],
        freed={*freed, *named},
        now=now,
    )
    for judgement in leaving:
        floor.give_back(judgement.owner_before, owed=judgement.is_owed)
    for judgement in judgements:
        for owner in judgement.lead.freed:
            floor.give_back(owner)
    releases = {j.lead.lead_id: Release(_why(j), leaves_sales=True) for j in leaving}
    assignments, clocks = [], []
    for judgement in comers:
        if not _handed(judgement, floor):
            continue
        if judgement.move is not None:
            releases[judgement.lead.lead_id] = Release(judgement.move.why, leaves_sales=False)
        elif judgement.sla:
            clocks.append(_clock(judgement, playbook, new_id=new_id, now=now))
        assignments.append(_assignment(judgement, new_id=new_id, now=now))
    await followup.release(connection, releases, now=now)
    return Changes(
        assignments=assignments,
        clocks=clocks,
        cursors=floor.cursor_rows(),
        loads=floor.load_rows(),
        accounts=floor.account_rows(),
    )


def _handed(judgement: Judgement, floor: Floor) -> bool:
    """Choose who gets a lead; return whether that is anything new."""
    lead, decided, move = judgement.lead, judgement.evaluation.routing, judgement.move
    assert lead.team is not None  # noqa: S101 - what the caller has looked at
    if move is None:
        judgement.handed, judgement.sla = floor.hand_over(lead, lead.team), decided.sla
    else:
        judgement.sla, judgement.sla_due_at = move.assignment["sla"], move.assignment["due_at"]
        judgement.handed = floor.move(lead, lead.team, move) if move.to != lead.owner or move.to is None else None
        if judgement.handed is None:
            return False
        floor.give_back(judgement.owner_before)
    lead.owner = judgement.handed.owner
    return True


def _clock(judgement: Judgement, playbook: scoring.CompiledPlaybook, *, new_id: NewId, now: datetime) -> dict[str, Any]:
    """Return the promise that begins as its row."""
    sla = judgement.sla
    assert sla is not None  # noqa: S101 - what the caller has looked at
    judgement.sla_due_at = routing.first_contact_due(playbook.playbook, sla, now=now)
    steps = routing.promise_steps(playbook.playbook, sla, now=now)
    return {
        "id": new_id(),
        "lead_id": judgement.lead.lead_id,
        "sla": sla,
        "met_by": playbook.playbook.sla[sla].met_by,
        "started_at": now,
        "due_at": judgement.sla_due_at,
        "steps": [
            {
                "at": step.at.isoformat(),
                "share": step.share,
                "do": step.do,
                "notify": list(step.notify),
                "to": step.to,
            }
            for step in steps
        ],
        "step": 0,
        "next_at": steps[0].at,
    }


def _assignment(judgement: Judgement, *, new_id: NewId, now: datetime) -> dict[str, Any]:
    lead, handed, move = judgement.lead, judgement.handed, judgement.move
    assert handed is not None  # noqa: S101 - what the caller has looked at
    before = move.assignment if move else {}
    beat = [list(one) for one in handed.beat]
    if move is None and (rule := judgement.evaluation.routing.beat) is not None:
        beat.append([f"rule:{rule}", "stands below"])
    return {
        "id": new_id(),
        "lead_id": lead.lead_id,
        "team": lead.team,
        "owner": handed.owner,
        "rule": before.get("rule", lead.route_rule),
        "because": handed.because if move else f"{lead.route_because}; {handed.because}",
        "sla": judgement.sla,
        "due_at": judgement.sla_due_at,
        "assigned_at": now,
        "queue": handed.queue,
        "beat": beat,
        "routed_at": before.get("routed_at", now),
    }


def _ledger(judgement: Judgement, now: datetime) -> list[dict[str, Any]]:
    """Return a line for each rule whose points changed; a rule that gives nothing any more gets a line of 0."""
    before = judgement.points_before
    after = {line.rule: (line.points, line.because) for line in judgement.evaluation.lines}
    gone = {rule: (0, "no longer met") for rule in before if rule not in after}
    return [
        {
            "lead_id": judgement.lead.lead_id,
            "lead_version": judgement.lead.version,
            "rule": rule,
            "points": points,
            "previous": before.get(rule, 0),
            "because": because,
            "playbook": judgement.evaluation.playbook,
            "at": now,
        }
        for rule, (points, because) in (after | gone).items()
        if points != before.get(rule, 0)
    ]


def _stage_change(judgement: Judgement, now: datetime) -> dict[str, Any]:
    return {
        "lead_id": judgement.lead.lead_id,
        "lead_version": judgement.lead.version,
        "previous": judgement.stage_before,
        "stage": judgement.lead.stage,
        "because": judgement.evaluation.stage_because,
        "playbook": judgement.evaluation.playbook,
        "at": now,
    }
