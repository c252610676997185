"""What half the world types, and what nobody would: it joins no strangers, fails nothing and holds nobody up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from hashlib import blake2b
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from tests.support.counting import statements
from tests.support.waiting import a_source, content, received

from leadhub.domain.deduplication import Key
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.sighting import sighting_of
from leadhub.domain.normalisation import normalise
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.register import MOST_CANDIDATES
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, clock
from leadhub.store import candidates, driver, leads, scans
from leadhub.store.candidates import Sought

Sql = Callable[..., Awaitable[list[dict[str, Any]]]]

SWITCHBOARD = Key("phone", "+34911234567")
ADA = {"full_name": "Ada Kowalski", "phone": SWITCHBOARD.value, "company": "Acme"}

# Leads with these numbers and a phone, each with so many of some block keys.
_CROWD = """
WITH crowd AS (SELECT n, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id
                 FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n),
l AS (INSERT INTO lead (id, version, sequence, created_at, updated_at, is_test, golden, custom, attribution, consents,
                        profile, score_total, score_fit, score_engagement, stage, temperature, route, route_rule,
                        route_because)
      SELECT id, 1, 1, now(), now(), false, '{}', '{}', '{}', '{}', jsonb_build_object(
                 'n', 1, 'names', jsonb_build_array(jsonb_build_array('zz' || n, 'xx' || n, '', 1)),
                 'emails', '{}'::jsonb, 'phones', jsonb_build_object(CAST(:phone AS text), 'landline'),
                 'companies', '[]'::jsonb, 'places', '[]'::jsonb, 'externals', '{}'::jsonb),
             0, 0, 0, 'MQL', 'cold', 'none', '', '' FROM crowd),
k AS (INSERT INTO identity_key (kind, value, lead_id, status, first_seen_at, last_seen_at)
      SELECT 'phone', :phone, id, 'shared', now(), now() FROM crowd WHERE :phone <> '')
INSERT INTO block_key (key, lead_id)
SELECT (CAST(:blocks AS bigint[]))[1 + (n + j) % cardinality(CAST(:blocks AS bigint[]))], id
  FROM crowd, generate_series(1, CAST(:each AS int)) AS j
