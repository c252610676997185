"""Leads that may be the people of a batch: found by identity keys and block keys, read without a lock."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId
from leadhub.domain.register import MOST_CANDIDATES, MOST_HOLDERS
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


@dataclass(frozen=True, slots=True)
class Sought:
    """What may find the person of one submission."""

    keys: Collection[Key]
    blocks: Collection[int]


ABOUT_HOW_MANY = """
(SELECT greatest(reltuples, pg_stat_get_live_tuples(oid), 0) FROM pg_class WHERE oid = 'lead'::regclass)
"""
"""SQL: about how many leads there are. PostgreSQL looks at a table at times only, and at one that grows too late: it
counts rows as they come, too, and forgets that count if it crashes."""


# Each key is looked up once, however many submissions of the batch carry it, and brings MOST_HOLDERS leads at most: so
# the work is bounded by what is sought, whatever the base holds. Only leads that are chosen are read. One that was
# merged away leads on to the one that it became. OFFSET 0 keeps the planner from reading whole tables. $6 is
# MOST_HOLDERS and $7 MOST_CANDIDATES; what is shared is weighed as `domain.register` does it.
_FIND = f"""
WITH sought_key AS (SELECT * FROM unnest($1::int[], $2::text[], $3::text[]) AS s (place, kind, value)),
sought_block AS (SELECT * FROM unnest($4::int[], $5::bigint[]) AS s (place, block)),
holder AS MATERIALIZED (
    SELECT k.kind, k.value, h.lead_id, h.status = 'shared' AS is_shared,
           CASE WHEN h.status = 'active' OR row_number() OVER (PARTITION BY k.kind, k.value ORDER BY h.lead_id DESC) = 1
                THEN 'infinity'
                ELSE 1 + ln($6::float8 / count(*) OVER (PARTITION BY k.kind, k.value)) END AS counts
      FROM (SELECT DISTINCT kind, value FROM sought_key) AS k
     CROSS JOIN LATERAL (
        SELECT lead_id, status FROM identity_key AS i
         WHERE i.kind = k.kind AND i.value = k.value ORDER BY lead_id DESC LIMIT $6::int) AS h),
alike AS MATERIALIZED (
    SELECT b.block, h.lead_id, 1 + ln($6::float8 / h.holders) AS counts
      FROM (SELECT DISTINCT block FROM sought_block) AS b
     CROSS JOIN LATERAL (
        SELECT lead_id, count(*) OVER () AS holders
          FROM (SELECT lead_id FROM block_key AS k WHERE k.key = b.block ORDER BY lead_id LIMIT $6::int + 1) AS o) AS h
     WHERE h.holders <= $6::int),
ranked AS (
    SELECT lead_id, row_number() OVER (PARTITION BY place ORDER BY sum(counts) DESC, lead_id DESC) AS rank
      FROM (SELECT place, lead_id, counts FROM sought_key JOIN holder USING (kind, value)
             UNION ALL
            SELECT place, lead_id, counts FROM sought_block JOIN alike USING (block)) AS hit
     GROUP BY place, lead_id),
chosen AS MATERIALIZED (
    SELECT c.lead_id, r.id
      FROM (SELECT DISTINCT lead_id FROM ranked WHERE rank <= $7::int) AS c
     CROSS JOIN LATERAL (
        SELECT coalesce(l.merged_into, l.id) AS id FROM lead AS l WHERE l.id = c.lead_id OFFSET 0) AS r)
SELECT one.id, one.keys, one.blocks, l.version, l.profile::text,
       {ABOUT_HOW_MANY}
  FROM (SELECT id,
               json_agg(json_build_array(kind, value, is_shared)) FILTER (WHERE kind IS NOT NULL)::text AS keys,
               array_agg(DISTINCT block) FILTER (WHERE block IS NOT NULL) AS blocks
          FROM chosen
          JOIN (SELECT lead_id, kind, value, is_shared, NULL::bigint AS block FROM holder
                 UNION ALL
                SELECT lead_id, NULL, NULL, NULL, block FROM alike) AS hit USING (lead_id)
         GROUP BY id) AS one
 CROSS JOIN LATERAL (SELECT version, profile FROM lead AS l WHERE l.id = one.id AND merged_into IS NULL OFFSET 0) AS l
 ORDER BY one.id
"""  # noqa: S608 - the constant above


async def find(connection: Connection, sought: Sequence[Sought]) -> Found:
    """Return the living leads with which the submissions of a batch are to be compared, in the order of their ids.

    For each submission MOST_CANDIDATES at most: who holds one of its keys alone, then those with whom it shares most.
    Of those who share one of its keys, the newest is always there: it tells that the key is shared.
    """
    keys = [(place, key) for place, one in enumerate(sought) for key in one.keys]
    blocks = [(place, block) for place, one in enumerate(sought) for block in one.blocks]
    if not keys and not blocks:
        return Found()
    rows = await connection.fetch(
        _FIND,
        [place for place, _ in keys],
        [key.kind for _, key in keys],
        [key.value for _, key in keys],
        [place for place, _ in blocks],
        [block for _, block in blocks],
        MOST_HOLDERS,
        MOST_CANDIDATES,
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
