"""Hand due steps to whoever sends them: to mail tools that lease them, or to endpoints as events.

    due → may it be sent now? (pure: suppression, consent, frequency, hours) → leased, in one transaction
    acknowledged → sent, and the next step planned, in one transaction

A step is given to one sender at a time. A sender that dies lets its lease end, and the step comes back with `attempt`
2 and `redelivered`: nobody is skipped, and nobody gets a step twice without the sender being told that this may be so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from leadhub import telemetry
from leadhub.domain import events as models
from leadhub.domain import steps
from leadhub.domain.errors import Conflict, InvalidInput, NotFound
from leadhub.domain.ids import EventId, LeadId
from leadhub.domain.lead import Lead
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.domain.steps import Postpone, Send
from leadhub.pipeline.process import Processing
from leadhub.pipeline.qualify import item_row
from leadhub.pipeline.recognise import from_row, load_facts
from leadhub.store import driver, events, leads, nurture
from leadhub.store.driver import Connection
from leadhub.store.events import NewEvent
from leadhub.store.nurture import Due, Held, Place

_log = telemetry.get_logger("nurture")

LONGEST_LEASE: Final = timedelta(hours=12)
MOST_LEASED: Final = 100
_ROUNDS: Final = 5
"""Looks for steps that may be sent, while all that were found must wait longer."""
_RETRY_AFTER: Final = timedelta(minutes=5)
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Leased:
    """A step that a sender has for a while, and whom it is for."""

    due: Due
    lead: Lead
    token: UUID
    until: datetime

    @property
    def attempt(self) -> int:
        """How often it was leased, this time included."""
        return self.due.attempt + 1


async def lease(
    work: Processing,
    playbook: CompiledPlaybook,
    track: str,
    *,
    most: int,
    lease_for: timedelta,
    include_test: bool = False,
) -> list[Leased]:
    """Give up to `most` due steps of a track to a sender; two senders never have the same one.

    Raises:
        NotFound: the playbook has no such track.
        Conflict: the track's steps are told to endpoints.
    """
    described = steps.track_of(playbook.playbook, track)
    if described is None:
        raise NotFound("The playbook has no such track.")
    if described.push:
        raise Conflict("This track is pushed: its steps are events for endpoints.")
    for _ in range(_ROUNDS):
        now = work.clock()
        async with driver.transaction(work.engine) as connection:
            due = await nurture.due(connection, track, now=now, rows=most, include_test=include_test)
            if not due:
                return []
            ready = await _ready(connection, due, playbook, now=now)
            leased = [Leased(one, lead, work.new_id(), now + lease_for) for one, lead in ready]
            await nurture.lease(connection, {one.due.id: one.token for one in leased}, until=now + lease_for)
        if leased:
            _log.info("nurture.leased", track=track, steps=len(leased))
            return leased
    return []


async def _ready(
    connection: Connection, due: Sequence[Due], playbook: CompiledPlaybook, *, now: datetime
) -> list[tuple[Due, Lead]]:
    """Return the steps that may be sent now with their leads; the others are put off, each with its reason."""
    found = {
        LeadId(row["id"]): from_row(row, {}) for row in await nurture.leads_of(connection, {d.lead_id for d in due})
    }
    await load_facts(connection, found)
    section = playbook.playbook.nurture
    blocked = await nurture.blocked_elsewhere(connection, found, section.suppress_on if section else ())
    asked = {
        (one.lead_id, one.channel): now - cap.per
        for one in due
        if section and (cap := section.caps.get(one.channel) or section.cap)
    }
    sent = await nurture.sent_since(connection, asked, but=[one.id for one in due])
    ready: list[tuple[Due, Lead]] = []
    later: dict[UUID, Postpone] = {}
    for one in due:
        key = (one.lead_id, one.channel)
        lead, elsewhere = found[one.lead_id], blocked.get(one.lead_id)
        decided: Send | Postpone
        view = lead.view()
        held = None if one.hold_decided else steps.hold(playbook, view, track=one.track, step=one.step, now=now)
        if held is not None:
            decided = held
        elif elsewhere is not None:
            decided = Postpone(now + steps.ASK_AGAIN, f"suppressed: {elsewhere} by somebody else at this address")
        else:
            hours, before = one.window_name, sent.get(key, [])
            decided = steps.may_send(playbook, view, channel=one.channel, window=hours, sent_at=before, now=now)
        match decided:
            case Send():
                ready.append((one, lead))
                sent.setdefault(key, []).append(now)
            case Postpone():
                later[one.id] = decided
    await nurture.postpone(connection, later)
    return ready


async def ack(work: Processing, playbook: CompiledPlaybook, item_id: UUID, token: UUID) -> None:
    """Note that a step was sent, and plan the next one; again changes nothing.

    An acknowledgement that comes after the lease ended counts as long as nobody else has the step.

    Raises:
        NotFound: there is no such step.
        Conflict: somebody else has it by now.
    """
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        held = await _held(connection, item_id, token)
        if held.state == "sent":
            return
        await nurture.sent(connection, [held.id], now=now)
        if held.is_on_track:
            await _plan_next(connection, work, playbook, [held], now=now)
    _log.info("nurture.sent", track=held.track, step=held.step)


async def nack(
    work: Processing, item_id: UUID, token: UUID, *, retry_after: timedelta | None = None, because: str = ""
) -> None:
    """Give a step back unsent; it is due again after a while.

    Raises:
        NotFound, Conflict: as `ack`; also of a step that was sent.
    """
    async with driver.transaction(work.engine) as connection:
        held = await _held(connection, item_id, token)
        if held.state == "sent":
            raise Conflict("This step is acknowledged.")
        until = work.clock() + (retry_after if retry_after is not None else _RETRY_AFTER)
        await nurture.postpone(connection, {held.id: Postpone(until, f"nack: {because}" if because else "nack")})


async def extend(work: Processing, item_id: UUID, token: UUID, *, lease_for: timedelta) -> datetime:
    """Let a lease end later, counted from now; return when.

    Raises:
        NotFound, Conflict: as `nack`.
    """
    until = work.clock() + lease_for
    async with driver.transaction(work.engine) as connection:
        held = await _held(connection, item_id, token)
        if held.state == "sent":
            raise Conflict("This step is acknowledged.")
        await nurture.extend(connection, held.id, until=until)
    return until


async def _held(connection: Connection, item_id: UUID, token: UUID) -> Held:
    held = await nurture.held(connection, item_id)
    if held is None:
        raise NotFound("There is no such step.")
    if held.lease_token != token or held.state not in {"leased", "sent"}:
        raise Conflict("The lease ended, and somebody else has the step, or it is not to be sent any more.")
    return held


async def _plan_next(
    connection: Connection, work: Processing, playbook: CompiledPlaybook, done: Sequence[Held | Due], *, now: datetime
) -> None:
    """Plan what comes after steps that were sent, as the playbook of today has it."""
    rows = []
    for one in done:
        track = steps.track_of(playbook.playbook, one.track)
        step = steps.following(track, one.step) if track else None
        if step is not None:
            due_at = steps.due_at(playbook.playbook, step, since=now)
            place = Place(one.enrolment_id, one.lead_id, one.track)
            rows.append(item_row(step, place, item_id=work.new_id(), due_at=due_at))
    await nurture.put(connection, rows)


async def hold(
    work: Processing,
    playbook: CompiledPlaybook,
    lead_id: LeadId,
    *,
    until: datetime | None = None,
    signal: str | None = None,
    because: str,
) -> None:
    """Let a lead's next step wait until an instant or a signal, whichever comes first.

    Args:
        work: what processing needs.
        playbook: whose signals are meant.
        lead_id: whose step it is.
        until: an instant; one that is past lets the step come at once. None: the signal alone ends the wait.
        signal: of the playbook; None: the instant alone ends the wait.
        because: why, for those who ask later.

    Raises:
        NotFound: no step of this lead waits.
        InvalidInput: the playbook has no such signal.
        Conflict: the signal holds already.
    """
    now = work.clock()
    known = playbook.playbook.signals
    if signal is not None and signal not in known:
        raise InvalidInput.at("#/signal", f"the playbook knows these signals: {', '.join(known) or 'none'}")
    async with driver.transaction(work.engine) as connection:
        # Locked: what the lead does meanwhile is judged before or after, and ends the wait.
        leads_of = {LeadId(row["id"]): from_row(row, {}) for row in await leads.load_for_update(connection, [lead_id])}
        if signal is not None and lead_id in leads_of:
            await load_facts(connection, leads_of)
            if playbook.signal_holds(signal, leads_of[lead_id].view(), now=now):
                raise Conflict(f"'{signal}' holds already.")
        wait = Postpone(until or now + steps.FOR_EVER, f"hold: {because}", signal)
        if not await nurture.hold(connection, lead_id, wait):
            raise NotFound("No step waits for this lead.")


async def push_due(work: Processing, playbook: CompiledPlaybook) -> int:
    """Tell endpoints of one batch of due steps of each pushed track; return how many were told, 0 when none is due."""
    told = 0
    tracks = playbook.playbook.nurture.tracks if playbook.playbook.nurture else ()
    for track in tracks:
        if track.push:
            now = work.clock()
            async with driver.transaction(work.engine) as connection:
                due = await nurture.due(connection, track.id, now=now, rows=_BATCH, include_test=True)
                ready = await _ready(connection, due, playbook, now=now) if due else []
                if ready:
                    await _tell(connection, work, ready, now=now)
                    await nurture.sent(connection, [one.id for one, _ in ready], now=now)
                    await _plan_next(connection, work, playbook, [one for one, _ in ready], now=now)
            told += len(ready)
    return told


async def _tell(connection: Connection, work: Processing, ready: Sequence[tuple[Due, Lead]], *, now: datetime) -> None:
    counted = Counter(one.lead_id for one, _ in ready)
    await nurture.raise_sequences(connection, counted)
    told = []
    for one, lead in ready:
        lead.sequence += 1
        event = models.NurtureStepDue(
            timestamp=now,
            data=models.StepDueData(
                lead_id=lead.lead_id, sequence=lead.sequence, is_test=lead.is_test, **described(one, lead)
            ),
        )
        told.append(
            NewEvent(
                id=EventId(work.new_id()),
                type=event.type,
                lead_id=lead.lead_id,
                sequence=lead.sequence,
                occurred_at=now,
                received_at=None,
                is_test=lead.is_test,
                body=models.body(event),
            )
        )
    await events.append(connection, told)


def described(one: Due, lead: Lead) -> dict[str, Any]:
    """Return what a sender must know of a step: what to send, to whom."""
    values = {name: golden.value for name, golden in lead.golden.items()}
    return {
        "item_id": one.id,
        "track": one.track,
        "step": one.step,
        "channel": one.channel,
        "content": one.content,
        "contact": models.Contact.of(values, {name: answer["value"] for name, answer in lead.custom.items()}),
    }


async def plan(work: Processing, playbook: CompiledPlaybook) -> int:
    """Plan one batch of enrolments that another playbook planned, or none; return how many there were.

    A published playbook may have given a track its first steps, or more of them. What is planned already stays: it is
    sent as it was written, and the next step is the new playbook's.
    """
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        found = await nurture.unplanned(connection, playbook.reference, rows=_BATCH)
        lacking = [one for one in found if not one.has_step]
        history = await nurture.histories(connection, [(one.lead_id, one.track) for one in lacking], now=now)
        rows = []
        for one in lacking:
            track = steps.track_of(playbook.playbook, one.track)
            past = history.get((one.lead_id, one.track), nurture.NEVER)
            step = steps.following(track, past.done) if track else None
            if step is not None:
                due_at = max(now, steps.due_at(playbook.playbook, step, since=one.enrolled_at))
                place = Place(one.id, one.lead_id, one.track)
                rows.append(item_row(step, place, item_id=work.new_id(), due_at=due_at))
        await nurture.put(connection, rows)
        known = list(playbook.playbook.signals)
        await nurture.release_unknown(connection, [one.id for one in found], known, now=now)
        await nurture.planned(connection, [one.id for one in found], playbook.reference)
    return len(found)


async def run_round(work: Processing, playbook: CompiledPlaybook) -> bool:
    """Plan what another playbook planned, and tell endpoints what is due; return whether any was told."""
    while await plan(work, playbook):
        pass
    told = False
    while await push_due(work, playbook):
        told = True
    return told
