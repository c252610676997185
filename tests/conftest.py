"""Real servers for every test: one PostgreSQL and one Valkey a test process, one migrated database a test."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from hypothesis import settings as hypothesis_settings

from leadhub import embedded
from leadhub.embedded import EmbeddedServers
from leadhub.resources import Resources, open_resources
from leadhub.settings import Settings
from leadhub.store.migrations import migrate

# A shared machine may stop for longer than hypothesis thinks a single example should take.
hypothesis_settings.register_profile("shared machine", deadline=None)
hypothesis_settings.load_profile("shared machine")

_TEMPLATE = "template_migrated"
_MEMORY = Path("/dev/shm")  # noqa: S108 - each folder in it is a new one, as in any temporary folder
_ROOM = 4 * 1024**3

# A database of its own costs a test a second on a disk that flushes, and thirty milliseconds where nothing is to be
# flushed. All settings stay as they are, fsync too; what a crash of the machine leaves, no test could see.
if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
    tempfile.tempdir = os.environ["TMPDIR"] = str(_MEMORY)

_numbers = itertools.count()


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """A developer's own deployment is not what is tested."""
    for name in [name for name in os.environ if name.startswith("LEADHUB_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    with embedded.temporary() as running:
        yield running


def _named(servers: EmbeddedServers, database: str) -> str:
    return servers.database_url.replace("@/postgres?", f"@/{database}?")


def _driver_url(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


async def _execute(servers: EmbeddedServers, statement: str) -> None:
    connection = await asyncpg.connect(_driver_url(servers.database_url))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def template(servers: EmbeddedServers) -> str:
    async def prepare() -> None:
        await _execute(servers, f"CREATE DATABASE {_TEMPLATE}")
        await migrate(_named(servers, _TEMPLATE), now=datetime.now(UTC))

    asyncio.run(prepare())
    return _TEMPLATE


@pytest.fixture
async def database_url(servers: EmbeddedServers, template: str) -> AsyncIterator[str]:
    """A migrated database of this test's own; a copy of the template takes some 30 ms in memory."""
    name = f"test_{next(_numbers)}"
    await _execute(servers, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield _named(servers, name)
    await _execute(servers, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
async def redis_url(servers: EmbeddedServers) -> str:
    client = redis.asyncio.Redis.from_url(servers.redis_url)
    await client.flushall()
    await client.aclose()
    return servers.redis_url


@pytest.fixture
def settings(servers: EmbeddedServers, database_url: str, redis_url: str) -> Settings:
    return Settings.model_validate(
        {
            "database_url": database_url,
            "redis_url": redis_url,
            "secret_key": servers.secret_key,
            "outbound_networks": "127.0.0.0/8,::1/128",
            "port": 0,
        }
    )


@pytest.fixture
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    async with open_resources(settings) as opened:
        yield opened
