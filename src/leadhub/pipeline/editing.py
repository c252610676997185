"""A person knows better than all sources: edit a lead's values, and take edits back.

    lock → fold the edit in → judge → write

An edit is one more entry of the fold, with its own id and a membership, so merging, un-merging and folding anew treat
it as they treat a submission; survivorship lets it win. What was taken back is out of the fold, and the lead is folded
anew. An address or number in an edit is a key like a submission's. If another lead holds it, the key is shared from
then on and a person is asked whether both are one: an edit joins nobody by itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadhub import telemetry
from leadhub.domain.deduplication import Key, Known, Scale, examine
from leadhub.domain.errors import FieldError, InvalidInput, NotFound, PreconditionFailed
from leadhub.domain.fields import FIELDS
from leadhub.domain.ids import LeadId, SourceId, SubmissionId
from leadhub.domain.lead import EDIT, Arrived, Lead
from leadhub.domain.matching import profile
from leadhub.domain.matching.sighting import sighting_of
from leadhub.domain.normalisation import normalise
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.domain.submission import Content
from leadhub.domain.survivorship import edited_with, shown
from leadhub.pipeline import merging
from leadhub.pipeline.process import Processing
from leadhub.pipeline.recognise import arrived
from leadhub.store import candidates, edits, erasing, leads, merges, reviews
from leadhub.store.candidates import Sought
from leadhub.store.driver import Connection
from leadhub.store.edits import StoredEdit
from leadhub.store.pending import Waiting
from leadhub.store.reviews import Question

_log = telemetry.get_logger("edit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What somebody wants a lead to say."""

    lead_id: LeadId
    fields: Mapping[str, str | None]
    """Canonical field → text; None takes the edits of this field back. A name, and an address, is edited as a whole:
    its parts that are not named stay as they are shown."""
    actor: str
    expected_version: int | None = None
    """Of the lead, as it was read; None: whatever it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What came of an edit."""

    lead_id: LeadId
    version: int
    edit_id: SubmissionId | None
    """None if edits were only taken back."""
    changed: tuple[str, ...]
    """Fields that show another value now, also derived ones."""
    also_held_by: tuple[LeadId, ...]
    """Leads that hold an address or number of the edit, too: perhaps the same person, which a review asks."""


async def edit_lead(work: Processing, playbook: CompiledPlaybook, edit: Edit) -> Edited:
    """Write values into a lead, or take such values back; taking back what was not edited changes nothing.

    Raises:
        InvalidInput: an unknown field, or a value that is of no use as that field's.
        NotFound: there is no such lead.
        PreconditionFailed: the lead has changed since the caller read it.
        Conflict: edits are to be taken back, and the content of a submission was deleted; or workers are in the way.
    """
    unknown = [name for name in edit.fields if name not in FIELDS]
    if unknown:
        raise InvalidInput(
            "Leads have no such field.", [FieldError(f"#/fields/{name}", "is no field of a lead") for name in unknown]
        )

    async def do(connection: Connection) -> Edited:
        return await _edit(connection, work, playbook, edit)

    done = await merging.whole(work, do)
    _log.info("lead.edited", lead_id=str(done.lead_id), count=len(edit.fields))
    return done


async def _edit(connection: Connection, work: Processing, playbook: CompiledPlaybook, edit: Edit) -> Edited:
    lead_id = await merges.living(connection, edit.lead_id)
    if lead_id is None:
        raise NotFound("There is no such lead.")
    lead = await _locked(connection, lead_id, edit)
    now = work.clock()
    unwanted = [name for name, text in edit.fields.items() if text is None]
    is_less = await _take_back(connection, lead, unwanted, by={"actor": edit.actor, "at": now.isoformat()})
    fields = _completed(edit.fields, shown(lead.golden))
    edit_id, others = None, []
    if fields:
        edit_id = SubmissionId(work.new_id())
        await edits.insert(connection, edit_id, fields, lead_id=lead_id, actor=edit.actor, now=now)
        written = arrived(Waiting(edit_id, now, Content(fields=fields), SourceId(edit_id), edit.actor, EDIT, {}))
        lead.absorb(written)
        others = await _meet(connection, lead, written, now=now)
    if fields or is_less:
        await merging.judge_anew(connection, work, playbook, [lead], now=now)
    return Edited(
        lead_id=lead_id,
        version=lead.version,
        edit_id=edit_id,
        changed=tuple(sorted(lead.changed)),
        also_held_by=tuple(others),
    )


