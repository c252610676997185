"""Judge leads again when time alone has changed what the playbook says of them: a window closed, idleness grew.

Each evaluation names the next such instant, so nobody is looked at before it is time, and nobody is forgotten.
"""

from leadhub import telemetry
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline import qualify, reporting
from leadhub.pipeline.process import Processing
from leadhub.pipeline.qualify import Judgement
from leadhub.pipeline.recognise import from_row, load_facts
from leadhub.pipeline.saving import lead_row
from leadhub.store import changes, driver, events, leads

_log = telemetry.get_logger("rescore")


async def rescore_due(work: Processing, playbook: CompiledPlaybook) -> int:
    """Judge one batch of due leads; return how many there were, 0 when none is due."""
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        rows = await leads.load_due(connection, now=now, rows=work.batch_rows)
        if not rows:
            return 0
        loaded = {row["id"]: from_row(row, {}) for row in rows}
        await load_facts(connection, loaded)
        totals = {lead_id: (lead.evaluation or {}).get("total") for lead_id, lead in loaded.items()}
        temperatures = {lead_id: lead.temperature for lead_id, lead in loaded.items()}
        judgements = [qualify.judge(lead, playbook, now=now) for lead in loaded.values()]
        rows_changed = await qualify.follow(connection, judgements, playbook, new_id=work.new_id, now=now)
        told = [
            event
            for judgement in judgements
            if _is_news(judgement, totals[judgement.lead.lead_id], temperatures[judgement.lead.lead_id])
            for event in reporting.report(judgement, [], public_url=work.public_url, new_id=work.new_id, now=now)
        ]
        rows_changed.leads = [lead_row(judgement.lead, judgement, now) for judgement in judgements]
        await changes.write(connection, rows_changed)
        await events.append(connection, told)
    _log.info("leads.rescored", leads=len(judgements), events=len(told))
    return len(judgements)


def _is_news(judgement: Judgement, total_before: object, temperature_before: object) -> bool:
    """Whether anything changed that a subscriber can see; a window that closed without effect is no news."""
    lead = judgement.lead
    return (
        judgement.evaluation.total != total_before
        or lead.temperature != temperature_before
        or lead.stage != judgement.stage_before
        or judgement.goes_to_sales
        or judgement.changes_track
        or judgement.left_sales
    )
