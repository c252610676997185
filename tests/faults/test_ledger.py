"""The promise behind every 2xx, under kill -9: a client writes down what was acknowledged, and the books must agree.

The client repeats an unanswered submission with the same Idempotency-Key until it is acknowledged, as a careful
sender does. So afterwards there must be exactly one stored submission for each key, each in exactly one lead.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx2
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.support.deployment import Deployment, deployment
from tests.support.waiting import a_source

from leadhub.store.migrations import migrate

PEOPLE = 40


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path / "log") as deployed:
        yield deployed


@dataclass
class Ledger:
    """What a client knows: each key → the id that was acknowledged for it."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refusals: int = 0
    surprises: list[int] = field(default_factory=list)
    stop: bool = False
    progress: asyncio.Event = field(default_factory=asyncio.Event)


async def send(client: httpx2.AsyncClient, path: str, ledger: Ledger, prefix: str) -> None:
    """Post submissions of a few people, one after another, each until it is acknowledged."""
    number = 0
    while not ledger.stop:
        number += 1
        key = f"{prefix}-{number}"
        headers = {"Idempotency-Key": key, "Accept": "application/json"}
        body = {"email": f"Person{number % PEOPLE}@Example.com", "message": key}
        while key not in ledger.acknowledged:
            try:
                answer = await client.post(path, data=body, headers=headers)
            except httpx2.HTTPError:
                ledger.refusals += 1
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 202:
                ledger.acknowledged[key] = answer.json()["id"]
                ledger.progress.set()
            elif answer.status_code == 503:
                ledger.refusals += 1
                await asyncio.sleep(0.1)
            else:
                ledger.surprises.append(answer.status_code)
                return


async def more(ledger: Ledger, count: int) -> None:
    """Wait until so many more were acknowledged: every fault meets a service at work."""
    goal = len(ledger.acknowledged) + count
    async with asyncio.timeout(60):
        while len(ledger.acknowledged) < goal:
            ledger.progress.clear()
            await ledger.progress.wait()


def faults(running: Deployment) -> list[Callable[[], None]]:
    def gateway() -> None:
        running.kill("serve")
        running.start("serve")

    def worker() -> None:
        running.kill("worker")
        running.start("worker")

    def postgres() -> None:
        running.servers.kill_postgres()
        running.servers.restart_postgres()

    def valkey() -> None:
        running.servers.kill_valkey()
        time.sleep(0.3)
        running.servers.restart_valkey()

    return [gateway, worker, postgres, valkey]


async def chaos(running: Deployment, *, kills: int, seed: int) -> Ledger:
    await migrate(running.servers.database_url, now=datetime.now(UTC))
    engine = create_async_engine(running.servers.database_url)
    source = await a_source(engine, channel="form")
    await engine.dispose()
    running.start("serve")
    running.start("worker")
    running.wait_ready()

    ledger = Ledger()
    order = random.Random(seed)
    async with httpx2.AsyncClient(base_url=running.url, timeout=5) as client:
        senders = [
            asyncio.create_task(send(client, f"/in/form/{source.hex}", ledger, f"client{number}"))
            for number in range(6)
        ]
        todo = faults(running) * (kills // 4)
        order.shuffle(todo)
        for fault in todo:
            await more(ledger, 20)
            await asyncio.sleep(order.uniform(0, 0.5))
            await asyncio.to_thread(fault)
        await more(ledger, 20)
        ledger.stop = True
        await asyncio.wait_for(asyncio.gather(*senders), 40)
    return ledger


async def check_the_books(running: Deployment, ledger: Ledger) -> None:
    assert ledger.surprises == []
    stored = {row["dedupe_key"]: row["submission_id"] for row in await running.query("SELECT * FROM submission_key")}
    submissions = [row["id"] for row in await running.query("SELECT id FROM submission")]
    members = [row["submission_id"] for row in await running.query("SELECT submission_id FROM membership")]
    living = await running.query("SELECT id FROM lead WHERE merged_into IS NULL")
    counted = await running.query("SELECT sum(count)::int AS n FROM fact")
    acknowledged = {UUID(one) for one in ledger.acknowledged.values()}

    assert acknowledged <= set(submissions)
    assert len(acknowledged) == len(ledger.acknowledged)
    assert sorted(submissions) == sorted(stored.values())
    assert sorted(members) == sorted(submissions)
    assert len(living) == min(PEOPLE, len(submissions))
    assert counted[0]["n"] == len(submissions)


async def test_no_acknowledged_submission_is_lost_or_doubled(running: Deployment) -> None:
    ledger = await chaos(running, kills=4, seed=20260115)
    await running.settle(seconds=40)

    assert len(ledger.acknowledged) > 100
    await check_the_books(running, ledger)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_no_acknowledged_submission_is_lost_or_doubled_over_many_kills(running: Deployment) -> None:
    ledger = await chaos(running, kills=100, seed=7)
    await running.settle(seconds=120)

    assert len(ledger.acknowledged) > 5_000
    await check_the_books(running, ledger)
