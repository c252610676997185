"""Make one lead of two because a person says so, take a merge back, whoever made it, and move what lies wrong.

    merge    lock → unite (as an arriving submission would) → judge → write
    undo     lock → part the submissions → fold both sides anew → judge both → write
    move     the same for one submission, to a lead that a person names

Nothing is restored from a copy: each side becomes what its submissions add up to now, so what came since the merge
survives. What was decided of the lead that keeps its id (its owner, the CRM's answer) stays with it; the other one is
judged and routed like somebody new, under its old id.

Locks are taken in the order in which processing takes them: the keys, sorted, then living leads by id. A lead that was
merged away is locked after the one that holds what it had.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import asyncpg

from leadhub import telemetry
from leadhub.domain.deduplication import Key, Known, Scale, examine
from leadhub.domain.errors import Conflict, NotFound, PreconditionFailed
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.lead import DECIDED, Arrived, Lead
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.domain.unmerging import Member, Parting, Period, came_later, part
from leadhub.pipeline import qualify, reporting
from leadhub.pipeline.process import Processing
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import Contention, MergeOf, Recognised, arrived, from_row, load_facts
from leadhub.pipeline.saving import block_rows, fact_rows, hash_rows, key_rows, lead_row, merge
from leadhub.store import changes, driver, events, feedback, leads, merges, reviews
from leadhub.store.changes import Changes
from leadhub.store.driver import Connection
from leadhub.store.leads import Row
from leadhub.store.merges import StoredMember, StoredMerge
from leadhub.store.outage import is_contention
from leadhub.store.reviews import Question

_log = telemetry.get_logger("merge")

_REPEATS = 5
"""Tries of a transaction that workers were in the way of."""
_BY_A_PERSON = "declared the same"
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Two leads that somebody wants to be one."""

    winner: LeadId
    """Keeps its id."""
    loser: LeadId
    because: str
    actor: str
    rule: str = _BY_A_PERSON
    expected_version: int | None = None
    """Of the winner, as it was read; None: whatever it is now."""
    although_not_same: bool = False
    """Also if the two were declared not to be the same person; the declaration is withdrawn."""


async def merge_leads(work: Processing, playbook: CompiledPlaybook, wish: Wish) -> UUID:
    """Make one lead of two; return the merge's id. A wish that is fulfilled already returns the merge that did it.

    Raises:
        NotFound: there is no such lead.
        Conflict: both are one lead by another way, or they were declared not to be the same person.
        PreconditionFailed: the winner has changed since the caller read it.
    """

    async def merge_both(connection: Connection) -> UUID:
        return await _merge(connection, work, playbook, wish)

    merge_id = await whole(work, merge_both)
    _log.info("lead.merged", merge_id=str(merge_id), lead_id=str(wish.winner))
    return merge_id


async def undo_merge(work: Processing, playbook: CompiledPlaybook, merge_id: UUID, *, because: str, actor: str) -> None:
    """Take a merge back; one that was taken back already stays so.

    Raises:
        NotFound: there is no such merge.
        Conflict: nothing is left to part, or the content of a submission was deleted.
    """

    async def undo(connection: Connection) -> None:
        await _undo(connection, work, playbook, merge_id, because=because, actor=actor)

    await whole(work, undo)
    _log.info("lead.unmerged", merge_id=str(merge_id))


async def whole(work: Processing, act: Callable[[Connection], Awaitable[Done]]) -> Done:
    """Do it in one transaction, repeated whole while workers are in the way."""
    for repeat in range(_REPEATS):
        try:
            async with driver.transaction(work.engine) as connection:
                return await act(connection)
        except (asyncpg.PostgresError, Contention) as error:
            if not (isinstance(error, Contention) or is_contention(error)):
                raise
            if repeat == _REPEATS - 1:
                raise Conflict("Workers keep changing these leads; try again.") from error
    raise AssertionError


