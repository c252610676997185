"""Carry out a platform's order to erase a lead: a registration that was withdrawn, for example.

    a lead of that submission alone     → all of it goes; subscribers are told `lead.erased`, with ids and nothing else
    a lead that others tell of, too     → it is folded anew from those; subscribers are told `lead.updated`

The submission itself goes in either case, with what was told of the lead since. Its idempotency key stays, so nothing
brings it back. A delivered copy is its receiver's to erase: that is what the event is for.
"""

from datetime import timedelta

from leadhub import telemetry
from leadhub.domain import events as models
from leadhub.domain.errors import Conflict
from leadhub.domain.ids import EventId, LeadId, SubmissionId, uuid7_time
from leadhub.domain.lead import EDIT, Lead
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import merging, qualify, reporting
from leadhub.pipeline.process import Processing
from leadhub.pipeline.recognise import arrived
from leadhub.store import driver, erasing, events, merges, notifications
from leadhub.store.driver import Connection
from leadhub.store.events import NewEvent
from leadhub.store.merges import StoredMember
from leadhub.store.notifications import Order

_ROWS = 50
_LEASE = timedelta(minutes=1)
"""After which an order that could not be carried out is tried again."""
_ERASED = "erased"
"""In place of reasons that may quote what is gone."""
_ORDERED = "its platform ordered it"

_log = telemetry.get_logger("erase")


async def erase_due(work: Processing, playbook: CompiledPlaybook) -> int:
    """Carry out orders to erase; return how many were carried out."""
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        orders = await notifications.claim_orders(connection, now=now, rows=_ROWS, lease=_LEASE)
    return sum([await _carried_out(work, playbook, order) for order in orders])


async def _carried_out(work: Processing, playbook: CompiledPlaybook, order: Order) -> bool:
    """Carry out one order; not yet, if the lead is just being processed."""

    async def carry_out(connection: Connection) -> bool:
        return await _erase(connection, work, playbook, order)

    try:
        done = await merging.whole(work, carry_out)
    except Conflict:
        return False
    if done:
        _log.info("lead.erased", submission_id=str(order.submission_id), source_id=str(order.source_id))
    return done


async def _erase(connection: Connection, work: Processing, playbook: CompiledPlaybook, order: Order) -> bool:
    if await erasing.is_waiting(connection, order.submission_id):
        return False
    member_of = await erasing.lead_of(connection, order.submission_id)
    lead_id = await merges.living(connection, member_of) if member_of is not None else None
    if lead_id is not None:
        lead = (await merging.locked(connection, [lead_id]))[lead_id]
        members = await merges.members(connection, [lead_id])
        others = [
            member.waiting
            for member in members
            if member.waiting.submission_id != order.submission_id and member.waiting.channel != EDIT
        ]
        rest = next((one.submission_id for one in others if not one.content.waits), None)
        if rest is not None:
            await merges.declare_alike(connection, order.submission_id, rest)
            await _without(connection, work, playbook, lead=lead, submission_id=order.submission_id, members=members)
        else:
            await _whole_lead(connection, work, lead, order.submission_id)
            for one in others:
                await erasing.submission(connection, one.submission_id)
    await erasing.submission(connection, order.submission_id)
    await notifications.carried_out(connection, order.id, now=work.clock())
    return True


async def _whole_lead(connection: Connection, work: Processing, lead: Lead, submission_id: SubmissionId) -> None:
    """Take a lead away, and tell those who have a copy."""
    now = work.clock()
    await erasing.lead(connection, lead.lead_id)
    data = models.ErasedData(
        lead_id=lead.lead_id,
        sequence=lead.sequence + 1,
        is_test=lead.is_test,
        submission_ids=[submission_id],
        because=_ORDERED,
    )
    event = models.LeadErased(timestamp=now, data=data)
    new = NewEvent(
        id=EventId(work.new_id()),
        type=event.type,
        lead_id=LeadId(lead.lead_id),
        sequence=data.sequence,
        occurred_at=now,
        received_at=None,
        is_test=lead.is_test,
        body=models.body(event),
    )
    await events.append(connection, [new])


async def _without(
    connection: Connection,
    work: Processing,
    playbook: CompiledPlaybook,
    *,
    lead: Lead,
    submission_id: SubmissionId,
    members: list[StoredMember],
) -> None:
    """Let a lead be what its other submissions add up to; decisions about it stay."""
    now = work.clock()
    arrivals = {member.waiting.submission_id: arrived(member.waiting) for member in members}
    gone = arrivals.pop(submission_id, None)
    lead.refold(arrivals.values())
    await merging.note_feedback(connection, [lead])
    carried = {key for one in arrivals.values() for key in one.taught}
    lost = sorted(gone.taught.keys() - carried) if gone is not None else []
    await erasing.keys(connection, lead.lead_id, lost)
    await erasing.told_since(connection, lead.lead_id, since=uuid7_time(submission_id))
    await merges.drop_facts(connection, [lead.lead_id])
    if lead.team is not None:  # else it is routed, and reasoned about, anew
        lead.route_because = _ERASED
    judgement = qualify.judge(lead, playbook, now=now)
    rows = await qualify.follow(connection, [judgement], playbook, new_id=work.new_id, now=now)
    reported = reporting.report(judgement, [], public_url=work.public_url, new_id=work.new_id, now=now)
    await merging.write(connection, rows, [(lead, judgement)], now=now)
    await events.append(connection, reported)
