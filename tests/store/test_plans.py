"""Plans that are kept: made while tables are small, used when they are not."""

import pytest

from leadhub.resources import Resources
from leadhub.store import candidates
from leadhub.store.driver import by_index, transaction


async def plan(resources: Resources, *, indexed: bool) -> str:
    """The plan for any parameters of the look-up of candidates, on tables with next to nothing in them."""
    async with transaction(resources.engine) as connection:
        await connection.execute("INSERT INTO block_key (key, lead_id) VALUES (1, gen_random_uuid())")
        await connection.execute("ANALYZE block_key, identity_key, lead")
        if indexed:
            await by_index(connection)
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE look AS {candidates._FIND}")
        rows = await connection.fetch("EXPLAIN EXECUTE look('{}', '{}', '{}', '{}', '{}', 20, 50)")
        await connection.execute("DEALLOCATE look")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("table", ["block_key", "identity_key", "lead"])
async def test_the_look_up_of_candidates_reads_no_table_whole(resources: Resources, table: str) -> None:
    assert f"Seq Scan on {table} " not in await plan(resources, indexed=True)


async def test_left_to_itself_it_would(resources: Resources) -> None:
    assert "Seq Scan on block_key " in await plan(resources, indexed=False)