async def _locked(connection: Connection, lead_id: LeadId, edit: Edit) -> Lead:
    """Lock the lead's keys and those that the edit brings, then the lead."""
    brought = normalise(_stated(edit.fields)).identity_keys
    found = await merging.locked(connection, [lead_id], more=[Key(key.kind, key.value) for key in brought])
    lead = found[lead_id]
    if edit.expected_version is not None and edit.expected_version != lead.version:
        raise PreconditionFailed("The lead has changed since it was read.")
    return lead


def _stated(fields: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in fields.items() if text is not None}


def _completed(fields: Mapping[str, str | None], now_shown: Mapping[str, Any]) -> dict[str, str]:
    """Return the canonical text of the fields that an edit sets, with the other parts of a name or an address.

    Raises:
        InvalidInput: a value is of no use as its field's; nobody is told what it was.
    """
    stated = _stated(fields)
    parts = {part for name in stated for part in edited_with(name)} - stated.keys()
    # A full name is read into its parts, and given parts into a full name.
    parts -= {"first_name", "last_name"} if "full_name" in stated else {"full_name"}
    whole = {part: str(now_shown[part]) for part in sorted(parts) if part in now_shown}
    country = now_shown.get("country")
    normalised = normalise(whole | stated, default_country=str(country) if country else None)
    wrong = [name for name in stated if name not in normalised.values]
    if wrong:
        errors = [
            FieldError(f"#/fields/{name}", f"is of no use as this field: {normalised.refused.get(name, 'empty')}")
            for name in wrong
        ]
        raise InvalidInput("Some values are of no use as what they are for.", errors)
    return {name: str(normalised.values[name]) for name in (*whole, *stated) if name in normalised.values}


async def _take_back(connection: Connection, lead: Lead, names: Collection[str], *, by: Mapping[str, str]) -> bool:
    """Take fields out of a lead's edits and fold it anew; say whether there was something to take.

    Keys that nothing else of the lead carries go with them.
    """
    unwanted = {part for name in names for part in edited_with(name)}
    stored = await edits.of_lead(connection, lead.lead_id) if unwanted else []
    touched = [one for one in stored if unwanted & one.fields.keys()]
    if not touched:
        return False
    before = await merging.history(connection, lead.lead_id)
    for one in touched:
        rest = {name: text for name, text in one.fields.items() if name not in unwanted}
        gone = dict.fromkeys(one.fields.keys() - rest.keys(), by)
        await edits.save(connection, StoredEdit(one.id, rest, {**one.taken_back, **gone}))
    after = await merging.history(connection, lead.lead_id)
    lead.refold(after)
    await merging.note_feedback(connection, [lead])
    lost = _keys(before) - _keys(after)
    await erasing.keys(connection, lead.lead_id, sorted(lost))
    for key in lost:
        lead.keys.pop(key, None)
    return True


def _keys(arrivals: Collection[Arrived]) -> set[Key]:
    return {key for one in arrivals for key in one.taught}


async def _meet(connection: Connection, lead: Lead, written: Arrived, *, now: datetime) -> list[LeadId]:
    """Share the edit's keys with the leads that hold them already; return these, having asked about the likeliest."""
    found = (await candidates.find(connection, [Sought(written.keys, ())])).leads
    others = {lead_id: one for lead_id, one in found.items() if lead_id != lead.lead_id}
    taken = {key for one in others.values() for key in one.keys}
    await leads.share_keys(connection, sorted(taken))
    for key in taken:
        lead.share(key)
    apart = await candidates.declared_apart(connection, [lead.lead_id, *others])
    known = [
        Known(lead_id, profile.read(one.profile), dict.fromkeys(one.keys, True))
        for lead_id, one in others.items()
        if lead_id not in apart.get(lead.lead_id, ())
    ]
    # Compared is all that the lead shows now: an edit of a number alone would tell nobody apart.
    whole = {name: str(value) for name, value in shown(lead.golden).items() if name in FIELDS}
    matches = [examine(sighting_of(normalise(whole)), one, taken, Scale()) for one in known]
    likely = [match for match in matches if match.is_same or match.is_question]
    if likely:
        best = max(likely, key=lambda match: match.evidence.bits)
        question = Question(submission_id=written.submission_id, lead_id=lead.lead_id, match=best)
        await reviews.ask(connection, [question], now=now)
    return sorted(others)
