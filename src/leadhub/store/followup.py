"""Who in sales has a lead, what everybody there has to do, and on which track the others are.

Locks are taken in one order by everybody: leads, then teams by name, then owners by name.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadhub.domain.ids import LeadId
from leadhub.domain.owners import Load
from leadhub.store.driver import Connection

_CURSORS = """
INSERT INTO team_cursor (team, position) SELECT t, 0 FROM unnest($1::text[]) AS t ORDER BY t
ON CONFLICT (team) DO UPDATE SET position = team_cursor.position
RETURNING team, position
"""


async def lock_cursors(connection: Connection, teams: Iterable[str]) -> dict[str, int]:
    """Return whose turn it is in each team; nobody else chooses an owner there until the commit.

    The update that changes nothing is what takes the lock, in the order of the names.
    """
    return dict(await connection.fetch(_CURSORS, sorted(teams)))


_LOADS = "SELECT * FROM owner_load WHERE owner = ANY ((SELECT $1::text[])::text[]) ORDER BY owner FOR UPDATE"
_NEW_LOADS = """
INSERT INTO owner_load (owner, open_leads, recent, credit) SELECT o, 0, '{}', 0 FROM unnest($1::text[]) AS o ORDER BY o
ON CONFLICT (owner) DO NOTHING
"""


async def lock_loads(connection: Connection, owners: Collection[str]) -> dict[str, Load]:
    """Return what each of these owners has to do, counted and locked until the commit."""
    wanted = sorted(owners)
    rows = await connection.fetch(_LOADS, wanted)
    if len(rows) < len(wanted):
        # Once in the life of an owner. What was locked so far are the same rows in the same order.
        await connection.execute(_NEW_LOADS, wanted)
        rows = await connection.fetch(_LOADS, wanted)
    return {row["owner"]: Load(row["open_leads"], list(row["recent"]), row["credit"]) for row in rows}


@dataclass(frozen=True, slots=True)
class Account:
    """Who of a team has the leads of a company."""

    owner: str
    handed_over_at: datetime


_AROUND = """
SELECT t.team, NULL AS domain, NULL AS owner, NULL::timestamptz AS at FROM unnest((SELECT $1::text[])) AS t (team)
 WHERE EXISTS (SELECT FROM assignment AS a WHERE a.team = t.team AND a.owner IS NULL AND a.released_at IS NULL)
 UNION ALL
SELECT a.team, a.domain, a.owner, a.handed_over_at
  FROM unnest((SELECT $2::text[]), $3::text[]) AS w (team, domain) JOIN account_owner AS a USING (team, domain)
"""


async def look_around(
    connection: Connection, teams: Collection[str], accounts: Collection[tuple[str, str]]
) -> tuple[set[str], dict[tuple[str, str], Account]]:
    """Return for which teams leads wait, and who has the leads of companies, by team and domain.

    Asked once the teams are locked: a statement sees what was committed before it began.
    """
    pairs = sorted(accounts)
    rows = await connection.fetch(_AROUND, list(teams), [team for team, _ in pairs], [domain for _, domain in pairs])
    waiting = {row["team"] for row in rows if row["domain"] is None}
    known = {(row["team"], row["domain"]): Account(row["owner"], row["at"]) for row in rows if row["domain"]}
    return waiting, known


@dataclass(frozen=True, slots=True)
class Former:
    """Who had a lead when it left sales, and when that was."""

    owner: str
    released_at: datetime


_FORMER = """
SELECT w.lead_id, a.owner, a.released_at FROM unnest($1::uuid[]) AS w (lead_id)
 CROSS JOIN LATERAL (
    SELECT owner, released_at FROM assignment AS n
     WHERE n.lead_id = w.lead_id AND n.owner IS NOT NULL AND n.released_at IS NOT NULL
     ORDER BY assigned_at DESC, id DESC LIMIT 1) AS a
"""


async def former_owners(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, Former]:
    """Return who had these leads last; a lead that sales never had is absent."""
    if not ids:
        return {}
    return {row["lead_id"]: Former(row["owner"], row["released_at"]) for row in await connection.fetch(_FORMER, ids)}


@dataclass(frozen=True, slots=True)
class Release:
    """That somebody has a lead no longer."""

    reason: str
    leaves_sales: bool
    """Whether nobody has it now: then a promise that was made is void."""


_RELEASE = """
WITH gone AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::boolean[]) AS n (lead_id, reason, leaves_sales)
), void AS (
    UPDATE response_clock AS c SET stopped_at = $4, stop_reason = 'left sales', next_at = NULL
      FROM gone WHERE c.lead_id = gone.lead_id AND gone.leaves_sales AND c.stopped_at IS NULL)
UPDATE assignment AS a SET released_at = $4, release_reason = gone.reason
  FROM gone WHERE a.lead_id = gone.lead_id AND a.released_at IS NULL
