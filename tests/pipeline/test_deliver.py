import asyncio
import base64
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text
from standardwebhooks import Webhook
from structlog.testing import capture_logs
from tests.support.delivering import Clock, Line, delivering, until
from tests.support.outbox import KEY, NOW, Outbox, a_database, new_id, result_of
from tests.support.receivers import Received, answering, status

from leadhub import telemetry
from leadhub.domain.attempt import AttemptResult
from leadhub.domain.signature import format_secret
from leadhub.domain.subscription import BasicAuth, ClientCredentials, Condition, SignatureKind, write_filter
from leadhub.embedded import EmbeddedServers
from leadhub.outbound.webhook import WebhookSender
from leadhub.pipeline.announcing import warn_and_disable
from leadhub.pipeline.endpoints import Options, create_endpoint
from leadhub.pipeline.recording import Recorder
from leadhub.resources import Resources, open_resources
from leadhub.settings import Settings
from leadhub.store.driver import connect
from leadhub.store.engine import create_engine
from leadhub.store.vault import Vault

_ERASE = text("DELETE FROM event")
_LEASE = timedelta(seconds=3 + 15)
"""Of a deliverer whose deadline is three seconds."""


@pytest.fixture(scope="module")
async def database_url(servers: EmbeddedServers, template: str) -> AsyncIterator[str]:
    async with a_database(servers, template, "test_deliver") as url:
        yield url


@pytest.fixture(scope="module")
async def resources(servers: EmbeddedServers, database_url: str) -> AsyncIterator[Resources]:
    given = {
        "database_url": database_url,
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
    return outbox


@pytest.fixture
async def line(tmp_path: Path, database_url: str) -> AsyncIterator[tuple[Line, str]]:
    base, _, folder = database_url.partition("?host=")
    line = Line(tmp_path, Path(folder.split("&")[0]) / ".s.PGSQL.5432")
    await line.mend()
    yield line, f"{base}?host={tmp_path}"
    await line.cut()


async def _ok(_: Received) -> bytes:
    return status(200)


async def _never(_: Received) -> bytes:
    await asyncio.sleep(60)
    return status(200)


def _sample(name: str, **labels: str) -> float:
    return telemetry.REGISTRY.get_sample_value(name, labels) or 0.0


async def _settled(outbox: Outbox, **states: int) -> None:
    async def is_so() -> bool:
        return await outbox.states() == states

    await until(is_so)


async def test_an_event_arrives_signed_and_is_recorded(resources: Resources, outbox: Outbox) -> None:
    before = _sample("leadhub_speed_to_lead_seconds_count")
    waited = _sample("leadhub_delivery_attempt_part_seconds_count", part="first_byte")
    async with answering(_ok) as receiver, delivering(resources):
        endpoint_id = await outbox.endpoint(receiver.url)
        [event_id] = await outbox.events()
        resources.deliveries_nudge()
        await _settled(outbox, delivered=1)

    [request] = receiver.requests
    assert request.body == b'{"type":"lead.routed"}'
    assert request.headers["webhook-id"] == str(event_id)
    assert (request.headers["leadhub-attempt"], request.headers["leadhub-sequence"]) == ("1", "1")
    Webhook(format_secret(KEY)).verify(request.body, request.headers)
    attempts = await outbox.rows("SELECT outcome, status, remote_ip FROM attempt")
    assert attempts == [("delivered", 200, "127.0.0.1")]
    assert _sample("leadhub_speed_to_lead_seconds_count") == before + 1
    assert _sample("leadhub_delivery_attempt_part_seconds_count", part="first_byte") == waited + 1
    assert _sample("leadhub_endpoint_attempts_total", endpoint=str(endpoint_id), outcome="delivered") == 1


async def test_an_attempt_logs_one_line_without_the_path(resources: Resources, outbox: Outbox) -> None:
    async with answering(_ok) as receiver:
        await outbox.endpoint(receiver.url + "?token=secret")
        await outbox.events()
        with capture_logs() as lines:
            async with delivering(resources):
                await _settled(outbox, delivered=1)

    [line] = [line for line in lines if line["event"] == "delivery.attempt"]
    assert line["url_host"] == "127.0.0.1"
    assert line["outcome"] == "delivered"
    assert "hook" not in str(line)
    assert set(line) <= telemetry.LOGGED | {"event", "log_level"}


async def _subscribed(resources: Resources, url: str, signature: SignatureKind = "v1", **options: Any) -> str:
    made = await create_endpoint(
        resources.sessions,
        resources.vault,
        url=url,
        options=Options(**options),
        signature=signature,
        lane_cap=1,
        allowed_networks=resources.settings.outbound_networks,
        now=NOW,
        entropy=os.urandom,
    )
    return made.secret


async def test_what_an_owner_asks_for_is_in_the_request(resources: Resources, outbox: Outbox) -> None:
    basic = BasicAuth(kind="basic", username="leadhub", password="pa:ss")
    async with answering(_ok) as receiver, delivering(resources):
        public = await _subscribed(
            resources, receiver.url, "v1a", headers={"X-Tenant": "7"}, authorization=basic, payload="thin"
        )
        await outbox.events(body=b'{"type":"lead.routed","timestamp":"t","data":{"lead_id":"l","contact":{}}}')
        await _settled(outbox, delivered=1)

    [request] = receiver.requests
    assert request.headers["x-tenant"] == "7"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"leadhub:pa:ss").decode()
    assert request.body == b'{"type":"lead.routed","timestamp":"t","data":{"lead_id":"l"}}'
    version, _, signature = request.headers["webhook-signature"].partition(",")
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    key.verify(base64.b64decode(signature), signed)
    assert version == "v1a"


