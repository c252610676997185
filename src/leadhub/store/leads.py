"""Leads, their keys, members and facts: read and written for a whole batch at a time.

Every function here is one statement, however many leads the batch holds. Rows travel as one JSON document and are
unfolded by `json_to_recordset`, which keeps column lists readable and the number of parameters constant.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId

Row = Mapping[str, Any]

MOST_HOLDERS = 50
"""Leads looked at for one shared key: an address that half the world types cannot make a batch slow."""


def rows_document(rows: Iterable[Row]) -> str:
    """Return rows as the JSON document that `json_to_recordset` unfolds; bytes become PostgreSQL's hex form."""
    return orjson.dumps(list(rows), default=_encode).decode()


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, UUID):  # asyncpg's own subclass, which orjson does not know
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored")


_LOCK = text("""
SELECT pg_advisory_xact_lock(h) FROM (SELECT DISTINCT h FROM unnest(CAST(:hashes AS bigint[])) AS h ORDER BY h) AS s
""")


async def lock_keys(session: AsyncSession, hashes: Sequence[int]) -> None:
    """Wait for and hold every identity key of the batch until the commit.

    All keys in one statement, sorted by the very number that is locked: two batches that share keys meet in the same
    order and never wait for each other in a circle.
    """
    await session.execute(_LOCK, {"hashes": list(hashes)})


_HOLDERS = text("""
WITH wanted AS (
    SELECT DISTINCT h.lead_id
      FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS k (kind, value)
     CROSS JOIN LATERAL (
        SELECT lead_id FROM identity_key AS i
         WHERE i.kind = k.kind AND i.value = k.value ORDER BY last_seen_at DESC LIMIT :most) AS h)
SELECT i.lead_id, i.kind, i.value, i.status = 'shared' FROM identity_key AS i JOIN wanted USING (lead_id)
""")


async def holders(session: AsyncSession, keys: Iterable[Key]) -> dict[LeadId, dict[Key, bool]]:
    """Return the leads that hold any of these keys, each with all its keys → whether shared."""
    wanted = list(keys)
    rows = await session.execute(
        _HOLDERS,
        {"kinds": [key.kind for key in wanted], "values": [key.value for key in wanted], "most": MOST_HOLDERS},
    )
    found: dict[LeadId, dict[Key, bool]] = {}
    for lead_id, kind, value, shared in rows.all():
        found.setdefault(lead_id, {})[Key(kind, value)] = shared
    return found


_LOAD = text("""
SELECT * FROM lead WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
""")


async def load_for_update(session: AsyncSession, ids: Iterable[LeadId]) -> list[dict[str, Any]]:
    """Return leads, locked in the order of their ids until the commit; merged ones too, with `merged_into` set."""
    rows = await session.execute(_LOAD, {"ids": sorted(ids)})
    return [dict(row) for row in rows.mappings().all()]


_DUE = text("""
SELECT * FROM lead WHERE rescore_at <= :now AND merged_into IS NULL
 ORDER BY rescore_at, id LIMIT :rows FOR UPDATE SKIP LOCKED
""")


async def load_due(session: AsyncSession, *, now: datetime, rows: int) -> list[dict[str, Any]]:
    """Return leads whose score time alone has changed, locked; what another worker holds is left to it."""
    found = await session.execute(_DUE, {"now": now, "rows": rows})
    return [dict(row) for row in found.mappings().all()]


_FACTS = text("""
SELECT lead_id, type, attributes, count, first_at, last_at FROM fact WHERE lead_id = ANY (CAST(:ids AS uuid[]))
""")


async def facts(session: AsyncSession, ids: Iterable[LeadId]) -> list[dict[str, Any]]:
    """Return the facts of leads, in no order."""
    rows = await session.execute(_FACTS, {"ids": list(ids)})
    return [dict(row) for row in rows.mappings().all()]


