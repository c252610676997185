"""Take a submission away, and with it all that was known by it alone."""

from datetime import datetime
from uuid import UUID

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.matching.sighting import hashed_form
from leadhub.store.driver import Connection

_IS_WAITING = "SELECT EXISTS (SELECT FROM pending_submission WHERE submission_id = $1 AND failed_at IS NULL)"
_LEAD_OF = "SELECT lead_id FROM membership WHERE submission_id = $1"


async def is_waiting(connection: Connection, submission_id: SubmissionId) -> bool:
    """Whether a submission is still to be processed: a worker may hold it in memory right now."""
    found: bool = await connection.fetchval(_IS_WAITING, submission_id)
    return found


async def lead_of(connection: Connection, submission_id: SubmissionId) -> LeadId | None:
    """Return the lead that a submission is a part of."""
    found: UUID | None = await connection.fetchval(_LEAD_OF, submission_id)
    return LeadId(found) if found is not None else None


# What is keyed by the submission. Its idempotency key stays: it is the tombstone.
_SUBMISSION = (
    "DELETE FROM submission WHERE id = $1",
    "DELETE FROM activity WHERE submission_id = $1",
    "DELETE FROM consent_record WHERE submission_id = $1",
    "DELETE FROM membership WHERE submission_id = $1",
    "DELETE FROM pending_submission WHERE submission_id = $1",
    "DELETE FROM waiting_activity WHERE submission_id = $1",
    "DELETE FROM match_review WHERE submission_id = $1",
    "DELETE FROM not_same WHERE one = $1 OR other = $1",
)


async def submission(connection: Connection, submission_id: SubmissionId) -> None:
    """Take a submission away."""
    for statement in _SUBMISSION:
        await connection.execute(statement, submission_id)


_FAMILY = "SELECT id FROM lead WHERE id = $1 OR merged_into = $1"
# Of events only the row goes: a delivery that finds its event erased ends by itself and says so.
_TOLD = (
    (
        "UPDATE attempt SET response_body = NULL"
        " WHERE delivery_id IN (SELECT id FROM delivery WHERE lead_id = ANY ($1::uuid[]))"
    ),
    (
        "UPDATE feedback SET named = jsonb_build_object('lead', lead_id)"
        " WHERE lead_id = ANY ($1::uuid[]) AND NOT named ? 'lead'"
    ),
)
_TOLD_SINCE = (
    "DELETE FROM event WHERE lead_id = ANY ($1::uuid[]) AND occurred_at >= $2",
    "UPDATE score_line SET because = 'erased' WHERE lead_id = ANY ($1::uuid[]) AND at >= $2",
    "UPDATE stage_change SET because = 'erased' WHERE lead_id = ANY ($1::uuid[]) AND at >= $2",
    "UPDATE assignment SET because = 'erased' WHERE lead_id = ANY ($1::uuid[]) AND assigned_at >= $2",
    "UPDATE enrolment SET because = 'erased' WHERE lead_id = ANY ($1::uuid[]) AND enrolled_at >= $2",
)
# What a lead was before it became part of another: nobody reads it, since what is parted again is folded anew.
_MERGED = """
UPDATE lead
   SET golden = '{}', custom = '{}', attribution = '{}', consents = '{}', mail = '{}', profile = '{}',
       evaluation = NULL, route_because = 'erased'
 WHERE merged_into = $1
"""


async def told_since(connection: Connection, lead_id: LeadId, *, since: datetime) -> None:
    """Take away what was told of a lead, and what was reasoned about it, from an instant on.

    Of leads that had become part of it, too; what they were themselves goes whole.
    """
    family = [row[0] for row in await connection.fetch(_FAMILY, lead_id)]
    for statement in _TOLD:
        await connection.execute(statement, family)
    for statement in _TOLD_SINCE:
        await connection.execute(statement, family, since)
    await connection.execute(_MERGED, lead_id)


_KEYS = """
DELETE FROM identity_key
 WHERE lead_id = $1 AND (kind, value) IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""
_MOVED_KEYS = """
UPDATE merge
   SET moved = jsonb_set(moved, '{keys}', (
       SELECT coalesce(jsonb_agg(one), '[]') FROM jsonb_array_elements(moved -> 'keys') AS one
        WHERE (one ->> 0, one ->> 1) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))))
 WHERE winner_id = $1 AND moved ? 'keys'
"""


_BOUNCED = """
UPDATE feedback SET mailbox = 'erased'
 WHERE mailbox = ANY ($2::text[]) AND lead_id IN (SELECT id FROM lead WHERE id = $1 OR merged_into = $1)
"""
_BLOCKS = "DELETE FROM block_key WHERE lead_id IN (SELECT id FROM lead WHERE id = $1 OR merged_into = $1)"


async def keys(connection: Connection, lead_id: LeadId, gone: list[Key]) -> None:
    """Take identity keys away from a lead and its merges, and all its block keys: the caller writes those it still has.

    Which address bounced is forgotten with it, and that bounce counts for nobody.

    Args:
        connection: in a transaction.
        lead_id: the lead.
        gone: keys that nothing of it carries any more.
    """
    columns = [key.kind for key in gone], [key.value for key in gone]
    await connection.execute(_KEYS, lead_id, *columns)
    await connection.execute(_MOVED_KEYS, lead_id, *columns)
    await connection.execute(_BOUNCED, lead_id, [digest for key in gone if (digest := hashed_form(key))])
    await connection.execute(_BLOCKS, lead_id)


_LEAD = (
    "DELETE FROM identity_key WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM block_key WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM fact WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM score_line WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM shadow_judgement WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM stage_change WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM assignment WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM response_clock WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM feedback WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM nurture_item WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM enrolment WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM match_recheck WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM match_review WHERE lead_id = ANY ($1::uuid[]) OR candidate_id = ANY ($1::uuid[])",
    "DELETE FROM lead_edit WHERE id IN (SELECT submission_id FROM membership WHERE lead_id = ANY ($1::uuid[]))",
    "DELETE FROM membership WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM merge WHERE winner_id = ANY ($1::uuid[]) OR loser_id = ANY ($1::uuid[])",
    "DELETE FROM event WHERE lead_id = ANY ($1::uuid[])",
    "DELETE FROM lead WHERE id = ANY ($1::uuid[])",
)


async def lead(connection: Connection, lead_id: LeadId) -> None:
    """Take a lead away, and those that had become part of it."""
    family = [row[0] for row in await connection.fetch(_FAMILY, lead_id)]
    for statement in (*_TOLD, *_LEAD):
        await connection.execute(statement, family)
