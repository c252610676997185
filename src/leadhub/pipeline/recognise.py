"""Recognise the people behind a batch of submissions, safely beside any number of other workers.

    normalise (pure) → lock all keys of the batch → who holds them? → lock those leads → decide one by one (pure)

The locks make two batches that carry the same person wait for each other; READ COMMITTED lets the second one see
what the first wrote. The unique index on active keys stays as a backstop: should it ever speak up, the whole batch
is repeated.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from leadhub.domain.deduplication import Arrival, Decision, Key, decide
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.lead import Arrived, Lead
from leadhub.domain.model import Fact, GoldenValue
from leadhub.domain.normalisation import normalise
from leadhub.store import leads as store
from leadhub.store.driver import Connection
from leadhub.store.pending import Waiting

NewId = Callable[[], Any]

_SHARED_MAILBOX = "role"
_LOOKS = 10


class Contention(Exception):
    """Leads of this batch keep being merged by others; nothing is wrong with the batch."""


@dataclass(frozen=True, slots=True)
class MergeOf:
    """Two stored leads turned out to be one person."""

    winner: LeadId
    loser: LeadId
    submission_id: SubmissionId | None
    rule: str
    because: str
    versions: dict[str, int]


@dataclass(slots=True)
class Recognised:
    """A batch's leads as they will be, with what was decided of each submission."""

    leads: dict[LeadId, Lead] = field(default_factory=dict)
    """Every lead that the batch holds locked or makes."""
    decisions: dict[SubmissionId, Decision] = field(default_factory=dict)
    merges: list[MergeOf] = field(default_factory=list)
    shared: list[Key] = field(default_factory=list)
    """Keys that two people turned out to use."""

    def touched(self) -> list[Lead]:
        """Return the leads that this batch adds to."""
        return [lead for lead in self.leads.values() if lead.arrived]


async def recognise(connection: Connection, waiting: Sequence[Waiting], *, new_id: NewId) -> Recognised:
    """Return the leads of a batch, their rows locked until the commit; nothing is written yet."""
    arrivals = [arrived(submission) for submission in waiting]
    keys = sorted({key for arrival in arrivals for key in arrival.keys})
    batch = Recognised()
    if keys:
        await store.lock_keys(connection, [lock_number(key) for key in keys])
        await _load(connection, batch, keys)
    holders = _Holders(batch.leads.values())
    for arrival in arrivals:
        _place(batch, holders, arrival, new_id=new_id)
    return batch


def arrived(submission: Waiting) -> Arrived:
    """Return a submission, normalised, with the keys that could find its person.

    >>> lock_number(Key("email", "ada@example.com")) == lock_number(Key("email", "ada@example.com"))
    True
    """
    content = submission.content
    normalised = normalise(content.fields, default_country=submission.options.get("default_country"))
    values = dict(normalised.values)
    for name, option in (("origin", "origin"), ("language", "default_language")):
        if default := submission.options.get(option):
            values.setdefault(name, default)
    keys: dict[Key, bool] = {}
    if content.external_id:
        keys[Key(f"external:{submission.source_id}", content.external_id)] = False
    keys |= {Key(key.kind, key.value): False for key in normalised.identity_keys}
    if values.get("email_class") == _SHARED_MAILBOX:
        keys[Key("email", str(values["email"]))] = True
    return Arrived(
        submission.submission_id,
        submission.received_at,
        submission.source_name,
        submission.channel,
        content,
        values,
        normalised.refused,
        keys,
    )


