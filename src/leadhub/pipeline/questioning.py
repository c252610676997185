"""Tell a bot what to ask next, of what is known of its visitor and of what it has just told.

    what waits for the visitor + the lead to which the visitor's id leads + this submission → the playbook's checklist

The gateway answers before anything is processed, so this is a look and no decision: what came an instant ago may be
missing, and nothing is kept of it. Only the visitor's id leads to a lead here. An address does not, since anybody can
write down somebody else's and learn from the questions what is known of them.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.channels.protocol import Capture, Connection
from leadhub.domain import questions
from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.lead import Lead
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.recognise import arrived, from_row, load_facts
from leadhub.store import driver
from leadhub.store import questions as store
from leadhub.store.pending import Waiting

_WAIT_SECONDS = 0.5
"""A bot waits for its answer, and its visitor for the bot."""

_log = telemetry.get_logger("questions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Questioning:
    """What finding questions stands on."""

    engine: AsyncEngine
    playbook: ActivePlaybook

    async def open(
        self, capture: Capture, connection: Connection, *, submission_id: UUID | None, now: datetime
    ) -> tuple[questions.Question, ...] | None:
        """Return what is open, in the order in which to ask; None if that cannot be said in time.

        The lead is on disk by now, so nothing that goes wrong here is raised.

        Args:
            capture: what the bot sent; its first submission counts.
            connection: the bot's.
            submission_id: of that submission; None if there is none, because nobody is in it.
            now: of the receipt.
        """
        if submission_id is None or not capture.submissions:
            return (questions.CONTACT,)
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                playbook = await self.playbook.current(now=now)
                told = Waiting(
                    SubmissionId(submission_id),
                    now,
                    capture.submissions[0].content,
                    connection.source_id,
                    connection.name,
                    connection.channel,
                    dict(connection.options),
                )
                lead = await self._known(told)
        except Exception as error:  # noqa: BLE001 - the lead is taken, whatever becomes of the question
            _log.warning("questions.none", error_class=type(error).__name__)
            return None
        framework = connection.options.get("framework")
        named = framework if isinstance(framework, str) else None
        return questions.next_questions(playbook, lead.view(), now=now, framework=named)

    async def _known(self, told: Waiting) -> Lead:
        """Return the visitor as a lead, as far as anybody has told; it is nobody's until it is processed."""
        arrivals = [arrived(told)]
        lead = Lead(LeadId(told.submission_id), created_at=told.received_at)
        if external_id := told.content.external_id:
            handle = Key(f"external:{told.source_id}", external_id)
            async with driver.connect(self.engine) as connection:
                row = await store.lead_of(connection, handle)
                if row is not None:
                    lead = from_row(row, {})
                    await load_facts(connection, {lead.lead_id: lead})
                else:
                    arrivals += [
                        arrived(replace(told, submission_id=submission_id, received_at=at, content=content))
                        for submission_id, at, content in await store.waiting_for(connection, handle)
                    ]
        for one in arrivals:
            lead.absorb(one)
        return lead
