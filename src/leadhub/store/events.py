"""Events and their deliveries: written in the transaction of the decision that they report.

The transactional outbox: there is no moment at which a decision is committed and its webhooks are not, and nothing
has to be queued after the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from leadhub.domain.ids import EventId, LeadId
from leadhub.store.driver import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that just happened, ready to be told."""

    id: EventId
    type: str
    """Dotted, as in `lead.routed`."""
    lead_id: LeadId | None
    sequence: int | None
    """The lead's number of this event, so that a receiver sees gaps."""
    occurred_at: datetime
    """When it was decided; its deliveries are due from then on."""
    received_at: datetime | None
    """When the newest submission behind it came in."""
    is_test: bool
    body: bytes
    """The exact bytes to sign and to send; never serialised again."""


# FOR SHARE makes a change of an endpoint's state wait for us, or us for it: otherwise a delivery could be held
# just after its endpoint's held ones were released, and stay so for ever. In order of id, as every locker here.
# A delivery's id keeps the time bits of its event's, so ids sort by age, and is the same however often it is made.
_APPEND = """
WITH told AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::timestamptz[], $6::timestamptz[],
                         $7::boolean[], $8::bytea[])
        AS e (id, type, lead_id, sequence, occurred_at, received_at, is_test, body)
), put AS (
    INSERT INTO event (id, type, lead_id, sequence, occurred_at, received_at, is_test, body) SELECT * FROM told
), subscriber AS MATERIALIZED (
    SELECT id, event_types, include_test, state, ordering FROM endpoint
     WHERE is_subscribed AND (event_types = '{}' OR event_types && $2::text[])
     ORDER BY id
       FOR SHARE
), made AS (
INSERT INTO delivery (id, event_id, endpoint_id, lead_id, event_type, state, due_at, attempts, created_at, sequence,
                      is_ordered)
SELECT CAST(left(e.id::text, 20) || substr(digest, 1, 3) || '-' || substr(digest, 4, 12) AS uuid),
       e.id, s.id, e.lead_id, e.type, CASE s.state WHEN 'active' THEN 'pending' ELSE 'held' END,
       e.occurred_at, 0, e.occurred_at, e.sequence,
       s.ordering = 'lead' AND e.lead_id IS NOT NULL AND e.sequence IS NOT NULL
  FROM told AS e
  JOIN subscriber AS s
    ON (e.type = ANY (s.event_types) OR (s.event_types = '{}' AND NOT e.type ^@ ANY ('{endpoint.,source.}')))
   AND (s.include_test OR NOT e.is_test)
 CROSS JOIN LATERAL md5(e.id::text || s.id::text) AS digest
RETURNING 1
)
SELECT count(*) FROM made
"""


async def append(connection: Connection, events: Sequence[NewEvent]) -> int:
    """Insert events and one delivery for each endpoint that subscribes to them; return how many deliveries.

    One statement, however many events. An endpoint that is not active gets its deliveries `held`: nothing is lost
    while it is paused, gone or misconfigured.
    """
    if not events:
        return 0
    made: int = await connection.fetchval(
        _APPEND,
        [event.id for event in events],
        [event.type for event in events],
        [event.lead_id for event in events],
        [event.sequence for event in events],
        [event.occurred_at for event in events],
        [event.received_at for event in events],
        [event.is_test for event in events],
        [event.body for event in events],
    )
    return made
