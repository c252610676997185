"""Tell subscribers what a batch changed: one event a change, in the order in which it happened to the lead."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from leadhub.domain import events
from leadhub.domain.feedback import acceptance
from leadhub.domain.ids import EventId, LeadId, SubmissionId
from leadhub.domain.lead import Lead
from leadhub.domain.model import Stage, Temperature
from leadhub.domain.unmerging import Parting
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import MergeOf, NewId
from leadhub.store.events import NewEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmerged:
    """A merge that was undone, as subscribers are told."""

    merge_id: UUID
    winner: LeadId
    loser: LeadId
    parting: Parting
    because: str


def report(
    judgement: Judgement,
    merges: Sequence[tuple[MergeOf, Sequence[UUID]]],
    *,
    public_url: str,
    new_id: NewId,
    now: datetime,
    winner_had: Sequence[UUID] | None = None,
    unmerged: Unmerged | None = None,
) -> list[NewEvent]:
    """Return a judged lead's events; each takes the lead's next sequence number.

    Args:
        judgement: the lead and what changed for it.
        merges: the merges that this lead won in the batch, each with the submissions that its loser had.
        public_url: base of absolute links, or empty for relative ones.
        new_id: makes a UUIDv7.
        now: when all this happened.
        winner_had: the winner's submissions before a merge; what this batch brought if not given.
        unmerged: the merge that was undone, told once, of the lead that kept its id.
    """
    lead, known = judgement.lead, described(judgement)
    mine = [arrived.submission_id for arrived in lead.arrived] if winner_had is None else list(winner_had)
    made = [_merged(merge, mine, members) for merge, members in merges]
    if unmerged is not None:
        made.append(_unmerged(unmerged))
    made.append((events.LeadCreated if lead.version == 1 else events.LeadUpdated, known | _change(judgement)))
    made += [(model, known | _crossed(judgement, because, public_url)) for model, because in _crossings(judgement)]
    if judgement.goes_to_sales or judgement.is_handed_on:
        made.append((events.LeadRouted, known | _routed(judgement, public_url)))
    elif judgement.changes_track:
        made.append((events.LeadNurtured, known | _nurtured(judgement)))
    return [numbered(lead, model, data, new_id=new_id, now=now) for model, data in made]


def handed_on(judgement: Judgement, *, public_url: str, new_id: NewId, now: datetime) -> list[NewEvent]:
    """Return the event of a lead of which nothing changed but who in sales has it."""
    data = described(judgement) | _routed(judgement, public_url)
    return [numbered(judgement.lead, events.LeadRouted, data, new_id=new_id, now=now)]


def numbered(lead: Lead, model: Any, data: dict[str, Any], *, new_id: NewId, now: datetime) -> NewEvent:
    """Return an event of a lead, which takes the lead's next sequence number."""
    lead.sequence += 1
    event = model(
        timestamp=now,
        data={"lead_id": lead.lead_id, "sequence": lead.sequence, "is_test": lead.is_test} | data,
    )
    return NewEvent(
        id=EventId(new_id()),
        type=event.type,
        lead_id=lead.lead_id,
        sequence=lead.sequence,
        occurred_at=now,
        received_at=lead.received_at,
        is_test=lead.is_test,
        body=events.body(event),
    )


Made = tuple[Any, dict[str, Any]]

_RISING: Final = tuple(stage.value for stage in Stage if stage is not Stage.DISQUALIFIED)
"""Stages, least interested first."""


def _crossings(judgement: Judgement) -> Iterator[tuple[type[events.Crossing], str]]:
    """Yield what the lead has come to and why: an edge from what was stored to what is decided, so each is told once.

    Rising counts: an SQL that falls back to MQL is none that marketing has won.
    """
    evaluation, before = judgement.evaluation, judgement.stage_before
    if evaluation.stage != before:
        if evaluation.stage is Stage.DISQUALIFIED:
            yield events.LeadDisqualified, evaluation.stage_because
        elif evaluation.stage in _TOLD and (before not in _RISING or _rank(before) < _rank(evaluation.stage)):
            yield _TOLD[evaluation.stage], evaluation.stage_because
    if evaluation.temperature is Temperature.HOT and judgement.temperature_before != Temperature.HOT:
        yield events.LeadHot, evaluation.temperature_because


_TOLD: Final[Mapping[Stage, type[events.Crossing]]] = {Stage.MQL: events.LeadMql, Stage.SQL: events.LeadSql}


def _rank(stage: str) -> int:
    return _RISING.index(stage)


