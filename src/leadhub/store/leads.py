"""Leads, their keys, members and facts: read and written for a whole batch at a time.

Every function here is one statement, however many leads the batch holds. Rows travel as one JSON document and are
unfolded by `jsonb_to_recordset`, which keeps column lists readable and the number of parameters constant.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import LEAD_HANDLE
from leadhub.domain.matching.block_keys import hashed_block
from leadhub.domain.matching.sighting import hashed_form, hashed_mailbox
from leadhub.domain.register import MOST_HOLDERS
from leadhub.store.driver import Connection

Row = Mapping[str, Any]


def rows_document(rows: Iterable[Row]) -> str:
    """Return rows as the JSON document that `jsonb_to_recordset` unfolds; bytes become PostgreSQL's hex form."""
    return orjson.dumps(list(rows), default=_encode).decode()


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, UUID):  # asyncpg's own subclass, which orjson does not know
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored")


# A key that is shared already is not locked: a switchboard must not make all who use it wait for each other. It proves
# something only with the full name, and two leads that are made of one such person at once are found by the recheck.
_LOCK = """
SELECT pg_current_snapshot()::text || left(set_config('enable_seqscan', 'off', true), 0)
 UNION ALL
SELECT pg_advisory_xact_lock(number)::text
  FROM (SELECT DISTINCT number FROM unnest($1::bigint[], $2::text[], $3::text[]) AS k (number, kind, value)
         WHERE NOT EXISTS (
            SELECT FROM identity_key AS i WHERE i.kind = k.kind AND i.value = k.value AND i.status = 'shared')
         ORDER BY number) AS s
"""


async def lock_keys(connection: Connection, keys: Collection[Key]) -> str:
    """Wait for and hold every identity key of the batch that is not shared yet, until the commit.

    Return the snapshot with which that began (`pg_snapshot`): what it does not see as committed may be unknown later,
    all else is known.

    From here to the commit PostgreSQL plans with indexes only: see `driver.by_index`.

    All keys in one statement, sorted by the very number that is locked: two batches that share keys meet in the same
    order and never wait for each other in a circle. An address and its SHA-256 are one lock.
    """
    numbers: dict[int, Key] = {}
    for key in sorted(keys):  # an address before its hash: whether it is shared is known of the address
        numbers.setdefault(_lock_number(key), key)
    rows = await connection.fetch(_LOCK, list(numbers), *_columns(numbers.values()))
    return str(rows[0][0])


def _lock_number(key: Key) -> int:
    """Return the signed 64-bit number that stands for a key as an advisory lock."""
    digest = hashed_form(key) or hashlib.sha256(f"{key.kind}\0{key.value}".encode()).hexdigest()
    return int.from_bytes(bytes.fromhex(digest[:16]), "big", signed=True)


_HOLDERS = """
WITH wanted AS (
    SELECT DISTINCT h.lead_id
      FROM unnest($1::text[], $2::text[]) AS k (kind, value)
     CROSS JOIN LATERAL (
        SELECT lead_id FROM identity_key AS i
         WHERE i.kind = k.kind AND i.value = k.value ORDER BY lead_id DESC LIMIT $3) AS h)
SELECT i.lead_id, i.kind, i.value, i.status = 'shared'
  FROM wanted
 CROSS JOIN LATERAL (SELECT * FROM identity_key AS k WHERE k.lead_id = wanted.lead_id OFFSET 0) AS i
"""


async def holders(connection: Connection, keys: Iterable[Key]) -> dict[LeadId, dict[Key, bool]]:
    """Return the leads that hold any of these keys, the newest of each, with all their keys → whether shared."""
    wanted = list(keys)
    rows = await connection.fetch(_HOLDERS, *_columns(wanted), MOST_HOLDERS)
    found: dict[LeadId, dict[Key, bool]] = {}
    for lead_id, kind, value, shared in rows:
        found.setdefault(lead_id, {})[Key(kind, value)] = shared
    return found


