"""What happened to one lead, newest first, out of every table that knows a part of it.

Each part is cut to the newest before they are united, so a lead with a long history costs a sort, not a transfer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.ids import LeadId

_PARTS: Mapping[str, str] = {
    "submission": """
        SELECT s.received_at AS at, jsonb_build_object(
            'submission_id', s.id, 'source', c.name, 'channel', c.channel, 'rule', m.rule, 'because', m.because)
            AS detail
          FROM membership AS m JOIN submission AS s ON s.id = m.submission_id
          LEFT JOIN source AS c ON c.id = s.source_id
         WHERE m.lead_id = :lead""",
    "edit": """
        SELECT e.edited_at AS at, jsonb_build_object(
            'edit_id', e.id, 'actor', e.actor,
            'fields', (SELECT coalesce(jsonb_agg(k ORDER BY k), '[]') FROM jsonb_object_keys(e.fields) AS k),
            'taken_back', (SELECT coalesce(jsonb_agg(k ORDER BY k), '[]') FROM jsonb_object_keys(e.taken_back) AS k))
            AS detail
          FROM membership AS m JOIN lead_edit AS e ON e.id = m.submission_id
         WHERE m.lead_id = :lead""",
    "activity": """
        SELECT a.occurred_at AS at, jsonb_build_object(
            'type', a.type, 'attributes', a.attributes, 'submission_id', a.submission_id) AS detail
          FROM membership AS m JOIN activity AS a ON a.submission_id = m.submission_id
         WHERE m.lead_id = :lead""",
    "score": """
        SELECT l.at AS at, jsonb_build_object(
            'rule', l.rule, 'points', l.points, 'previous', l.previous, 'because', l.because, 'playbook', l.playbook)
            AS detail
          FROM score_line AS l WHERE l.lead_id = ANY (CAST(:family AS uuid[]))""",
    "stage": """
        SELECT g.at AS at, jsonb_build_object(
            'stage', g.stage, 'previous', g.previous, 'because', g.because, 'playbook', g.playbook) AS detail
          FROM stage_change AS g WHERE g.lead_id = ANY (CAST(:family AS uuid[]))""",
    "assignment": """
        SELECT n.assigned_at AS at, jsonb_build_object(
            'team', n.team, 'owner', n.owner, 'rule', n.rule, 'because', n.because, 'released_at', n.released_at,
            'release_reason', n.release_reason, 'queue', n.queue) AS detail
          FROM assignment AS n WHERE n.lead_id = ANY (CAST(:family AS uuid[]))""",
    "feedback": """
        SELECT f.occurred_at AS at, jsonb_build_object(
            'feedback_id', f.id, 'outcome', f.outcome, 'reason', f.reason, 'owner', f.owner, 'effect', f.effect,
            'sender', f.sender) AS detail
          FROM feedback AS f WHERE f.lead_id = ANY (CAST(:family AS uuid[])) AND f.applied_at IS NOT NULL""",
    "enrolment": """
        SELECT e.enrolled_at AS at, jsonb_build_object(
            'track', e.track, 'because', e.because, 'exited_at', e.exited_at, 'exit_reason', e.exit_reason) AS detail
          FROM enrolment AS e WHERE e.lead_id = ANY (CAST(:family AS uuid[]))""",
    "merge": """
        SELECT x.merged_at AS at, jsonb_build_object(
            'loser_id', x.loser_id, 'rule', x.rule, 'because', x.because, 'undone_at', x.undone_at) AS detail
          FROM merge AS x WHERE x.winner_id = ANY (CAST(:family AS uuid[]))""",
    "delivery": """
        SELECT coalesce(d.finished_at, d.created_at) AS at, jsonb_build_object(
            'delivery_id', d.id, 'event_type', d.event_type, 'endpoint_id', d.endpoint_id, 'state', d.state,
            'outcome', d.outcome, 'attempts', d.attempts) AS detail
          FROM delivery AS d WHERE d.lead_id = ANY (CAST(:family AS uuid[]))""",
}

KINDS = tuple(_PARTS)

_CUT = "(SELECT at, '{kind}' AS kind, detail FROM ({part}) AS {kind}_part ORDER BY at DESC LIMIT :most)"


def _united(template: str) -> str:
    return " UNION ALL ".join(template.format(kind=kind, part=part) for kind, part in _PARTS.items())


_NEWEST = text(
    f"SELECT at, kind, detail FROM ({_united(_CUT)}) AS entry ORDER BY at DESC, kind LIMIT :most"  # noqa: S608 - the constants above
)
_COUNTS = text(_united("SELECT '{kind}' AS kind, count(*) AS entries FROM ({part}) AS {kind}_part"))


async def timeline(session: AsyncSession, family: Sequence[LeadId], *, most: int) -> list[dict[str, Any]]:
    """Return the newest entries of a lead and of those merged into it: {at, kind, …the kind's own fields}.

    Args:
        session: open.
        family: the lead, then the leads that were merged into it.
        most: entries returned; older ones are only counted.
    """
    rows = await session.execute(_NEWEST, {"lead": family[0], "family": list(family), "most": most})
    return [{"at": at, "kind": kind, **detail} for at, kind, detail in rows]


async def counts(session: AsyncSession, family: Sequence[LeadId]) -> dict[str, int]:
    """Return how many entries of each kind there are."""
    rows = await session.execute(_COUNTS, {"lead": family[0], "family": list(family)})
    return {row.kind: row.entries for row in rows}
