"""Judge leads and follow the judgement: ledger, stage, owner, track.

The playbook decides (pure); here it is decided what that changes for a lead that may already be with sales or on a
track, and the changes are written for a whole batch at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from leadhub.domain import routing, scoring, steps
from leadhub.domain.lead import Lead
from leadhub.domain.model import Evaluation, Route
from leadhub.domain.playbook_followup import TrackStep
from leadhub.domain.playbook_people import Team
from leadhub.pipeline.recognise import NewId
from leadhub.store import followup, nurture
from leadhub.store.changes import Changes
from leadhub.store.driver import Connection
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
    sla_due_at: datetime | None = None

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
    evaluation = playbook.evaluate(lead.view(), now=now)
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
    )
    lead.version += 1
    lead.stage, lead.temperature = evaluation.stage, evaluation.temperature
    lead.rescore_at = evaluation.changes_at
    lead.evaluation = judgement.explanation
    _follow_route(lead, evaluation)
    return judgement


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


async def follow(
    connection: Connection,
    judgements: Sequence[Judgement],
    playbook: scoring.CompiledPlaybook,
    *,
    new_id: NewId,
    now: datetime,
) -> Changes:
    """Release, choose owners and end enrolments as the judgements say; return the rows that are still to write."""
    await followup.release(connection, {j.lead.lead_id: _why(j) for j in judgements if j.left_sales}, now=now)
    left = {j.lead.lead_id: _why_left(j, playbook, now) for j in judgements if j.left_track}
    await followup.leave_tracks(connection, left, now=now)
    changes = await _hand_over(connection, [j for j in judgements if j.goes_to_sales], playbook, new_id=new_id, now=now)
    enrolled = [j for j in judgements if j.changes_track and j.lead.track]
    changes.enrolments, changes.items = await enrol(connection, enrolled, playbook, new_id=new_id, now=now)
    changes.score_lines = [line for j in judgements for line in _ledger(j, now)]
    changes.stage_changes = [_stage_change(j, now) for j in judgements if j.lead.stage != j.stage_before]
    return changes


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
        place = Place(new_id(), lead_id, track)
        enrolments.append(
            {
                "id": place.enrolment_id,
                "lead_id": lead_id,
                "track": track,
                "because": judgement.evaluation.nurture.because,
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
    """Give each lead that goes to sales an owner, in turn, and start its clock."""
    if not judgements:
        return Changes()
    teams = {name: playbook.playbook.teams[name] for name in {j.lead.team for j in judgements} if name}
    cursors = await followup.lock_cursors(connection, teams)
    open_leads = await followup.open_leads(connection, _counted_owners(teams))
    rows = []
    for judgement in judgements:
        team = judgement.lead.team
        if team is None:
            continue
        choice = routing.choose_owner(teams[team], cursor=cursors[team], open_leads=open_leads)
        cursors[team] = choice.cursor
        if choice.owner:
            open_leads[choice.owner] = open_leads.get(choice.owner, 0) + 1
        rows.append(_assignment(judgement, choice, playbook, new_id=new_id, now=now))
    return Changes(
        assignments=rows,
        cursors=[{"team": team, "position": position} for team, position in cursors.items()],
    )


def _counted_owners(teams: Mapping[str, Team]) -> set[str]:
    """Return those whose open leads matter for the choice; counting the others would be waste."""
    return {
        member.user
        for team in teams.values()
        for member in team.members
        if team.strategy == "least_loaded" or member.capacity is not None
    }


def _assignment(
    judgement: Judgement,
    choice: routing.OwnerChoice,
    playbook: scoring.CompiledPlaybook,
    *,
    new_id: NewId,
    now: datetime,
) -> dict[str, Any]:
    lead, decided = judgement.lead, judgement.evaluation.routing
    lead.owner = choice.owner
    if decided.sla:
        judgement.sla_due_at = routing.first_contact_due(playbook.playbook, decided.sla, now=now)
    return {
        "id": new_id(),
        "lead_id": lead.lead_id,
        "team": lead.team,
        "owner": choice.owner,
        "rule": decided.rule,
        "because": f"{decided.because}; {choice.because}",
        "sla": decided.sla,
        "due_at": judgement.sla_due_at,
        "assigned_at": now,
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
