import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.support.counting import is_of_the_driver, statements
from tests.support.outbox import LEASE, NOW, Outbox, a_database, an_event, claim, new_id, result_of

from leadhub.domain.attempt import AttemptResult, Failure
from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import DeliveryId
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.recording import record
from leadhub.store import deliveries, endpoints, events, lanes
from leadhub.store.driver import Connection, connect, transaction
from leadhub.store.engine import create_engine
from leadhub.store.lanes import Batch, Claimed
from leadhub.store.vault import Vault

OK = AttemptResult(status=200, duration_ms=5, remote_ip="192.0.2.1", headers={"server": "x"}, body=b"thanks")
SECOND = timedelta(seconds=1)
_ACTIVATE = text("UPDATE endpoint SET state = 'active'")
_CHANGE = text("UPDATE endpoint SET url = 'https://new.example.com/', version = version + 1")
_BLOCK = text("UPDATE lane SET blocked_until = :until WHERE endpoint_id = :id")
_ERASE = text("DELETE FROM event")
_FREE = "UPDATE delivery SET state = 'pending' WHERE id = ANY ($1)"


@pytest.fixture(scope="module")
async def shared(servers: EmbeddedServers, template: str) -> AsyncIterator[Outbox]:
    async with a_database(servers, template, "test_deliveries") as url:
        engine = create_engine(url, pool=10, pool_wait_seconds=5, statement_seconds=10)
        yield Outbox(engine, Vault([servers.secret_key]))
        await engine.dispose()


@pytest.fixture
async def outbox(shared: Outbox) -> Outbox:
    await shared.empty()
    return shared


async def _complete(outbox: Outbox, *pairs: tuple[Claimed, AttemptResult]) -> set[DeliveryId]:
    async with transaction(outbox.engine) as connection:
        return await record(connection, [result_of(*pair) for pair in pairs], now=NOW, new_id=new_id)