# Of a key that several people use, whoever was seen with it last. A lead that was merged away leads on.
#
# Whoever has an address stands under its SHA-256 as a block key only. Those of a lead outlive what is parted from it:
# so the address must be one that the lead itself is known by.
_LED_TO = """
SELECT k.kind, k.value, coalesce(l.merged_into, l.id), true
  FROM unnest($1::text[], $2::text[]) AS k (kind, value)
 CROSS JOIN LATERAL (
    SELECT lead_id FROM identity_key AS i
     WHERE i.kind = k.kind AND i.value = k.value ORDER BY last_seen_at DESC, lead_id DESC LIMIT 1) AS h
 CROSS JOIN LATERAL (SELECT id, merged_into FROM lead WHERE id = h.lead_id OFFSET 0) AS l
 UNION ALL
SELECT 'lead', id::text, coalesce(merged_into, id), true FROM lead WHERE id = ANY ($3::uuid[])
 UNION ALL
SELECT 'email:sha256', d.digest, h.id, false
  FROM unnest($4::text[], $5::bigint[]) AS d (digest, block)
 CROSS JOIN LATERAL (
    SELECT l.id
      FROM (SELECT lead_id FROM block_key AS k WHERE k.key = d.block ORDER BY lead_id DESC LIMIT $6) AS b
     CROSS JOIN LATERAL (SELECT coalesce(merged_into, id) AS id FROM lead WHERE id = b.lead_id OFFSET 0) AS r
     CROSS JOIN LATERAL (SELECT id, profile FROM lead WHERE id = r.id OFFSET 0) AS l
     CROSS JOIN LATERAL (
        SELECT max(last_seen_at) AS seen_at, bool_or(encode(sha256(convert_to(value, 'UTF8')), 'hex') = d.digest) AS own
          FROM (SELECT * FROM identity_key AS k WHERE k.lead_id = l.id OFFSET 0) AS i WHERE kind = 'email') AS e
     WHERE e.own OR l.profile -> 'emails' ? d.digest
     ORDER BY e.seen_at DESC NULLS LAST, l.id DESC LIMIT 1) AS h
"""


async def led_to(connection: Connection, handles: Sequence[Key]) -> dict[Key, LeadId]:
    """Return the living lead to which each handle leads; one that leads to nobody is absent.

    A hashed address leads to whoever came with that hash, else to whoever has the address.
    """
    named = [UUID(handle.value) for handle in handles if handle.kind == LEAD_HANDLE]
    addresses = {hashed_form(handle) for handle in handles if handle.kind == "email"}
    hashes = [one.value for one in handles if one == hashed_mailbox(one.value) and one.value not in addresses]
    blocks = [hashed_block(digest) for digest in hashes]
    rows = await connection.fetch(_LED_TO, *_columns(handles), named, hashes, blocks, MOST_HOLDERS)
    found: dict[Key, LeadId] = {}
    for kind, value, lead_id, is_itself in rows:
        if is_itself or Key(kind, value) not in found:
            found[Key(kind, value)] = lead_id
    return found


_LOAD = "SELECT * FROM lead WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE"


async def load_for_update(connection: Connection, ids: Iterable[LeadId]) -> list[dict[str, Any]]:
    """Return leads, locked in the order of their ids until the commit; merged ones too, with `merged_into` set."""
    return [dict(row) for row in await connection.fetch(_LOAD, sorted(ids))]


