import asyncio

from sqlalchemy import text

from leadhub.embedded import EmbeddedServers
from leadhub.resources import Resources


async def test_a_restart_of_postgresql_costs_no_transaction_that_begins_after_it(
    servers: EmbeddedServers, resources: Resources
) -> None:
    async with resources.engine.connect() as one, resources.engine.connect() as other:
        await one.execute(text("SELECT 1"))
        await other.execute(text("SELECT 1"))

    await asyncio.to_thread(servers.restart_postgres)

    for _ in range(4):
        async with resources.engine.connect() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
