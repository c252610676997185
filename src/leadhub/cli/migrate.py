"""`leadhub migrate`: bring the database to this version, or tell whether it is."""

import asyncio

from leadhub import embedded
from leadhub.cli.console import note, say
from leadhub.cli.context import Given, running_here
from leadhub.cli.database import now
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag
from leadhub.store import migrations


def migrate(*, check: Flag = False) -> int:
    """Bring the database to this version.

    Without LEADHUB_DATABASE_URL it is the database of the running `leadhub up`.

    Args:
        check: Change nothing; exit code 1 if the database is not what the code expects; starts one if there is none.
    """
    given = Given()
    url = given.database_url
    if url is None and (running := running_here(given.data_dir)):
        url = running.settings.database_url
    if url is None and check:
        return _check_from_nothing()
    if url is None:
        raise UserError(
            "No database to migrate: LEADHUB_DATABASE_URL is not set and no `leadhub up` runs on this machine.",
            "Set LEADHUB_DATABASE_URL, or run `leadhub up`, which migrates its own.",
        )
    return asyncio.run(_check(url)) if check else asyncio.run(_migrate(url))


async def _migrate(url: str) -> int:
    applied = await migrations.migrate(url, now=now())
    for revision in applied:
        say(f"applied {revision}")
    say("The database is at this version." if applied else "The database was at this version already.")
    return 0


async def _check(url: str) -> int:
    pending = await migrations.pending(url)
    for revision in pending:
        note(f"pending: {revision}")
    if pending:
        note("Run `leadhub migrate`.")
        return 1
    if difference := await migrations.drift(url):
        note(f"The tables differ from what the code expects: {difference}")
        note("Write a revision for it, or undo what was changed by hand.")
        return 1
    say("The database is at this version.")
    return 0


def _check_from_nothing() -> int:
    """Migrate an empty database and compare it with the tables: what a developer wants to know before a commit."""
    note("no database is named: checking the revisions on an empty one")
    with embedded.temporary() as servers:
        asyncio.run(migrations.migrate(servers.database_url, now=now()))
        return asyncio.run(_check(servers.database_url))