async def test_what_a_filter_passes_over_is_shown_and_not_sent(resources: Resources, outbox: Outbox) -> None:
    wanted = [Condition(path="/data/stage", one_of=["SQL"])]
    async with answering(_ok) as receiver, delivering(resources):
        await _subscribed(resources, receiver.url, filter=wanted)
        for stage in ("SQL", "MQL"):
            await outbox.events(body=json.dumps({"data": {"stage": stage}}).encode())
        await _settled(outbox, delivered=1, cancelled=1)

    assert len(receiver.requests) == 1
    assert await outbox.rows("SELECT because FROM attempt WHERE outcome = 'filtered'") == [
        ("the filter of the endpoint passes this event over",)
    ]


async def test_a_token_is_fetched_once_and_anew_when_it_is_refused(resources: Resources, outbox: Outbox) -> None:
    tokens = iter(["first", "second"])
    asked: list[Received] = []

    async def give(request: Received) -> bytes:
        asked.append(request)
        return status(200, body=json.dumps({"access_token": next(tokens), "expires_in": 3600}).encode())

    async def answer(request: Received) -> bytes:
        is_old = request.headers["authorization"] == "Bearer first" and len(receiver.requests) > 2
        return status(401 if is_old else 200)

    async with answering(give) as server, answering(answer) as receiver, delivering(resources) as deliverer:
        client = ClientCredentials(
            kind="oauth2", token_url=server.url, client_id="id", client_secret="a secret", scope="leads"
        )
        await _subscribed(resources, receiver.url, authorization=client)
        await outbox.events(3)
        await until(lambda: len(receiver.requests) == 3)
        await _settled(outbox, delivered=2, pending=1)
        deliverer.advance(6.1)
        await _settled(outbox, delivered=3)

    assert [request.headers["authorization"] for request in receiver.requests] == [
        "Bearer first",
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]
    assert len(asked) == 2
    assert asked[0].headers["authorization"] == "Basic " + base64.b64encode(b"id:a%20secret").decode()
    assert asked[0].body == b"grant_type=client_credentials&scope=leads"


