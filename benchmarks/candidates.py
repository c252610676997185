"""Whether finding candidates costs more when there are many leads, and what block keys add to identity keys.

The tables are filled directly, with the keys that invented people have; then the look-up of processing runs for a
sample of them, one submission at a time: with identity keys alone, and with block keys, too. The bar: at most twice
the time, and flat from 10,000 to 500,000 leads. `./run bench candidates 10000 50000` tries smaller sizes.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from random import Random
from statistics import median, quantiles
from typing import Any
from uuid import UUID

from benchmarks.measuring import servers
from benchmarks.people import Person

from leadhub.domain.deduplication import Key
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.names import Name
from leadhub.domain.matching.sighting import Place, Sighting
from leadhub.domain.normalisation import EmailClass, PhoneKind
from leadhub.resources import clock, open_resources
from leadhub.store import candidates, driver
from leadhub.store.candidates import Sought
from leadhub.store.driver import Connection
from leadhub.store.migrations import migrate

_SAMPLE = 400
_CHUNK = 20_000
_CITIES = 2_000
_LEADS = """
INSERT INTO lead (id, version, sequence, created_at, updated_at, is_test, golden, custom, attribution, consents,
                  profile, score_total, score_fit, score_engagement, stage, temperature, route, route_rule,
                  route_because)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 1, $3, $3, false, '{}', '{}', '{}', '{}',
       jsonb_build_object('n', 1, 'names', jsonb_build_array(jsonb_build_array('ada', n::text, '', 1)),
                          'emails', jsonb_build_object('ada.' || n || '@example.com', 'business'),
                          'phones', jsonb_build_object('+49' || n, 'mobile'),
                          'companies', '[]'::jsonb, 'places', '[]'::jsonb, 'externals', '{}'::jsonb),
       0, 0, 0, 'MQL', 'cold', 'none', '', ''
  FROM generate_series($1::bigint, $2::bigint - 1) AS n
"""


def seen(number: int) -> Sighting:
    """Return what the number-th person fills in; one city in 2,000 has the share of people that a large one has."""
    person, draw = Person.number(number), Random(number)
    phone = person.phone.replace(" ", "")
    city = f"city {int(_CITIES * draw.random() ** 2)}"
    street = f"street {draw.randrange(3_000)}"
    return Sighting(
        keys={Key("email", person.email): False, Key("phone", phone): False},
        name=Name(person.first_name.lower(), person.last_name.lower()),
        email=person.email,
        email_class=EmailClass.BUSINESS,
        phones=(phone,),
        phone_kind=PhoneKind.MOBILE,
        companies=(person.company.lower(),),
        place=Place(street, str(draw.randrange(1, 200)), f"{draw.randrange(10_000, 40_000)}", city),
    )


async def fill(connection: Connection, start: int, end: int) -> None:
    """Add the leads of the people from `start` to `end`, with all their keys."""
    now = clock()
    for first in range(start, end, _CHUNK):
        last = min(first + _CHUNK, end)
        await connection.execute(_LEADS, first, last, now, timeout=600)
        people = [(_lead_id(number), seen(number)) for number in range(first, last)]
        keys = [(key.kind, key.value, lead_id, "active", now, now) for lead_id, one in people for key in one.keys]
        await connection.copy_records_to_table("identity_key", records=keys, timeout=600)
        blocks = ((block, lead_id) for lead_id, one in people for block in block_keys(one))
        await connection.copy_records_to_table("block_key", records=blocks, timeout=600)
    for table in ("lead", "identity_key", "block_key"):
        await connection.execute(f"VACUUM ANALYZE {table}", timeout=600)


def _lead_id(number: int) -> UUID:
    return UUID(int=0x7000_8000_000000000000 + number)


async def measure(connection: Connection, size: int) -> dict[str, float]:
    """Look up a sample of the people, each in both ways in turn."""
    draw = Random(size)
    ways: dict[str, list[float]] = {"identity": [], "blocks": []}
    found: list[int] = []
    answer = candidates.Found()
    for number in _warmed(draw.sample(range(size), _SAMPLE)):
        one = seen(number)
        for way, blocks in (("identity", frozenset()), ("blocks", block_keys(one))):
            sought = [Sought(one.keys, blocks)]
            started = time.perf_counter()
            answer = await candidates.find(connection, sought)
            ways[way].append((time.perf_counter() - started) * 1000)
        found.append(len(answer.leads))
    timed = {way: times[-_SAMPLE:] for way, times in ways.items()}
    return {
        "leads": size,
        "identity_ms": median(timed["identity"]),
        "blocks_ms": median(timed["blocks"]),
        "blocks_p99_ms": quantiles(timed["blocks"], n=100)[-1],
        "ratio": median(timed["blocks"]) / median(timed["identity"]),
        "candidates": sum(found) / len(found),
        "most_candidates": max(found),
    }


def _warmed(sample: list[int]) -> Iterator[int]:
    """Yield the first few twice, so that plans are made and caches filled when it counts."""
    yield from sample[:20]
    yield from sample


async def run(sizes: tuple[int, ...] = (10_000, 100_000, 500_000)) -> dict[str, Any]:
    """Grow to each size, then measure."""
    points = []
    with servers() as running:
        settings = running.settings()
        await migrate(settings.database_url, now=clock())
        async with open_resources(settings) as resources, driver.connect(resources.engine) as connection:
            size = 0
            for goal in sizes:
                await fill(connection, size, goal)
                size = goal
                points.append(await measure(connection, size))
                print("  ".join(f"{name} {value:,.2f}" for name, value in points[-1].items()), flush=True)
    first, last = points[0], points[-1]
    return {"points": points, "growth": last["blocks_ms"] / first["blocks_ms"]}


def main() -> dict[str, Any]:
    """Print the points and how the time has grown; sizes may be given as arguments."""
    sizes = tuple(int(argument) for argument in sys.argv[1:] if argument.isdigit())
    result = asyncio.run(run(sizes) if sizes else run())
    print(f"block keys: {result['points'][-1]['ratio']:.2f} times an identity key, growth {result['growth']:.2f}")
    return result


if __name__ == "__main__":
    main()