_SHARE = text("""
UPDATE identity_key AS i SET status = 'shared'
  FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS k (kind, value)
 WHERE i.kind = k.kind AND i.value = k.value AND i.status = 'active'
""")


async def share_keys(session: AsyncSession, keys: Sequence[Key]) -> None:
    """Mark keys on which two people were seen: from now on they need a name."""
    if keys:
        await session.execute(_SHARE, {"kinds": [key.kind for key in keys], "values": [key.value for key in keys]})


_MOVE_KEYS = text("""
WITH moved AS (DELETE FROM identity_key WHERE lead_id = :loser
               RETURNING kind, value, status, first_seen_at, last_seen_at),
     placed AS (
    INSERT INTO identity_key (kind, value, lead_id, status, first_seen_at, last_seen_at)
    SELECT kind, value, :winner, status, first_seen_at, last_seen_at FROM moved
    ON CONFLICT (kind, value, lead_id) DO UPDATE SET
        first_seen_at = least(identity_key.first_seen_at, excluded.first_seen_at),
        last_seen_at = greatest(identity_key.last_seen_at, excluded.last_seen_at))
SELECT kind, value FROM moved ORDER BY kind, value
""")
_MOVE_MEMBERS = text("""
UPDATE membership SET lead_id = :winner WHERE lead_id = :loser RETURNING submission_id
""")
_DROP_FACTS = text("DELETE FROM fact WHERE lead_id = :loser")
_MERGE = text("""
INSERT INTO merge (id, winner_id, loser_id, submission_id, rule, because, moved, merged_at)
VALUES (:id, :winner, :loser, :submission_id, :rule, :because, CAST(:moved AS jsonb), :now)
""")
_POINT = text("UPDATE lead SET merged_into = :winner WHERE merged_into = :loser")
_HAND_OVER_ASSIGNMENT = text("""
UPDATE assignment SET lead_id = CASE WHEN taken THEN lead_id ELSE :winner END,
       released_at = CASE WHEN taken THEN CAST(:now AS timestamptz) END,
       release_reason = CASE WHEN taken THEN 'merged' END
  FROM (SELECT EXISTS (SELECT FROM assignment WHERE lead_id = :winner AND released_at IS NULL) AS taken) AS t
 WHERE lead_id = :loser AND released_at IS NULL
""")
_LEAVE_TRACK = text("""
UPDATE enrolment SET exited_at = :now, exit_reason = 'merged' WHERE lead_id = :loser AND exited_at IS NULL
""")


async def merge(
    session: AsyncSession,
    *,
    merge_id: UUID,
    winner: LeadId,
    loser: LeadId,
    submission_id: UUID | None,
    rule: str,
    because: str,
    versions: Mapping[str, int],
    now: datetime,
) -> list[UUID]:
    """Move a loser's keys and members to the winner and write down what was moved; return the members.

    The caller holds both rows, writes the united facts and golden values, and sets `merged_into`. Merges are rare:
    these few statements are per merge, not per lead.
    """
    pair = {"winner": winner, "loser": loser}
    # Active keys cannot stand twice, so the loser's go before the winner's come, in one statement.
    keys = (await session.execute(_MOVE_KEYS, pair)).all()
    members = [row[0] for row in (await session.execute(_MOVE_MEMBERS, pair)).all()]
    await session.execute(_DROP_FACTS, {"loser": loser})
    await session.execute(_POINT, pair)
    await session.execute(_HAND_OVER_ASSIGNMENT, pair | {"now": now})
    await session.execute(_LEAVE_TRACK, {"loser": loser, "now": now})
    moved = {"submissions": members, "keys": [list(key) for key in keys], "versions": dict(versions)}
    await session.execute(
        _MERGE,
        pair
        | {
            "id": merge_id,
            "submission_id": submission_id,
            "rule": rule,
            "because": because,
            "moved": orjson.dumps(moved, default=_encode).decode(),
            "now": now,
        },
    )
    return cast("list[UUID]", members)
