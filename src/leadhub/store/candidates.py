"""Leads that may be the people of a batch: found by identity keys and block keys, read without a lock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId
from leadhub.domain.register import MOST_CANDIDATES
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True)
class Candidate:
    """A living lead as it was when it was looked at."""

    version: int
    profile: dict[str, Any]
    """The shape of `domain.matching.profile`."""
    keys: dict[Key, bool] = field(default_factory=dict)
    """Those of the batch's keys that it holds → whether they are shared."""
    blocks: list[int] = field(default_factory=list)
    """Those of the batch's block keys that found it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look brought."""

    leads: dict[LeadId, Candidate] = field(default_factory=dict)
    base: int = 0
    """About how many leads there are, as PostgreSQL's own statistics have it."""


# The limit for each key keeps a value that half the world types from making a batch slow. A block key of a lead that
# was merged away leads on to the one that it became. OFFSET 0 keeps the planner from reading whole tables.
_FIND = """
WITH hit AS (
    SELECT h.lead_id, k.kind, k.value, h.status = 'shared' AS is_shared, NULL::bigint AS block
      FROM unnest($1::text[], $2::text[]) AS k (kind, value)
     CROSS JOIN LATERAL (
        SELECT lead_id, status FROM identity_key AS i
         WHERE i.kind = k.kind AND i.value = k.value ORDER BY last_seen_at DESC LIMIT $4) AS h
     UNION ALL
    SELECT h.lead_id, NULL, NULL, NULL, b.key
      FROM unnest($3::bigint[]) AS b (key)
     CROSS JOIN LATERAL (
        SELECT lead_id FROM block_key AS o WHERE o.key = b.key ORDER BY o.lead_id DESC LIMIT $4) AS h),
living AS (
    SELECT r.id, hit.kind, hit.value, hit.is_shared, hit.block
      FROM hit
     CROSS JOIN LATERAL (
        SELECT coalesce(l.merged_into, l.id) AS id FROM lead AS l WHERE l.id = hit.lead_id OFFSET 0) AS r),
one AS (
    SELECT id,
           json_agg(json_build_array(kind, value, is_shared)) FILTER (WHERE kind IS NOT NULL)::text AS keys,
           array_agg(DISTINCT block) FILTER (WHERE block IS NOT NULL) AS blocks
      FROM living GROUP BY id)
SELECT one.id, one.keys, one.blocks, l.version, l.profile::text,
       (SELECT reltuples FROM pg_class WHERE oid = 'lead'::regclass)
  FROM one
 CROSS JOIN LATERAL (SELECT version, profile FROM lead AS l WHERE l.id = one.id AND merged_into IS NULL OFFSET 0) AS l
 ORDER BY one.id
"""


async def find(connection: Connection, keys: Sequence[Key], blocks: Sequence[int]) -> Found:
    """Return the living leads that hold any of these keys, the newest for each key, in the order of their ids."""
    rows = await connection.fetch(
        _FIND, [key.kind for key in keys], [key.value for key in keys], list(blocks), MOST_CANDIDATES
    )
    return Found(
        {
            LeadId(row[0]): Candidate(
                version=row[3],
                profile=orjson.loads(row[4]),
                keys={Key(kind, value): is_shared for kind, value, is_shared in orjson.loads(row[1] or "[]")},
                blocks=row[2] or [],
            )
            for row in rows
        },
        max(int(rows[0][5]), len(rows)) if rows else 0,
    )


_APART = """
SELECT DISTINCT m.lead_id, o.lead_id
  FROM membership AS m
  JOIN not_same AS n ON n.one = m.submission_id OR n.other = m.submission_id
  JOIN membership AS o ON o.submission_id = CASE WHEN n.one = m.submission_id THEN n.other ELSE n.one END
 WHERE m.lead_id = ANY ($1::uuid[]) AND o.lead_id = ANY ($1::uuid[]) AND m.lead_id <> o.lead_id
"""


async def declared_apart(connection: Connection, ids: Sequence[LeadId]) -> dict[LeadId, frozenset[LeadId]]:
    """Return which of these leads were declared not to be the same person: each → the others."""
    apart: dict[LeadId, frozenset[LeadId]] = {}
    for one, other in await connection.fetch(_APART, list(ids)):
        apart[one] = apart.get(one, frozenset()) | {other}
    return apart
