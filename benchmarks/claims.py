"""Whether a claim costs more when there are many deliveries: from 10,000 rows to a million, half of them waiting."""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from benchmarks.delivery import subscribe
from benchmarks.measuring import servers

from leadhub.domain.ids import AttemptId, EndpointId
from leadhub.resources import Ids, clock, open_resources
from leadhub.store import driver, lanes
from leadhub.store.lanes import Room
from leadhub.store.migrations import migrate

_ENDPOINTS = 50
_SLOTS = 64
_ROUNDS = 100
_new_id = Ids()

# Ids in the order of time, as in life; every second one was delivered long ago.
_FILL = """
INSERT INTO delivery (id, event_id, endpoint_id, lead_id, event_type, state, due_at, attempts, created_at)
SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
            || substr(md5(n::text), 5, 15) AS uuid),
       CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '9'
            || substr(md5(n::text), 5, 15) AS uuid),
       ($3::uuid[])[1 + n % cardinality($3::uuid[])], NULL, 'lead.routed',
       CASE WHEN n / 50 % 2 = 0 THEN 'pending' ELSE 'delivered' END, now() - interval '1 hour' + n * interval '1 ms', 0,
       now()
  FROM generate_series($1::bigint, $2::bigint - 1) AS n
"""


async def _run(sizes: Sequence[int]) -> dict[str, Any]:
    points: list[dict[str, float]] = []
    with servers() as running:
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources:
            for number in range(_ENDPOINTS):
                await subscribe(resources, 9, f"fast/{number}", "lead.routed", cap=4, host=f"127.0.1.{number}")
            connection = await asyncpg.connect(settings.database_url.replace("+asyncpg", ""))
            endpoints = [row["id"] for row in await connection.fetch("SELECT id FROM endpoint")]
            before = 0
            for size in sizes:
                await connection.execute(_FILL, before, size, endpoints)
                await connection.execute("VACUUM ANALYZE delivery")
                before = size
                points.append({"rows": size, **await _measure(resources.engine, endpoints)})
                print({name: round(figure, 2) for name, figure in points[-1].items()}, flush=True)
            await connection.close()
    return {"points": points, "growth": points[-1]["p50_ms"] / points[0]["p50_ms"]}


async def _measure(engine: Any, endpoints: Sequence[EndpointId]) -> dict[str, float]:
    took = []
    room = Room(slots=_SLOTS, again=_SLOTS // 2, doubtful=_SLOTS // 2, host=32, busy={}, quick=endpoints)
    for _ in range(_ROUNDS):
        now = clock()
        async with driver.connect(engine) as connection:
            started = time.perf_counter()
            found = await lanes.look(connection, room, now=now)
            claiming = connection.transaction()
            await claiming.start()
            batch = await lanes.claim(
                connection,
                found,
                room,
                now=now,
                attempt_ids=[AttemptId(_new_id()) for _ in range(_SLOTS)],
                lease_until=now + timedelta(seconds=30),
            )
            took.append((time.perf_counter() - started) * 1000)
            assert len(batch.claimed) >= _ENDPOINTS
            await claiming.rollback()  # the next round finds the same
    return {"p50_ms": statistics.median(took), "p95_ms": sorted(took)[int(len(took) * 0.95)]}


def main() -> dict[str, Any]:
    """Print the time of a claim of 64 at each size; sizes may be given as arguments."""
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    result = asyncio.run(_run(sizes or [10_000, 100_000, 1_000_000]))
    print(f"growth: {result['growth']:.2f}")
    return result


if __name__ == "__main__":
    main()
