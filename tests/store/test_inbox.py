"""The group commit, on a real PostgreSQL that is also taken away, killed and frozen."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from tests.support.inbox_rows import a_submission

from leadhub.domain.errors import IdempotencyConflict, InvalidInput, Unavailable
from leadhub.embedded import EmbeddedServers
from leadhub.resources import Resources
from leadhub.store.inbox import Inbox, Limits, NewSubmission, Taken
from leadhub.store.inbox.batch import Waiter

LIMITS = Limits(rows=5_000, bytes=32_000_000, wait_seconds=2, connect_seconds=1)


class Nudges:
    """Counts hints."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def open_inbox(resources: Resources, limits: Limits = LIMITS, nudge: Nudges | None = None) -> Inbox:
    inbox = Inbox(resources.engine, limits, nudge=nudge or Nudges())
    inbox.start()
    return inbox


@pytest.fixture
async def inbox(resources: Resources) -> AsyncIterator[Inbox]:
    opened = open_inbox(resources)
    yield opened
    await opened.close()


async def count(resources: Resources, table: str) -> int:
    async with resources.engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())  # noqa: S608 - ours


async def put_each(inbox: Inbox, *requests: list[NewSubmission]) -> list[list[Taken] | BaseException]:
    return await asyncio.gather(*(inbox.put(rows) for rows in requests), return_exceptions=True)


async def test_an_answer_means_that_another_connection_sees_the_row(inbox: Inbox, resources: Resources) -> None:
    row = a_submission(content='{"fields":{"email":"ada@example.com"}}')

    taken = await inbox.put([row])

    assert taken == [Taken(row.submission_id, replayed=False)]
    async with resources.engine.connect() as connection:
        found = (await connection.execute(text("SELECT id, content->'fields'->>'email', raw FROM submission"))).one()
        queued = (await connection.execute(text("SELECT submission_id, attempts FROM pending_submission"))).one()
    assert tuple(found) == (row.submission_id, "ada@example.com", row.raw)
    assert tuple(queued) == (row.submission_id, 0)


async def test_requests_that_come_together_share_a_commit_and_one_nudge(resources: Resources) -> None:
    nudge = Nudges()
    inbox = open_inbox(resources, nudge=nudge)

    await put_each(inbox, *[[a_submission()] for _ in range(15)])

    assert await count(resources, "submission") == 15
    assert nudge.count == 1


async def test_a_crowd_is_shared_out_between_the_flushers(resources: Resources) -> None:
    nudge = Nudges()
    inbox = open_inbox(resources, nudge=nudge)

    await put_each(inbox, *[[a_submission()] for _ in range(100)])

    assert await count(resources, "submission") == 100
    assert nudge.count == 2


async def test_many_requests_are_all_stored(resources: Resources) -> None:
    inbox = open_inbox(resources)

    answers = await put_each(inbox, *[[a_submission(), a_submission()] for _ in range(700)])

    assert all(isinstance(answer, list) for answer in answers)
    assert await count(resources, "submission") == 1_400
    assert await count(resources, "pending_submission") == 1_400


async def test_spam_is_stored_and_not_queued(inbox: Inbox, resources: Resources) -> None:
    await inbox.put([a_submission(is_spam=True)])

    assert await count(resources, "submission") == 1
    assert await count(resources, "pending_submission") == 0


async def test_a_repeat_gets_its_first_id(inbox: Inbox, resources: Resources) -> None:
    first, again = a_submission(key="k"), a_submission(key="k")

    await inbox.put([first])
    taken = await inbox.put([again])

    assert taken == [Taken(first.submission_id, replayed=True)]
    assert await count(resources, "submission") == 1


async def test_a_key_belongs_to_its_source(inbox: Inbox, resources: Resources) -> None:
    await inbox.put([a_submission(key="k")])
    await inbox.put([a_submission(key="k", source_id=UUID(int=2))])

    assert await count(resources, "submission") == 2