def _crossed(judgement: Judgement, because: str, public_url: str) -> dict[str, Any]:
    lead = judgement.lead
    return {
        "source": _source(lead),
        "score": _score(judgement),
        "stage_before": judgement.stage_before,
        "temperature_before": judgement.temperature_before,
        "because": because,
        "owner": lead.owner,
        "links": {"lead": f"{public_url}/v1/leads/{lead.lead_id}"},
    }


def _merged(merge: MergeOf, mine: Sequence[UUID], members: Sequence[UUID]) -> Made:
    return events.LeadMerged, {
        "winner_id": merge.winner,
        "loser_ids": [merge.loser],
        "submission_ids": {"winner": list(mine), "losers": list(members)},
        "rule": merge.rule,
        "because": merge.because,
    }


def _unmerged(unmerged: Unmerged) -> Made:
    return events.LeadUnmerged, {
        "merge_id": unmerged.merge_id,
        "winner_id": unmerged.winner,
        "loser_ids": [unmerged.loser],
        "submission_ids": {"winner": list(unmerged.parting.stay), "losers": list(unmerged.parting.back)},
        "because": unmerged.because,
    }


def _change(judgement: Judgement) -> dict[str, Any]:
    lead = judgement.lead
    return {
        "source": _source(lead),
        "score": _score(judgement),
        "route": lead.route,
        "submission_ids": [arrived.submission_id for arrived in lead.arrived],
        "changed": sorted(lead.changed),
    }


def _routed(judgement: Judgement, public_url: str) -> dict[str, Any]:
    lead, explained, handed = judgement.lead, judgement.explanation, judgement.handed
    sla = judgement.sla
    return {
        "source": _source(lead),
        "attribution": lead.attribution,
        "score": _score(judgement)
        | {name: explained[name] for name in ("raw", "lines", "not_met", "changes_at", "change")},
        "routing": {
            "route": lead.route,
            "rule": lead.route_rule,
            "because": lead.route_because,
            "team": lead.team,
            "owner": lead.owner,
            "queue": handed.queue if handed else None,
            "owner_because": handed.because if handed else None,
            "beat": [{"name": name, "because": because} for name, because in (handed.beat if handed else ())],
        },
        "acceptance": acceptance(lead.route, lead.sales_decision),
        "sla": {"name": sla, "due_at": judgement.sla_due_at} if sla and judgement.sla_due_at else None,
        "frameworks": explained["frameworks"],
        "consents": _consents(lead),
        "links": {"lead": f"{public_url}/v1/leads/{lead.lead_id}"},
    }


def _nurtured(judgement: Judgement) -> dict[str, Any]:
    return {
        "track": judgement.lead.track,
        "because": judgement.lead.route_because if judgement.lead.held else judgement.evaluation.nurture.because,
        "consents": _consents(judgement.lead),
    }


def described(judgement: Judgement) -> dict[str, Any]:
    """Return who a lead is and how far it has come, as most events say it."""
    lead = judgement.lead
    values = {name: golden.value for name, golden in lead.golden.items()}
    return {
        "contact": events.Contact.of(values, {name: answer["value"] for name, answer in lead.custom.items()}),
        "stage": Stage(judgement.evaluation.stage),
        "temperature": Temperature(judgement.evaluation.temperature),
    }


def _score(judgement: Judgement) -> dict[str, Any]:
    evaluation = judgement.evaluation
    return {
        "total": evaluation.total,
        "fit": evaluation.fit,
        "engagement": evaluation.engagement,
        "playbook": evaluation.playbook,
    }


def _source(lead: Lead) -> dict[str, str]:
    touch = lead.attribution["last"]
    return {"name": touch["source"], "channel": touch["channel"]}


def _consents(lead: Lead) -> list[dict[str, Any]]:
    return [
        {"purpose": purpose, "channel": channel, "granted": answer["granted"], "at": answer["at"]}
        for purpose, channels in lead.consents.items()
        for channel, answer in channels.items()
    ]


def failure(
    *,
    submission_id: SubmissionId,
    source_name: str,
    channel: str,
    error: str,
    attempts: int,
    new_id: NewId,
    now: datetime,
) -> NewEvent:
    """Return the event of a submission that was parked; it carries nothing of its content."""
    event = events.LeadFailed(
        timestamp=now,
        data=events.FailureData(
            submission_id=submission_id,
            source=events.SourceRef(name=source_name, channel=channel),
            error=error,
            attempts=attempts,
            is_test=False,
        ),
    )
    return NewEvent(
        id=EventId(new_id()),
        type=event.type,
        lead_id=None,
        sequence=None,
        occurred_at=now,
        received_at=None,
        is_test=False,
        body=events.body(event),
    )
