"""Recognise the people behind a batch of submissions, safely beside any number of other workers.

    normalise (pure) → lock all keys of the batch → who shares a key with it? → place one by one (pure)
        → lock the leads that this touches; if one has changed since it was looked at, look and place again

The locks on keys make two batches that carry the same person wait for each other; READ COMMITTED lets the second one
see what the first wrote. Candidates that only look alike are read without a lock, since there may be many and most are
somebody else; only a lead that is written is locked. The unique index on active keys stays as a backstop: should it
ever speak up, the whole batch is repeated.

Behaviour (page views, opened mails) is placed after people, by the handle that it carries alone. If that leads to
nobody yet, it waits: under the same locks, so that whoever brings the handle finds it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadhub.domain import survivorship
from leadhub.domain.deduplication import Decision, Key, Known, Scale
from leadhub.domain.ids import LeadId, SourceId, SubmissionId
from leadhub.domain.lead import LEAD_HANDLE, Arrived, Held, Lead
from leadhub.domain.matching import profile
from leadhub.domain.matching.sighting import sighting_of
from leadhub.domain.matching.weights import Weights, bits_to_pick_one
from leadhub.domain.model import Fact
from leadhub.domain.normalisation import normalise
from leadhub.domain.register import Placement, Register
from leadhub.store import candidates, merges
from leadhub.store import leads as store
from leadhub.store.candidates import Sought
from leadhub.store.driver import Connection
from leadhub.store.pending import Waiting

NewId = Callable[[], Any]

_LOOKS = 10
_UNGUESSABLE = 16
"""Characters of an id that two sources do not make by chance."""


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
    made: set[LeadId] = field(default_factory=set)
    """Leads that nobody knew before."""
    decisions: dict[SubmissionId, Decision] = field(default_factory=dict)
    merges: list[MergeOf] = field(default_factory=list)
    shared: list[Key] = field(default_factory=list)
    """Keys that two people turned out to use."""
    questions: dict[SubmissionId, Placement] = field(default_factory=dict)
    """Submissions that a person is to look at."""
    waiting: list[Arrived] = field(default_factory=list)
    """Behaviour of somebody whom nobody knows yet."""
    became: Mapping[LeadId, LeadId] = field(default_factory=dict)
    """Leads that this batch made part of another → of which."""
    seen: str = ""
    """The snapshot with which its people were looked for."""

    def reviews(self, now: datetime) -> list[dict[str, Any]]:
        """Return the questions for a person, as their rows: one about two leads, unless the submission proves both."""
        rows: dict[object, dict[str, Any]] = {}
        for submission_id, placement in self.questions.items():
            question = placement.decision.question
            both = frozenset({self.living(placement.lead_id), self.living(question.lead_id)}) if question else ()
            if question is None or len(both) < 2:
                continue
            rows.setdefault(
                submission_id if question.is_same else both,
                {
                    "submission_id": submission_id,
                    "lead_id": self.living(placement.lead_id),
                    "candidate_id": self.living(question.lead_id),
                    "bits": question.evidence.bits,
                    "match": question.document(),
                    "asked_at": now,
                    "once": not question.is_same,
                },
            )
        return list(rows.values())

    def living(self, lead_id: LeadId) -> LeadId:
        """Return the lead that a lead is by now."""
        return self.became.get(lead_id, lead_id)

    def touched(self) -> list[Lead]:
        """Return the leads that this batch adds to."""
        return [lead for lead in self.leads.values() if lead.arrived]


async def recognise(
    connection: Connection, waiting: Sequence[Waiting], *, weights: Weights, new_id: NewId
) -> Recognised:
    """Return the leads of a batch, their rows locked until the commit; nothing is written yet.

    Raises:
        Contention: leads keep changing between the look and the lock; the batch is repeated later.
    """
    arrivals = [arrived(submission) for submission in waiting]
    people = [arrival for arrival in arrivals if not arrival.content.waits]
    behaviour = [arrival for arrival in arrivals if arrival.content.waits]
    snapshot = await store.lock_keys(connection, sorted({handle for arrival in arrivals for handle in arrival.handles}))
    for _ in range(_LOOKS):
        seen = await candidates.find(connection, [Sought(arrival.keys, arrival.blocks) for arrival in people])
        register, placements = await _placed(connection, seen, people, weights=weights, new_id=new_id)
        whose = await _whose(connection, behaviour, people, placements)
        leads = await _locked(connection, seen, placements, also=whose.values())
        if leads is not None:
            batch = _gathered(leads, register, people, placements)
            _join(batch, behaviour, whose)
            batch.seen = snapshot
            return batch
    raise Contention


def arrived(submission: Waiting) -> Arrived:
    """Return a submission, normalised, with the keys that could find its person."""
    content = submission.content
    normalised = normalise(content.fields, default_country=submission.options.get("default_country"))
    values = dict(normalised.values)
    for name, option in (("origin", "origin"), ("language", "default_language")):
        if default := submission.options.get(option):
            values.setdefault(name, default)
    external = Key(f"external:{submission.source_id}", content.external_id) if content.external_id else None
    visitor = visitor_key(content.visitor_id, submission.source_id) if content.visitor_id else None
    return Arrived(
        submission.submission_id,
        submission.received_at,
        submission.source_name,
        submission.channel,
        content,
        values,
        normalised.refused,
        sighting_of(normalised, external=external),
        visitor,
    )


def visitor_key(visitor_id: str, source_id: SourceId) -> Key:
    """Return the key of a browser or device.

    A site's form and its tracking are two sources, and the id tells both of one visitor; a short one may be a counter
    of its source, and is a visitor of that source only.
    """
    return Key("visitor" if len(visitor_id) >= _UNGUESSABLE else f"visitor:{source_id}", visitor_id)


async def _placed(
    connection: Connection, seen: candidates.Found, arrivals: Sequence[Arrived], *, weights: Weights, new_id: NewId
) -> tuple[Register, list[Placement]]:
    """Decide of each submission whose it is; what was said to be apart is read only if something touches two leads."""
    scale = Scale(weights, bits_to_pick_one(seen.base))
    register, placements = _place_all(seen, arrivals, {}, scale, new_id=new_id)
    stored = {lead_id for placement in placements for lead_id in placement.perhaps_one} & seen.leads.keys()
    apart = await candidates.declared_apart(connection, sorted(stored)) if len(stored) > 1 else {}
    return _place_all(seen, arrivals, apart, scale, new_id=new_id) if apart else (register, placements)


def _place_all(
    seen: candidates.Found,
    arrivals: Sequence[Arrived],
    apart: dict[LeadId, frozenset[LeadId]],
    scale: Scale,
    *,
    new_id: NewId,
) -> tuple[Register, list[Placement]]:
    register = Register(scale)
    for lead_id, one in seen.leads.items():
        known = Known(lead_id, profile.read(one.profile), dict(one.keys), apart.get(lead_id, frozenset()))
        register.know(known, one.blocks)
    return register, [register.place(arrival.sighting, arrival.blocks, new_id=new_id) for arrival in arrivals]


async def _whose(
    connection: Connection, behaviour: Sequence[Arrived], people: Sequence[Arrived], placements: Sequence[Placement]
) -> dict[Key, LeadId]:
    """Return to whom handles of behaviour lead: to leads that are stored, or to people of this very batch."""
    wanted = {handle for arrival in behaviour for handle in arrival.handles}
    if not wanted:
        return {}
    whose = await store.led_to(connection, sorted(wanted))
    for arrival, placement in zip(people, placements, strict=True):
        whose |= dict.fromkeys(wanted.intersection(arrival.handles), placement.lead_id)
    return whose


async def _locked(
    connection: Connection, seen: candidates.Found, placements: Sequence[Placement], *, also: Iterable[LeadId]
) -> dict[LeadId, Lead] | None:
    """Lock and load every stored lead that the placements touch; None if one is no longer what was looked at.

    Leads on which a key merely becomes shared are not locked: that is the key's own row, and the key is held.

    Args:
        connection: in the batch's transaction.
        seen: what the placements were decided on.
        placements: of the batch's people.
        also: to whom behaviour leads; of these only the id matters.
    """
    touched = {lead_id for placement in placements for lead_id in (placement.lead_id, *placement.absorbed)}
    made = {placement.lead_id for placement in placements if placement.is_new}
    stored = sorted((touched & seen.leads.keys()) | ({*also} - made))
    if not stored:
        return {}
    rows = await store.load_for_update(connection, stored)
    looked_at = {lead_id: one.version for lead_id, one in seen.leads.items()}
    if any(
        row["merged_into"] is not None or row["version"] != looked_at.get(row["id"], row["version"]) for row in rows
    ):
        return None
    held = await merges.keys_of(connection, stored)
    leads = {row["id"]: from_row(row, held.get(row["id"], {})) for row in rows}
    await load_facts(connection, leads)
    return leads


def _gathered(
    leads: dict[LeadId, Lead], register: Register, arrivals: Sequence[Arrived], placements: Sequence[Placement]
) -> Recognised:
    """Do with whole leads what the register did with their profiles."""
    batch = Recognised(leads=leads)
    for arrival, placement in zip(arrivals, placements, strict=True):
        batch.decisions[arrival.submission_id] = placement.decision
        if placement.is_new:
            leads[placement.lead_id] = Lead(placement.lead_id, created_at=arrival.received_at)
            batch.made.add(placement.lead_id)
        lead = leads[placement.lead_id]
        for loser in placement.absorbed:
            _unite(batch, lead, leads[loser], placement.decision, arrival)
        if placement.decision.question is not None:
            batch.questions[arrival.submission_id] = placement
        lead.absorb(arrival)
        batch.shared += placement.decision.becomes_shared
    _share(batch, register)
    batch.became = {lead_id: register.living(lead_id) for lead_id in register.merged}
    return batch


def _join(batch: Recognised, behaviour: Sequence[Arrived], whose: Mapping[Key, LeadId]) -> None:
    """Add behaviour to the leads that its handles lead to, strongest first; keep aside what leads nowhere."""
    for arrival in behaviour:
        handle = next((one for one in arrival.handles if one in whose), None)
        if handle is None:
            batch.waiting.append(arrival)
            continue
        lead_id = batch.living(whose[handle])
        rule = _HANDLES[handle.kind.partition(":")[0]]
        batch.decisions[arrival.submission_id] = Decision(lead_id, rule, f"the {rule} that came with it is this lead's")
        batch.leads[lead_id].absorb(arrival)


_HANDLES = {
    LEAD_HANDLE: "lead id",
    "external": "external id",
    "email": "e-mail",
    "phone": "phone",
    "visitor": "visitor id",
}


def _share(batch: Recognised, register: Register) -> None:
    """Note on the batch's own leads which of their keys are shared by now."""
    for lead_id, known in register.leads.items():
        if (lead := batch.leads.get(lead_id)) is not None:
            for key, is_shared in known.keys.items():
                if is_shared and key in lead.keys:
                    lead.share(key)


