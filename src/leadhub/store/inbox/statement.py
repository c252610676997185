"""The one statement that takes a batch of submissions in: one round trip, one implicit transaction, one fsync.

It runs on the driver's connection, not through SQLAlchemy: that saves a BEGIN, a COMMIT and their round trips, and a
tenth of the gateway's time a lead. COPY was a little faster still and was rejected: it cannot skip a repeated key.

Run again after an unknown outcome it changes nothing: rows that are there already are skipped by their id, and only a
row that was really inserted is queued, so that what a worker has finished meanwhile does not come back.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg


class NewSubmission(NamedTuple):
    """One submission as plain values, in the order in which the statement takes them."""

    submission_id: UUID
    source_id: UUID
    received_at: datetime
    content: str
    """JSON of `domain.submission.Content`."""
    raw: bytes
    raw_type: str
    is_spam: bool
    dedupe_key: str | None
    permanent_key: bool
    fingerprint: bytes
    """SHA-256 of `raw`, if there is a key: tells a repeat from another body."""


class FirstUse(NamedTuple):
    """What a key stands for: the submission that used it first."""

    submission_id: UUID
    fingerprint: bytes
    permanent: bool


Key = tuple[UUID, str]
"""Source and dedupe key."""

_RACES = 3
"""Each repeat sees all keys that were in its way before; losing again takes another gateway with another key."""

# `bundle` numbers the requests that brought more than one submission; it is null for all others. A bundle in which a
# key was used before with another body is refused whole, before anything of it is written.
#
# The look-ups are lateral with a limit, so that no plan can read the whole table: a plan made while the table was
# small is kept until its statistics are next renewed, a minute of a thousand leads a second later.
#
# `earlier` sees the keys that were committed before this statement began. A key that another gateway commits while it
# runs is in neither `earlier` nor `claimed`: a lone submission is then looked up afterwards, but a bundle may already
# be half written, so the division fails the statement, nothing of it stands, and the repeat sees the key.
_TAKE_IN = """
WITH incoming AS MATERIALIZED (
    SELECT * FROM unnest((SELECT $1::uuid[]), $2::uuid[], $3::timestamptz[], $4::text[], $5::bytea[], $6::text[],
                         $7::bool[], $8::text[], $9::bool[], $10::bytea[], $11::int[])
        AS t (id, source_id, received_at, content, raw, raw_type, is_spam, dedupe_key, permanent, fingerprint, bundle)
), earlier AS MATERIALIZED (
    SELECT i.id, i.bundle, k.submission_id, k.fingerprint, k.permanent,
           NOT k.permanent AND k.fingerprint <> i.fingerprint AS conflicts
      FROM incoming AS i
     CROSS JOIN LATERAL (
        SELECT * FROM submission_key AS u
         WHERE u.source_id = i.source_id AND u.dedupe_key = i.dedupe_key LIMIT 1) AS k
), admitted AS MATERIALIZED (
    SELECT * FROM incoming AS i
     WHERE NOT EXISTS (SELECT 1 FROM earlier AS e WHERE e.bundle = i.bundle AND e.conflicts)
), claimed AS (
    INSERT INTO submission_key (source_id, dedupe_key, submission_id, fingerprint, created_at, permanent)
    SELECT source_id, dedupe_key, id, fingerprint, received_at, permanent FROM admitted WHERE dedupe_key IS NOT NULL
     ORDER BY source_id, dedupe_key -- one order for all, or two gateways wait for each other
    ON CONFLICT DO NOTHING
    RETURNING submission_id
), stored AS (
    INSERT INTO submission (id, source_id, received_at, content, raw, raw_type, is_spam)
    SELECT id, source_id, received_at, content::jsonb, raw, raw_type, is_spam FROM admitted
     WHERE dedupe_key IS NULL OR id IN (SELECT submission_id FROM claimed)
    ON CONFLICT DO NOTHING
    RETURNING id, received_at, is_spam
), queued AS (
    INSERT INTO pending_submission (submission_id, due_at, attempts)
    SELECT id, least(received_at, now()), 0 FROM stored WHERE NOT is_spam
)
SELECT i.source_id, i.dedupe_key, e.submission_id, e.fingerprint, e.permanent,
       1 / (i.bundle IS NULL OR e.id IS NOT NULL OR EXISTS
            (SELECT 1 FROM earlier AS o WHERE o.bundle = i.bundle AND o.conflicts))::int
  FROM incoming AS i LEFT JOIN earlier AS e ON e.id = i.id
 WHERE i.dedupe_key IS NOT NULL AND i.id NOT IN (SELECT submission_id FROM claimed)
"""

_FIRST_USES = """
SELECT k.source_id, k.dedupe_key, k.submission_id, k.fingerprint, k.permanent
  FROM unnest($1::uuid[], $2::text[]) AS t (source_id, dedupe_key)
 CROSS JOIN LATERAL (
    SELECT * FROM submission_key AS u
     WHERE u.source_id = t.source_id AND u.dedupe_key = t.dedupe_key LIMIT 1) AS k
"""


class Raced(Exception):
    """Other gateways took keys of a bundle again and again while it was written."""


async def take_in(
    connection: "asyncpg.Connection[Any]", rows: Sequence[NewSubmission], bundles: Sequence[int | None]
) -> dict[Key, FirstUse | None]:
    """Store rows that share no key; return, for each keyed row that was not stored, what its key stands for.

    None stands for a key that has no row although its submission was not stored: its bundle was refused.
    """
    found: dict[Key, FirstUse | None] = {}
    for record in await _run(connection, rows, bundles):
        found[record[0], record[1]] = FirstUse(*record[2:5]) if record[2] is not None else None
    unknown = [key for key, first in found.items() if first is None]
    if unknown:
        for record in await connection.fetch(_FIRST_USES, *zip(*unknown, strict=True)):
            found[record[0], record[1]] = FirstUse(*record[2:5])
    return found


async def _run(
    connection: "asyncpg.Connection[Any]", rows: Sequence[NewSubmission], bundles: Sequence[int | None]
) -> list[asyncpg.Record]:
    for _ in range(_RACES):
        with suppress(asyncpg.DivisionByZeroError):
            return await connection.fetch(_TAKE_IN, *zip(*rows, strict=True), bundles)
    raise Raced
