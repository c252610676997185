"""Merges of leads: what each moved, so that it can be undone, and who was declared not to be the same person.

Merges are rare: these statements are per merge, not per batch. The caller holds the rows of the leads locked.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId, SubmissionId
from leadhub.domain.lead import EDIT
from leadhub.domain.submission import Content
from leadhub.domain.unmerging import Parting
from leadhub.store.driver import Connection
from leadhub.store.leads import Row, rows_document
from leadhub.store.pending import Waiting

_MOST_HOPS = 32
"""Merges re-point what was merged before, so one hop is the rule; this only bounds a loop."""

_MOVE_KEYS = """
WITH moved AS (DELETE FROM identity_key WHERE lead_id = $2
               RETURNING kind, value, status, first_seen_at, last_seen_at),
     placed AS (
    INSERT INTO identity_key (kind, value, lead_id, status, first_seen_at, last_seen_at)
    SELECT kind, value, $1, status, first_seen_at, last_seen_at FROM moved
    ON CONFLICT (kind, value, lead_id) DO UPDATE SET
        first_seen_at = least(identity_key.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(identity_key.last_seen_at, excluded.last_seen_at))
SELECT kind, value FROM moved ORDER BY kind, value
"""
_MOVE_MEMBERS = "UPDATE membership SET lead_id = $1 WHERE lead_id = $2 RETURNING submission_id"
_DROP_FACTS = "DELETE FROM fact WHERE lead_id = ANY ($1::uuid[])"
_MERGE = """
INSERT INTO merge (id, winner_id, loser_id, submission_id, rule, because, moved, actor, merged_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_REDIRECT = "UPDATE lead SET merged_into = $1 WHERE merged_into = $2 RETURNING id"
_HAND_OVER_ASSIGNMENT = """
UPDATE assignment SET lead_id = CASE WHEN taken THEN lead_id ELSE $1 END,
       released_at = CASE WHEN taken THEN $3::timestamptz END,
       release_reason = CASE WHEN taken THEN 'merged' END
  FROM (SELECT EXISTS (SELECT FROM assignment WHERE lead_id = $1 AND released_at IS NULL) AS taken) AS t
 WHERE lead_id = $2 AND released_at IS NULL
"""
_HAND_OVER_CLOCK = """
UPDATE response_clock SET lead_id = CASE WHEN taken THEN lead_id ELSE $1 END,
       stopped_at = CASE WHEN taken THEN $3::timestamptz END,
       stop_reason = CASE WHEN taken THEN 'merged' END,
       next_at = CASE WHEN taken THEN NULL ELSE next_at END
  FROM (SELECT EXISTS (SELECT FROM response_clock WHERE lead_id = $1 AND stopped_at IS NULL) AS taken) AS t
 WHERE lead_id = $2 AND stopped_at IS NULL
"""
# What the loser was sent counts for the winner: for how often one is written to, and for what one has read already.
_LEAVE_TRACK = """
WITH left_behind AS (
    UPDATE enrolment SET exited_at = $3, exit_reason = 'merged' WHERE lead_id = $2 AND exited_at IS NULL RETURNING id)
UPDATE nurture_item SET
       lead_id = $1,
       state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END,
       because = CASE WHEN state = 'waiting' THEN 'merged' ELSE because END
 WHERE lead_id = $2 RETURNING id
"""


async def merge(
    connection: Connection,
    *,
    merge_id: UUID,
    winner: LeadId,
    loser: LeadId,
    submission_id: UUID | None,
    rule: str,
    because: str,
    versions: Mapping[str, int],
    inherited: Sequence[str],
    actor: str,
    now: datetime,
) -> list[UUID]:
    """Move a loser's keys and members to the winner and write down what was moved; return the members.

    The caller writes the united facts and golden values, and sets `merged_into`.

    Args:
        connection: in a transaction that holds both leads.
        merge_id: of the new row.
        winner: the lead that stays.
        loser: the lead that becomes part of it.
        submission_id: what tied them, if a submission did.
        rule: short name of why.
        because: why, in words.
        versions: of both leads before.
        inherited: names of the decisions about the loser that the winner takes over.
        actor: who decided.
        now: when.
    """
    # Active keys cannot stand twice, so the loser's go before the winner's come, in one statement.
    keys = await connection.fetch(_MOVE_KEYS, winner, loser)
    members: list[UUID] = [row[0] for row in await connection.fetch(_MOVE_MEMBERS, winner, loser)]
    await drop_facts(connection, [loser])
    redirected = [row[0] for row in await connection.fetch(_REDIRECT, winner, loser)]
    await connection.execute(_HAND_OVER_ASSIGNMENT, winner, loser, now)
    await connection.execute(_HAND_OVER_CLOCK, winner, loser, now)
    items = [row[0] for row in await connection.fetch(_LEAVE_TRACK, winner, loser, now)]
    moved = _document(
        {
            "submissions": members,
            "keys": [list(key) for key in keys],
            "versions": dict(versions),
            "redirected": redirected,
            "inherited": list(inherited),
            "items": items,
        }
    )
    await connection.execute(_MERGE, merge_id, winner, loser, submission_id, rule, because, moved, actor, now)
    return members


def _document(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, default=str).decode()


async def drop_facts(connection: Connection, ids: Collection[LeadId]) -> None:
    """Forget the counters of leads whose members change; the caller writes them anew."""
    await connection.execute(_DROP_FACTS, list(ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMerge:
    """One merge as kept."""

    id: UUID
    winner_id: LeadId
    loser_id: LeadId
    submission_id: SubmissionId | None
    rule: str
    because: str
    moved: Mapping[str, Any]
    actor: str
    merged_at: datetime
    undone_at: datetime | None
    undone_by: str | None
    undone_because: str | None
    undone: Mapping[str, Any] | None

    @property
    def keys(self) -> frozenset[Key]:
        """The keys that it moved."""
        return frozenset(Key(kind, value) for kind, value in self.moved["keys"])

    @property
    def redirected(self) -> list[UUID]:
        """The leads that had become part of the loser before."""
        return [UUID(one) for one in self.moved.get("redirected", ())]

    @property
    def inherited(self) -> list[str]:
        """The decisions about the loser that the winner took over."""
        return list(self.moved.get("inherited", ()))

    @property
    def items(self) -> list[UUID]:
        """The steps of tracks that the loser had been sent, or was to be."""
        return [UUID(one) for one in self.moved.get("items", ())]

    @property
    def submissions(self) -> frozenset[SubmissionId]:
        """The submissions that it moved."""
        return frozenset(SubmissionId(UUID(one)) for one in self.moved["submissions"])


_FIND = "SELECT * FROM merge WHERE id = $1 FOR UPDATE"
_INTO = """
SELECT * FROM merge WHERE loser_id = $1 AND undone_at IS NULL ORDER BY merged_at DESC, id DESC LIMIT 1
"""
_BROUGHT = """
SELECT * FROM merge WHERE winner_id = ANY ($1::uuid[]) AND undone_at IS NULL AND merged_at >= $2 ORDER BY merged_at, id
"""


async def find(connection: Connection, merge_id: UUID) -> StoredMerge | None:
    """Return a merge, its row locked until the commit."""
    return _stored(await connection.fetchrow(_FIND, merge_id))


async def merge_of(connection: Connection, loser: LeadId) -> StoredMerge | None:
    """Return the merge by which a lead became part of another and still is; None for a living lead."""
    return _stored(await connection.fetchrow(_INTO, loser))


async def won_by(connection: Connection, winners: Collection[LeadId], *, since: datetime) -> list[StoredMerge]:
    """Return the merges that these leads won from an instant on and that still hold, oldest first."""
    rows = await connection.fetch(_BROUGHT, list(winners), since)
    return [StoredMerge(**dict(row)) for row in rows]


def _stored(row: Mapping[str, Any] | None) -> StoredMerge | None:
    return StoredMerge(**dict(row)) if row is not None else None


_POINTS = "SELECT merged_into FROM lead WHERE id = $1"


async def living(connection: Connection, lead_id: LeadId) -> LeadId | None:
    """Return the lead that an id stands for now: itself, or what it became part of; None if there is none."""
    wanted: UUID = lead_id
    for _ in range(_MOST_HOPS):
        row = await connection.fetchrow(_POINTS, wanted)
        if row is None:
            return None
        if row[0] is None:
            return LeadId(wanted)
        wanted = row[0]
    return None


@dataclass(frozen=True, slots=True)
class StoredMember:
    """A submission or an edit of a lead, since when, and what it is made of; `waiting` as processing reads it."""

    lead_id: LeadId
    since: datetime
    waiting: Waiting


# A submission's content is read anew with the source's options of today: this is what a change of a mapping or of a
# normaliser asks for. What a source was when it came is not kept. An edit reads like a submission of who wrote it.
_MEMBERS = """
SELECT m.lead_id, m.since, s.id, s.received_at, s.content::text, s.source_id, c.name, c.channel, c.options
  FROM membership AS m
  JOIN submission AS s ON s.id = m.submission_id
  JOIN source AS c ON c.id = s.source_id
 WHERE m.lead_id = ANY ($1::uuid[])
 UNION ALL
SELECT m.lead_id, m.since, e.id, e.edited_at, jsonb_build_object('fields', e.fields)::text, e.id, e.actor, $2, '{}'
  FROM membership AS m
  JOIN lead_edit AS e ON e.id = m.submission_id
 WHERE m.lead_id = ANY ($1::uuid[])
 ORDER BY 3
"""
_COUNT_MEMBERS = "SELECT count(*) FROM membership WHERE lead_id = ANY ($1::uuid[])"


async def members(connection: Connection, ids: Collection[LeadId]) -> list[StoredMember]:
    """Return the submissions and edits of leads, in the order of receipt."""
    return [
        StoredMember(
            row[0], row[1], Waiting(row[2], row[3], Content.model_validate_json(row[4]), row[5], row[6], row[7], row[8])
        )
        for row in await connection.fetch(_MEMBERS, list(ids), EDIT)
    ]


async def count_members(connection: Connection, ids: Collection[LeadId]) -> int:
    """Return how many submissions and edits leads have, also of those whose content was deleted."""
    count: int = await connection.fetchval(_COUNT_MEMBERS, list(ids))
    return count


_MOVE = """
UPDATE membership SET lead_id = $2, because = coalesce($3, because) WHERE submission_id = ANY ($1::uuid[])
"""
_OWNER = "SELECT lead_id FROM membership WHERE submission_id = $1"
_KEYS_OF = "SELECT lead_id, kind, value, status = 'shared' FROM identity_key WHERE lead_id = ANY ($1::uuid[])"
_TAKE_KEYS = """
DELETE FROM identity_key WHERE lead_id = ANY ($1::uuid[])
RETURNING kind, value, lead_id, status, first_seen_at, last_seen_at
"""
_PUT_KEYS = """
INSERT INTO identity_key (kind, value, lead_id, status, first_seen_at, last_seen_at)
SELECT kind, value, lead_id, status, first_seen_at, last_seen_at
  FROM jsonb_to_recordset($1::jsonb) AS r (kind text, value text, lead_id uuid, status text, first_seen_at timestamptz,
                                         last_seen_at timestamptz)
"""


async def move_members(
    connection: Connection, ids: Sequence[SubmissionId], *, to: LeadId, because: str | None = None
) -> None:
    """Make submissions a lead's; unless it is said why, how it was decided that they belong to one stays, too."""
    await connection.execute(_MOVE, list(ids), to, because)


async def owner(connection: Connection, submission_id: SubmissionId) -> LeadId | None:
    """Return the lead that a submission belongs to, or None for an unknown one."""
    found: LeadId | None = await connection.fetchval(_OWNER, submission_id)
    return found


async def keys_of(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, dict[Key, bool]]:
    """Return the keys of leads → whether they are shared."""
    found: dict[LeadId, dict[Key, bool]] = {}
    for lead_id, kind, value, shared in await connection.fetch(_KEYS_OF, list(ids)):
        found.setdefault(lead_id, {})[Key(kind, value)] = shared
    return found


async def take_keys(connection: Connection, ids: Collection[LeadId]) -> list[Row]:
    """Take all keys away from leads and return their rows; the caller puts them where they belong now."""
    return [dict(row) for row in await connection.fetch(_TAKE_KEYS, list(ids))]


async def put_keys(connection: Connection, rows: Iterable[Row]) -> None:
    """Give leads their keys, whole rows."""
    await connection.execute(_PUT_KEYS, rows_document(rows))


_REVIVE = "UPDATE lead SET merged_into = $2 WHERE id = ANY ($1::uuid[]) AND merged_into = $3"
_UNDO = "UPDATE merge SET undone_at = $2, undone_by = $3, undone_because = $4, undone = $5 WHERE id = $1"


async def point_back(connection: Connection, ids: Collection[UUID], *, holder: LeadId, to: LeadId) -> None:
    """Let those that had become part of the loser before point to it again, as far as they still point here."""
    await connection.execute(_REVIVE, list(ids), to, holder)


_GIVE_BACK = "UPDATE nurture_item SET lead_id = $2 WHERE id = ANY ($1::uuid[])"


async def give_items_back(connection: Connection, ids: Collection[UUID], *, to: LeadId) -> None:
    """Let what was sent to a lead count for it again."""
    await connection.execute(_GIVE_BACK, list(ids), to)


async def note_undone(
    connection: Connection,
    merge_id: UUID,
    parting: Parting,
    *,
    because: str,
    actor: str,
    now: datetime,
) -> None:
    """Write down that a merge was undone, what went back, and what somebody has to look at."""
    document = _document({"submissions": parting.back, "unclear": parting.unclear})
    await connection.execute(_UNDO, merge_id, now, actor, because, document)


_DECLARE = """
INSERT INTO not_same (one, other, because, actor, declared_at)
SELECT least(a, b), greatest(a, b), $3, $4, $5 FROM unnest($1::uuid[], $2::uuid[]) AS p (a, b)
ON CONFLICT (one, other) DO UPDATE SET
    because = excluded.because, actor = excluded.actor, declared_at = excluded.declared_at
"""
_DECLARED = """
SELECT EXISTS (
    SELECT FROM membership AS m
      JOIN not_same AS n ON n.one = m.submission_id OR n.other = m.submission_id
      JOIN membership AS o ON o.submission_id = CASE WHEN n.one = m.submission_id THEN n.other ELSE n.one END
     WHERE m.lead_id = $1 AND o.lead_id = $2)
"""
_WITHDRAW = """
DELETE FROM not_same AS n USING membership AS m, membership AS o
 WHERE n.one = m.submission_id AND n.other = o.submission_id
   AND ((m.lead_id = $1 AND o.lead_id = $2) OR (m.lead_id = $2 AND o.lead_id = $1))
"""


async def declare_not_same(
    connection: Connection,
    pairs: Collection[tuple[SubmissionId, SubmissionId]],
    *,
    because: str,
    actor: str,
    now: datetime,
) -> None:
    """Remember that the submissions of each pair are not of one person."""
    await connection.execute(_DECLARE, [a for a, _ in pairs], [b for _, b in pairs], because, actor, now)


_DECLARE_ALIKE = """
INSERT INTO not_same (one, other, because, actor, declared_at)
SELECT least($2, n.whom), greatest($2, n.whom), n.because, n.actor, n.declared_at
  FROM (SELECT CASE WHEN one = $1 THEN other ELSE one END AS whom, because, actor, declared_at
          FROM not_same WHERE one = $1 OR other = $1) AS n
 WHERE n.whom <> $2
ON CONFLICT (one, other) DO NOTHING
"""
_WITHDRAW_WITHIN = """
DELETE FROM not_same AS n USING membership AS m, membership AS o
 WHERE n.one = m.submission_id AND n.other = o.submission_id AND m.lead_id = $1 AND o.lead_id = $1
"""


async def declare_alike(connection: Connection, submission_id: SubmissionId, other: SubmissionId) -> None:
    """Declare of one more submission all that was declared of one: it stands for the same lead."""
    await connection.execute(_DECLARE_ALIKE, submission_id, other)


async def withdraw_within(connection: Connection, lead_id: LeadId) -> None:
    """Forget that submissions of one lead were declared to be of two people."""
    await connection.execute(_WITHDRAW_WITHIN, lead_id)


async def are_declared_apart(connection: Connection, one: LeadId, other: LeadId) -> bool:
    """Say whether somebody declared that two leads are not the same person."""
    declared: bool = await connection.fetchval(_DECLARED, one, other)
    return declared


async def withdraw_not_same(connection: Connection, one: LeadId, other: LeadId) -> None:
    """Forget that two leads were declared not to be the same person."""
    await connection.execute(_WITHDRAW, one, other)