@pytest.mark.parametrize(
    "answer",
    [
        status(500),
        status(200),
        status(200, body=b"[]"),
        status(200, body=b'{"access_token": 7}'),
        status(200, body=b'{"access_token": "a\\r\\nHost: b"}'),
        status(200, body=b"[" * 10_000),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_owner_is_told(
    resources: Resources, outbox: Outbox, answer: bytes
) -> None:
    async def give(_: Received) -> bytes:
        return answer

    async with answering(give) as server, answering(_ok) as receiver, delivering(resources):
        client = ClientCredentials(kind="oauth2", token_url=server.url, client_id="id", client_secret="s")
        await _subscribed(resources, receiver.url, authorization=client)
        await outbox.events()

        async def is_told() -> bool:
            return await outbox.rows("SELECT because FROM attempt WHERE outcome = 'rejected'") == [
                ("the authorization server gave no token: see the client's id, secret and scope",)
            ]

        await until(is_told)

    assert receiver.requests == []


async def test_a_failed_delivery_is_repeated_on_schedule_with_its_id(resources: Resources, outbox: Outbox) -> None:
    answers = iter([status(500), status(404), status(200)])

    async def answer(_: Received) -> bytes:
        return next(answers)

    async with answering(answer) as receiver, delivering(resources) as deliverer:
        await outbox.endpoint(receiver.url)
        await outbox.events()
        await until(lambda: len(receiver.requests) == 1)
        await _settled(outbox, pending=1)
        await asyncio.sleep(0.1)
        assert len(receiver.requests) == 1
        deliverer.advance(6.1)
        await until(lambda: len(receiver.requests) == 2)
        await _settled(outbox, pending=1)
        deliverer.advance(361)
        await _settled(outbox, delivered=1)

    assert [request.headers["leadhub-attempt"] for request in receiver.requests] == ["1", "2", "3"]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert times == sorted(set(times))
    becauses = await outbox.rows("SELECT because FROM attempt ORDER BY number")
    assert becauses[1] == ("the receiver answered 404: the path of the URL is wrong",)


async def test_two_workers_keep_an_endpoints_cap(resources: Resources, outbox: Outbox) -> None:
    at_once, most = 0, 0

    async def answer(_: Received) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return status(200)

    async with answering(answer) as receiver, delivering(resources), delivering(resources):
        await outbox.endpoint(receiver.url, cap=3)
        await outbox.events(60)
        resources.deliveries_nudge()
        await _settled(outbox, delivered=60)

    assert most == 3
    assert max(Counter(request.headers["webhook-id"] for request in receiver.requests).values()) == 1


async def test_hanging_endpoints_delay_nobody(resources: Resources, outbox: Outbox) -> None:
    """More endpoints than the worker has slots, and ten events for each, all from one moment on."""
    slots = 16
    async with answering(_never) as hanging, answering(_ok) as fast:
        await outbox.endpoint(fast.url, types=["lead.merged"])
        async with delivering(resources, slots=slots, total_seconds=10) as deliverer:
            await outbox.events(type="lead.merged")
            await until(lambda: len(fast.requests) == 1)
            for _ in range(2 * slots):
                await outbox.endpoint(hanging.url, cap=4, types=["lead.routed"])
            await outbox.events(10)
            await until(lambda: len(hanging.requests) >= slots // 2)
            started = time.monotonic()
            await outbox.events(20, type="lead.merged")
            resources.deliveries_nudge()
            await until(lambda: len(fast.requests) == 21)
            took = time.monotonic() - started
            await deliverer.kill()

    assert took < 2  # half of the slots are there for who answers; the others have theirs for a second
    assert len(hanging.requests) <= 4 * slots


async def test_a_410_ends_the_endpoint(resources: Resources, outbox: Outbox) -> None:
    async def answer(_: Received) -> bytes:
        return status(410)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url, cap=1)
        await outbox.events(5)
        async with delivering(resources) as deliverer:
            await _settled(outbox, dead=1, held=4)
            deliverer.advance(3600)
            await asyncio.sleep(0.2)

    assert len(receiver.requests) == 1
    assert await outbox.rows("SELECT state FROM endpoint") == [("gone",)]


async def test_retry_after_lets_the_whole_endpoint_rest(resources: Resources, outbox: Outbox) -> None:
    answers = iter([status(429, "Retry-After: 600")])

    async def answer(_: Received) -> bytes:
        return next(answers, status(200))

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url, cap=1)
        await outbox.events(5)
        async with delivering(resources) as deliverer:
            await until(lambda: receiver.requests)
            await _settled(outbox, pending=5)
            deliverer.advance(590)
            await asyncio.sleep(0.2)
            assert len(receiver.requests) == 1
            deliverer.advance(131)
            await _settled(outbox, delivered=5)


async def test_a_dead_endpoint_costs_one_probe_now_and_then_and_loses_nothing(
    resources: Resources, outbox: Outbox
) -> None:
    is_up = False

    async def answer(_: Received) -> bytes:
        return status(200 if is_up else 500)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url)
        await outbox.events(30)
        async with delivering(resources) as deliverer:

            async def is_open() -> bool:
                return await outbox.rows("SELECT openings FROM lane") == [(1,)]

            await until(is_open)
            spent = len(receiver.requests)
            assert spent <= 10 + 3  # what was in flight when it opened
            await asyncio.sleep(1.2)
            assert len(receiver.requests) == spent
            is_up = True
            deliverer.advance(31)
            await until(lambda: len(receiver.requests) >= 30)
            deliverer.advance(600)
            await _settled(outbox, delivered=30)


