"""PostgreSQL dies under a running gateway, and comes back."""

import asyncio
import time

from sqlalchemy import text
from tests.support.admin import problem_of
from tests.support.gateway import Gateway, client_of, running
from tests.support.waiting import a_source

from leadhub.embedded import EmbeddedServers
from leadhub.settings import Settings

ADA = b"ada@example.com"


async def a_path(gateway: Gateway) -> str:
    return f"/in/echo/{(await a_source(gateway.resources.engine, channel='echo')).hex}"


async def stored(gateway: Gateway) -> int:
    async with gateway.resources.engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM submission"))).scalar_one())


async def test_without_postgresql_leads_get_a_503_at_once_and_it_heals_by_itself(
    settings: Settings, servers: EmbeddedServers
) -> None:
    async with running(settings.model_copy(update={"drain_seconds": 0})) as gateway, client_of(gateway) as client:
        path = await a_path(gateway)
        await client.post(path, content=ADA)
        servers.kill_postgres()

        began = time.monotonic()
        known, unknown = await client.post(path, content=ADA), await client.post("/in/echo/other", content=ADA)
        refused_after = time.monotonic() - began
        await asyncio.sleep(2.1)  # longer than a look-up is fresh
        stale = await client.post(path, content=ADA)
        await asyncio.to_thread(servers.restart_postgres)
        healed = await client.post(path, content=ADA)

        for answer in (known, unknown, stale):
            problem_of(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        assert refused_after < 2
        assert healed.status_code == 202
        assert await stored(gateway) == 2


async def test_without_postgresql_readiness_is_red_soon_and_green_again_by_itself(
    settings: Settings, servers: EmbeddedServers
) -> None:
    async with running(settings.model_copy(update={"drain_seconds": 0})) as gateway, client_of(gateway) as client:
        assert (await client.get("/health/ready")).status_code == 200
        servers.kill_postgres()

        began = time.monotonic()
        while (answer := await client.get("/health/ready")).status_code == 200:  # noqa: ASYNC110 - it is polled
            await asyncio.sleep(0.05)
        red_after = time.monotonic() - began
        live, metrics = await client.get("/health/live"), await client.get("/metrics")
        await asyncio.to_thread(servers.restart_postgres)
        await asyncio.sleep(1.1)
        healed = await client.get("/health/ready")

        assert problem_of(answer, 503)["checks"]["database"].startswith("away")
        assert int(answer.headers["retry-after"]) > 0
        assert red_after < 2
        assert (live.status_code, metrics.status_code) == (200, 200)
        assert healed.status_code == 200