def lock_number(key: Key) -> int:
    """Return the signed 64-bit number that stands for a key as an advisory lock."""
    digest = hashlib.sha256(f"{key.kind}\0{key.value}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class _Holders:
    """Which leads hold which key, kept up to date while the batch is placed."""

    def __init__(self, leads: Iterable[Lead]) -> None:
        self._by_key: dict[Key, dict[LeadId, Lead]] = {}
        for lead in leads:
            self.note(lead)

    def note(self, lead: Lead) -> None:
        for key in lead.keys:
            self._by_key.setdefault(key, {})[lead.lead_id] = lead

    def of(self, keys: Iterable[Key]) -> list[Lead]:
        """Return the living leads that hold any of these keys; a merged one holds none any more."""
        found = {lead_id: lead for key in keys for lead_id, lead in self._by_key.get(key, {}).items()}
        return [lead for lead in found.values() if lead.merged_into is None]


def _place(batch: Recognised, holders: _Holders, arrival: Arrived, *, new_id: NewId) -> None:
    """Decide whose submission this is, and make it part of that lead."""
    candidates = holders.of(arrival.keys)
    shared = frozenset(key for key, is_shared in arrival.keys.items() if is_shared)
    decision = decide(Arrival(tuple(arrival.keys), arrival.name, shared), [lead.known() for lead in candidates])
    batch.decisions[arrival.submission_id] = decision
    for key in decision.becomes_shared:
        batch.shared.append(key)
        arrival.keys[key] = True  # type: ignore[index] # this batch's own working dictionary
        for lead in holders.of([key]):
            lead.share(key)
    lead = _united(batch, decision, arrival) if decision.lead_id else Lead(new_id(), created_at=arrival.received_at)
    batch.leads[lead.lead_id] = lead
    lead.absorb(arrival)
    holders.note(lead)


def _united(batch: Recognised, decision: Decision, arrival: Arrived) -> Lead:
    """Return the lead that an arrival belongs to, after uniting all that it ties together into the oldest."""
    tied = [batch.leads[lead_id] for lead_id in (decision.lead_id, *decision.ties) if lead_id]
    winner, *losers = sorted(tied, key=lambda lead: (lead.is_new, lead.created_at, lead.lead_id))
    for loser in losers:
        versions = {str(winner.lead_id): winner.version, str(loser.lead_id): loser.version}
        stays_unknown = loser.is_new
        for submission in loser.arrived:
            _move_decision(batch, submission.submission_id, winner.lead_id)
        winner.unite(loser)
        if stays_unknown:
            del batch.leads[loser.lead_id]
            continue
        because = f"one submission carries a key of both: {decision.because}"
        batch.merges.append(
            MergeOf(winner.lead_id, loser.lead_id, arrival.submission_id, decision.rule, because, versions)
        )
    return winner


def _move_decision(batch: Recognised, submission_id: SubmissionId, winner: LeadId) -> None:
    made = batch.decisions[submission_id]
    batch.decisions[submission_id] = Decision(winner, made.rule, made.because)


async def _load(connection: Connection, batch: Recognised, keys: Sequence[Key]) -> None:
    """Lock and load every lead that holds a key of the batch.

    Between the look-up of keys and the lock on a lead, another batch may have merged that lead away or given it
    another key. So the keys are read again under the locks, until the same leads hold them.

    Raises:
        Contention: they keep moving; the batch is repeated later.
    """
    held = await store.holders(connection, keys)
    for _ in range(_LOOKS):
        rows = await store.load_for_update(connection, held) if held else []
        again = await store.holders(connection, keys) if held else held
        if again.keys() == held.keys():
            break
        held = again
    else:
        raise Contention
    batch.leads = {row["id"]: from_row(row, again[row["id"]]) for row in rows}
    if not rows:
        return
    await load_facts(connection, batch.leads)


async def load_facts(connection: Connection, leads: dict[LeadId, Lead]) -> None:
    """Fill in what stored leads did."""
    for row in await store.facts(connection, leads):
        fact = Fact(row["type"], row["attributes"], row["count"], row["first_at"], row["last_at"])
        leads[row["lead_id"]].facts[(fact.type, tuple(sorted(fact.attributes.items())))] = fact


_AS_STORED = (
    "merged_into", "version", "sequence", "created_at", "last_activity_at", "is_test", "custom", "attribution",
    "consents", "evaluation", "stage", "temperature", "route", "route_rule", "route_because", "team", "owner",
    "track", "disqualified_reason", "sales_decision", "rescore_at",
)  # fmt: skip


def from_row(row: dict[str, Any], keys: dict[Key, bool]) -> Lead:
    """Return the working copy of a stored lead."""
    golden = {
        name: GoldenValue(
            stored["value"],
            SubmissionId(UUID(stored["submission_id"])),
            stored["source"],
            datetime.fromisoformat(stored["at"]),
            stored["rule"],
            stored["provenance"],
        )
        for name, stored in row["golden"].items()
    }
    return Lead(row["id"], golden=golden, keys=dict(keys), **{name: row[name] for name in _AS_STORED})