"""


@pytest.fixture(scope="module")
def playbook() -> CompiledPlaybook:
    return compile_playbook(load(shipped("guide")))


@pytest.fixture
def work(resources: Resources) -> Processing:
    return Processing(resources.engine, Ids(), clock, batch_rows=200)


@pytest.fixture
async def source(resources: Resources) -> UUID:
    return await a_source(resources.engine)


@pytest.fixture
def sql(resources: Resources) -> Sql:
    async def run(statement: str, **values: Any) -> list[dict[str, Any]]:
        async with resources.engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    return run


@pytest.fixture
async def crowd(sql: Sql) -> None:
    """Five thousand people with one telephone, who all sound like Ada, too."""
    blocks = sorted(block_keys(sighting_of(normalise(ADA))))
    await sql(_CROWD, first=1, last=5_000, phone=SWITCHBOARD.value, blocks=blocks, each=len(blocks))


@pytest.fixture
async def two(resources: Resources) -> AsyncIterator[tuple[driver.Connection, driver.Connection]]:
    """Two connections, each in a transaction, that wait for a lock for a moment only."""
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(driver.transaction(resources.engine)) for _ in range(2)]
        for connection in opened:
            await connection.execute("SET LOCAL lock_timeout = '50ms'")
        yield opened[0], opened[1]


@pytest.mark.usefixtures("crowd")
async def test_one_phone_on_five_thousand_leads_brings_a_few_candidates_and_joins_nobody(
    resources: Resources, work: Processing, playbook: CompiledPlaybook, source: UUID, sql: Sql
) -> None:
    seen = sighting_of(normalise(ADA))
    async with driver.connect(resources.engine) as connection:
        found = await candidates.find(connection, [Sought(seen.keys, block_keys(seen))])
    await received(resources.engine, source, content(ADA), content(ADA | {"full_name": "Tom Lindqvist"}), content(ADA))

    outcome = await process_due(work, playbook)

    assert len(found.leads) == MOST_CANDIDATES
    assert (outcome.created, outcome.failed, outcome.retried) == (2, 0, 0)
    assert [row["n"] for row in await sql("SELECT count(*) AS n FROM membership GROUP BY lead_id ORDER BY 1")] == [1, 2]


@pytest.mark.usefixtures("crowd")
async def test_a_base_that_grows_is_known_before_postgresql_looks_at_it(resources: Resources, sql: Sql) -> None:
    assert await sql("SELECT reltuples FROM pg_class WHERE oid = 'lead'::regclass") == [{"reltuples": -1}]
    await sql("SELECT pg_stat_force_next_flush()")

    seen = sighting_of(normalise(ADA))
    async with driver.connect(resources.engine) as connection:
        assert (await candidates.find(connection, [Sought(seen.keys, block_keys(seen))])).base == 5_000
        assert await scans.base(connection) == 5_000


@pytest.mark.usefixtures("crowd")
async def test_somebody_among_five_thousand_on_one_phone_is_found_again_by_name(
    resources: Resources, work: Processing, playbook: CompiledPlaybook, source: UUID, sql: Sql
) -> None:
    nia = {"full_name": "Nia Okafor", "phone": SWITCHBOARD.value}
    await received(resources.engine, source, content(nia))
    await process_due(work, playbook)
    await sql(  # all others came later: the newest holders of the number are strangers
        "UPDATE lead SET id = CAST('ffffffff' || substr(CAST(id AS text), 9) AS uuid) WHERE id::text LIKE '00000000%'"
    )
    await received(resources.engine, source, content(nia))

    outcome = await process_due(work, playbook)

    assert outcome.updated == 1
    [row] = await sql("SELECT because FROM membership ORDER BY submission_id DESC LIMIT 1")
    assert row["because"].startswith("same shared phone and name")


async def test_a_number_of_many_stays_shared_when_fifty_strangers_look_more_alike(
    resources: Resources, work: Processing, playbook: CompiledPlaybook, source: UUID, sql: Sql
) -> None:
    maria = {"full_name": "Maria Garcia", "phone": SWITCHBOARD.value, "postal_code": "28001", "city": "Madrid"}
    blocks = sorted(block_keys(sighting_of(normalise(maria))))
    await sql(_CROWD, first=1, last=20, phone=SWITCHBOARD.value, blocks=blocks, each=0)
    await sql(_CROWD, first=21, last=80, phone="", blocks=blocks, each=3)
    await received(resources.engine, source, content(maria))

    await process_due(work, playbook)

    keys = await sql("SELECT DISTINCT status FROM identity_key WHERE value = :phone", phone=SWITCHBOARD.value)
    assert [key["status"] for key in keys] == ["shared"]
    assert len(await sql("SELECT id FROM lead")) == 81


def mailbox(number: int) -> str:
    """An address that has nothing in common with any other."""
    digest = blake2b(str(number).encode()).hexdigest()
    return f"{digest[:9]}@{digest[9:20]}.example"


async def test_namesakes_cost_a_bounded_number_of_comparisons_and_statements(
    resources: Resources, work: Processing, playbook: CompiledPlaybook, source: UUID
) -> None:
    people = [{"full_name": "Maria Garcia", "email": mailbox(n)} for n in range(120)]
    await received(resources.engine, source, *(content(person) for person in people))
    assert (await process_due(work, playbook)).created == len(people)
    seen = sighting_of(normalise(people[0]))

    async with driver.connect(resources.engine) as connection:
        found = await candidates.find(connection, [Sought((), block_keys(seen))])
    counts = []
    for size in (1, 60):
        more = [{"full_name": "Maria Garcia", "email": mailbox(1000 * size + n)} for n in range(size)]
        await received(resources.engine, source, *(content(person) for person in more))
        async with statements(resources.engine) as sent:
            assert (await process_due(work, playbook)).created == size
        counts.append(len(sent))

    assert len(found.leads) <= MOST_CANDIDATES
    assert counts[0] == counts[1]


async def test_batches_that_share_a_number_of_many_do_not_wait_for_each_other(
    two: tuple[driver.Connection, driver.Connection], sql: Sql
) -> None:
    await sql(
        "INSERT INTO identity_key (kind, value, lead_id, status, first_seen_at, last_seen_at) "
        "VALUES ('phone', :phone, :id, 'shared', now(), now())",
        phone=SWITCHBOARD.value,
        id=UUID(int=1),
    )
    one, other = two
    await leads.lock_keys(one, [SWITCHBOARD, Key("email", "ada@example.com")])

    await leads.lock_keys(other, [SWITCHBOARD, Key("email", "tom@example.com")])

    with pytest.raises(asyncpg.LockNotAvailableError):
        await leads.lock_keys(other, [Key("email", "ada@example.com")])


HOSTILE = [
    {"full_name": "x" * 10_000, "email": "long@name.example"},
    {"full_name": "Z" + "\u0301" * 900, "email": "zalgo@name.example"},
    {"full_name": "\u202eadA \u2066noryB", "email": "bidi@name.example"},
    {"full_name": "Ana Zero", "phone": "0000000000"},
    {"full_name": "Ben Zero", "phone": "000-000-0000"},
    {"full_name": "Cleo Count", "phone": "1234567890"},
    {"full_name": "Dan Test", "email": "test@test.com"},
    {"full_name": "Eva Prueba", "email": "TEST@test.com"},
    {"email": "test@test.com"},
    {"full_name": "test", "email": "asdf@asdf.com"},
    {"full_name": "N/A", "company": "-", "email": "n/a"},
    {"full_name": "", "email": "@", "phone": "+"},
]


async def test_absurd_values_join_nobody_and_leave_their_neighbours_in_peace(
    resources: Resources, work: Processing, playbook: CompiledPlaybook, source: UUID, sql: Sql
) -> None:
    ordinary = {"full_name": "Ada Kowalski", "email": "ada@kowalski.example"}
    await received(resources.engine, source, *(content(fields) for fields in [*HOSTILE, ordinary, *HOSTILE[3:]]))

    outcome = await process_due(work, playbook)

    assert (outcome.failed, outcome.retried, outcome.merged) == (0, 0, 0)
    joined = await sql("SELECT lead_id FROM membership GROUP BY lead_id HAVING count(*) > 1")
    assert joined == []