async def test_an_endpoint_that_fails_for_days_is_warned_of_and_switched_off(
    resources: Resources, outbox: Outbox
) -> None:
    endpoint_id = await outbox.endpoint("https://crm.example.com/hook?token=secret")
    watcher = await outbox.endpoint(types=["endpoint.failing", "endpoint.disabled"])
    await outbox.events(2)
    async with connect(resources.engine) as connection:
        await connection.execute(
            "UPDATE lane SET failing_since = $1, failing_attempts = 40 WHERE endpoint_id = $2", NOW, endpoint_id
        )
    for hours in (0.5, 1, 2, 24, 72, 119, 120, 121):
        at = NOW + timedelta(hours=hours)
        await warn_and_disable(resources.engine, now=at, new_id=new_id)

    told = await outbox.rows(
        "SELECT e.body FROM delivery AS d JOIN event AS e ON e.id = d.event_id"
        " WHERE d.endpoint_id = :id ORDER BY d.due_at",
        id=watcher,
    )
    events = [json.loads(body) for (body,) in told]
    assert [event["type"] for event in events] == ["endpoint.failing"] * 3 + ["endpoint.disabled"]
    assert {event["data"]["url"] for event in events} == {"https://crm.example.com/hook"}
    assert datetime.fromisoformat(events[0]["data"]["will_be_disabled_at"]) == NOW + timedelta(days=5)
    assert dict(await outbox.rows("SELECT id, state FROM endpoint")) == {endpoint_id: "disabled", watcher: "active"}
    assert await outbox.rows("SELECT DISTINCT state FROM delivery WHERE endpoint_id = :id", id=endpoint_id) == [
        ("held",)
    ]


async def test_a_private_address_holds_and_is_explained(resources: Resources, outbox: Outbox) -> None:
    await outbox.endpoint("https://169.254.169.254/latest/")
    await outbox.events(3)
    async with delivering(resources):
        await _settled(outbox, held=3)

    because = "the address is private or reserved: webhooks may not go there"
    assert await outbox.rows("SELECT state, state_because FROM endpoint") == [("misconfigured", because)]


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def _written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.iterdir()) for line in file.read_bytes().splitlines()]


async def test_files_get_what_a_receiver_would(resources: Resources, outbox: Outbox, tmp_path: Path) -> None:
    wanted = write_filter([Condition(path="/data/stage", one_of=["SQL"])])
    endpoint_id = await outbox.endpoint("jsonl:warehouse", filter=wanted)
    events = [
        *await outbox.events(body=b'{"data":{"stage":"MQL"}}'),
        *await outbox.events(5, body=b'{"data":{"stage":"SQL"}}'),
    ]
    async with delivering(resources, folder=tmp_path):
        await _settled(outbox, delivered=5, cancelled=1)

    assert all(str(endpoint_id) in name for name in _names(tmp_path))
    lines = _written(tmp_path)
    assert {line["webhook-id"] for line in lines} == {str(event_id) for event_id in events[1:]}
    assert {line["event"]["data"]["stage"] for line in lines} == {"SQL"}
    told = await outbox.rows("SELECT DISTINCT because, status, remote_ip FROM attempt WHERE outcome = 'delivered'")
    assert told == [("it is in the file", None, None)]


async def test_what_cannot_be_written_is_tried_again(resources: Resources, outbox: Outbox, tmp_path: Path) -> None:
    folder = tmp_path / "not yet mounted"
    endpoint_id = await outbox.endpoint("jsonl:warehouse")
    [event_id] = await outbox.events()
    async with delivering(resources, folder=folder) as deliverer:

        async def is_told() -> bool:
            return await outbox.rows("SELECT state, outcome FROM delivery") == [("pending", "disk")]

        await until(is_told)
        folder.mkdir()
        deliverer.advance(6.1)
        await _settled(outbox, delivered=1)

    assert [(line["webhook-id"], line["leadhub-attempt"]) for line in _written(folder)] == [(str(event_id), 2)]
    assert await outbox.rows("SELECT state FROM endpoint WHERE id = :id", id=endpoint_id) == [("active",)]


