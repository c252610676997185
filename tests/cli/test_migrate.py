from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.cli.commands import Leadhub, environment, run_leadhub

from leadhub.embedded import EmbeddedServers


async def _execute(url: str, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def test_check_is_content_with_a_migrated_database(leadhub: Leadhub) -> None:
    ran = await leadhub("migrate", "--check")

    assert ran.code == 0, ran.err


async def test_check_sees_what_was_changed_by_hand(leadhub: Leadhub, database_url: str) -> None:
    await _execute(database_url, "ALTER TABLE endpoint ADD COLUMN colour text")

    ran = await leadhub("migrate", "--check")

    assert ran.code == 1
    assert "colour" in ran.err


async def test_check_names_pending_revisions_and_migrate_applies_them(
    leadhub: Leadhub, servers: EmbeddedServers
) -> None:
    await _execute(servers.database_url, "CREATE DATABASE unmigrated")
    url = servers.database_url.replace("@/postgres?", "@/unmigrated?")

    before = await leadhub("migrate", "--check", LEADHUB_DATABASE_URL=url)
    applied = await leadhub("migrate", LEADHUB_DATABASE_URL=url)
    after = await leadhub("migrate", "--check", LEADHUB_DATABASE_URL=url)

    await _execute(servers.database_url, "DROP DATABASE unmigrated WITH (FORCE)")
    assert (before.code, applied.code, after.code) == (1, 0, 0), (before, applied, after)
    assert "pending" in before.err
    assert "applied" in applied.out


async def test_check_without_any_database_starts_one(tmp_path: Path) -> None:
    ran = await run_leadhub("migrate", "--check", env=environment(LEADHUB_DATA_DIR=str(tmp_path)))

    assert ran.code == 0, ran.err
    assert "empty one" in ran.err
