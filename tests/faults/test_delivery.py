"""The promise to receivers, by workers as processes of their own: at least once, twice only what was in flight."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.delivering import until
from tests.support.deployment import Deployment, deployment
from tests.support.outbox import Outbox
from tests.support.receivers import Received, Receiver, answering, status

from leadhub.outbound import queue
from leadhub.store.engine import create_engine
from leadhub.store.migrations import migrate
from leadhub.store.vault import Vault

DEADLINE = 1
"""Of an attempt, in seconds; a lease lasts 15 more."""
CAP = 4


@dataclass(slots=True)
class Crm:
    """A receiver that takes a moment for each event, deployed beside workers that tests may stop."""

    running: Deployment
    receiver: Receiver
    outbox: Outbox
    told: set[str]

    def start(self, name: str) -> None:
        self.running.start("worker", name=name, LEADHUB_DELIVERY_TOTAL_SECONDS=str(DEADLINE))

    async def tell(self, count: int) -> None:
        """Commit events, each as soon as PostgreSQL takes it."""
        for _ in range(count):
            while True:
                with contextlib.suppress(Exception):
                    self.told |= {str(one) for one in await self.outbox.events(at=datetime.now(UTC))}
                    break
                await asyncio.sleep(0.1)

    @property
    def came(self) -> Counter[str]:
        return Counter(request.headers["webhook-id"] for request in self.receiver.requests)

    async def some(self, more: int) -> None:
        """Return when so many more came."""
        goal = len(self.came) + more
        await until(lambda: len(self.came) >= goal, seconds=60)

    async def all_arrived(self, *, seconds: float) -> float:
        """Return once everything that was told has come; how long that took."""
        started = time.monotonic()
        try:
            await until(lambda: not self.told - self.came.keys(), seconds=seconds)
        except TimeoutError:
            states = await self.outbox.rows("SELECT state, outcome, count(*), min(due_at) FROM delivery GROUP BY 1, 2")
            lane = await self.outbox.rows("SELECT width, openings, failures, blocked_until FROM lane")
            log = await asyncio.to_thread(self.running.log.read_text)
            raise AssertionError(f"{states}\n{lane}\n{log[-3000:]}") from None
        return time.monotonic() - started

    async def all_recorded(self, *, seconds: float) -> None:
        """Return once everything that was told is known to have come."""

        async def is_so() -> bool:
            return await self.outbox.states() == {"delivered": len(self.told)}

        await until(is_so, seconds=seconds)

    @property
    def repeats(self) -> int:
        return sum(number - 1 for number in self.came.values())


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[Crm]:
    async def slowly(_: Received) -> bytes:
        await asyncio.sleep(0.05)
        return status(200)

    with deployment(tmp_path / "log") as running:
        servers = running.servers
        await migrate(servers.database_url, now=datetime.now(UTC))
        engine = create_engine(servers.database_url, pool=3, pool_wait_seconds=1, statement_seconds=5)
        async with answering(slowly) as receiver:
            outbox = Outbox(engine, Vault([servers.secret_key]))
            await outbox.endpoint(receiver.url, cap=CAP)
            yield Crm(running, receiver, outbox, set())
            await asyncio.to_thread(running.stop)
        await engine.dispose()


async def test_with_redis_flushed_then_gone_and_over_a_restart_everything_comes_once(crm: Crm) -> None:
    crm.start("worker")
    await crm.tell(20)
    await crm.some(5)

    async with queue.connect(crm.running.servers.redis_url) as client:
        await client.flushall()
    await crm.tell(5)
    await asyncio.to_thread(crm.running.servers.kill_valkey)
    await crm.tell(20)
    await crm.some(20)
    code = await asyncio.to_thread(crm.running.terminate, "worker")
    crm.start("worker")
    await crm.all_arrived(seconds=80)

    assert code == 0
    assert crm.repeats == 0  # what was in flight at SIGTERM was finished, and recorded


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_flushed_redis_and_a_killed_postgresql_lose_nothing(crm: Crm) -> None:
    servers = crm.running.servers
    crm.start("worker")
    await crm.tell(20)
    async with queue.connect(servers.redis_url) as client:
        await client.flushall()
    await crm.tell(20)
    await crm.some(20)

    await asyncio.to_thread(servers.kill_postgres)
    await asyncio.sleep(1)
    await asyncio.to_thread(servers.restart_postgres)
    await crm.tell(10)

    await crm.all_arrived(seconds=60)
    assert crm.repeats <= CAP  # of what was in flight when PostgreSQL went


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_killed_worker_is_made_good_by_another(crm: Crm) -> None:
    for round_ in range(3):
        name = f"worker {round_}"
        crm.start(name)
        await crm.tell(40)
        await crm.some(10)
        crm.running.kill(name)
    crm.start("last")

    took = await crm.all_arrived(seconds=DEADLINE + 15 + 30)

    assert took <= DEADLINE + 15 + 15
    assert crm.repeats <= 3 * CAP


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_worker_stopped_past_its_lease_repeats_nothing_when_it_goes_on(crm: Crm) -> None:
    crm.start("first")
    await crm.tell(60)
    await crm.some(10)
    crm.running.signal("first", signal.SIGSTOP)
    crm.start("second")
    await crm.all_recorded(seconds=60)  # what the first had leased, too: so its leases ended
    before = crm.repeats

    crm.running.signal("first", signal.SIGCONT)
    await crm.tell(20)
    await crm.all_recorded(seconds=30)

    assert before <= CAP
    assert crm.repeats == before


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_half_a_minute_without_postgresql_loses_nothing(crm: Crm) -> None:
    crm.start("worker")
    await crm.tell(40)
    await crm.some(10)

    await asyncio.to_thread(crm.running.servers.kill_postgres)
    await asyncio.sleep(30)
    await asyncio.to_thread(crm.running.servers.restart_postgres)
    await crm.tell(10)

    await crm.all_arrived(seconds=60)
    assert crm.repeats <= CAP