async def test_another_body_under_a_used_key_is_refused(inbox: Inbox, resources: Resources) -> None:
    await inbox.put([a_submission(key="k")])

    with pytest.raises(IdempotencyConflict):
        await inbox.put([a_submission(key="k", body=b"other")])

    assert await count(resources, "submission") == 1


async def test_a_platform_id_is_the_same_lead_whatever_its_bytes(inbox: Inbox) -> None:
    first = a_submission(key="lead-1", permanent=True)

    await inbox.put([first])
    taken = await inbox.put([a_submission(key="lead-1", permanent=True, body=b"other")])

    assert taken == [Taken(first.submission_id, replayed=True)]


async def test_twins_in_one_batch_are_one(inbox: Inbox, resources: Resources) -> None:
    rows = [a_submission(key="k") for _ in range(5)]

    answers = await put_each(inbox, *[[row] for row in rows], [a_submission(key="k", body=b"other")])

    assert answers[:5] == [[Taken(rows[0].submission_id, replayed=number > 0)] for number in range(5)]
    assert isinstance(answers[5], IdempotencyConflict)
    assert await count(resources, "submission") == 1


async def test_twins_of_an_older_key_are_judged_by_the_older_body(inbox: Inbox) -> None:
    first = a_submission(key="k")
    await inbox.put([first])

    conflict, replay = await put_each(inbox, [a_submission(key="k", body=b"other")], [a_submission(key="k")])

    assert isinstance(conflict, IdempotencyConflict)
    assert replay == [Taken(first.submission_id, replayed=True)]


async def test_gateways_that_race_for_a_key_agree(resources: Resources) -> None:
    inboxes = [open_inbox(resources) for _ in range(4)]
    requests = [[a_submission(key=f"k{number}")] for number in range(40) for _ in inboxes]

    answers = await asyncio.gather(*(inboxes[n % 4].put(rows) for n, rows in enumerate(requests)))

    for start in range(0, len(answers), 4):
        four = [answer[0] for answer in answers[start : start + 4]]
        assert len({taken.submission_id for taken in four}) == 1
        assert sum(not taken.replayed for taken in four) == 1
    assert await count(resources, "submission") == 40


async def test_racing_gateways_with_different_bodies_store_one_of_them(resources: Resources) -> None:
    inboxes = [open_inbox(resources) for _ in range(4)]

    answers = await asyncio.gather(
        *(inbox.put([a_submission(key="k", body=b"%d" % n)]) for n, inbox in enumerate(inboxes)), return_exceptions=True
    )

    assert sum(isinstance(answer, IdempotencyConflict) for answer in answers) == 3
    assert await count(resources, "submission") == 1


async def test_a_request_with_one_used_key_is_refused_whole(inbox: Inbox, resources: Resources) -> None:
    await inbox.put([a_submission(key="used")])

    refused, unharmed = await put_each(
        inbox,
        [a_submission(), a_submission(key="new"), a_submission(key="used", body=b"other")],
        [a_submission(key="new", body=b"third")],
    )

    assert isinstance(refused, IdempotencyConflict)
    assert isinstance(unharmed, list)
    assert not unharmed[0].replayed
    assert await count(resources, "submission") == 2
    assert await count(resources, "submission_key") == 2


async def test_a_request_with_repeats_and_news_gets_both(inbox: Inbox) -> None:
    first = a_submission(key="a")
    await inbox.put([first])
    new, twin = a_submission(key="b"), a_submission(key="b")

    taken = await inbox.put([a_submission(key="a"), new, twin])

    ids = [first.submission_id, new.submission_id, new.submission_id]
    assert taken == [Taken(*pair) for pair in zip(ids, (True, False, True), strict=True)]


async def test_a_request_that_contradicts_itself_is_refused(inbox: Inbox, resources: Resources) -> None:
    with pytest.raises(IdempotencyConflict):
        await inbox.put([a_submission(key="k"), a_submission(key="k", body=b"other")])

    assert await count(resources, "submission") == 0


