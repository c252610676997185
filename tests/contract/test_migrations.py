from datetime import UTC, datetime, timedelta

import asyncpg

from leadhub.store.migrations import drift, migrate, pending


async def test_an_up_to_date_database_lacks_nothing_and_equals_the_tables(database_url: str) -> None:
    assert await pending(database_url) == []
    assert await drift(database_url) is None


async def test_migrating_twice_applies_nothing_and_makes_later_partitions(database_url: str) -> None:
    later = datetime.now(UTC) + timedelta(days=400)

    applied = await migrate(database_url, now=later)

    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    names = {row["relname"] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relispartition")}
    await connection.close()
    assert applied == []
    assert any(name.startswith(f"submission_p{later.year}") for name in names)