async def _merge(connection: Connection, work: Processing, playbook: CompiledPlaybook, wish: Wish) -> UUID:
    winner_id, loser_id = [await merges.living(connection, lead_id) for lead_id in (wish.winner, wish.loser)]
    if winner_id is None or loser_id is None:
        raise NotFound("There is no such lead.")
    if winner_id == loser_id:
        return await _already_one(connection, wish)
    stored = await locked(connection, [winner_id, loser_id])
    winner, loser = stored[winner_id], stored[loser_id]
    if wish.expected_version is not None and wish.expected_version != winner.version:
        raise PreconditionFailed("The lead has changed since it was read.")
    if await merges.are_declared_apart(connection, winner_id, loser_id):
        if not wish.although_not_same:
            raise Conflict("These two were declared not to be the same person.")
        await merges.withdraw_not_same(connection, winner_id, loser_id)
    versions = {str(lead_id): lead.version for lead_id, lead in stored.items()}
    made = MergeOf(winner_id, loser_id, None, wish.rule, wish.because, versions)
    mine = [member.waiting.submission_id for member in await merges.members(connection, [winner_id])]
    winner.unite(loser)
    now = work.clock()
    judgement = qualify.judge(winner, playbook, now=now)
    merge_id: UUID = work.new_id()
    batch = Recognised(leads=stored, merges=[made])
    told = await merge(connection, batch, new_id=lambda: merge_id, now=now, actor=wish.actor)
    rows = await qualify.follow(connection, [judgement], playbook, new_id=work.new_id, now=now)
    reported = reporting.report(
        judgement, told, public_url=work.public_url, new_id=work.new_id, now=now, winner_had=mine
    )
    await write(connection, rows, [(winner, judgement), (loser, None)], now=now)
    await events.append(connection, reported)
    return merge_id


async def _already_one(connection: Connection, wish: Wish) -> UUID:
    """Return the merge by which the one became part of the other, so that a repeated request has the same answer."""
    made = await merges.merge_of(connection, wish.loser)
    if wish.winner == wish.loser or made is None or made.winner_id != wish.winner:
        raise Conflict("Both ids stand for the same lead.")
    return made.id


async def locked(connection: Connection, ids: Sequence[LeadId], *, more: Collection[Key] = ()) -> dict[LeadId, Lead]:
    """Lock keys, those of the leads and more, and leads as processing does; load the leads with their facts and keys.

    Raises:
        Contention: one of them was merged away meanwhile; it all begins again.
    """
    held = await merges.keys_of(connection, ids)
    await leads.lock_keys(connection, {*more, *(key for keys in held.values() for key in keys)})
    rows = await leads.load_for_update(connection, ids)
    if any(row["merged_into"] is not None for row in rows):
        raise Contention
    held = await merges.keys_of(connection, ids)
    loaded = {LeadId(row["id"]): from_row(row, held.get(row["id"], {})) for row in rows}
    await load_facts(connection, loaded)
    return loaded


async def write(
    connection: Connection, rows: Changes, judged: Sequence[tuple[Lead, Judgement | None]], *, now: datetime
) -> None:
    """Write leads as they are now, with what follows from it."""
    rows.leads = [lead_row(lead, judgement, now) for lead, judgement in judged]
    rows.facts = [row for lead, _ in judged for row in fact_rows(lead)]
    rows.blocks = block_rows(lead for lead, _ in judged)
    rows.keys = [row for lead, _ in judged for row in key_rows(lead, now)]
    rows.hashes = [row for lead, _ in judged for row in hash_rows(lead)]
    await changes.write(connection, rows)


