"""How nurture tracks do, and what one lead got and is to get."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class TrackRow:
    """One track in numbers."""

    track: str
    leads: int
    due: int
    waiting: int
    leased: int
    sent: int


_TRACKS = text("""
SELECT t.track, coalesce(e.leads, 0), coalesce(i.due, 0), coalesce(i.waiting, 0), coalesce(i.leased, 0),
       coalesce(i.sent, 0)
  FROM (SELECT unnest(CAST(:known AS text[])) UNION SELECT DISTINCT track FROM enrolment WHERE exited_at IS NULL)
       AS t (track)
  LEFT JOIN (SELECT track, count(*) AS leads FROM enrolment WHERE exited_at IS NULL GROUP BY track) AS e USING (track)
  LEFT JOIN (
    SELECT track, count(*) FILTER (WHERE state IN ('waiting', 'leased') AND due_at <= :now) AS due,
           count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'leased') AS leased,
           count(*) FILTER (WHERE state = 'sent') AS sent
      FROM nurture_item GROUP BY track) AS i USING (track)
 ORDER BY array_position(CAST(:known AS text[]), t.track), t.track
""")


async def tracks(session: AsyncSession, known: Sequence[str], *, now: datetime) -> list[TrackRow]:
    """Return the tracks of the playbook, in its order, and others on which leads still are."""
    return [TrackRow(*row) for row in await session.execute(_TRACKS, {"known": list(known), "now": now})]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step of a lead."""

    id: UUID
    track: str
    step: str
    channel: str
    content: str
    state: str
    due_at: datetime
    sent_at: datetime | None
    attempt: int
    because: str | None


_PLAN = text("""
SELECT id, track, step, channel, content, state, due_at, sent_at, attempt, because FROM nurture_item
 WHERE lead_id = (SELECT coalesce(merged_into, id) FROM lead WHERE id = :lead) ORDER BY id
""")


async def plan_of(session: AsyncSession, lead_id: UUID) -> list[PlanRow]:
    """Return what a lead got and is to get, in order."""
    return [PlanRow(*row) for row in await session.execute(_PLAN, {"lead": lead_id})]
