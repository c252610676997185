"""What sales says of leads: kept once as it came, and applied once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.feedback import COUNTED, TRIED, Outcome
from leadhub.domain.ids import LeadId
from leadhub.store.driver import Connection
from leadhub.store.leads import rows_document


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFeedback:
    """One word, as it comes in."""

    id: UUID
    sender: str
    dedupe_key: str | None
    fingerprint: bytes
    named: Mapping[str, str]
    outcome: str
    reason: str | None
    value: float | None
    currency: str | None
    duplicate_of: UUID | None
    occurred_at: datetime
    received_at: datetime

    def row(self) -> dict[str, Any]:
        """Return this as a row of the table."""
        row = {name: getattr(self, name) for name in self.__slots__}
        return row | {"named": dict(self.named), "due_at": self.received_at, "attempts": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFeedback:
    """One word, and what became of it."""

    id: UUID
    sender: str
    dedupe_key: str | None
    fingerprint: bytes
    named: Mapping[str, str]
    lead_id: LeadId | None
    mailbox: str | None
    outcome: str
    reason: str | None
    value: float | None
    currency: str | None
    duplicate_of: UUID | None
    occurred_at: datetime
    received_at: datetime
    owner: str | None
    effect: str | None
    due_at: datetime
    attempts: int
    applied_at: datetime | None
    failed_at: datetime | None
    error: str | None


_COLUMNS = """
id uuid, sender text, dedupe_key text, fingerprint bytea, named jsonb, outcome text, reason text,
value double precision, currency text, duplicate_of uuid, occurred_at timestamptz, received_at timestamptz,
due_at timestamptz, attempts integer
"""
_NAMES = ", ".join(column.split()[0] for column in _COLUMNS.split(","))
_INSERT = f"""
INSERT INTO feedback ({_NAMES}) SELECT {_NAMES} FROM jsonb_to_recordset({{rows}}) AS r ({_COLUMNS})
ON CONFLICT (sender, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
RETURNING id
"""  # noqa: S608 - the constants above
_KEEP, _PUT = text(_INSERT.format(rows="CAST(:rows AS jsonb)")), _INSERT.format(rows="$1::jsonb")


async def keep(session: AsyncSession, rows: Sequence[NewFeedback]) -> set[UUID]:
    """Keep words for a worker to apply; return which of them were not there before."""
    document = rows_document(one.row() for one in rows)
    return set((await session.execute(_KEEP, {"rows": document})).scalars())


async def insert(connection: Connection, one: NewFeedback) -> bool:
    """Keep one word that the caller applies in the same transaction; return whether it was not there before.

    Another transaction with the same key is waited for.
    """
    return bool(await connection.fetch(_PUT, rows_document([one.row()])))


_BY_KEY = "SELECT * FROM feedback WHERE sender = $1 AND dedupe_key = $2"
_GET = "SELECT * FROM feedback WHERE id = $1"
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('leadhub feedback'))"
_DUE = """
SELECT * FROM feedback WHERE applied_at IS NULL AND failed_at IS NULL AND due_at <= $1
 ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""


async def by_key(connection: Connection, sender: str, dedupe_key: str) -> StoredFeedback:
    """Return what a sender said before under this key."""
    [row] = await connection.fetch(_BY_KEY, sender, dedupe_key)
    return StoredFeedback(**dict(row))


async def get(connection: Connection, feedback_id: UUID) -> StoredFeedback:
    """Return one word."""
    [row] = await connection.fetch(_GET, feedback_id)
    return StoredFeedback(**dict(row))


async def claim(connection: Connection, *, now: datetime) -> StoredFeedback | None:
    """Return the next word to be applied, locked; None if there is none, or another worker is at it.

    One worker at a time, so that the words about a lead are applied in the order in which they came.
    """
    if not await connection.fetchval(_ALONE):
        return None
    row = await connection.fetchrow(_DUE, now)
    return StoredFeedback(**dict(row)) if row else None


_APPLIED = """
UPDATE feedback SET lead_id = $2, mailbox = $3, owner = $4, effect = $5, applied_at = $6, error = NULL WHERE id = $1
"""
_FAILED = """
UPDATE feedback SET attempts = attempts + 1, error = $2, due_at = $3,
       failed_at = CASE WHEN $4 THEN $3::timestamptz END WHERE id = $1
"""


async def note_applied(
    connection: Connection,
    feedback_id: UUID,
    *,
    lead_id: LeadId,
    mailbox: str | None,
    owner: str | None,
    effect: str,
    now: datetime,
) -> None:
    """Write down what a word changed."""
    await connection.execute(_APPLIED, feedback_id, lead_id, mailbox, owner, effect, now)


async def note_failed(connection: Connection, feedback_id: UUID, *, error: str, at: datetime, is_last: bool) -> None:
    """Put a word back until `at`, or aside for good, with the reason."""
    await connection.execute(_FAILED, feedback_id, error, at, is_last)


_TRIES = "SELECT count(*) FROM feedback WHERE lead_id = $1 AND outcome = ANY ($2::text[]) AND applied_at IS NOT NULL"
# Words are kept with the lead that they were said of, and count for whoever it is part of now. While two were one,
# nobody could say whose refusal it was: that one counts for both afterwards. A bounce is for the one whose mailbox it
# is to count; if nobody knows which one bounced, for the lead that it was said of: it would repeat itself.
_NOTED = """
WITH RECURSIVE own (of, lead_id) AS (
    SELECT one, one FROM unnest($1::uuid[]) AS one
     UNION
    SELECT merged_into, id FROM lead WHERE merged_into = ANY ($1::uuid[]) AND id <> ALL ($1::uuid[])
), called (of, lead_id, since, until) AS (
    SELECT of, lead_id, '-infinity'::timestamptz, 'infinity'::timestamptz FROM own
     UNION
    SELECT c.of, m.winner_id, greatest(c.since, m.merged_at), least(c.until, coalesce(m.undone_at, 'infinity'))
      FROM called AS c JOIN merge AS m ON m.loser_id = c.lead_id
     WHERE m.merged_at < c.until AND c.since < coalesce(m.undone_at, 'infinity'))
SELECT DISTINCT c.of, f.outcome, f.occurred_at, f.id, f.mailbox
  FROM called AS c JOIN feedback AS f ON f.lead_id = c.lead_id AND f.applied_at BETWEEN c.since AND c.until
 WHERE f.outcome = ANY ($2::text[])
   AND (f.outcome = 'unsubscribed' OR f.mailbox IS NOT NULL OR c.since = '-infinity')
 ORDER BY f.occurred_at, f.id
"""


async def count_tries(connection: Connection, lead_id: LeadId) -> int:
    """Return how often somebody has tried to reach a lead, or has reached it, as far as sales said."""
    count: int = await connection.fetchval(_TRIES, lead_id, sorted(TRIED))
    return count


@dataclass(frozen=True, slots=True)
class Noted:
    """A word that counts as something a lead did."""

    lead_id: LeadId
    outcome: Outcome
    at: datetime
    id: UUID
    mailbox: str | None
    """Of a bounce, if it is known: it is the lead's only if the mailbox is."""


async def noted(connection: Connection, ids: Collection[LeadId]) -> list[Noted]:
    """Return what sales said that counts as something these living leads did, oldest first.

    One that an undo brings back to life counts as living if it is named here, too.
    """
    rows = await connection.fetch(_NOTED, ids, sorted(COUNTED))
    return [Noted(row["of"], Outcome(row["outcome"]), row["occurred_at"], row["id"], row["mailbox"]) for row in rows]


_KEY_HOLDERS = """
SELECT DISTINCT lead_id FROM identity_key WHERE (kind, value) IN (SELECT * FROM unnest($1::text[], $2::text[])) LIMIT 2
"""


async def holders(connection: Connection, keys: Collection[tuple[str, str]]) -> list[LeadId]:
    """Return the leads that hold one of some identity keys; two stand for several."""
    rows = await connection.fetch(_KEY_HOLDERS, [kind for kind, _ in keys], [value for _, value in keys])
    return [row["lead_id"] for row in rows]


_ASK = """
INSERT INTO match_review (submission_id, lead_id, candidate_id, bits, match, asked_at)
SELECT m.submission_id, $1, $2, 0, $3, $4 FROM membership AS m
 WHERE m.lead_id = $1 ORDER BY m.submission_id DESC LIMIT 1
ON CONFLICT (submission_id) DO UPDATE SET candidate_id = excluded.candidate_id, bits = 0, match = excluded.match,
    asked_at = excluded.asked_at, answer = NULL, answered_at = NULL, answered_by = NULL
"""


async def ask_whether_same(
    connection: Connection, lead_id: LeadId, candidate_id: LeadId, *, match: str, now: datetime
) -> None:
    """Ask a person whether two leads are one, because sales says so."""
    await connection.execute(_ASK, lead_id, candidate_id, match, now)


_LIST = text("""
SELECT * FROM feedback
 WHERE (CAST(:lead AS uuid) IS NULL OR lead_id = :lead)
   AND (NOT :failed OR failed_at IS NOT NULL)
   AND (CAST(:after AS uuid) IS NULL OR id < :after)
 ORDER BY id DESC LIMIT :limit
""")


async def list_feedback(
    session: AsyncSession, *, lead_id: LeadId | None = None, failed: bool = False, limit: int, after: UUID | None = None
) -> list[StoredFeedback]:
    """Return words, newest first."""
    values = {"lead": lead_id, "failed": failed, "limit": limit, "after": after}
    return [StoredFeedback(**row) for row in (await session.execute(_LIST, values)).mappings()]


RETRIES = (timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""When a word about somebody unknown is tried again: the lead may still be on its way."""