async def _undo(
    connection: Connection, work: Processing, playbook: CompiledPlaybook, merge_id: UUID, *, because: str, actor: str
) -> None:
    made = await merges.find(connection, merge_id)
    if made is None:
        raise NotFound("There is no such merge.")
    if made.undone_at is not None:
        return
    holder_id = await merges.living(connection, made.loser_id)
    if holder_id is None or holder_id == made.loser_id:
        raise NotFound("There is no such lead.")
    holder = (await locked(connection, [holder_id]))[holder_id]
    [loser_row] = await leads.load_for_update(connection, [made.loser_id])
    loser = from_row(loser_row, {})
    parted = await _parted(connection, made, holder_id)

    # The rows that say who is who, and who is not.
    now = work.clock()
    await merges.move_members(connection, parted.parting.back, to=loser.lead_id)
    await merges.point_back(connection, made.redirected, holder=holder_id, to=loser.lead_id)
    await merges.give_items_back(connection, made.items, to=loser.lead_id)
    await merges.declare_not_same(connection, parted.apart, because=because, actor=actor, now=now)
    await merges.note_undone(connection, made.id, parted.parting, because=because, actor=actor, now=now)

    # Both sides, folded anew.
    holder.refold(parted.stay)
    _revive(loser, parted.back)
    await note_feedback(connection, (holder, loser))
    _give_back_decisions(made, holder=holder, loser=loser)
    await _part_keys(connection, made.keys, holder, loser, stay=parted.stay, back=parted.back)
    unmerged = reporting.Unmerged(
        merge_id=made.id, winner=holder_id, loser=loser.lead_id, parting=parted.parting, because=because
    )
    await judge_anew(connection, work, playbook, [holder, loser], now=now, unmerged=unmerged)

    # What could be either's, for a person to say; whose a page view was, nobody knows.
    unclear = [one for one in parted.stay if one.submission_id in parted.parting.unclear and not one.content.waits]
    known = Known(loser.lead_id, loser.profile, loser.keys)
    shared = {key for key, is_shared in loser.keys.items() if is_shared}
    questions = [
        Question(
            submission_id=one.submission_id,
            lead_id=holder_id,
            match=examine(one.sighting, known, shared, Scale()),
        )
        for one in unclear
    ]
    await reviews.ask(connection, questions, now=now)


async def move_submission(
    work: Processing, playbook: CompiledPlaybook, submission_id: SubmissionId, *, to: LeadId, because: str
) -> None:
    """Make a submission another lead's, where it should have gone; both leads are folded and judged anew.

    Raises:
        NotFound: there is no such submission or lead.
        Conflict: nothing would be left of its lead, or the content of a submission was deleted.
    """

    async def move(connection: Connection) -> None:
        await _move(connection, work, playbook, submission_id, to=to, because=because)

    await whole(work, move)
    _log.info("submission.moved", submission_id=str(submission_id), lead_id=str(to))


async def _move(
    connection: Connection,
    work: Processing,
    playbook: CompiledPlaybook,
    submission_id: SubmissionId,
    *,
    to: LeadId,
    because: str,
) -> None:
    holder_id, receiver_id = await merges.owner(connection, submission_id), await merges.living(connection, to)
    if holder_id is None or receiver_id is None:
        raise NotFound("There is no such submission or lead.")
    if holder_id == receiver_id:
        return
    leads_of_both = await locked(connection, [holder_id, receiver_id])
    if await merges.owner(connection, submission_id) != holder_id:
        raise Contention
    holder, receiver = leads_of_both[holder_id], leads_of_both[receiver_id]
    await merges.move_members(connection, [submission_id], to=receiver_id, because=because)
    stay, back = await history(connection, holder_id), await history(connection, receiver_id)
    rest = next((one.submission_id for one in stay if one.makes_leads), None)
    if rest is None:
        raise Conflict("Nothing would be left of its lead; merge the two.")
    # Who was said to be somebody else than its lead is so still, whichever submission it was said about.
    await merges.declare_alike(connection, submission_id, rest)
    await merges.withdraw_within(connection, receiver_id)
    holder.refold(stay)
    receiver.refold(back)
    await note_feedback(connection, (holder, receiver))
    await _part_keys(connection, frozenset(), holder, receiver, stay=stay, back=back)
    await judge_anew(connection, work, playbook, [holder, receiver], now=work.clock())


async def history(connection: Connection, lead_id: LeadId) -> list[Arrived]:
    """Return all submissions and edits of a lead.

    Raises:
        Conflict: the content of one was deleted, so that the lead cannot be folded anew.
    """
    return [arrived(member.waiting) for member in await _members(connection, lead_id)]


async def _members(connection: Connection, lead_id: LeadId) -> list[StoredMember]:
    stored = await merges.members(connection, [lead_id])
    if len(stored) != await merges.count_members(connection, [lead_id]):
        raise Conflict("The content of some submissions was deleted; what they said cannot be folded anew.")
    return stored


