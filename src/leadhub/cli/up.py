"""`leadhub up`: everything on this machine, from nothing, kept running until Ctrl-C."""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from leadhub import embedded
from leadhub.cli import first_run
from leadhub.cli.console import note, say
from leadhub.cli.context import DESCRIBED, Given, build
from leadhub.cli.errors import UserError
from leadhub.demo import processes
from leadhub.embedded import EmbeddedServers
from leadhub.settings import Settings
from leadhub.store.migrations import migrate

_LOOPBACK = "127.0.0.0/8,::1/128"


def up(*, port: int | None = None, host: str | None = None, data_dir: Path | None = None) -> int:
    """Start all of LeadHub on this machine and keep it running.

    PostgreSQL and Valkey are started too, unless LEADHUB_DATABASE_URL and LEADHUB_REDIS_URL name yours.

    Args:
        port: Port of the gateway; LEADHUB_PORT or 8080 if not given.
        host: Address that the gateway listens on; LEADHUB_HOST or 127.0.0.1 if not given.
        data_dir: Folder of the embedded servers; LEADHUB_DATA_DIR or one in your home if not given.
    """
    given = Given()
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = _provisional(given, chosen)
    if settings.port and not processes.is_free(settings.host, settings.port):
        raise UserError(f"Port {settings.port} is in use.", f"Choose another: `leadhub up --port {settings.port + 1}`")
    say("starting the servers")
    with embedded.start(
        data_dir or given.data_dir,
        pg_bin=given.pg_bin,
        database_url=given.database_url,
        redis_url=given.redis_url,
    ) as servers:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(_run(servers, _final(settings, servers, given)))
        say("stopping the servers")
    say("stopped; everything is kept in " + str(servers.data_dir))
    return 0


def _provisional(given: Given, chosen: Mapping[str, object]) -> Settings:
    """Return the settings before the servers run, so that a mistake in them is told at once."""
    stand_ins: dict[str, object] = {"database_url": "postgresql+asyncpg://", "redis_url": "unix://", "secret_key": ""}
    missing = {name: value for name, value in stand_ins.items() if getattr(given, name) is None}
    if "LEADHUB_OUTBOUND_NETWORKS" not in os.environ:
        # On a machine of one's own the CRM under test is usually next door.
        missing["outbound_networks"] = _LOOPBACK
    return build({**missing, **chosen})


def _final(settings: Settings, servers: EmbeddedServers, given: Given) -> Settings:
    values = settings.model_dump()
    values |= {"database_url": servers.database_url, "redis_url": servers.redis_url}
    values |= {"data_dir": servers.data_dir, "port": settings.port or processes.free_port()}
    if given.secret_key is None:
        values["secret_key"] = servers.secret_key
    return build(values)


async def _run(servers: EmbeddedServers, settings: Settings) -> None:
    processes.cancel_on_signal()

    async def prepare() -> None:
        applied = await migrate(settings.database_url, now=datetime.now(UTC))
        if applied:
            say(f"migrated the database, revisions applied: {len(applied)}")

    say("starting gateway and worker")
    async with processes.running(settings, log_dir=servers.data_dir, notice=note, prepare=prepare) as pair:
        shared = {name: text for name, text in processes.texts_of(settings).items() if name in DESCRIBED}
        servers.describe(gateway_url=pair.gateway_url, **shared)
        await first_run.welcome(settings, pair.gateway_url)
        say("\nReady. Stop it with Ctrl-C.")
        try:
            await asyncio.Event().wait()
        finally:
            say("\nstopping gateway and worker")
