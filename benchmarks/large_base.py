"""Fill a database with many people at once, as the pipeline would have left them had it met one after the other.

The leads are copies of one that the pipeline made, under the names of other invented people; their identity keys and
block keys are those that the pipeline would find. Their submissions' own rows are left out: recognising somebody reads
what is known of leads, never what was once received.
"""

from datetime import timedelta
from typing import Any

import orjson
from benchmarks.people import Person
from benchmarks.processing import content, drain, fields_of, store

from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.sighting import Sighting, sighting_of
from leadhub.domain.normalisation import normalise
from leadhub.resources import Ids, Resources, clock
from leadhub.store import driver
from leadhub.store.driver import Connection

_CHUNK = 5_000
_COLUMNS = {
    "identity_key": ("kind", "value", "lead_id", "status", "first_seen_at", "last_seen_at"),
    "block_key": ("key", "lead_id"),
    "membership": ("submission_id", "lead_id", "rule", "because", "since"),
}
_STAND_IN = Person("Standinfirst", "Standinlast", "stand.in@stand-in.example", "+49 151 00000017", "Standinco GmbH")


async def fill(resources: Resources, source: Any, start: int, end: int) -> None:
    """Add the people from `start` to `end`, who are not there yet."""
    await store(resources, source, [start], lambda _: content(start, _STAND_IN))
    await drain(resources)
    async with driver.connect(resources.engine) as connection:
        model = await connection.fetchval(
            "SELECT to_jsonb(l)::text FROM lead AS l WHERE golden -> 'email' ->> 'value' = $1", _STAND_IN.email
        )
        for first in range(start, end, _CHUNK):
            await _add(connection, model, range(first, min(first + _CHUNK, end)))
        for table in ("lead", *_COLUMNS):
            await connection.execute(f"VACUUM ANALYZE {table}", timeout=1_800)


async def _add(connection: Connection, model: str, numbers: range) -> None:
    new_id, now = Ids(), clock() - timedelta(days=1)
    stand_in = orjson.loads(model)["id"]
    people = [(new_id(), number, _seen(number)) for number in numbers]
    rows = [_as(Person.number(number), model).replace(stand_in, str(lead_id)) for lead_id, number, _ in people]
    await connection.execute(
        "INSERT INTO lead SELECT * FROM json_populate_recordset(NULL::lead, $1::json)",
        "[" + ",".join(rows) + "]",
        timeout=600,
    )
    keys = [(key.kind, key.value, lead_id, "active", now, now) for lead_id, _, seen in people for key in seen.keys]
    blocks = [(block, lead_id) for lead_id, _, seen in people for block in block_keys(seen)]
    memberships = [(new_id(), lead_id, "new", "nobody shares a key with it", now) for lead_id, _, _ in people]
    for table, records in (("identity_key", keys), ("block_key", blocks), ("membership", memberships)):
        await connection.copy_records_to_table(table, records=records, columns=_COLUMNS[table], timeout=600)


def _seen(number: int) -> Sighting:
    return sighting_of(normalise(fields_of(number, Person.number(number)), default_country=None))


def _as(person: Person, model: str) -> str:
    """Return the stand-in's row under another name, in all the spellings in which a row has it."""
    pairs = zip(_spellings(_STAND_IN), _spellings(person), strict=True)
    for old, new in pairs:
        model = model.replace(old, new)
    return model


def _spellings(person: Person) -> list[str]:
    company = person.company.removesuffix(" GmbH")
    plain = [person.email, person.phone, person.phone.replace(" ", "")]
    return plain + [text for name in (person.first_name, person.last_name, company) for text in (name, name.lower())]