async def judge_anew(
    connection: Connection,
    work: Processing,
    playbook: CompiledPlaybook,
    changed: Sequence[Lead],
    *,
    now: datetime,
    unmerged: reporting.Unmerged | None = None,
) -> None:
    """Judge leads that are made of something else now, tell of it and write them; the first one tells of an undo."""
    await merges.drop_facts(connection, [lead.lead_id for lead in changed])
    for lead in changed:
        lead.touched_facts = set(lead.facts)
    judgements = [qualify.judge(lead, playbook, now=now) for lead in changed]
    rows = await qualify.follow(connection, judgements, playbook, new_id=work.new_id, now=now)
    reported = [
        event
        for judgement in judgements
        for event in reporting.report(
            judgement,
            [],
            public_url=work.public_url,
            new_id=work.new_id,
            now=now,
            unmerged=unmerged if judgement.lead is changed[0] else None,
        )
    ]
    await write(connection, rows, [(judgement.lead, judgement) for judgement in judgements], now=now)
    await events.append(connection, reported)


@dataclass(frozen=True, slots=True)
class _Parted:
    """The submissions of both sides."""

    parting: Parting
    stay: list[Arrived]
    back: list[Arrived]
    apart: list[tuple[SubmissionId, SubmissionId]]
    """One submission of each side that was its own all along: what is declared not to be one person."""


async def _parted(connection: Connection, made: StoredMerge, holder: LeadId) -> _Parted:
    """Read the submissions of the lead that holds both sides, and say whose each one is.

    Raises:
        Conflict: there is nothing to part, or a submission's content was deleted, so that no side can be folded.
    """
    stored = await _members(connection, holder)
    arrivals = {member.waiting.submission_id: arrived(member.waiting) for member in stored}
    members = [
        Member(member.waiting.submission_id, member.since, frozenset(arrivals[member.waiting.submission_id].handles))
        for member in stored
    ]
    lineage = await _lineage(connection, made, holder)
    others = await merges.won_by(connection, [one.winner_id for one in lineage], since=made.merged_at)
    elsewhere = {one for other in others if other.id not in {own.id for own in lineage} for one in other.submissions}
    periods = [
        Period(start.merged_at, end.submissions if end else None)
        for start, end in zip(lineage, [*lineage[1:], None], strict=True)
    ]
    later = {member.submission_id for member in members if came_later(member, periods, elsewhere)}
    # What a later merge, which still holds, brought back here after it had left is not this one's to move.
    moved = (made.submissions & arrivals.keys()) - elsewhere
    parting = part(members, moved=moved, later=later - moved)
    # What declares two people different, and what a lead is made of, is neither an edit nor behaviour.
    back, stay = ([one for one in side if arrivals[one].makes_leads] for side in (parting.back, parting.stay))
    if not back or not stay:
        raise Conflict("Nothing is left to part: the submissions of one side went elsewhere meanwhile.")
    own = [one for one in stay if one not in elsewhere and one not in parting.unclear] or stay
    first_winners = [one for one in own if periods[0].moved_on is None or one in periods[0].moved_on]
    apart = {(back[0], kept[0]) for kept in (own, first_winners) if kept}
    return _Parted(
        parting, [arrivals[one] for one in parting.stay], [arrivals[one] for one in parting.back], sorted(apart)
    )


async def _lineage(connection: Connection, made: StoredMerge, holder: LeadId) -> list[StoredMerge]:
    """Return the merges by which a loser's submissions came to the lead that holds them now, from its own on."""
    lineage = [made]
    while lineage[-1].winner_id != holder:
        following = await merges.merge_of(connection, lineage[-1].winner_id)
        if following is None or following in lineage:
            raise Conflict("The merges of these leads do not lead to one another.")
        lineage.append(following)
    return lineage


async def note_feedback(connection: Connection, sides: Sequence[Lead]) -> None:
    """Count what sales said that leads did, which no submission says: a refusal must survive that they are folded anew.

    Args:
        connection: in a transaction that holds the leads.
        sides: leads that were just folded anew; of two that are parted, both.
    """
    leads_by_id = {lead.lead_id: lead for lead in sides}
    for one in await feedback.noted(connection, list(leads_by_id)):
        lead = leads_by_id[one.lead_id]
        if one.mailbox is None or lead.has_mailbox(one.mailbox):
            lead.take_word(one.outcome, at=one.at, told_by=one.id, mailbox=one.mailbox)


