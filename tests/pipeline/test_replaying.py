import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.support.delivering import delivering, until
from tests.support.outbox import Outbox, a_database, an_event, new_id
from tests.support.receivers import Received, answering, status

from leadhub.domain.errors import Conflict, InvalidInput, NotFound
from leadhub.domain.ids import EndpointId, EventId, ReplayId
from leadhub.domain.subscription import Condition
from leadhub.embedded import EmbeddedServers
from leadhub.outbound.queue import DELIVERIES
from leadhub.pipeline import replaying
from leadhub.pipeline.replaying import Wish, replay_due
from leadhub.resources import Resources, clock, open_resources
from leadhub.settings import Settings
from leadhub.store import events, replays
from leadhub.store.driver import transaction
from leadhub.store.replays import Replay

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
async def resources(servers: EmbeddedServers, template: str) -> AsyncIterator[Resources]:
    async with a_database(servers, template, "test_replaying") as url:
        given = {
            "database_url": url,
            "redis_url": servers.redis_url,
            "secret_key": servers.secret_key,
            "outbound_networks": "127.0.0.0/8",
        }
        async with open_resources(Settings.model_validate(given)) as opened:
            yield opened


@pytest.fixture
async def outbox(resources: Resources) -> Outbox:
    outbox = Outbox(resources.engine, resources.vault)
    await outbox.empty()
    await outbox.rows("SELECT 1")
    async with transaction(resources.engine) as connection:
        await connection.execute("DELETE FROM replay")
    return outbox


@pytest.fixture
def now() -> datetime:
    return clock()


async def _happened(outbox: Outbox, now: datetime, count: int, **changes: Any) -> list[EventId]:
    """Events of an hour ago, a second apart, oldest first."""
    told = [an_event(at=now - HOUR + timedelta(seconds=number), **changes) for number in range(count)]
    async with transaction(outbox.engine) as connection:
        await events.append(connection, told)
    return [event.id for event in told]


async def _begin(
    outbox: Outbox, endpoint: EndpointId, now: datetime, *, per_second: int = 1_000, **wish: Any
) -> Replay:
    asked = Wish(endpoint_id=endpoint, since=now - 2 * HOUR, **wish)
    return await replaying.start(
        outbox.sessions, asked, per_second=per_second, actor="test", now=now, entropy=os.urandom
    )


async def _read(outbox: Outbox, replay: Replay) -> Replay:
    async with outbox.sessions() as session:
        return await replays.get_replay(session, replay.id)


async def _deliver_all(outbox: Outbox) -> None:
    async with transaction(outbox.engine) as connection:
        await connection.execute(
            "UPDATE delivery SET state = 'delivered', outcome = 'delivered' WHERE state = 'pending'"
        )


async def _run(outbox: Outbox, now: datetime, *, steps: int = 20) -> None:
    """Make steps, a second apart, with all that was queued delivered in between."""
    for second in range(1, steps + 1):
        await replay_due(outbox.sessions, now=now + timedelta(seconds=second + 3))
        await _deliver_all(outbox)


async def test_what_an_endpoint_missed_is_sent_with_the_ids_of_the_first_time(
    resources: Resources, outbox: Outbox, now: datetime
) -> None:
    async def ok(_: Received) -> bytes:
        return status(200)

    async with answering(ok) as receiver, delivering(resources) as running:
        ids = await _happened(outbox, now, 5)  # before anybody subscribed
        endpoint = await outbox.endpoint(receiver.url, is_subscribed=False)
        replay = await _begin(outbox, endpoint, now)
        await replay_due(outbox.sessions, now=now + timedelta(seconds=4))
        running.wakeup.wake(DELIVERIES)
        await until(lambda: len(receiver.requests) == 5)

    assert {request.headers["webhook-id"] for request in receiver.requests} == {str(one) for one in ids}
    async with outbox.sessions() as session:
        assert (await _read(outbox, replay)).state == "finished"
        assert await replays.progress(session, replay.id) == {"delivered": 5}


async def test_an_endpoint_for_replays_gets_nothing_that_happens(outbox: Outbox) -> None:
    await outbox.endpoint(is_subscribed=False)
    await outbox.events(3)

    assert await outbox.states() == {}


async def test_a_preview_counts_and_changes_nothing(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint(types=["lead.routed"], is_subscribed=False)
    ids = await _happened(outbox, now, 12, body=b'{"data":{"score":5}}')
    ids += await _happened(outbox, now, 3, body=b'{"data":{"score":80}}')
    await _happened(outbox, now, 2, type="lead.created")

    high = [Condition(path="/data/score", at_least=50)]
    whole = await replaying.preview(outbox.sessions, Wish(endpoint_id=endpoint, since=now - 2 * HOUR), now=now)
    wish = Wish(endpoint_id=endpoint, since=now - 2 * HOUR, filter=high)
    filtered = await replaying.preview(outbox.sessions, wish, now=now)

    assert (whole.total, whole.wanted, len(whole.sample)) == (15, 15, 10)
    assert whole.sample[0].id in ids
    assert (filtered.total, filtered.tried, filtered.wanted, len(filtered.sample)) == (15, 15, 3, 3)
    assert await outbox.states() == {}


async def test_only_what_was_not_delivered_is_sent_where_that_is_asked(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint()
    first, second = await _happened(outbox, now, 2)
    async with transaction(outbox.engine) as connection:
        await connection.execute("UPDATE delivery SET state = 'delivered' WHERE event_id = $1", first)
        await connection.execute("UPDATE delivery SET state = 'dead' WHERE event_id = $1", second)

    replay = await _begin(outbox, endpoint, now, only_undelivered=True)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=4))

    rows = await outbox.rows("SELECT event_id, state, attempts, is_again FROM delivery ORDER BY event_id")
    assert rows == [(first, "delivered", 0, False), (second, "pending", 0, True)]
    assert (await _read(outbox, replay)).queued == 1


