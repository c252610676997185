"""What sales says of a lead, and what follows: clocks stop, the stage changes, the lead is given back or comes back.

    say()        one word by the API or the command line: kept and applied in one transaction
    apply_due()  words that a signed source sent: kept at once, applied here, tried again while nobody is known

The answer to a word is what it changed; the same word under the same key changes nothing and has the same answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import orjson

from leadhub import telemetry
from leadhub.domain import events, routing
from leadhub.domain.errors import Conflict, IdempotencyConflict, InvalidInput, LeadHubError, NotFound
from leadhub.domain.feedback import ENDS, REJECTED, TRIED, Outcome, Said, acceptance, keeps_promise
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import Held, Lead
from leadhub.domain.mailboxes import mailbox_of
from leadhub.domain.matching.weights import SHIPPED
from leadhub.domain.normalisation.email import hashed_forms, normalise_email
from leadhub.domain.normalisation.phone import normalise_phone
from leadhub.domain.normalisation.refusal import Refused
from leadhub.domain.playbook_followup import Rejection
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import reporting
from leadhub.pipeline.process import Processing, describe
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import Contention
from leadhub.pipeline.rescore import judge_again
from leadhub.pipeline.saying import Sender, new_feedback
from leadhub.store import driver, feedback, followup, leads, merges, promises
from leadhub.store.driver import Connection
from leadhub.store.events import NewEvent
from leadhub.store.feedback import NewFeedback, StoredFeedback
from leadhub.store.outage import is_contention, is_outage
from leadhub.store.promises import Clock

_log = telemetry.get_logger("feedback")

_REPEATS: Final = 5


async def say(
    work: Processing, playbook: CompiledPlaybook, lead_id: LeadId, said: Said, *, sender: Sender
) -> StoredFeedback:
    """Keep one word about a lead and do what follows from it.

    Raises:
        NotFound: there is no such lead.
        InvalidInput: a reason that the playbook does not know, or a lead that is to be a duplicate of itself.
        Conflict: sales does not have this lead, so nobody can give it back.
        IdempotencyConflict: the key was used before for another word.
    """
    new = new_feedback(said, {"lead": str(lead_id)}, sender=sender, feedback_id=work.new_id(), now=work.clock())
    for repeat in range(_REPEATS):
        try:
            async with driver.transaction(work.engine) as connection:
                return await _say(connection, work, playbook, new)
        except (asyncpg.PostgresError, Contention) as error:
            if not (isinstance(error, Contention) or is_contention(error)):
                raise
            if repeat == _REPEATS - 1:
                raise Conflict("Workers keep changing this lead; try again.") from error
    raise AssertionError


async def _say(
    connection: Connection, work: Processing, playbook: CompiledPlaybook, new: NewFeedback
) -> StoredFeedback:
    if not await feedback.insert(connection, new):
        assert new.dedupe_key is not None  # noqa: S101 - only a key can be there before
        known = await feedback.by_key(connection, new.sender, new.dedupe_key)
        if known.fingerprint != new.fingerprint:
            raise IdempotencyConflict("This Idempotency-Key was used before for another request.")
        return known
    await _apply(connection, work, playbook, await feedback.get(connection, new.id))
    return await feedback.get(connection, new.id)


async def apply_due(work: Processing, playbook: CompiledPlaybook) -> bool:
    """Apply the next word that waits; return whether there was one.

    A word that cannot be applied is tried again for some hours, because its lead may be on its way, and then put aside
    with its reason.
    """
    now = work.clock()
    try:
        async with driver.transaction(work.engine) as connection:
            waiting = await feedback.claim(connection, now=now)
            if waiting is None:
                return False
            try:
                async with connection.transaction():
                    await _apply(connection, work, playbook, waiting)
            except Exception as error:
                if is_outage(error) or is_contention(error) or isinstance(error, Contention):
                    raise
                await _fail(connection, waiting, error, now=now)
    except (asyncpg.PostgresError, Contention) as error:
        if not (isinstance(error, Contention) or is_contention(error)):
            raise
    return True


async def _fail(connection: Connection, waiting: StoredFeedback, error: Exception, *, now: datetime) -> None:
    why = str(error) if isinstance(error, LeadHubError) else describe(error)
    is_last = not isinstance(error, NotFound) or waiting.attempts >= len(feedback.RETRIES)
    at = now if is_last else now + feedback.RETRIES[waiting.attempts]
    await feedback.note_failed(connection, waiting.id, error=why, at=at, is_last=is_last)
    _log.warning("feedback.waits", feedback_id=str(waiting.id), error_class=type(error).__name__, failed=is_last)


@dataclass(slots=True)
class _Answer:
    """One word while it is applied."""

    said: StoredFeedback
    lead_id: LeadId
    playbook: CompiledPlaybook
    now: datetime
    assignment: dict[str, object] | None
    clock: Clock | None
    tries: int
    open_seconds: int | None = None
    mailbox: str | None = None
    """Which one bounced."""
    effects: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.said.outcome)

    @property
    def rejection(self) -> Rejection | None:
        """What follows from the reason of a rejection."""
        return self.playbook.playbook.feedback.reject.reasons.get(self.said.reason or "")


async def _apply(connection: Connection, work: Processing, playbook: CompiledPlaybook, said: StoredFeedback) -> None:
    """Do what follows from a word that is kept.

    Raises:
        NotFound, InvalidInput, Conflict: as `say`.
    """
    lead_id = await _find(connection, said)
    rows = await leads.load_for_update(connection, [lead_id])
    if not rows or rows[0]["merged_into"] is not None:
        raise Contention
    now = work.clock()
    answer = _Answer(
        said,
        lead_id,
        playbook,
        now,
        (await followup.open_assignments(connection, [lead_id])).get(lead_id),
        (await promises.open_clocks(connection, [lead_id])).get(lead_id),
        await feedback.count_tries(connection, lead_id),
    )
    _check(answer)
    await _stop_clock(connection, answer)
    if answer.rejection is not None and answer.rejection.do == "merge_review":
        await _ask(connection, answer)

    def tell(judgement: Judgement) -> Iterator[NewEvent]:
        yield _told(judgement, answer, work)

    await judge_again(
        connection,
        rows,
        work,
        playbook,
        before=lambda lead: _change(lead, answer),
        change=lambda judgement: _end(judgement, answer),
        tell=tell,
    )
    owner = answer.assignment["owner"] if answer.assignment else None
    await feedback.note_applied(
        connection,
        said.id,
        lead_id=lead_id,
        mailbox=answer.mailbox,
        owner=str(owner) if owner else None,
        effect=_effect(answer),
        now=now,
    )
    _log.info("feedback.applied", feedback_id=str(said.id), lead_id=str(lead_id), outcome=said.outcome)


async def _find(connection: Connection, said: StoredFeedback) -> LeadId:
    """Return the lead that a word is about, as it is called now."""
    named = said.named
    if "lead" in named:
        found = await merges.living(connection, LeadId(UUID(named["lead"])))
        if found is None:
            raise NotFound("There is no such lead.")
        return found
    keys: list[tuple[str, str]] = []
    if "email" in named and not isinstance(email := normalise_email(named["email"]), Refused):
        keys += {("email", email.key), ("email", email.address)}
        keys += [("email:sha256", digest) for digest in hashed_forms(email)]
    if "phone" in named and not isinstance(phone := normalise_phone(named["phone"], ()), Refused):
        keys.append(("phone", phone.e164))
    holders = await feedback.holders(connection, keys) if keys else []
    if len(holders) > 1:
        raise Conflict("Several leads share this; name one by its id.")
    if not holders:
        raise NotFound("There is no such lead.")
    return holders[0]


def _check(answer: _Answer) -> None:
    said, known = answer.said, answer.playbook.playbook.feedback.reject.reasons
    if answer.outcome is not Outcome.REJECTED:
        return
    if said.reason not in known:
        raise InvalidInput.at("#/reason", f"the playbook knows these reasons: {', '.join(known) or 'none'}")
    if said.duplicate_of == answer.lead_id:
        raise InvalidInput.at("#/duplicate_of", "is this lead itself")
    if answer.assignment is None:
        raise Conflict("Sales does not have this lead.")


async def _stop_clock(connection: Connection, answer: _Answer) -> None:
    """End a promise that this word keeps."""
    clock = answer.clock
    if answer.outcome in TRIED:
        answer.tries += 1
    if clock is None or not keeps_promise(answer.outcome, clock.met_by):
        return
    at = max(answer.said.occurred_at, clock.started_at)
    taken = routing.time_taken(answer.playbook.playbook, clock.sla, since=clock.started_at, until=at)
    answer.open_seconds = round(taken.total_seconds())
    await promises.stop(connection, clock.id, at=at, reason=answer.outcome, open_seconds=answer.open_seconds)
    kept = "kept" if at <= clock.due_at else "broken"
    answer.effects.append(f"first contact after {answer.open_seconds} s; the promise '{clock.sla}' is {kept}")


async def _ask(connection: Connection, answer: _Answer) -> None:
    """Let a person look whether a lead that sales calls a duplicate is one."""
    if answer.said.duplicate_of is None:
        answer.effects.append("no lead was named that it would be, too: merge them by hand")
        return
    candidate = await merges.living(connection, LeadId(answer.said.duplicate_of))
    if candidate is None or candidate == answer.lead_id:
        raise InvalidInput.at("#/duplicate_of", "there is no such other lead")
    compared = {"lead_id": str(candidate), "proof": "sales says so", "objection": None, "bits": 0, "start": 0}
    match = orjson.dumps(compared | {"lines": [], "weights": SHIPPED.version}).decode()
    await feedback.ask_whether_same(connection, answer.lead_id, candidate, match=match, now=answer.now)
    answer.effects.append("a review asks whether the two are one")


def _change(lead: Lead, answer: _Answer) -> None:
    """Write what was said into the lead, before it is judged."""
    said, feedback_section = answer.said, answer.playbook.playbook.feedback
    if answer.outcome is Outcome.BOUNCED:
        address = said.named.get("email") or (lead.golden["email"].value if "email" in lead.golden else "")
        answer.mailbox = mailbox_of(str(address))
    lead.take_word(answer.outcome, at=said.occurred_at, told_by=said.id, mailbox=answer.mailbox)
    match answer.outcome:
        case Outcome.ACCEPTED:
            lead.sales_decision = str(feedback_section.accept.sets.get("sales_decision", Outcome.ACCEPTED))
            lead.held = None
            answer.effects.append("sales accepted it")
        case Outcome.REJECTED:
            lead.sales_decision = f"{REJECTED}{said.reason}"
            _give_back(lead, answer)
        case Outcome.WON | Outcome.LOST as outcome:
            closing = feedback_section.won if outcome is Outcome.WON else feedback_section.lost
            lead.sales_decision = outcome.value
            lead.held = _held(lead, answer, outcome, closing.hold, closing.track)
            answer.effects.append(f"the deal is {outcome}")
        case Outcome.UNSUBSCRIBED:
            answer.effects.append("nobody writes to it any more")
        case Outcome.BOUNCED:
            answer.effects.append("nobody writes to this address any more")
        case Outcome.ATTEMPTED | Outcome.CONTACTED | Outcome.MEETING | Outcome.OPPORTUNITY:
            pass


def _give_back(lead: Lead, answer: _Answer) -> None:
    rejection = answer.rejection
    assert rejection is not None  # noqa: S101 - `_check` has looked
    reason = str(answer.said.reason)
    if rejection.do == "disqualify":
        lead.disqualified_reason = reason
        answer.effects.append(f"disqualified: {reason}")
        return
    lead.held = _held(lead, answer, reason, rejection.hold, rejection.track)
    until = f" until {lead.held.until:%Y-%m-%d}" if lead.held.until else ""
    answer.effects.append(f"sales gets it no more{until}")


def _held(lead: Lead, answer: _Answer, reason: str, hold: timedelta | None, track: str | None) -> Held:
    scores = answer.playbook.score(lead.view(), now=answer.now)
    return Held(
        reason,
        at=answer.said.occurred_at,
        scores={**scores.groups, "total": scores.total},
        until=answer.now + hold if hold else None,
        track=track,
    )


def _end(judgement: Judgement, answer: _Answer) -> None:
    """Say why sales has the lead no longer, and whether its owner gets another."""
    if answer.outcome in ENDS and judgement.left_sales:
        reason = f": {answer.said.reason}" if answer.said.reason else ""
        judgement.leaves_because = f"{answer.outcome}{reason}"
        judgement.is_owed = answer.rejection is not None and answer.rejection.gives_credit
        if judgement.is_owed and judgement.owner_before:
            answer.effects.append(f"{judgement.owner_before} gets the next turn")
    if judgement.lead.stage != judgement.stage_before:
        answer.effects.append(f"stage {judgement.stage_before} → {judgement.lead.stage}")
    if judgement.lead.route != judgement.route_before:
        answer.effects.append(f"goes to {judgement.lead.route} {judgement.lead.track or ''}".strip())


def _effect(answer: _Answer) -> str:
    return "; ".join(answer.effects) or "noted"


def _told(judgement: Judgement, answer: _Answer, work: Processing) -> NewEvent:
    lead, said = judgement.lead, answer.said
    known = reporting.described(judgement)
    data = {
        "feedback_id": said.id,
        "outcome": said.outcome,
        "reason": said.reason,
        "value": said.value,
        "currency": said.currency,
        "duplicate_of": said.duplicate_of,
        "occurred_at": said.occurred_at,
        "owner": judgement.owner_before,
        "team": judgement.team_before,
        "attempts": answer.tries,
        "open_seconds": answer.open_seconds,
        "effect": _effect(answer),
        "stage": known["stage"],
        "temperature": known["temperature"],
        "route": lead.route,
        "acceptance": acceptance(lead.route, lead.sales_decision),
        "links": {"lead": f"{work.public_url}/v1/leads/{lead.lead_id}"},
    }
    return reporting.numbered(lead, events.LeadFeedback, data, new_id=work.new_id, now=answer.now)