def _revive(lead: Lead, arrivals: Sequence[Arrived]) -> None:
    """Make a lead that was merged away live again: nobody in sales has it, and it is on no track."""
    lead.refold(arrivals)
    lead.merged_into = None
    lead.route, lead.route_rule, lead.route_because = None, "", ""
    lead.team = lead.owner = lead.track = None


def _give_back_decisions(made: StoredMerge, *, holder: Lead, loser: Lead) -> None:
    """Take from the lead that stays what was decided about the other one, unless it was decided anew."""
    for name in made.inherited:
        if name in DECIDED and getattr(holder, name) == getattr(loser, name):
            setattr(holder, name, None)


async def _part_keys(
    connection: Connection,
    listed: frozenset[Key],
    holder: Lead,
    other: Lead,
    *,
    stay: Sequence[Arrived],
    back: Sequence[Arrived],
) -> None:
    """Give each side the keys that its submissions carry; one of both is shared from now on, and needs a name.

    Args:
        connection: in a transaction that holds both leads.
        listed: keys that the other lead had before the merge.
        holder: the lead that submissions leave.
        other: the lead to which they go.
        stay: the submissions of the holder.
        back: those of the other.
    """
    taken_away = await merges.take_keys(connection, [holder.lead_id, other.lead_id])
    held: dict[Key, Row] = {}
    for row in sorted(taken_away, key=lambda row: row["lead_id"] == holder.lead_id):
        held[Key(row["kind"], row["value"])] = row
    ours, theirs = _carried(stay), _carried(back)
    had = {Key(row["kind"], row["value"]) for row in taken_away if row["lead_id"] == other.lead_id}
    # A key that only the other side's submissions carry by now was theirs again by a later merge.
    of_other = theirs.keys() | had | ((listed & held.keys()) - ours.keys())
    of_holder = ours.keys() | {
        key for key, row in held.items() if row["lead_id"] == holder.lead_id and key not in of_other
    }
    # A normaliser of today may read a key that was not there when the submission came; somebody may hold it.
    unheard_of = (of_other | of_holder) - held.keys()
    foreign = await leads.holders(connection, unheard_of) if unheard_of else {}
    taken = {key for keys in foreign.values() for key in keys} & unheard_of
    await leads.share_keys(connection, sorted(taken))
    shared = (of_holder & of_other) | taken
    shared |= {Key(row["kind"], row["value"]) for row in taken_away if row["status"] == "shared"}
    shared |= {key for side in (ours, theirs) for key, sight in side.items() if sight.is_shared}
    rows = []
    for lead, keys, carried in ((holder, of_holder, ours), (other, of_other, theirs)):
        lead.keys = {key: key in shared for key in sorted(keys)}
        for key, is_shared in lead.keys.items():
            seen = carried.get(key) or _Seen(held[key]["first_seen_at"], held[key]["last_seen_at"], is_shared=False)
            rows.append(
                {
                    "kind": key.kind,
                    "value": key.value,
                    "lead_id": lead.lead_id,
                    "status": "shared" if is_shared else "active",
                    "first_seen_at": seen.first_at,
                    "last_seen_at": seen.last_at,
                }
            )
    await merges.put_keys(connection, rows)


@dataclass(frozen=True, slots=True)
class _Seen:
    """When submissions of one side carried a key."""

    first_at: datetime
    last_at: datetime
    is_shared: bool
    """Many people use it from the start: info@."""


def _carried(arrivals: Sequence[Arrived]) -> dict[Key, _Seen]:
    seen: dict[Key, _Seen] = {}
    for one in arrivals:
        for key, is_shared in one.taught.items():
            known = seen.get(key, _Seen(one.received_at, one.received_at, is_shared=False))
            seen[key] = _Seen(
                min(known.first_at, one.received_at),
                max(known.last_at, one.received_at),
                is_shared=is_shared or known.is_shared,
            )
    return seen
