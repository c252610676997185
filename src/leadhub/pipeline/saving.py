"""Write what a batch decided: who is who, what the leads are now, what they did.

One statement, however many leads the batch holds; only merges and newly shared keys, which are rare, cost some more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from leadhub.domain.ids import LeadId
from leadhub.domain.lead import Arrived, Lead
from leadhub.domain.matching.sighting import hashed_mailbox
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import MergeOf, NewId, Recognised
from leadhub.store import leads, merges
from leadhub.store.changes import Changes
from leadhub.store.driver import Connection

RECHECK_AFTER = timedelta(seconds=2)
"""By then every batch that was under way when a lead was made is committed, or waits for a lock."""
BY_ITSELF = "leadhub"
"""The actor of what LeadHub decides by itself."""


async def merge(
    connection: Connection, batch: Recognised, *, new_id: NewId, now: datetime, actor: str = BY_ITSELF
) -> list[tuple[MergeOf, list[UUID]]]:
    """Move what merged leads had to their winners, and mark keys that turned out to be shared.

    Before all else: an active key cannot stand at two leads. Returns the submissions that each merge moved.
    """
    moved = [
        (
            merge,
            await merges.merge(
                connection,
                merge_id=new_id(),
                winner=merge.winner,
                loser=merge.loser,
                submission_id=merge.submission_id,
                rule=merge.rule,
                because=merge.because,
                versions=merge.versions,
                inherited=batch.leads[merge.winner].inherited.get(merge.loser, ()),
                actor=actor,
                now=now,
            ),
        )
        for merge in batch.merges
    ]
    await leads.share_keys(connection, batch.shared)
    return moved


def add_leads(changes: Changes, batch: Recognised, judgements: Sequence[Judgement], *, now: datetime) -> None:
    """Add to a batch's changes who is who, what the leads are now, and what they did."""
    touched = batch.touched()
    by_id = {judgement.lead.lead_id: judgement for judgement in judgements}
    changed = [lead for lead in batch.leads.values() if lead.arrived or lead.merged_into]
    arrived = [one for lead in touched for one in lead.arrived]
    changes.leads = [lead_row(lead, by_id.get(lead.lead_id), now) for lead in changed]
    changes.memberships = [_membership(batch, lead, one, now) for lead in touched for one in lead.arrived]
    changes.keys = [row for lead in touched for row in key_rows(lead, lead.received_at)]
    changes.hashes = [row for lead in touched for row in hash_rows(lead)]
    changes.blocks = block_rows(touched, made=batch.made)
    changes.reviews = batch.reviews(now)
    # Another batch may be making a lead of the same person that only its looks could find.
    doubtful = [lead.lead_id for lead in touched if lead.lead_id in batch.made and lead.new_blocks]
    changes.rechecks = [{"lead_id": lead_id, "due_at": now + RECHECK_AFTER, "seen": batch.seen} for lead_id in doubtful]
    changes.facts = [row for lead in touched for row in fact_rows(lead)]
    changes.activities = [row for one in arrived for row in _activity_rows(one)]
    changes.consents = [row for one in arrived for row in _consent_rows(one)]
    changes.waiting = [
        {"kind": handle.kind, "value": handle.value, "submission_id": one.submission_id}
        for one in batch.waiting
        for handle in one.handles
    ]
    changes.done = [one.submission_id for one in (*arrived, *batch.waiting)]


def _membership(batch: Recognised, lead: Lead, arrived: Arrived, now: datetime) -> dict[str, Any]:
    decision = batch.decisions[arrived.submission_id]
    return {
        "submission_id": arrived.submission_id,
        "lead_id": lead.lead_id,
        "rule": decision.rule,
        "because": decision.because,
        "match": decision.document(),
        "since": now,
    }


def key_rows(lead: Lead, seen_at: datetime | None) -> list[dict[str, Any]]:
    """Return the keys that were brought to a lead, as their rows."""
    return [
        {
            "kind": key.kind,
            "value": key.value,
            "lead_id": lead.lead_id,
            "status": "shared" if shared else "active",
            "seen_at": seen_at,
        }
        for key, shared in lead.new_keys.items()
    ]


