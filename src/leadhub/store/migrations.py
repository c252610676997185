"""Bring a database to this version: revisions, partitions, the first playbook, the first weights."""

import io
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from leadhub.domain.matching.weights import SHIPPED
from leadhub.domain.playbook_loading import shipped
from leadhub.store import playbooks, weights
from leadhub.store.partitions import ensure_partitions

SCRIPTS = Path(__file__).resolve().parents[3] / "migrations"
"""The revisions lie beside `src`, in a checkout and in the image alike."""
FIRST_PLAYBOOK = "guide"


def _config() -> Config:
    config = Config(stdout=io.StringIO())  # Alembic prints what it finds; our callers return it
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


async def migrate(database_url: str, *, now: datetime) -> list[str]:
    """Apply what is missing and make the partitions ahead; return the revisions applied, oldest first."""
    engine = create_async_engine(database_url, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            before = await connection.run_sync(_current)
            await connection.run_sync(_upgrade)
            await ensure_partitions(connection, now)
            await playbooks.seed(connection, name=FIRST_PLAYBOOK, document=shipped(FIRST_PLAYBOOK), now=now)
            await weights.seed(connection, SHIPPED.document(), now=now)
    finally:
        await engine.dispose()
    return [revision for revision in _revisions() if revision not in before]


async def pending(database_url: str) -> list[str]:
    """Return the revisions that a database still lacks, oldest first."""
    engine = create_async_engine(database_url, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            applied = await connection.run_sync(_current)
    finally:
        await engine.dispose()
    return [revision for revision in _revisions() if revision not in applied]


async def drift(database_url: str) -> str | None:
    """Return what a new revision would have to change to match the tables, or None if nothing."""
    engine = create_async_engine(database_url, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_drift)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _drift(connection: Connection) -> str | None:
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.check(config)
    except Exception as error:  # noqa: BLE001 - Alembic has no narrower class for "differs"
        return str(error)
    return None


def _revisions() -> list[str]:
    walk = ScriptDirectory.from_config(_config()).walk_revisions()
    return [script.revision for script in walk][::-1]


def _current(connection: Connection) -> set[str]:
    """Return every applied revision: the head and all before it."""
    head = MigrationContext.configure(connection).get_current_revision()
    if head is None:
        return set()
    script = ScriptDirectory.from_config(_config())
    return {revision.revision for revision in script.iterate_revisions(head, "base")}