async def test_without_a_folder_everything_is_held(resources: Resources, outbox: Outbox) -> None:
    await outbox.endpoint("jsonl:warehouse")
    await outbox.events(3)
    async with delivering(resources):
        await _settled(outbox, held=3)

    because = "this worker writes no files: set LEADHUB_SINK_DIRECTORY"
    assert await outbox.rows("SELECT state, state_because FROM endpoint") == [("misconfigured", because)]


async def test_a_line_that_was_written_and_not_recorded_comes_again_with_its_id(
    resources: Resources,
    outbox: Outbox,
    line: tuple[Line, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, url = line
    engine = create_engine(url, pool=5, pool_wait_seconds=1, statement_seconds=5)
    clock, release, folder = Clock(), threading.Event(), tmp_path / "events"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", lambda _: release.wait(5))
    await outbox.endpoint("jsonl:warehouse")
    [event_id] = await outbox.events()

    with capture_logs() as lines:
        async with delivering(resources, engine=engine, clock=clock, folder=folder) as first:
            await until(lambda: _written(folder))
            await connection.cut()
            release.set()
            await until(lambda: "delivery.attempt" in [line["event"] for line in lines])
            await first.kill()
    clock.ahead += _LEASE
    async with delivering(resources, clock=clock, folder=folder) as second:
        await _settled(outbox, pending=1)
        second.advance(5)
        await _settled(outbox, delivered=1)
    await engine.dispose()

    came = [(line["webhook-id"], line["leadhub-attempt"]) for line in _written(folder)]
    assert came == [(str(event_id), 1), (str(event_id), 2)]


async def test_a_clock_that_jumps_a_day_ahead_and_back_loses_nothing(resources: Resources, outbox: Outbox) -> None:
    """What is in flight at the jump may be repeated: its lease looks as if it had run out long ago."""
    is_up = False

    async def answer(_: Received) -> bytes:
        await asyncio.sleep(0.02)
        return status(200 if is_up else 500)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url)
        told = [*await outbox.events(4)]
        async with delivering(resources) as deliverer:
            await until(lambda: len(receiver.requests) >= 2)
            deliverer.advance(86_400)
            await _settled(outbox, pending=4)
            is_up = True
            deliverer.advance(-86_400)
            told += await outbox.events(4)
            await until(lambda: len(receiver.requests) >= 6)
            deliverer.advance(86_400 + 400)
            await _settled(outbox, delivered=8)

    came = Counter(request.headers["webhook-id"] for request in receiver.requests)
    assert came.keys() == {str(event_id) for event_id in told}
    assert max(came.values()) <= 4


async def test_a_worker_killed_between_the_answer_and_the_commit_is_made_good_with_the_same_id(
    resources: Resources, outbox: Outbox, line: tuple[Line, str]
) -> None:
    connection, url = line
    engine = create_engine(url, pool=5, pool_wait_seconds=1, statement_seconds=5)
    clock = Clock()

    async def answer(_: Received) -> bytes:
        await connection.cut()
        return status(200)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url)
        await outbox.events()
        with capture_logs() as lines:
            async with delivering(resources, engine=engine, clock=clock) as first:
                await until(lambda: "delivery.attempt" in [line["event"] for line in lines])
                await first.kill()
        assert await outbox.states() == {"leased": 1}
        clock.ahead += _LEASE
        async with delivering(resources, clock=clock) as second:
            await _settled(outbox, pending=1)
            second.advance(5)
            await _settled(outbox, delivered=1)
    await engine.dispose()

    assert [request.headers["leadhub-attempt"] for request in receiver.requests] == ["1", "2"]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    attempts = await outbox.rows("SELECT number, outcome FROM attempt ORDER BY number")
    assert attempts == [(1, "unknown"), (2, "delivered")]


async def test_a_worker_that_wakes_after_its_lease_changes_nothing(resources: Resources, outbox: Outbox) -> None:
    """As one that was stopped by SIGSTOP, or by its machine: another has delivered meanwhile."""
    woken = asyncio.Event()

    async def answer(_: Received) -> bytes:
        if len(receiver.requests) == 1:
            await woken.wait()
            return status(500)
        return status(200)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url)
        await outbox.events()
        with capture_logs() as lines:
            async with delivering(resources, total_seconds=10):
                await until(lambda: len(receiver.requests) == 1)
                ahead = Clock(timedelta(seconds=10 + 15 + 1))
                async with delivering(resources, clock=ahead, total_seconds=10) as second:
                    await _settled(outbox, pending=1)
                    second.advance(6)
                    await _settled(outbox, delivered=1)
                woken.set()
                await until(lambda: "delivery.lease_lost" in [line["event"] for line in lines])

    assert await outbox.states() == {"delivered": 1}
    attempts = await outbox.rows("SELECT number, outcome FROM attempt ORDER BY number")
    assert attempts == [(1, "unknown"), (2, "delivered")]
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