async def test_what_is_on_its_way_is_not_queued_twice(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint()
    await _happened(outbox, now, 2)
    [_] = await outbox.claim(1, now=now)

    replay = await _begin(outbox, endpoint, now)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=4))

    assert await outbox.states() == {"leased": 1, "pending": 1}
    assert (await _read(outbox, replay)).queued == 0


async def test_its_rate_is_kept_and_it_goes_no_further_ahead_than_a_little(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint(is_subscribed=False)
    await _happened(outbox, now, 300)
    slow = await _begin(outbox, endpoint, now, per_second=7)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=10))
    assert (await _read(outbox, slow)).queued == 14  # two seconds' worth, however long it stood still
    await replaying.cancel(outbox.sessions, slow.id, now=now)

    quick = await _begin(outbox, endpoint, now)
    for second in range(5):
        await replay_due(outbox.sessions, now=now + timedelta(seconds=20 + second))

    assert (await _read(outbox, quick)).queued == 200
    assert (await outbox.states())["pending"] == 200


async def test_steps_of_racing_workers_queue_everything_once(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint(is_subscribed=False)
    await _happened(outbox, now, 150)
    replay = await _begin(outbox, endpoint, now, per_second=20)

    for second in range(4, 14):
        at = now + timedelta(seconds=second)
        await asyncio.gather(*(replay_due(outbox.sessions, now=at) for _ in range(3)))

    done = await _read(outbox, replay)
    assert (done.state, done.examined, done.queued) == ("finished", 150, 150)
    assert await outbox.states() == {"pending": 150}


async def test_a_worker_that_dies_within_a_step_skips_nothing_and_repeats_nothing(
    outbox: Outbox, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = await outbox.endpoint(is_subscribed=False)
    await _happened(outbox, now, 60)
    replay = await _begin(outbox, endpoint, now, per_second=20)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=4))

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(replays, "save_progress", dies)
        with pytest.raises(asyncio.CancelledError):
            await replay_due(outbox.sessions, now=now + timedelta(seconds=6))
    assert (await _read(outbox, replay)).queued == 40
    await _run(outbox, now + timedelta(seconds=6), steps=3)

    done = await _read(outbox, replay)
    assert (done.state, done.examined, done.queued) == ("finished", 60, 60)
    assert await outbox.states() == {"delivered": 60}


async def test_it_is_paused_resumed_and_cancelled(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint(is_subscribed=False)
    await _happened(outbox, now, 30)
    replay = await _begin(outbox, endpoint, now, per_second=10)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=4))
    await _deliver_all(outbox)

    await replaying.pause(outbox.sessions, replay.id)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=5))
    assert await outbox.states() == {"delivered": 20}

    await replaying.resume(outbox.sessions, replay.id)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=6))
    assert await outbox.states() == {"delivered": 20, "pending": 10}

    await replaying.cancel(outbox.sessions, replay.id, now=now)
    assert await outbox.states() == {"delivered": 20, "cancelled": 10}
    with pytest.raises(Conflict):
        await replaying.resume(outbox.sessions, replay.id)


async def test_a_cancelled_replay_leaves_what_was_delivered_before_delivered(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint()
    await _happened(outbox, now, 2)
    await _deliver_all(outbox)
    replay = await _begin(outbox, endpoint, now)
    await replay_due(outbox.sessions, now=now + timedelta(seconds=4))

    await replaying.cancel(outbox.sessions, replay.id, now=now)

    assert await outbox.states() == {"delivered": 2}


@pytest.mark.parametrize(("state", "ends"), [("paused", False), (None, True)])
async def test_it_waits_for_its_endpoint_and_ends_with_it(
    outbox: Outbox, now: datetime, state: str | None, *, ends: bool
) -> None:
    endpoint = await outbox.endpoint(is_subscribed=False)
    await _happened(outbox, now, 2)
    replay = await _begin(outbox, endpoint, now)
    async with transaction(outbox.engine) as connection:
        if state:
            await connection.execute("UPDATE endpoint SET state = $1", state)
        else:
            await connection.execute("DELETE FROM endpoint")

    await replay_due(outbox.sessions, now=now + timedelta(seconds=4))

    found = await _read(outbox, replay)
    assert (found.state == "cancelled", found.queued) == (ends, 0)
    assert "endpoint" in (found.state_because or "")


async def test_what_makes_no_sense_is_refused(outbox: Outbox, now: datetime) -> None:
    endpoint = await outbox.endpoint()
    backwards = Wish(endpoint_id=endpoint, since=now, until=now - HOUR)

    with pytest.raises(InvalidInput):
        await replaying.preview(outbox.sessions, backwards, now=now)
    with pytest.raises(NotFound):
        await _begin(outbox, EndpointId(new_id()), now)
    with pytest.raises(NotFound):
        await replaying.pause(outbox.sessions, ReplayId(new_id()))