def _unite(batch: Recognised, winner: Lead, loser: Lead, decision: Decision, arrival: Arrived) -> None:
    """Make two leads one because a submission proves to be both."""
    versions = {str(winner.lead_id): winner.version, str(loser.lead_id): loser.version}
    stays_unknown = loser.is_new
    winner.unite(loser)
    if stays_unknown:
        del batch.leads[loser.lead_id]
        return
    because = f"one submission is both: {decision.because}"
    made = MergeOf(winner.lead_id, loser.lead_id, arrival.submission_id, decision.rule, because, versions)
    batch.merges.append(made)


async def load_facts(connection: Connection, leads: dict[LeadId, Lead]) -> None:
    """Fill in what stored leads did."""
    for row in await store.facts(connection, leads):
        fact = Fact(row["type"], row["attributes"], row["count"], row["first_at"], row["last_at"])
        leads[row["lead_id"]].facts[(fact.type, tuple(sorted(fact.attributes.items())))] = fact


_AS_STORED = (
    "merged_into", "version", "sequence", "created_at", "last_activity_at", "is_test", "custom", "attribution",
    "consents", "mail", "evaluation", "stage", "temperature", "route", "route_rule", "route_because", "team", "owner",
    "track", "disqualified_reason", "sales_decision", "rescore_at",
)  # fmt: skip


def from_row(row: dict[str, Any], keys: dict[Key, bool]) -> Lead:
    """Return the working copy of a stored lead."""
    return Lead(
        row["id"],
        golden={name: survivorship.read(stored) for name, stored in row["golden"].items()},
        keys=dict(keys),
        profile=profile.read(row["profile"]),
        held=Held.read(row["held"]),
        **{name: row[name] for name in _AS_STORED},
    )