async def test_stopping_finishes_what_is_in_flight_and_claims_nothing_more(
    resources: Resources, outbox: Outbox
) -> None:
    async def answer(_: Received) -> bytes:
        await asyncio.sleep(0.2)
        return status(200)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url, cap=2)
        await outbox.events(9)
        async with delivering(resources):
            await until(lambda: len(receiver.requests) == 2)

    assert await outbox.states() == {"delivered": 2, "pending": 7}


async def test_a_lost_hint_costs_at_most_a_poll(resources: Resources, outbox: Outbox) -> None:
    async with answering(_ok) as receiver, delivering(resources):
        await outbox.endpoint(receiver.url)
        await asyncio.sleep(0.2)
        await outbox.events()
        await until(lambda: receiver.requests, seconds=4)


async def test_secrets_that_do_not_open_are_our_fault(resources: Resources, outbox: Outbox) -> None:
    foreign = Outbox(resources.engine, Vault(["B" * 43 + "="]))
    async with answering(_ok) as receiver:
        await foreign.endpoint(receiver.url)
        await outbox.events(9)
        async with delivering(resources):
            await asyncio.sleep(0.3)

        rows = await outbox.rows("SELECT state, attempts, outcome FROM delivery")
        assert Counter(rows) == {("pending", 0, None): 5, ("pending", 0, "internal"): 4}
        assert receiver.requests == []


async def test_a_fault_of_ours_in_one_delivery_ends_no_other(
    resources: Resources, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def explode(*_: object) -> AttemptResult:
        raise AssertionError

    async def is_recorded() -> bool:
        return await outbox.rows("SELECT outcome FROM delivery") == [("internal",)]

    await outbox.endpoint()
    await outbox.events()
    monkeypatch.setattr(WebhookSender, "send", explode)
    async with delivering(resources) as deliverer:
        await until(is_recorded)
        assert not deliverer.task.done()


async def test_an_erased_event_is_given_up(resources: Resources, outbox: Outbox) -> None:
    await outbox.endpoint()
    await outbox.events()
    async with outbox.sessions.begin() as session:
        await session.execute(_ERASE)
    async with delivering(resources):
        await _settled(outbox, dead=1)


async def test_an_outage_of_postgresql_loses_nothing_and_repeats_nothing(
    resources: Resources, outbox: Outbox, line: tuple[Line, str]
) -> None:
    connection, url = line
    engine = create_engine(url, pool=5, pool_wait_seconds=1, statement_seconds=5)
    cut = asyncio.Event()

    async def answer(_: Received) -> bytes:
        await cut.wait()
        return status(200)

    async with answering(answer) as receiver:
        await outbox.endpoint(receiver.url)
        await outbox.events(6)
        async with delivering(resources, engine=engine):
            await until(lambda: len(receiver.requests) == 4)
            await connection.cut()
            cut.set()
            await asyncio.sleep(0.5)
            await connection.mend()
            await _settled(outbox, delivered=6)
    await engine.dispose()

    assert max(Counter(request.headers["webhook-id"] for request in receiver.requests).values()) == 1


async def test_a_value_that_postgresql_refuses_fails_alone(resources: Resources, outbox: Outbox) -> None:
    await outbox.endpoint()
    await outbox.events(3)
    claimed = await outbox.claim()
    bad = AttemptResult(status=200, remote_ip="\0")

    def hear(*, is_next_due: bool) -> None:
        assert not is_next_due

    recorder = Recorder(resources.engine, clock=lambda: NOW, new_id=new_id, on_recorded=hear)
    for one, result in zip(claimed, [AttemptResult(status=200), bad, AttemptResult(status=200)], strict=True):
        recorder.put(result_of(one, result))

    task = asyncio.create_task(recorder.run())
    await recorder.drain(at_most_seconds=5)
    task.cancel()

    assert await outbox.states() == {"delivered": 2, "leased": 1}
