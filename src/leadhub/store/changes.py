"""All that a batch of leads adds and changes, in one statement.

A score of tables take part, most with a few rows. A statement each would cost ten round trips and more of the worker's
time than the rows themselves; as one, a batch of one lead is quick and a batch of two hundred is no slower for each.
Rows travel as one JSON document a table, which `jsonb_to_recordset` unfolds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from leadhub.domain.ids import SubmissionId
from leadhub.store.driver import Connection
from leadhub.store.leads import Row, rows_document


@dataclass(slots=True)
class Changes:
    """The rows of each table; columns are those of `store.tables`."""

    leads: Sequence[Row] = ()
    """Whole leads, new ones or ones that are locked."""
    memberships: Sequence[Row] = ()
    keys: Sequence[Row] = ()
    """kind, value, lead_id, status, seen_at: new to the lead, or seen again."""
    hashes: Sequence[Row] = ()
    """kind, value: hashed forms of addresses that leads brought. What waited for one, or for a key, is processed."""
    activities: Sequence[Row] = ()
    blocks: Sequence[Row] = ()
    """lead_id, keys, is_new: under which a lead is found as a candidate; a new lead cannot have any of them yet."""
    reviews: Sequence[Row] = ()
    """Questions for a person."""
    rechecks: Sequence[Row] = ()
    """lead_id, due_at, seen: new leads, to be compared once more with those that were made beside them."""
    facts: Sequence[Row] = ()
    """Whole counters of locked leads."""
    consents: Sequence[Row] = ()
    score_lines: Sequence[Row] = ()
    stage_changes: Sequence[Row] = ()
    assignments: Sequence[Row] = ()
    cursors: Sequence[Row] = ()
    """team, position: whose turn is next."""
    loads: Sequence[Row] = ()
    """owner, open_leads, recent, credit: whole rows that are locked."""
    accounts: Sequence[Row] = ()
    """team, domain, owner, handed_over_at."""
    clocks: Sequence[Row] = ()
    """Promises that begin."""
    enrolments: Sequence[Row] = ()
    items: Sequence[Row] = ()
    """The next steps of enrolments."""
    waiting: Sequence[Row] = ()
    """kind, value, submission_id: behaviour of somebody whom nobody knows yet, under each of its handles."""
    done: Sequence[SubmissionId] = field(default=())
    """Submissions that leave the queue."""


_LEAD = """
id uuid, merged_into uuid, version integer, sequence integer, created_at timestamptz, updated_at timestamptz,
last_activity_at timestamptz, is_test boolean, golden jsonb, custom jsonb, attribution jsonb, consents jsonb,
mail jsonb, profile jsonb, evaluation jsonb, score_total integer, score_fit integer, score_engagement integer,
stage text, temperature text,
route text, route_rule text, route_because text, team text, owner text, track text, disqualified_reason text,
sales_decision text, rescore_at timestamptz, held jsonb
"""
_KEY = "kind text, value text, lead_id uuid, status text, seen_at timestamptz"
_FACT = """
lead_id uuid, type text, attributes_sha256 bytea, attributes jsonb, count integer, first_at timestamptz,
last_at timestamptz
"""
_APPENDED = {
    "memberships": (
        "membership",
        "submission_id uuid, lead_id uuid, rule text, because text, match jsonb, since timestamptz",
    ),
    "rechecks": ("match_recheck", "lead_id uuid, due_at timestamptz, seen text"),
    "activities": (
        "activity",
        "submission_id uuid, ordinal integer, type text, occurred_at timestamptz, attributes jsonb",
    ),
    "consents": (
        "consent_record",
        (
            "submission_id uuid, ordinal integer, purpose text, channel text, granted boolean, wording text,"
            " received_at timestamptz, evidence jsonb"
        ),
    ),
    "score_lines": (
        "score_line",
        (
            "lead_id uuid, lead_version integer, rule text, points integer, previous integer, because text, "
            "playbook text, at timestamptz"
        ),
    ),
    "stage_changes": (
        "stage_change",
        "lead_id uuid, lead_version integer, previous text, stage text, because text, playbook text, at timestamptz",
    ),
    "assignments": (
        "assignment",
        (
            "id uuid, lead_id uuid, team text, owner text, rule text, because text, sla text, due_at timestamptz, "
            "assigned_at timestamptz, queue text, beat jsonb, routed_at timestamptz"
        ),
    ),
    "clocks": (
        "response_clock",
        (
            "id uuid, lead_id uuid, sla text, met_by text, started_at timestamptz, due_at timestamptz, steps jsonb,"
            " step integer, next_at timestamptz"
        ),
    ),
    "waiting": ("waiting_activity", "kind text, value text, submission_id uuid"),
    "enrolments": (
        "enrolment",
        "id uuid, lead_id uuid, track text, because text, enrolled_at timestamptz, planned_by text",
    ),
    "items": (
        "nurture_item",
        (
            "id uuid, enrolment_id uuid, lead_id uuid, track text, step text, channel text, content text, "
            "window_name text, state text, due_at timestamptz, attempt integer"
        ),
    ),
}


_PLACES = {part.name: place for place, part in enumerate(fields(Changes), start=1)}
"""Each part's parameter of the statement."""


