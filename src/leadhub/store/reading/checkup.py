"""What `leadhub doctor` asks PostgreSQL. Read-only, one snapshot each, given up after half a minute."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from leadhub.store.engine import Sessions

_PATIENCE = text("SET LOCAL statement_timeout = '30s'")

SERVER = text("""
SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit
""")

PARTITIONS = text("""
SELECT parent.relname AS parent, max(right(part.relname, 8)) AS newest
  FROM pg_partitioned_table AS p
  JOIN pg_class AS parent ON parent.oid = p.partrelid AND parent.relnamespace = current_schema()::regnamespace
  LEFT JOIN pg_inherits AS i ON i.inhparent = parent.oid
  LEFT JOIN pg_class AS part ON part.oid = i.inhrelid AND part.relname ~ '_p[0-9]{8}$'
 GROUP BY parent.relname ORDER BY newest
""")
"""Each partitioned table with the first day of its newest partition, as 20261116."""

BOOKS = text("""
SELECT count(*) AS accepted,
       count(*) FILTER (WHERE s.is_spam) AS spam,
       count(*) FILTER (WHERE m.submission_id IS NOT NULL) AS members,
       count(*) FILTER (WHERE p.submission_id IS NOT NULL AND p.failed_at IS NULL) AS pending,
       count(*) FILTER (WHERE p.failed_at IS NOT NULL) AS failed,
       count(*) FILTER (WHERE s.is_spam::int + (m.submission_id IS NOT NULL)::int
                              + (p.submission_id IS NOT NULL)::int <> 1) AS wrong
  FROM submission AS s
  LEFT JOIN membership AS m ON m.submission_id = s.id
  LEFT JOIN pending_submission AS p ON p.submission_id = s.id
 WHERE s.id >= :since
""")
"""Every accepted submission is exactly one of: spam, part of a lead, waiting or failed."""

UNROUTED = text("""
SELECT count(*) AS wrong FROM lead AS l
 WHERE l.merged_into IS NULL AND l.evaluation IS NOT NULL AND (
       l.route NOT IN ('sales', 'nurture', 'none')
    OR l.route = 'sales' AND NOT EXISTS (
       SELECT FROM assignment AS a WHERE a.lead_id = l.id AND a.released_at IS NULL)
    OR l.route = 'nurture' AND l.track IS NOT NULL AND NOT EXISTS (
       SELECT FROM enrolment AS e WHERE e.lead_id = l.id AND e.exited_at IS NULL))
""")

OVERDUE = text("""
SELECT count(*) AS wrong, min(d.due_at) AS oldest
  FROM delivery AS d JOIN endpoint AS e ON e.id = d.endpoint_id JOIN lane AS l ON l.endpoint_id = e.id
 WHERE e.state = 'active' AND (
       d.state = 'pending' AND d.due_at < :late AND (l.blocked_until IS NULL OR l.blocked_until < :late)
    OR d.state = 'leased' AND d.lease_until < :late)
""")


async def ask(sessions: Sessions, query: TextClause, **values: datetime | UUID) -> list[Mapping[str, Any]]:
    """Return a query's rows."""
    async with sessions.begin() as session:
        await session.execute(_PATIENCE)
        return [dict(row) for row in (await session.execute(query, values)).mappings()]
