"""Compare leads that were made at the same moment.

Two submissions of one person that share no identity key hold no lock in common; in two batches at once, neither sees
the other's lead. Locking what merely looks alike would make strangers wait for each other. So each new lead is looked
at once more when its neighbours are committed: most share nothing with any, and cost one look-up for all of them.
"""

from datetime import timedelta

from leadhub import telemetry
from leadhub.domain.deduplication import Decision, Known, Scale, decide, why_apart
from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import LeadId, SubmissionId, first_uuid7
from leadhub.domain.matching import profile
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.weights import bits_to_pick_one
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline.merging import Wish, merge_leads
from leadhub.pipeline.process import Processing
from leadhub.pipeline.recognise import arrived
from leadhub.pipeline.saving import BY_ITSELF
from leadhub.store import candidates, driver, merges, rechecks
from leadhub.store.candidates import Candidate

_log = telemetry.get_logger("recheck")

_ROWS = 500
_BESIDE = timedelta(minutes=2)
"""How much older a lead may be than the look at it: a batch that waits for locks is done well before."""
_MOST_BESIDE = 2
"""Leads that each new one is compared with: a flood of leads that all look alike must not hold the schedule up."""


async def recheck_due(work: Processing, playbook: CompiledPlaybook) -> int:
    """Look once more at leads that were just made; return at how many."""
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        due = await rechecks.claim(connection, now=now, rows=_ROWS)
        since = first_uuid7(now - _BESIDE)
        pairs = await rechecks.made_beside(connection, due, since=since, most=_MOST_BESIDE) if due else []
    for newer, older in pairs:
        await _compare(work, playbook, newer, older)
    return len(due)


async def _compare(work: Processing, playbook: CompiledPlaybook, newer: LeadId, older: LeadId) -> None:
    """Merge two leads, or ask about them, or leave them; nothing if one of them is gone meanwhile."""
    async with driver.transaction(work.engine) as connection:
        found = await merges.members(connection, [newer])
        arrivals = [arrived(member.waiting) for member in found]
        keys = sorted({key for arrival in arrivals for key in arrival.keys})
        blocks = sorted({block for arrival in arrivals for block in block_keys(arrival.sighting)})
        seen = await candidates.find(connection, keys, blocks)
        apart = await candidates.declared_apart(connection, [newer, older])
        one, other = seen.leads.get(newer), seen.leads.get(older)
        if one is None or other is None or apart:
            return
        scale = Scale(await work.weights.current(connection), bits_to_pick_one(seen.base))
        mine, theirs = _known(newer, one), _known(older, other)
        decisions = {arrival.submission_id: decide(arrival.sighting, [theirs], scale) for arrival in arrivals}
        same = next((decision for decision in decisions.values() if decision.lead_id), None)
        if same is None or why_apart(mine, theirs):
            for submission_id, decision in decisions.items():
                await _ask(work, connection, newer, submission_id, decision)
            return
    because = f"made at the same moment: {same.because}"
    wish = Wish(winner=older, loser=newer, because=because, actor=BY_ITSELF, rule=same.rule)
    try:
        await merge_leads(work, playbook, wish)
    except (Conflict, NotFound) as error:  # a person, or another worker, was faster
        _log.info("recheck.dropped", error_class=type(error).__name__)


def _known(lead_id: LeadId, seen: Candidate) -> Known:
    return Known(lead_id, profile.read(seen.profile), dict(seen.keys))


async def _ask(
    work: Processing, connection: driver.Connection, lead_id: LeadId, submission_id: SubmissionId, decision: Decision
) -> None:
    if (question := decision.question) is not None:
        await rechecks.ask(
            connection,
            submission_id=submission_id,
            lead_id=lead_id,
            candidate_id=question.lead_id,
            bits=question.evidence.bits,
            match=question.document(),
            now=work.clock(),
        )
