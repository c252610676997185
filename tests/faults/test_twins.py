"""One person who comes a hundred times at once, over HTTP, with two workers racing for the submissions."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.support.deployment import Deployment, deployment
from tests.support.waiting import a_source

from leadhub.store.migrations import migrate

SPELLINGS = [
    {"email": "Ana.Diaz@ACME.example", "first_name": "ANA"},
    {"email": " ana.diaz@acme.example ", "name": "Ana Díaz"},
    {"email": "ana.diaz@acme.example", "phone": "+34 612 345 678"},
    {"tel": "0034 612 345 678", "vorname": "Ana"},
    {"your-email": "mailto:ana.diaz@acme.example", "telefon": "+34 (612) 34-56-78"},
]

AS_SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path / "log") as deployed:
        yield deployed


async def test_a_hundred_concurrent_posts_of_one_person_are_one_lead_with_a_hundred_activities(
    running: Deployment,
) -> None:
    await migrate(running.servers.database_url, now=datetime.now(UTC))
    engine = create_async_engine(running.servers.database_url)
    source = await a_source(engine, channel="form")
    await engine.dispose()
    for verb in ("serve", "worker"):
        running.start(verb)
    running.start("worker", name="second worker")
    running.wait_ready()

    async with httpx2.AsyncClient(base_url=running.url, timeout=30) as client:
        answers = await asyncio.gather(
            *(client.post(f"/in/form/{source.hex}", data=SPELLINGS[n % 5], headers=AS_SCRIPT) for n in range(100))
        )
    await running.settle(seconds=40)

    assert {answer.status_code for answer in answers} == {202}
    assert len(await running.query("SELECT id FROM lead WHERE merged_into IS NULL")) == 1
    members = await running.query("SELECT lead_id FROM membership")
    assert (len(members), len({row["lead_id"] for row in members})) == (100, 1)
    assert (await running.query("SELECT count(*) AS n FROM activity"))[0]["n"] == 100
    assert (await running.query("SELECT sum(count)::int AS n FROM fact"))[0]["n"] == 100