"""


async def release(connection: Connection, releases: Mapping[LeadId, Release], *, now: datetime) -> None:
    """Take leads back from whoever has them, each with the reason."""
    if releases:
        gone = releases.values()
        leaving = [one.leaves_sales for one in gone]
        await connection.execute(_RELEASE, list(releases), [one.reason for one in gone], leaving, now)


# A step that somebody holds a lease on is left to them: it may be on its way.
_EXIT = """
WITH left_behind AS (
    UPDATE enrolment AS e SET exited_at = $3, exit_reason = n.reason
      FROM unnest($1::uuid[], $2::text[]) AS n (lead_id, reason)
     WHERE e.lead_id = n.lead_id AND e.exited_at IS NULL
    RETURNING e.id, e.exit_reason)
UPDATE nurture_item AS i SET state = 'cancelled', because = l.exit_reason
  FROM left_behind AS l
 WHERE i.enrolment_id = l.id AND (i.state = 'waiting' OR (i.state = 'leased' AND i.due_at <= $3))
"""


async def leave_tracks(connection: Connection, reasons: dict[LeadId, str], *, now: datetime) -> None:
    """End the open enrolments of leads, each with the reason, and cancel the steps that were to come."""
    if reasons:
        await connection.execute(_EXIT, list(reasons), list(reasons.values()), now)


_ASSIGNMENTS = "SELECT * FROM assignment WHERE lead_id = ANY ($1::uuid[]) AND released_at IS NULL"


async def open_assignments(connection: Connection, ids: Collection[LeadId]) -> dict[LeadId, dict[str, Any]]:
    """Return the open assignments of leads, whole rows; the caller holds the leads."""
    return {row["lead_id"]: dict(row) for row in await connection.fetch(_ASSIGNMENTS, ids)}


_WAITING = """
SELECT team, count(*) AS leads FROM assignment WHERE owner IS NULL AND released_at IS NULL GROUP BY team ORDER BY team
"""


async def waiting(connection: Connection) -> dict[str, int]:
    """Return how many leads wait for each team."""
    return {row["team"]: row["leads"] for row in await connection.fetch(_WAITING)}


_LOOK_AT_LOADS = "SELECT * FROM owner_load WHERE owner = ANY ($1::text[])"


async def look_at_loads(connection: Connection, owners: Collection[str]) -> dict[str, Load]:
    """Return what owners have to do, without a lock: to see whether locking is worth while."""
    rows = await connection.fetch(_LOOK_AT_LOADS, list(owners))
    return {row["owner"]: Load(row["open_leads"], list(row["recent"]), row["credit"]) for row in rows}


_QUEUED = """
SELECT l.* FROM assignment AS a JOIN lead AS l ON l.id = a.lead_id
 WHERE a.team = $1 AND a.owner IS NULL AND a.released_at IS NULL AND l.merged_into IS NULL
 ORDER BY a.routed_at {order}, a.id {order} LIMIT $2 FOR UPDATE OF l SKIP LOCKED
"""
_QUEUED_OLDEST, _QUEUED_NEWEST = _QUEUED.format(order="ASC"), _QUEUED.format(order="DESC")


async def load_waiting(
    connection: Connection, team: str, *, rows: int, newest_first: bool = False
) -> list[dict[str, Any]]:
    """Return the leads that have waited longest for a team, locked; what another worker holds is left to it."""
    query = _QUEUED_NEWEST if newest_first else _QUEUED_OLDEST
    return [dict(row) for row in await connection.fetch(query, team, rows)]


_STRANGERS = "SELECT owner FROM owner_load WHERE open_leads > 0 AND owner <> ALL ($1::text[]) ORDER BY owner"
_OWNED = """
SELECT l.* FROM assignment AS a JOIN lead AS l ON l.id = a.lead_id
 WHERE a.owner = $1 AND a.released_at IS NULL AND l.merged_into IS NULL
 ORDER BY a.routed_at, a.id LIMIT $2 FOR UPDATE OF l SKIP LOCKED
"""


async def strangers(connection: Connection, known: Collection[str]) -> list[str]:
    """Return who has open leads and is not among those who are known."""
    return [row["owner"] for row in await connection.fetch(_STRANGERS, list(known))]


async def load_owned(connection: Connection, owner: str, *, rows: int) -> list[dict[str, Any]]:
    """Return leads that somebody has, locked, the oldest first."""
    return [dict(row) for row in await connection.fetch(_OWNED, owner, rows)]


_RECOUNT = """
UPDATE owner_load AS o SET open_leads = c.leads
  FROM (SELECT l.owner, (SELECT count(*) FROM assignment AS a
                          WHERE a.owner = l.owner AND a.released_at IS NULL) AS leads FROM owner_load AS l) AS c
 WHERE o.owner = c.owner AND o.open_leads <> c.leads
RETURNING o.owner
"""


async def recount(connection: Connection) -> list[str]:
    """Count everybody's open leads anew; return whose count was wrong.

    The rows are locked by a statement of their own, so that the count sees what was committed until then.
    """
    await connection.execute("SELECT FROM owner_load ORDER BY owner FOR UPDATE")
    return [row["owner"] for row in await connection.fetch(_RECOUNT)]