def hash_rows(lead: Lead) -> list[dict[str, Any]]:
    """Return the hashed addresses, not keys of their own, for which behaviour may wait, as handles."""
    handles = map(hashed_mailbox, lead.new_hashes)
    return [{"kind": handle.kind, "value": handle.value} for handle in handles if handle not in lead.new_keys]


def block_rows(leads: Iterable[Lead], *, made: Collection[LeadId] = ()) -> list[dict[str, Any]]:
    """Return the block keys that this batch gave some leads, of which it made a few."""
    return [
        {"lead_id": lead.lead_id, "keys": list(lead.new_blocks), "is_new": lead.lead_id in made}
        for lead in leads
        if lead.new_blocks
    ]


def fact_rows(lead: Lead) -> list[dict[str, Any]]:
    """Return the counters of a lead that changed, as their rows."""
    return [
        {
            "lead_id": lead.lead_id,
            "type": fact.type,
            "attributes_sha256": _fingerprint(fact.attributes),
            "attributes": dict(fact.attributes),
            "count": fact.count,
            "first_at": fact.first_at,
            "last_at": fact.last_at,
        }
        for fact in (lead.facts[key] for key in sorted(lead.touched_facts))
    ]


def _fingerprint(attributes: Mapping[str, str]) -> bytes:
    return sha256(orjson.dumps(dict(attributes), option=orjson.OPT_SORT_KEYS)).digest()


def _activity_rows(arrived: Arrived) -> list[dict[str, Any]]:
    return [
        {
            "submission_id": arrived.submission_id,
            "ordinal": ordinal,
            "type": activity.type,
            "occurred_at": at,
            "attributes": activity.attributes,
        }
        for ordinal, (activity, at) in enumerate(arrived.activities())
    ]


def _consent_rows(arrived: Arrived) -> list[dict[str, Any]]:
    evidence = arrived.content.evidence.model_dump(exclude_none=True)
    return [
        {
            "submission_id": arrived.submission_id,
            "ordinal": ordinal,
            "purpose": consent.purpose,
            "channel": consent.channel,
            "granted": consent.granted,
            "wording": consent.wording,
            "received_at": arrived.received_at,
            "evidence": evidence,
        }
        for ordinal, consent in enumerate(arrived.content.consents)
    ]


def lead_row(lead: Lead, judgement: Judgement | None, now: datetime) -> dict[str, Any]:
    """Return a lead as its row; one that was merged away keeps its last judgement."""
    evaluation = judgement.evaluation if judgement else None
    explained = lead.evaluation or {}
    return {
        "id": lead.lead_id,
        "merged_into": lead.merged_into,
        "version": lead.version,
        "sequence": lead.sequence,
        "created_at": lead.created_at,
        "updated_at": now,
        "last_activity_at": lead.last_activity_at,
        "is_test": lead.is_test,
        "golden": lead.golden,
        "custom": lead.custom,
        "attribution": lead.attribution,
        "consents": lead.consents,
        "mail": lead.mail,
        "profile": lead.profile.document(),
        "evaluation": lead.evaluation,
        "score_total": evaluation.total if evaluation else explained.get("total", 0),
        "score_fit": evaluation.fit if evaluation else explained.get("fit", 0),
        "score_engagement": evaluation.engagement if evaluation else explained.get("engagement", 0),
        "stage": lead.stage,
        "temperature": lead.temperature,
        "route": lead.route,
        "route_rule": lead.route_rule,
        "route_because": lead.route_because,
        "team": lead.team,
        "owner": lead.owner,
        "track": lead.track,
        "disqualified_reason": lead.disqualified_reason,
        "sales_decision": lead.sales_decision,
        "rescore_at": lead.rescore_at,
        "held": lead.held.document() if lead.held else None,
    }
