import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.support.outbox import Outbox, a_database, an_event, new_id

from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.retention import Retained, Retention, retain
from leadhub.store import events
from leadhub.store.driver import transaction
from leadhub.store.engine import create_engine
from leadhub.store.partitions import ensure_partitions

KEEP = Retention(events=timedelta(days=90), held=timedelta(days=300), attempts=timedelta(days=14))
START = datetime(2027, 3, 1, tzinfo=UTC)
_PARTITIONS = "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r' AND relname LIKE :like"


@pytest.fixture
async def engine(servers: EmbeddedServers, template: str) -> AsyncIterator[AsyncEngine]:
    async with a_database(servers, template, "test_retention") as url:
        engine = create_engine(url, pool=5, pool_wait_seconds=2, statement_seconds=5)
        async with engine.begin() as connection:
            await ensure_partitions(connection, START)
        yield engine
        await engine.dispose()


@pytest.fixture
def outbox(engine: AsyncEngine) -> Outbox:
    return Outbox(engine)


async def _delivered(outbox: Outbox, *, at: datetime, state: str = "delivered") -> None:
    told = an_event(at=at)
    async with transaction(outbox.engine) as connection:
        await events.append(connection, [told])
        await connection.execute("UPDATE delivery SET state = $1 WHERE event_id = $2", state, told.id)
        await connection.execute(
            "INSERT INTO attempt (id, delivery_id, number, started_at) VALUES ($1, $2, 1, $3)",
            new_id(at),
            told.id,
            at,
        )


async def _retain(outbox: Outbox, *, after_days: int, is_trial: bool = False) -> Retained:
    now = START + timedelta(days=after_days)
    return await retain(outbox.engine, outbox.sessions, KEEP, now=now, new_id=lambda: new_id(now), is_trial=is_trial)


async def _left(outbox: Outbox) -> tuple[int, ...]:
    counted = "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM delivery), (SELECT count(*) FROM attempt)"
    return (await outbox.rows(counted))[0]


async def test_what_was_kept_long_enough_goes_and_the_rest_stays(outbox: Outbox) -> None:
    await outbox.endpoint()
    await _delivered(outbox, at=START)
    await _delivered(outbox, at=START + timedelta(days=100))

    assert await _left(outbox) == (2, 2, 2)
    await _retain(outbox, after_days=13)
    assert await _left(outbox) == (2, 2, 2)
    await _retain(outbox, after_days=30)
    assert await _left(outbox) == (2, 2, 1)
    await _retain(outbox, after_days=125)  # the event's partition is 31 days wide
    assert await _left(outbox) == (1, 1, 0)


@pytest.mark.parametrize("state", ["pending", "leased", "held"])
async def test_what_is_still_to_be_delivered_keeps_its_event(outbox: Outbox, state: str) -> None:
    await outbox.endpoint()
    await _delivered(outbox, at=START)
    await _delivered(outbox, at=START + timedelta(hours=1), state=state)

    done = await _retain(outbox, after_days=200)

    assert (await _left(outbox))[:2] == (2, 1)
    assert (len(done.awaited), done.deliveries) == (1, 1)
    async with transaction(outbox.engine) as connection:
        await connection.execute("UPDATE delivery SET state = 'dead'")
    await _retain(outbox, after_days=200)
    assert (await _left(outbox))[:2] == (0, 0)


async def test_a_trial_drops_nothing_and_says_the_same(outbox: Outbox) -> None:
    await outbox.endpoint()
    await _delivered(outbox, at=START)

    told = await _retain(outbox, after_days=200, is_trial=True)

    assert await _left(outbox) == (1, 1, 1)
    assert told == await _retain(outbox, after_days=200)


async def test_a_partition_that_somebody_uses_is_left_to_the_next_run(outbox: Outbox) -> None:
    await _retain(outbox, after_days=69)  # one more is due at a time: each that is in use costs its patience
    before = await outbox.rows(_PARTITIONS, like="event_p%")
    async with outbox.engine.connect() as reader:
        await reader.execute(text("SELECT * FROM event WHERE id = :id"), {"id": UUID(int=0)})
        await reader.execute(text("SELECT count(*) FROM event"))
        done = await _retain(outbox, after_days=100)

    assert done.busy
    assert [name for name in done.dropped if name.startswith("event")] == []
    assert await outbox.rows(_PARTITIONS, like="event_p%") == before


async def test_thousands_go_in_batches(outbox: Outbox) -> None:
    await outbox.endpoint()
    async with transaction(outbox.engine) as connection:
        await events.append(connection, [an_event(at=START) for _ in range(2_300)])
        await connection.execute("UPDATE delivery SET state = 'delivered'")

    assert (await _retain(outbox, after_days=200)).deliveries == 2_300


async def test_what_is_held_is_told_of_twice_then_given_up_then_dropped(outbox: Outbox) -> None:
    held = await outbox.endpoint("https://crm.example.com/hook?token=secret")
    watcher = await outbox.endpoint(types=["endpoint.expiring"])
    for _ in range(3):
        await _delivered(outbox, at=START, state="held")

    async with outbox.engine.begin() as connection:
        await ensure_partitions(connection, START + timedelta(days=290))
    seen = []
    for day in (285, 287, 288, 293, 295, 299, 301, 307, 309):
        done = await _retain(outbox, after_days=day)
        told = await outbox.rows("SELECT count(*) FROM delivery WHERE endpoint_id = :id", id=watcher)
        left = await outbox.rows(
            "SELECT d.state, d.outcome, count(*) FROM delivery AS d JOIN event AS e ON e.id = d.event_id"
            " WHERE d.endpoint_id = :id GROUP BY d.state, d.outcome",
            id=held,
        )
        seen.append((day, told[0][0], done.expired, left))

    waits, given_up = [("held", None, 3)], [("dead", "expired", 3)]
    assert seen == [
        (285, 0, 0, waits),
        (287, 1, 0, waits),
        (288, 1, 0, waits),
        (293, 1, 0, waits),
        (295, 2, 0, waits),
        (299, 2, 0, waits),
        (301, 2, 3, given_up),
        (307, 2, 0, given_up),
        (309, 2, 0, []),
    ]
    [(body,)] = await outbox.rows("SELECT body FROM event WHERE type = 'endpoint.expiring' ORDER BY id LIMIT 1")
    data = json.loads(body)["data"]
    assert (data["url"], data["deliveries"]) == ("https://crm.example.com/hook", 3)
    assert datetime.fromisoformat(data["will_be_given_up_at"]) == START + timedelta(days=300)


async def test_what_waits_behind_one_that_was_given_up_expires_too_and_what_is_sent_again_does_not(
    outbox: Outbox,
) -> None:
    await outbox.endpoint(ordering="lead", poison="block")
    await outbox.endpoint()
    await _delivered(outbox, at=START, state="pending")
    async with transaction(outbox.engine) as connection:
        await connection.execute("UPDATE delivery SET due_at = $1", START + timedelta(days=301))

    assert (await _retain(outbox, after_days=301, is_trial=True)).expired == 1
    assert (await _retain(outbox, after_days=301)).expired == 1
    assert await outbox.rows("SELECT state, is_ordered FROM delivery ORDER BY is_ordered") == [
        ("pending", False),
        ("dead", True),
    ]