def _names(columns: str) -> list[str]:
    return [column.split()[0] for column in columns.split(",")]


def _rows(part: str, columns: str) -> str:
    return f"jsonb_to_recordset(${_PLACES[part]}::jsonb) AS r ({columns})"


def _append(part: str, table: str, columns: str, *, more: str = "") -> str:
    names = ", ".join(_names(columns))
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {_rows(part, f'{columns}, {more}' if more else columns)}"


def _replaced(columns: str, *identity: str) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in _names(columns) if name not in identity)


_REVIEW = (
    "submission_id uuid, lead_id uuid, candidate_id uuid, bits double precision, match jsonb, asked_at timestamptz"
)
_STATEMENT = (
    "WITH "
    + ", ".join(f"put_{part} AS ({_append(part, *table)})" for part, table in _APPENDED.items())
    + f""",
put_leads AS (
    {_append("leads", "lead", _LEAD)}
    ON CONFLICT (id) DO UPDATE SET {_replaced(_LEAD, "id")}),
put_facts AS (
    {_append("facts", "fact", _FACT)}
    ON CONFLICT (lead_id, type, attributes_sha256)
    DO UPDATE SET {_replaced(_FACT, "lead_id", "type", "attributes_sha256", "attributes")}),
put_keys AS (
    INSERT INTO identity_key (kind, value, lead_id, status, first_seen_at, last_seen_at)
    SELECT kind, value, lead_id, status, seen_at, seen_at FROM {_rows("keys", _KEY)}
    ON CONFLICT (kind, value, lead_id)
    DO UPDATE SET last_seen_at = greatest(identity_key.last_seen_at, excluded.last_seen_at)),
freed AS (
    DELETE FROM waiting_activity WHERE submission_id IN (
        SELECT w.submission_id FROM (
            SELECT kind, value FROM {_rows("keys", _KEY)}
             UNION
            SELECT kind, value FROM {_rows("hashes", "kind text, value text")}) AS k
         CROSS JOIN LATERAL (
            SELECT submission_id FROM waiting_activity AS o WHERE o.kind = k.kind AND o.value = k.value OFFSET 0) AS w)
    RETURNING submission_id),
put_back AS (
    INSERT INTO pending_submission (submission_id, due_at, attempts)
    SELECT DISTINCT submission_id, (SELECT max(seen_at) FROM {_rows("keys", _KEY)}), 0 FROM freed),
put_reviews AS (
    {_append("reviews", "match_review", _REVIEW, more="once boolean")}
     WHERE NOT once OR NOT EXISTS (
        SELECT FROM match_review AS q WHERE q.lead_id = r.lead_id AND q.candidate_id = r.candidate_id)
       AND NOT EXISTS (
        SELECT FROM match_review AS q WHERE q.lead_id = r.candidate_id AND q.candidate_id = r.lead_id)),
block AS MATERIALIZED (
    SELECT unnest(keys) AS key, lead_id, is_new
      FROM {_rows("blocks", "lead_id uuid, keys bigint[], is_new boolean")}),
put_blocks AS (INSERT INTO block_key (key, lead_id) SELECT key, lead_id FROM block WHERE is_new),
add_blocks AS (
    INSERT INTO block_key (key, lead_id) SELECT key, lead_id FROM block WHERE NOT is_new
    ON CONFLICT (key, lead_id) DO NOTHING),
put_cursors AS (
    UPDATE team_cursor AS c SET position = r.position
      FROM {_rows("cursors", "team text, position integer")} WHERE c.team = r.team),
put_loads AS (
    UPDATE owner_load AS o SET open_leads = r.open_leads, recent = r.recent, credit = r.credit
      FROM {_rows("loads", "owner text, open_leads integer, recent timestamptz[], credit integer")}
     WHERE o.owner = r.owner),
put_accounts AS (
    INSERT INTO account_owner (team, domain, owner, handed_over_at) SELECT team, domain, owner, handed_over_at
      FROM {_rows("accounts", "team text, domain text, owner text, handed_over_at timestamptz")}
    ON CONFLICT (team, domain) DO UPDATE SET owner = excluded.owner, handed_over_at = excluded.handed_over_at)
DELETE FROM pending_submission WHERE submission_id = ANY (${_PLACES["done"]}::uuid[])
"""
)
_TABLES = [part for part in _PLACES if part != "done"]


async def write(connection: Connection, changes: Changes) -> None:
    """Write a batch's rows.

    Raises:
        UniqueViolationError: another lead holds one of the keys as active. The caller repeats its whole transaction.
    """
    parts: list[Sequence[Row]] = [getattr(changes, part) for part in _TABLES]
    await connection.execute(_STATEMENT, *(rows_document(rows) if rows else None for rows in parts), list(changes.done))
