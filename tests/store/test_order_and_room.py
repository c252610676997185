"""In which order deliveries are claimed where a lead's events must not overtake each other, and how much at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import pytest
from tests.support.outbox import NOW, Outbox, a_database, an_event, claim, new_id, result_of

from leadhub.domain.attempt import AttemptResult, Failure
from leadhub.domain.ids import DeliveryId, LeadId
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.recording import record
from leadhub.store import deliveries, events
from leadhub.store.driver import connect, transaction
from leadhub.store.engine import create_engine
from leadhub.store.lanes import Claimed

OK = AttemptResult(status=200)
FAILED = AttemptResult(status=500)


@pytest.fixture(scope="module")
async def engine_url(servers: EmbeddedServers, template: str) -> AsyncIterator[str]:
    async with a_database(servers, template, "test_order") as url:
        yield url


@pytest.fixture
async def outbox(engine_url: str) -> AsyncIterator[Outbox]:
    engine = create_engine(engine_url, pool=8, pool_wait_seconds=2, statement_seconds=5)
    outbox = Outbox(engine)
    await outbox.empty()
    yield outbox
    await engine.dispose()


async def _end(outbox: Outbox, claimed: Claimed, result: AttemptResult, *, after: float = 0) -> None:
    now = NOW + timedelta(seconds=after)
    async with transaction(outbox.engine) as connection:
        await record(connection, [result_of(claimed, result, now=now)], now=now, new_id=new_id)


async def _story(outbox: Outbox, lead: LeadId, *numbers: int) -> None:
    """Tell events of one lead; each number is an event's place in the lead's story."""
    async with transaction(outbox.engine) as connection:
        await events.append(connection, [an_event(lead_id=lead, sequence=number) for number in numbers])


def _numbers(claimed: list[Claimed]) -> list[int | None]:
    return [one.sequence for one in claimed]


class TestInOrder:
    async def test_one_event_of_a_lead_is_on_its_way_at_a_time(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead")
        await _story(outbox, LeadId(new_id()), 1, 2, 3)

        sent = []
        for _ in range(3):
            [one] = await outbox.claim()
            assert not await outbox.claim()
            await _end(outbox, one, OK)
            sent.append(one)

        assert _numbers(sent) == [1, 2, 3]

    async def test_its_place_in_the_story_counts_and_not_when_it_was_written(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead")
        lead = LeadId(new_id())
        await _story(outbox, lead, 3, 1)
        await _story(outbox, lead, 2)

        sent = []
        while claimed := await outbox.claim():
            sent += claimed
            await _end(outbox, claimed[0], OK)

        assert _numbers(sent) == [1, 2, 3]

    async def test_leads_do_not_wait_for_each_other(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead")
        for _ in range(3):
            await _story(outbox, LeadId(new_id()), 1, 2)

        assert _numbers(await outbox.claim()) == [1, 1, 1]

    async def test_one_that_fails_holds_only_its_own_leads_later_ones(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead")
        poisoned, other = LeadId(new_id()), LeadId(new_id())
        await _story(outbox, poisoned, 1, 2)
        [one] = await outbox.claim()
        await _end(outbox, one, FAILED)
        await _story(outbox, other, 1)

        [next_one] = await outbox.claim(now=NOW + timedelta(seconds=1))

        assert next_one.lead_id == other
        again = await outbox.claim(now=NOW + timedelta(seconds=10))
        assert [(one.lead_id, one.lease.number) for one in again] == [(poisoned, 2)]

    @pytest.mark.parametrize(("poison", "goes_on"), [("skip", True), ("block", False)])
    async def test_what_was_given_up_is_skipped_or_blocks(self, outbox: Outbox, poison: str, *, goes_on: bool) -> None:
        await outbox.endpoint(ordering="lead", poison=poison)
        await _story(outbox, LeadId(new_id()), 1, 2)
        [one] = await outbox.claim()

        await _end(outbox, one, AttemptResult(failure=Failure.ERASED))

        assert bool(await outbox.claim()) == goes_on

    async def test_a_block_ends_when_somebody_cancels_what_was_given_up(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead", poison="block")
        await _story(outbox, LeadId(new_id()), 1, 2)
        [one] = await outbox.claim()
        await _end(outbox, one, AttemptResult(failure=Failure.ERASED))
        assert not await outbox.claim()

        async with outbox.sessions.begin() as session:
            await deliveries.cancel(session, DeliveryId(one.lease.delivery_id), now=NOW)

        assert _numbers(await outbox.claim()) == [2]

    async def test_thousands_behind_one_that_fails_are_looked_at_once(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead")
        await _story(outbox, LeadId(new_id()), *range(1, 301))
        [one] = await outbox.claim()
        await _end(outbox, one, FAILED)

        assert not await outbox.claim(now=NOW + timedelta(seconds=1))

        due = "SELECT count(*) FROM delivery WHERE due_at <= :now"
        assert await outbox.rows(due, now=NOW + timedelta(seconds=1)) == [(0,)]

    async def test_racing_workers_keep_it(self, outbox: Outbox) -> None:
        await outbox.endpoint(ordering="lead", cap=32)
        leads = [LeadId(new_id()) for _ in range(4)]
        for lead in leads:
            await _story(outbox, lead, *range(1, 9))
        sent: dict[LeadId | None, list[int]] = {lead: [] for lead in leads}

        async def work() -> None:
            seconds = 0
            while sum(map(len, sent.values())) < 32:
                seconds += 1
                for one in await outbox.claim(4, now=NOW + timedelta(seconds=seconds)):
                    sent[one.lead_id].append(one.sequence or 0)
                    await asyncio.sleep(0)
                    await _end(outbox, one, OK)

        async with asyncio.timeout(30):
            await asyncio.gather(*(work() for _ in range(4)))

        assert all(earlier < later for story in sent.values() for earlier, later in pairwise(story))


class TestAHost:
    async def test_has_a_cap_over_all_its_endpoints_and_workers(self, outbox: Outbox) -> None:
        for number in range(6):
            await outbox.endpoint(f"https://hooks.example.com/{number}")
        await outbox.endpoint("https://crm.example.org/")
        await outbox.events(10)

        async def work() -> list[Claimed]:
            return [one for _ in range(4) for one in await outbox.claim(16, host=5)]

        claimed = [one for batch in await asyncio.gather(*(work() for _ in range(4))) for one in batch]

        hosts = [one.url.split("/")[2] for one in claimed]
        assert hosts.count("hooks.example.com") == 5
        assert hosts.count("crm.example.org") == 4

    async def test_that_is_full_does_not_stand_before_the_others(self, outbox: Outbox) -> None:
        for number in range(8):
            await outbox.endpoint(f"https://hooks.example.com/{number}")
        await outbox.events(4)
        await outbox.claim(host=3)
        await outbox.endpoint("https://crm.example.org/")
        await outbox.events(1)

        assert [one.url for one in await outbox.claim(4, host=3)] == ["https://crm.example.org/"]

    async def test_is_that_of_the_new_url(self, outbox: Outbox) -> None:
        await outbox.endpoint("https://Hooks.example.com:8443/a")

        assert await outbox.rows("SELECT host FROM lane") == [("hooks.example.com",)]


class TestInDoubt:
    async def test_endpoints_that_fail_share_what_is_left_for_them(self, outbox: Outbox) -> None:
        failing = [await outbox.endpoint(f"https://failing{number}.example.com/") for number in range(6)]
        await outbox.events(1)
        for one in await outbox.claim():
            await _end(outbox, one, AttemptResult(failure=Failure.TIMEOUT))
        fine = await outbox.endpoint("https://fine.example.com/")
        await outbox.events(4)

        claimed = await outbox.claim(doubtful=2, now=NOW + timedelta(seconds=1))

        endpoints = [one.lease.endpoint_id for one in claimed]
        assert sum(endpoint in failing for endpoint in endpoints) == 2
        assert endpoints.count(fine) == 4
        assert {one.lease.is_in_doubt for one in claimed if one.lease.endpoint_id in failing} == {True}

    async def test_nothing_is_left_where_too_many_wait_already(self, outbox: Outbox) -> None:
        slow = await outbox.endpoint("https://slow.example.com/")
        fine = await outbox.endpoint("https://fine.example.com/")
        await outbox.events(1)

        async with connect(outbox.engine) as connection, connection.transaction():
            batch = await claim(connection, doubtful=0, slow=[slow])

        assert [one.lease.endpoint_id for one in batch.claimed] == [fine]
        assert batch.is_more