_DUE = """
SELECT * FROM lead WHERE rescore_at <= $1 AND merged_into IS NULL
 ORDER BY rescore_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def load_due(connection: Connection, *, now: datetime, rows: int) -> list[dict[str, Any]]:
    """Return leads whose score time alone has changed, locked; what another worker holds is left to it."""
    return [dict(row) for row in await connection.fetch(_DUE, now, rows)]


_HISTORY = """
SELECT id, merged_into, version, sequence, created_at, last_activity_at, is_test, golden, custom, attribution, consents,
       '{}'::jsonb AS mail, NULL AS evaluation, stage, temperature, route, route_rule, route_because, team, owner,
       track, disqualified_reason, sales_decision, rescore_at, held, '{}'::jsonb AS profile
  FROM lead
 WHERE id < $1 AND merged_into IS NULL AND NOT is_test
   AND ($2::timestamptz IS NULL OR coalesce(last_activity_at, created_at) >= $2)
 ORDER BY id DESC LIMIT $3
"""


async def history(connection: Connection, *, before: UUID, since: datetime | None, rows: int) -> list[dict[str, Any]]:
    """Return leads below an id, newest first: those active since an instant, without tests and merged ones.

    Their evaluations, by far the largest part, are left out, and what matching knows of them.
    """
    return [dict(row) for row in await connection.fetch(_HISTORY, before, since, rows)]


_COUNT = """
SELECT count(*) FROM lead
 WHERE merged_into IS NULL AND NOT is_test
   AND ($1::timestamptz IS NULL OR coalesce(last_activity_at, created_at) >= $1)
"""


async def count_history(connection: Connection, *, since: datetime | None) -> int:
    """Return how many leads `history` gives in all."""
    found: int = await connection.fetchval(_COUNT, since)
    return found


_WINDOW = "SELECT id FROM lead WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1"
_TOUCHED = """
SELECT * FROM lead AS l
 WHERE l.id > $1 AND ($7::uuid IS NULL OR l.id <= $7) AND l.merged_into IS NULL
   AND ($2 OR l.golden ?| $3::text[] OR (l.sales_decision IS NOT NULL AND 'sales_decision' = ANY ($3))
        OR l.custom ?| $4::text[]
        OR EXISTS (SELECT FROM fact AS f WHERE f.lead_id = l.id AND f.type = ANY ($5::text[])))
 ORDER BY l.id LIMIT $6 FOR UPDATE
"""


MOST_LOOKED_AT = 20_000
"""Leads that one look for touched ones passes: few of them may be, and a statement has only seconds."""


async def load_touched(
    connection: Connection,
    *,
    after: UUID,
    everyone: bool,
    fields: Sequence[str],
    events: Sequence[str],
    rows: int,
) -> tuple[list[dict[str, Any]], UUID | None]:
    """Return leads above an id that carry one of some fields or did one of some things, locked until the commit.

    With them comes the id up to which was looked, or None if no lead is left above.
    """
    until: UUID | None = await connection.fetchval(_WINDOW, after, MOST_LOOKED_AT - 1)
    answers = [name.removeprefix("custom.") for name in fields if name.startswith("custom.")]
    found = await connection.fetch(_TOUCHED, after, everyone, list(fields), answers, list(events), rows, until)
    if len(found) == rows:
        until = found[-1]["id"]
    return [dict(row) for row in found], until


_FACTS = """
SELECT lead_id, type, attributes, count, first_at, last_at FROM fact WHERE lead_id = ANY ($1::uuid[])
"""


async def facts(connection: Connection, ids: Iterable[LeadId]) -> list[dict[str, Any]]:
    """Return the facts of leads, in no order."""
    return [dict(row) for row in await connection.fetch(_FACTS, list(ids))]


_SHARE = """
UPDATE identity_key AS i SET status = 'shared'
  FROM unnest($1::text[], $2::text[]) AS k (kind, value)
 WHERE i.kind = k.kind AND i.value = k.value AND i.status = 'active'
"""


async def share_keys(connection: Connection, keys: Sequence[Key]) -> None:
    """Mark keys on which two people were seen: from now on they need a name."""
    if keys:
        await connection.execute(_SHARE, *_columns(keys))


def _columns(keys: Iterable[Key]) -> tuple[list[str], list[str]]:
    return [key.kind for key in keys], [key.value for key in keys]