async def test_racing_bundles_stand_or_fall_whole(resources: Resources) -> None:
    inboxes = [open_inbox(resources) for _ in range(4)]

    def bundle(gateway: int, number: int) -> list[NewSubmission]:
        body = b"%d" % gateway
        return [a_submission(body=body), a_submission(key=f"shared{number}", body=body), a_submission(body=body)]

    answers = await asyncio.gather(
        *(inbox.put(bundle(n, number)) for number in range(20) for n, inbox in enumerate(inboxes)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, list) for answer in answers) == 20
    assert sum(isinstance(answer, IdempotencyConflict) for answer in answers) == 60
    assert await count(resources, "submission") == 60


async def test_a_poisoned_row_fails_alone(inbox: Inbox, resources: Resources) -> None:
    requests = [[a_submission(key=f"k{number}")] for number in range(46)]
    requests[17] = [a_submission(content='{"fields":{"name":"\\u0000"}}')]

    answers = await put_each(inbox, *requests)

    assert isinstance(answers[17], InvalidInput)
    assert sum(isinstance(answer, list) for answer in answers) == 45
    assert await count(resources, "submission") == 45


async def test_a_value_that_cannot_even_be_sent_fails_alone(inbox: Inbox, resources: Resources) -> None:
    answers = await put_each(inbox, [a_submission()], [a_submission(key="\ud800")], [a_submission()])

    assert [type(answer) for answer in answers] == [list, InvalidInput, list]
    assert await count(resources, "submission") == 2


async def test_what_waits_is_bounded_and_the_rest_is_told_when_to_come_again(resources: Resources) -> None:
    inbox = open_inbox(resources, Limits(rows=10, bytes=32_000_000, wait_seconds=2, connect_seconds=1))

    answers = await put_each(inbox, *[[a_submission()] for _ in range(60)])

    refusals = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refusals) == 50
    assert all(isinstance(refusal, Unavailable) and refusal.retry_after_seconds > 0 for refusal in refusals)
    assert await count(resources, "submission") == 10
    await inbox.put([a_submission()])


async def test_what_waits_is_bounded_in_bytes(resources: Resources) -> None:
    inbox = open_inbox(resources, Limits(rows=5_000, bytes=1_000_000, wait_seconds=2, connect_seconds=1))

    answers = await put_each(inbox, *[[a_submission(body=bytes(400_000))] for _ in range(6)])

    assert [isinstance(answer, Unavailable) for answer in answers] == [False, False, False, True, True, True]


async def test_a_closed_inbox_has_answered_all_and_takes_no_more(resources: Resources) -> None:
    inbox = open_inbox(resources)
    waiting = [asyncio.create_task(inbox.put([a_submission()])) for _ in range(20)]
    await asyncio.sleep(0)

    await inbox.close()

    await asyncio.gather(*waiting)
    assert await count(resources, "submission") == 20
    with pytest.raises(Unavailable):
        await inbox.put([a_submission()])


async def test_who_gives_up_waiting_disturbs_nobody(inbox: Inbox, resources: Resources) -> None:
    tasks = [asyncio.create_task(inbox.put([a_submission()])) for _ in range(3)]
    await asyncio.sleep(0)

    tasks[1].cancel()

    await asyncio.gather(tasks[0], tasks[2])
    assert await count(resources, "submission") == 3
    assert not inbox.is_saturated


async def test_connections_that_died_in_the_pool_cost_nothing(inbox: Inbox, resources: Resources) -> None:
    opened = [await resources.engine.connect() for _ in range(5)]
    for connection in opened:
        await connection.execute(text("SELECT 1"))
        await connection.close()
    await _terminate_others(resources)

    await inbox.put([a_submission()])

    assert await count(resources, "submission") == 1


async def test_a_connection_that_dies_under_a_statement_is_replaced(resources: Resources) -> None:
    inbox = open_inbox(resources)
    await _execute(resources, _SLOW_INSERT)
    rows = [a_submission(key="k"), a_submission()]
    waiting = asyncio.create_task(inbox.put(rows))
    await asyncio.sleep(0.1)

    await _execute(resources, "DROP TRIGGER slow ON submission_key", after=_TERMINATE)
    taken = await waiting

    assert taken == [Taken(row.submission_id, replayed=False) for row in rows]
    assert await count(resources, "submission") == 2