class TestAppend:
    async def test_fans_out_to_whom_it_concerns(self, outbox: Outbox) -> None:
        everything = await outbox.endpoint(include_test=True)
        typed = await outbox.endpoint(types=["lead.routed", "lead.merged"])
        await outbox.endpoint(types=["lead.merged"])
        paused = await outbox.endpoint(state="paused")
        gone = await outbox.endpoint(state="gone")

        async with transaction(outbox.engine) as connection:
            made = await events.append(
                connection, [an_event(), an_event(is_test=True), an_event(type="submission.failed")]
            )

        rows = await outbox.rows("SELECT endpoint_id, event_type, state FROM delivery")
        assert made == len(rows) == 8
        assert Counter(rows) == {
            (everything, "lead.routed", "pending"): 2,
            (everything, "submission.failed", "pending"): 1,
            (typed, "lead.routed", "pending"): 1,
            (paused, "lead.routed", "held"): 1,
            (paused, "submission.failed", "held"): 1,
            (gone, "lead.routed", "held"): 1,
            (gone, "submission.failed", "held"): 1,
        }

    async def test_gives_deliveries_the_time_of_their_event(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        [event_id] = await outbox.events()

        [(delivery_id, of, due_at)] = await outbox.rows("SELECT id, event_id, due_at FROM delivery")

        assert (of, due_at) == (event_id, NOW)
        assert delivery_id.version == 7
        assert delivery_id.int >> 80 == event_id.int >> 80

    async def test_costs_one_statement_whatever_the_number(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        async with statements(outbox.engine) as sent, transaction(outbox.engine) as connection:
            await events.append(connection, [an_event() for _ in range(300)])
            assert await events.append(connection, []) == 0
        assert len(sent) == 3  # with BEGIN and COMMIT

    async def test_waits_for_an_endpoint_that_is_being_resumed(self, outbox: Outbox) -> None:
        endpoint_id = await outbox.endpoint(state="paused")
        async with outbox.sessions.begin() as session:
            locked = await endpoints.lock_endpoint(session, endpoint_id)
            assert locked.state == "paused"
            await session.execute(_ACTIVATE)
            appending = asyncio.create_task(outbox.events())
            await asyncio.sleep(0.1)
            assert not appending.done()
            await endpoints.release(session, endpoint_id)
        await appending

        assert await outbox.states() == {"pending": 1}


def _count_statements(session: AsyncSession) -> Counter[str]:
    counted: Counter[str] = Counter()
    engine = session.get_bind()

    def count(*_: object) -> None:
        counted.update(["statements"])

    event.listen(engine, "before_cursor_execute", count)
    return counted


@contextlib.contextmanager
def _counting(connection: Connection) -> Iterator[list[str]]:
    """Yield a list that grows with each statement, a moment after it."""
    seen: list[str] = []
    with connection.query_logger(lambda record: None if is_of_the_driver(record.query) else seen.append(record.query)):
        yield seen


class TestClaim:
    async def test_leases_the_oldest_due(self, outbox: Outbox) -> None:
        await outbox.endpoint(cap=2)
        newer = await outbox.events(2, at=NOW - SECOND)
        older = await outbox.events(1, at=NOW - 9 * SECOND)
        await outbox.events(1, at=NOW + SECOND)

        claimed = await outbox.claim()

        assert {one.event_id for one in claimed} < {*older, *newer}
        assert older[0] in {one.event_id for one in claimed}
        assert len(claimed) == 2
        for one in claimed:
            assert (one.url, one.endpoint_version) == ("https://crm.example.com/hook", 1)
            assert (one.body, one.lease.number, one.event_type) == (b'{"type":"lead.routed"}', 1, "lead.routed")
            assert len(one.secrets) == 1
        assert await outbox.states() == {"leased": 2, "pending": 2}

    async def test_holds_the_cap_over_claims(self, outbox: Outbox) -> None:
        await outbox.endpoint(cap=4)
        await outbox.events(10)

        first = await outbox.claim(6)
        assert [len(first), len(await outbox.claim()), len(await outbox.claim())] == [2, 2, 0]
        await _complete(outbox, (first[0], OK), (first[1], OK))

        assert len(await outbox.claim()) == 2

    @pytest.mark.parametrize("cap", [1, 4])
    async def test_holds_the_cap_over_racing_workers(self, outbox: Outbox, cap: int) -> None:
        await outbox.endpoint(cap=cap)
        await outbox.events(60)

        for _ in range(8):
            batches = await asyncio.gather(*(outbox.claim() for _ in range(6)))
            claimed = [one for batch in batches for one in batch]
            assert len(claimed) == cap
            assert len({one.lease.delivery_id for one in claimed}) == cap
            await _complete(outbox, *((one, OK) for one in claimed))

    async def test_skips_a_lane_that_another_worker_is_claiming(self, outbox: Outbox) -> None:
        await outbox.endpoint("https://one.example.com/")
        await outbox.events(5)
        async with transaction(outbox.engine) as connection:
            assert len((await claim(connection)).claimed) == 4
            assert await outbox.claim() == []
            await outbox.endpoint("https://two.example.com/")
            await outbox.events(2)
            assert {one.url for one in await outbox.claim()} == {"https://two.example.com/"}

    async def test_serves_every_lane_once_before_any_twice(self, outbox: Outbox) -> None:
        urls = [f"https://crm{number}.example.com/" for number in range(3)]
        for url in urls:
            await outbox.endpoint(url)
        await outbox.events(9)

        assert Counter(one.url for one in await outbox.claim(8)).most_common(1)[0][1] == 2
        assert {one.url for one in await outbox.claim(3)} == set(urls)

    async def test_takes_lanes_in_turn(self, outbox: Outbox) -> None:
        ids = [await outbox.endpoint(f"https://crm{number}.example.com/") for number in range(5)]
        await outbox.events(9)

        served = [(await outbox.claim(1, now=NOW + turn * SECOND))[0].lease.endpoint_id for turn in range(10)]

        assert set(served[:5]) == set(ids)
        assert served[5:] == served[:5]

    async def test_is_not_held_up_by_full_lanes(self, outbox: Outbox) -> None:
        for number in range(5):
            await outbox.endpoint(f"https://hanging{number}.example.com/", cap=1)
        await outbox.events(3)
        assert len(await outbox.claim()) == 5
        await outbox.endpoint("https://fast.example.com/")
        await outbox.events(1)

        assert [one.url for one in await outbox.claim(2)] == ["https://fast.example.com/"]

    async def test_gives_one_endpoint_no_more_than_a_quarter_of_the_free_slots(self, outbox: Outbox) -> None:
        endpoint_id = await outbox.endpoint(cap=32)
        await outbox.events(30)

        assert await outbox.claim(4, busy={endpoint_id: 1}) == []
        assert len(await outbox.claim(5, busy={endpoint_id: 1})) == 1
        assert len(await outbox.claim(32)) == 7
        assert len(await outbox.claim(1)) == 1

    async def test_leaves_slots_free_however_many_endpoints_want_them(self, outbox: Outbox) -> None:
        for number in range(16):
            await outbox.endpoint(f"https://crm{number}.example.com/", cap=4)
        await outbox.events(4)

        claimed = await outbox.claim(64)
        assert len(claimed) == 52
        busy = Counter(one.lease.endpoint_id for one in claimed)
        assert max(busy.values()) == 4
        await outbox.endpoint("https://late.example.com/", types=["lead.merged"])
        await outbox.events(1, type="lead.merged")
        late = await outbox.claim(12, busy=busy)
        assert late[0].url == "https://late.example.com/"

    async def test_leaves_half_of_the_slots_to_what_is_new(self, outbox: Outbox) -> None:
        for number in range(20):
            await outbox.endpoint(f"https://crm{number}.example.com/")
        await outbox.events(4)
        await _again(outbox)
        assert len(await outbox.claim(32)) == 16

        await outbox.events(1)
        kinds = Counter(one.lease.is_again for one in await outbox.claim(32))
        assert kinds[True] <= 16
        assert kinds[False] >= 12

    async def test_takes_new_and_repeated_deliveries_of_a_lane_in_turn(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(9, at=NOW - 9 * SECOND)
        await _again(outbox)
        await outbox.events(9)

        assert [one.lease.is_again for one in await outbox.claim()].count(True) == 2

    async def test_sends_one_probe_over_all_workers_where_the_circuit_was_opened(self, outbox: Outbox) -> None:
        await outbox.endpoint(cap=8)
        await outbox.events(40)
        claimed = await outbox.claim()
        await _complete(outbox, *((one, AttemptResult(status=500)) for one in claimed))
        claimed = await outbox.claim()
        await _complete(outbox, *((one, AttemptResult(status=500)) for one in claimed))

        assert await outbox.claim(now=NOW + 29 * SECOND) == []
        batches = await asyncio.gather(*(outbox.claim(now=NOW + 30 * SECOND) for _ in range(6)))
        [probe] = [one for batch in batches for one in batch]
        assert probe.lane_openings == 1
        await _complete(outbox, (probe, AttemptResult(status=500)))
        assert await outbox.claim(now=NOW + 59 * SECOND) == []
        [probe] = await outbox.claim(now=NOW + 90 * SECOND)
        await _complete(outbox, (probe, OK))
        assert len(await outbox.claim(now=NOW + 90 * SECOND)) == 8

    async def test_keeps_to_a_limit_a_minute_over_all_workers(self, outbox: Outbox) -> None:
        await outbox.endpoint(cap=32, per_minute=120)
        await outbox.events(30)

        made = []
        for tenth in range(60):
            batches = await asyncio.gather(*(outbox.claim(now=NOW + tenth * SECOND / 10) for _ in range(3)))
            claimed = [one for batch in batches for one in batch]
            await _complete(outbox, *((one, OK) for one in claimed))
            made.append(len(claimed))

        assert made[0] == 2
        assert 12 <= sum(made) <= 14
        assert max(made[1:]) == 1

    async def test_passes_over_blocked_lanes_and_endpoints_out_of_service(self, outbox: Outbox) -> None:
        blocked = await outbox.endpoint()
        await outbox.endpoint(state="paused")
        await outbox.events(1)
        async with outbox.sessions.begin() as session:
            await session.execute(_BLOCK, {"id": blocked, "until": NOW + SECOND})

        assert await outbox.claim() == []
        assert len(await outbox.claim(now=NOW + SECOND)) == 1

    async def test_brings_the_live_secrets_the_current_one_first(self, outbox: Outbox) -> None:
        endpoint_id = await outbox.endpoint()
        await outbox.events(1)
        async with outbox.sessions.begin() as session:
            [old] = await endpoints.secrets_of(session, endpoint_id, now=NOW)
            await endpoints.retire_secrets(session, endpoint_id, now=NOW, until=NOW + SECOND, at_most=2)
            new = endpoints.SealedSecret(id=new_id(NOW + SECOND), sealed=b"x", created_at=NOW, valid_until=None)
            await endpoints.insert_secret(session, endpoint_id, new)

        [claimed] = await outbox.claim()

        assert [secret_id for secret_id, _ in claimed.secrets] == [new.id, old.id]
        [again] = await _expire_and_claim(outbox)
        assert [secret_id for secret_id, _ in again.secrets] == [new.id]

    async def test_brings_no_body_of_an_erased_event(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        async with outbox.sessions.begin() as session:
            await session.execute(_ERASE)

        assert [one.body for one in await outbox.claim()] == [None]

    async def test_costs_three_statements_whatever_the_number_and_one_if_idle(self, outbox: Outbox) -> None:
        for number in range(20):
            await outbox.endpoint(f"https://crm{number}.example.com/")
        async with transaction(outbox.engine) as connection:
            with _counting(connection) as statements:
                assert (await claim(connection)).claimed == ()
                await asyncio.sleep(0)
                assert len(statements) == 1
                await outbox.events(5)
                assert len((await claim(connection)).claimed) > 50
                await asyncio.sleep(0)
                assert len(statements) == 4

    async def test_says_whether_something_was_left(self, outbox: Outbox) -> None:
        await outbox.endpoint(cap=2)
        await outbox.events(1)
        async with transaction(outbox.engine) as connection:
            assert not (await claim(connection)).is_more
        await outbox.events(1)
        async with transaction(outbox.engine) as connection:
            assert (await claim(connection)).is_more  # its lane is full: who knows
        await outbox.events(1)
        async with transaction(outbox.engine) as connection:
            assert await claim(connection) == Batch(is_more=True)


async def _again(outbox: Outbox) -> None:
    async with connect(outbox.engine) as connection:
        await connection.execute("UPDATE delivery SET is_again = true")


async def _expire_and_claim(outbox: Outbox) -> list[Claimed]:
    later = NOW + 2 * LEASE
    async with transaction(outbox.engine) as connection:
        leases = await deliveries.lock_expired(connection, now=later, limit=10)
        await connection.execute(_FREE, [lease.delivery_id for lease in leases])
    return await outbox.claim(now=later)


class TestComplete:
    async def test_records_the_delivery_and_its_attempt(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        [claimed] = await outbox.claim()

        assert await _complete(outbox, (claimed, OK)) == {claimed.lease.delivery_id}

        delivery = await outbox.rows("SELECT state, outcome, attempts, lease_token, finished_at FROM delivery")
        assert delivery == [("delivered", "delivered", 1, None, NOW)]
        attempt = await outbox.rows(
            "SELECT outcome, status, because, remote_ip, duration_ms, response_headers, response_body, finished_at"
            "  FROM attempt"
        )
        because = "the receiver answered 200: it has the event"
        assert attempt == [("delivered", 200, because, "192.0.2.1", 5, {"server": "x"}, b"thanks", NOW)]

    async def test_puts_a_retry_back_for_later(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        [claimed] = await outbox.claim()

        await _complete(outbox, (claimed, AttemptResult(status=500)))

        assert await outbox.states() == {"pending": 1}
        assert await outbox.claim(now=NOW + 4 * SECOND) == []
        [again] = await outbox.claim(now=NOW + 5 * SECOND)
        assert (again.lease.number, again.event_id) == (2, claimed.event_id)

    async def test_does_not_count_a_fault_of_ours(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        [claimed] = await outbox.claim()

        await _complete(outbox, (claimed, AttemptResult(failure=Failure.INTERNAL)))

        [again] = await outbox.claim(now=NOW + 30 * SECOND)
        assert again.lease.number == 1

    async def test_is_fenced_by_the_lease(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        [lost] = await outbox.claim()
        [current] = await _expire_and_claim(outbox)

        assert await _complete(outbox, (lost, AttemptResult(status=410))) == set()
        assert (await outbox.rows("SELECT state, lease_token FROM delivery"))[0][1] == current.lease.attempt_id
        assert await _complete(outbox, (current, OK)) == {current.lease.delivery_id}
        assert await _complete(outbox, (current, AttemptResult(status=500))) == set()
        assert await outbox.states() == {"delivered": 1}

    async def test_floors_the_whole_lane_when_the_receiver_asks_for_rest(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(3)
        claimed = await outbox.claim(6)
        long, short = (AttemptResult(status=429, retry_after=seconds) for seconds in ("600", "60"))

        await _complete(outbox, (claimed[0], long), (claimed[1], short))

        assert await outbox.claim(now=NOW + 599 * SECOND) == []
        assert len(await outbox.claim(now=NOW + 600 * SECOND)) == 1  # four at once were too many for it, twice

    async def test_of_a_410_switches_the_endpoint_off_and_holds_the_rest(self, outbox: Outbox) -> None:
        await outbox.endpoint(cap=2)
        await outbox.events(5)
        first, second = await outbox.claim()

        await _complete(outbox, (first, AttemptResult(status=410)))

        assert await outbox.states() == {"dead": 1, "held": 3, "leased": 1}
        [(state, because, version)] = await outbox.rows("SELECT state, state_because, version FROM endpoint")
        assert (state, version) == ("gone", 2)
        assert "410" in because
        await outbox.events(1)
        await _complete(outbox, (second, AttemptResult(status=500)))
        async with connect(outbox.engine) as connection:
            await deliveries.hold_stragglers(connection)
        assert await outbox.states() == {"dead": 1, "held": 5}

    async def test_of_a_blocked_address_holds_the_delivery_uncounted(self, outbox: Outbox) -> None:
        endpoint_id = await outbox.endpoint()
        await outbox.events(2)
        first, second = await outbox.claim()

        await _complete(outbox, *((one, AttemptResult(failure=Failure.BLOCKED_ADDRESS)) for one in (first, second)))

        assert await outbox.rows("SELECT state FROM endpoint") == [("misconfigured",)]
        assert await outbox.rows("SELECT state, attempts FROM delivery") == [("held", 0)] * 2
        async with outbox.sessions.begin() as session:
            await endpoints.lock_endpoint(session, endpoint_id)
            await session.execute(_ACTIVATE)
            await endpoints.release(session, endpoint_id)
        assert len(await outbox.claim()) == 1  # what was mended is not overrun: the others follow as this succeeds

    async def test_does_not_switch_off_an_endpoint_that_was_changed_meanwhile(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(3)
        claimed = await outbox.claim(6)
        async with outbox.sessions.begin() as session:
            await session.execute(_CHANGE)

        await _complete(
            outbox,
            (claimed[0], AttemptResult(status=410)),
            (claimed[1], AttemptResult(failure=Failure.BLOCKED_URL)),
        )

        assert await outbox.rows("SELECT state FROM endpoint") == [("active",)]
        assert await outbox.states() == {"dead": 1, "pending": 2}

    async def test_leaves_what_was_cancelled_alone(self, outbox: Outbox) -> None:
        endpoint_id = await outbox.endpoint()
        await outbox.events(1)
        [claimed] = await outbox.claim()
        async with outbox.sessions.begin() as session:
            await endpoints.lock_endpoint(session, endpoint_id)
            await endpoints.delete_endpoint(session, endpoint_id, now=NOW)

        assert await _complete(outbox, (claimed, AttemptResult(status=429))) == set()
        assert await outbox.states() == {"cancelled": 1}

    async def test_costs_at_most_seven_statements(self, outbox: Outbox) -> None:
        for number in range(5):
            await outbox.endpoint(f"https://crm{number}.example.com/", cap=8)
        await outbox.events(8)
        claimed = await outbox.claim(100)
        results = [AttemptResult(status=status) for status in (200, 410, 429, 500)] * 10
        async with transaction(outbox.engine) as connection:
            finished = [result_of(*pair) for pair in zip(claimed, results, strict=True)]
            with _counting(connection) as statements:
                assert len(await record(connection, finished, now=NOW, new_id=new_id)) == 40
                await asyncio.sleep(0)
                assert len(statements) == 7

    async def test_costs_one_statement_where_all_went_well(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(4)
        finished = [result_of(claimed, OK) for claimed in await outbox.claim()]
        async with connect(outbox.engine) as connection:
            with _counting(connection) as statements:
                assert all(one.is_plain for one in finished)
                assert len(await record(connection, finished, now=NOW, new_id=new_id)) == 4
                await asyncio.sleep(0)
                assert len(statements) == 1


class TestExpiredLeases:
    async def test_are_returned_once_even_to_racing_reapers(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(3)
        claimed = await outbox.claim()
        later = NOW + LEASE

        async with transaction(outbox.engine) as one, transaction(outbox.engine) as other:
            assert await deliveries.lock_expired(one, now=later - SECOND, limit=9) == []
            first = await deliveries.lock_expired(one, now=later, limit=2)
            second = await deliveries.lock_expired(other, now=later, limit=9)

        assert (len(first), len(second)) == (2, 1)
        assert {lease.delivery_id for lease in first + second} == {one.lease.delivery_id for one in claimed}


class TestResend:
    @pytest.mark.parametrize("status", [200, 410, 500])
    async def test_sends_anew_from_any_end(self, outbox: Outbox, status: int) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        [claimed] = await outbox.claim()
        await _complete(outbox, (claimed, AttemptResult(status=status)))

        async with outbox.sessions.begin() as session:
            await deliveries.resend(session, claimed.lease.delivery_id, now=NOW)

        if status == 410:
            assert await outbox.states() == {"held": 1}
            return
        [again] = await outbox.claim()
        assert (again.event_id, again.lease.number) == (claimed.event_id, 1)
        assert again.lease.attempt_id != claimed.lease.attempt_id

    async def test_refuses_what_is_in_flight_or_unknown(self, outbox: Outbox) -> None:
        await outbox.endpoint()
        await outbox.events(1)
        [claimed] = await outbox.claim()

        async with outbox.sessions.begin() as session:
            with pytest.raises(Conflict):
                await deliveries.resend(session, claimed.lease.delivery_id, now=NOW)
            with pytest.raises(NotFound):
                await deliveries.resend(session, DeliveryId(new_id()), now=NOW)


async def test_the_oldest_due_says_since_when_it_waits(outbox: Outbox) -> None:
    await outbox.endpoint(cap=1)
    async with connect(outbox.engine) as connection:
        assert await lanes.oldest_due(connection, now=NOW) is None
        await outbox.events(1, at=NOW - 9 * SECOND)
        await outbox.events(2, at=NOW - SECOND)
        await outbox.claim()

        assert await lanes.oldest_due(connection, now=NOW) == NOW - SECOND
