"""Compare leads that were made at the same moment.

Two submissions of one person that share no identity key hold no lock in common; in two batches at once, neither sees
the other's lead. Locking what merely looks alike would make strangers wait for each other. So each new lead is looked
at once more when its neighbours are committed, and compared with those alone that its own batch could not see: most
have none, and cost one look-up for all of them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from leadhub import telemetry
from leadhub.domain.deduplication import Decision, Known, Scale, decide, why_apart
from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import LeadId, SubmissionId, first_uuid7, uuid7_time
from leadhub.domain.matching import profile
from leadhub.domain.matching.weights import bits_to_pick_one
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline.merging import Wish, merge_leads
from leadhub.pipeline.process import Processing
from leadhub.pipeline.recognise import arrived
from leadhub.pipeline.saving import BY_ITSELF
from leadhub.store import candidates, driver, merges, rechecks, reviews, scans
from leadhub.store.candidates import Candidate, Sought
from leadhub.store.driver import Connection
from leadhub.store.reviews import Question

_log = telemetry.get_logger("recheck")

_ROWS = 500
_LEASE = timedelta(minutes=2)
"""After so long, leads whose worker died are another's."""
_BESIDE = timedelta(minutes=2)
"""How much older the other lead may be: a batch that waits for locks is done well before."""
_MOST_BESIDE = 2
"""Leads that each new one is compared with: a flood of leads that all look alike must not hold the schedule up."""


async def recheck_due(work: Processing, playbook: CompiledPlaybook) -> int:
    """Look once more at leads that were just made; return at how many."""
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        due = await rechecks.claim(connection, now=now, lease=_LEASE, rows=_ROWS)
        since = {lead_id: first_uuid7(uuid7_time(lead_id) - _BESIDE) for lead_id in due}
        pairs = await rechecks.made_beside(connection, since, most=_MOST_BESIDE) if due else []
    for newer, older in pairs:
        await _compare(work, playbook, newer, older)
    if due:
        async with driver.transaction(work.engine) as connection:
            await rechecks.done(connection, due)
    return len(due)


async def _compare(work: Processing, playbook: CompiledPlaybook, newer: LeadId, older: LeadId) -> None:
    """Merge two leads, or ask about them, or leave them; nothing if one of them is gone meanwhile."""
    async with driver.transaction(work.engine) as connection:
        await driver.by_index(connection)
        found = await merges.members(connection, [newer])
        arrivals = [arrived(member.waiting) for member in found if not member.waiting.content.waits]
        seen = await candidates.find(connection, [Sought(arrival.keys, arrival.blocks) for arrival in arrivals])
        apart = await candidates.declared_apart(connection, [newer, older])
        if newer not in seen.leads or older not in seen.leads or apart:
            return
        scale = Scale(await work.weights.current(connection), bits_to_pick_one(seen.base))
        known = {lead_id: _known(lead_id, one) for lead_id, one in seen.leads.items()}
        mine = known.pop(newer)
        # Compared with all, as at the arrival: who else has the name, or comes closer, is the same question.
        decisions = {one.submission_id: decide(one.sighting, [*known.values()], scale) for one in arrivals}
        same = next((one for one in decisions.values() if older in {one.lead_id, *one.ties}), None)
        # One that proves to be the same, while something speaks against the two, is asked, too.
        if same is None or why_apart([mine], known[older]):
            await _ask(connection, decisions, newer, older, now=work.clock())
            return
    because = f"made at the same moment: {same.because}"
    wish = Wish(winner=older, loser=newer, because=because, actor=BY_ITSELF, rule=same.rule)
    try:
        await merge_leads(work, playbook, wish)
    except (Conflict, NotFound) as error:  # a person, or another worker, was faster
        _log.info("recheck.dropped", error_class=type(error).__name__)


async def _ask(
    connection: Connection, decisions: Mapping[SubmissionId, Decision], newer: LeadId, older: LeadId, *, now: datetime
) -> None:
    """Ask once whether two leads are one, about the submission that comes closest; not if it was asked before."""
    doubts = [
        Question(submission_id=submission_id, lead_id=newer, match=match)
        for submission_id, decision in decisions.items()
        for match in (decision.match if decision.lead_id else None, decision.question)
        if match is not None and match.lead_id == older
    ]
    before = await scans.asked_already(connection, [newer, older])
    if doubts and not before.keys() & {(newer, older), (older, newer)}:
        await reviews.ask(connection, [max(doubts, key=lambda one: one.match.evidence.bits)], now=now)


def _known(lead_id: LeadId, seen: Candidate) -> Known:
    return Known(lead_id, profile.read(seen.profile), dict(seen.keys))