async def test_a_batch_whose_outcome_is_unknown_is_not_stored_twice(resources: Resources) -> None:
    inbox = open_inbox(resources)
    row = a_submission(key="k")
    unkeyed = a_submission()
    await inbox.put([row])
    await inbox.put([unkeyed])
    await _execute(resources, "DELETE FROM pending_submission")

    taken = [await inbox.put([row]), await inbox.put([unkeyed])]

    assert taken == [[Taken(one.submission_id, replayed=False)] for one in (row, unkeyed)]
    assert await count(resources, "submission") == 2
    assert await count(resources, "pending_submission") == 0


async def test_without_postgresql_the_answer_is_a_quick_no_and_it_heals_by_itself(
    resources: Resources, servers: EmbeddedServers
) -> None:
    inbox = open_inbox(resources)
    await inbox.put([a_submission()])
    servers.kill_postgres()

    began = time.monotonic()
    with pytest.raises(Unavailable):
        await inbox.put([a_submission()])
    refused_after = time.monotonic() - began
    await asyncio.to_thread(servers.restart_postgres)
    await inbox.put([a_submission()])

    assert refused_after < 1
    assert await count(resources, "submission") == 2


async def test_a_connection_that_hangs_holds_up_nobody_else(resources: Resources) -> None:
    inbox = open_inbox(resources)
    await inbox.put([a_submission()])

    with _frozen(await _backend_pids(resources)):
        hanging = asyncio.create_task(inbox.put([a_submission()]))
        await asyncio.sleep(0.1)
        await asyncio.wait_for(inbox.put([a_submission()]), timeout=1)

    await hanging


async def test_a_frozen_postgresql_is_not_waited_for(resources: Resources, servers: EmbeddedServers) -> None:
    inbox = open_inbox(resources, Limits(rows=5_000, bytes=32_000_000, wait_seconds=0.3, connect_seconds=0.3))
    await inbox.put([a_submission()])

    with _frozen([*await _backend_pids(resources), servers.postgres_pid or 0]):
        hanging = asyncio.create_task(inbox.put([a_submission()]))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        refused = await asyncio.gather(*(inbox.put([a_submission()]) for _ in range(3)), return_exceptions=True)
        refused_after = time.monotonic() - began

    assert all(isinstance(one, Unavailable) for one in refused)
    assert refused_after < 1
    await hanging
    await inbox.put([a_submission()])


_SLOW_INSERT = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON submission_key FOR EACH ROW EXECUTE FUNCTION slow();
"""
_TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%incoming%'
"""


async def test_a_fault_of_ours_is_a_quick_no_and_not_a_request_that_hangs(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = open_inbox(resources)
    sound = Waiter.outcome

    def broken(*_: object) -> None:
        monkeypatch.setattr(Waiter, "outcome", sound)
        raise RuntimeError

    monkeypatch.setattr(Waiter, "outcome", broken)
    async with asyncio.timeout(5):
        answers = await put_each(inbox, [a_submission()], [a_submission()])
        assert [type(answer) for answer in answers] == [Unavailable, Unavailable]

        assert len(await inbox.put([a_submission()])) == 1
        await inbox.close()


async def _driver(resources: Resources) -> "asyncpg.Connection[Any]":
    url = resources.settings.database_url.replace("postgresql+asyncpg://", "postgresql://")
    return await asyncpg.connect(url)


async def _execute(resources: Resources, statement: str, *, after: str = "SELECT 1") -> None:
    connection = await _driver(resources)
    await connection.execute(after)
    await connection.execute(statement)
    await connection.close()


async def _terminate_others(resources: Resources) -> None:
    await _execute(resources, _TERMINATE.replace("AND query LIKE '%incoming%'", ""))
    await asyncio.sleep(0.05)


async def _backend_pids(resources: Resources) -> list[int]:
    connection = await _driver(resources)
    rows = await connection.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    return [row["pid"] for row in rows]


@contextmanager
def _frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
