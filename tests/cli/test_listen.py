import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest
from standardwebhooks import Webhook
from tests.cli.commands import environment, start_leadhub
from tests.support.delivering import delivering
from tests.support.outbox import Outbox

from leadhub.cli import run
from leadhub.cli.listen import _answers
from leadhub.demo.processes import environment_of
from leadhub.demo.receiver import Receipt, Receiver
from leadhub.domain.signature import format_secret, sign
from leadhub.resources import Resources

KEY = bytes(range(32))
BODY = b'{"type":"lead.routed","timestamp":"2026-01-15T09:30:00Z","data":{"contact":{"email":"ada@example.com"}}}'


def _headers(*, body: bytes = BODY, at: int | None = None, key: bytes = KEY, message: str = "msg_1") -> dict[str, str]:
    timestamp = int(time.time()) if at is None else at
    signature = sign(message_id=message, timestamp=timestamp, body=body, keys=[key])
    return {"webhook-id": message, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


@pytest.fixture
def receipts() -> list[Receipt]:
    return []


@pytest.fixture
async def client(receipts: list[Receipt]) -> AsyncIterator[httpx2.AsyncClient]:
    receiver = Receiver(receipts.append, keys=[KEY])
    async with receiver.listening("127.0.0.1", 0) as url, httpx2.AsyncClient(base_url=url, trust_env=False) as opened:
        yield opened


async def test_a_signed_event_is_believed(client: httpx2.AsyncClient, receipts: list[Receipt]) -> None:
    answer = await client.post("/any/path", content=BODY, headers=_headers())

    assert answer.status_code == 204
    assert (receipts[0].doubt, receipts[0].type) == (None, "lead.routed")


async def test_what_the_reference_library_signs_is_believed(
    client: httpx2.AsyncClient, receipts: list[Receipt]
) -> None:
    now = datetime.now(UTC)
    signature = Webhook(format_secret(KEY)).sign("msg_1", now, BODY.decode())
    stamp = str(int(now.timestamp()))

    await client.post(
        "/",
        content=BODY,
        headers={"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature},
    )

    assert receipts[0].doubt is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _headers(key=bytes(32)),
        _headers(body=BODY + b" "),
        _headers(at=int(time.time()) - 3_600),
        {**_headers(), "webhook-signature": "v1,"},
    ],
    ids=["unsigned", "by another key", "another body", "too old", "empty"],
)
async def test_anything_else_is_refused(
    headers: dict[str, str], client: httpx2.AsyncClient, receipts: list[Receipt]
) -> None:
    answer = await client.post("/", content=BODY, headers=headers)

    assert answer.status_code == 401
    assert receipts[0].doubt


async def test_a_repeat_is_known_by_its_id(client: httpx2.AsyncClient, receipts: list[Receipt]) -> None:
    for message in ("msg_1", "msg_1", "msg_2"):
        await client.post("/", content=BODY, headers=_headers(message=message))

    assert [one.is_repeat for one in receipts] == [False, True, False]


async def test_the_challenge_of_a_verification_is_sent_back(
    client: httpx2.AsyncClient, receipts: list[Receipt]
) -> None:
    body = b'{"type":"endpoint.verify","timestamp":"2026-01-15T09:30:00Z","data":{"challenge":"a-challenge"}}'

    answer = await client.post("/", content=body, headers=_headers(body=body))
    forged = await client.post("/", content=body, headers=_headers(key=bytes(32), body=body))

    assert (answer.status_code, answer.text) == (200, "a-challenge")
    assert (forged.status_code, "a-challenge" in forged.text) == (401, False)
    assert receipts[0].doubt is None


async def test_what_is_no_json_hurts_nobody(client: httpx2.AsyncClient, receipts: list[Receipt]) -> None:
    answer = await client.post("/", content=b"\xff{", headers=_headers(body=b"\xff{"))

    assert answer.status_code == 204
    assert receipts[0].message == {}


def test_a_broken_crm_fails_its_share() -> None:
    never, always, some = _answers(None, 0.0), _answers(None, 1.0), _answers(500, 0.5)

    assert {never() for _ in range(50)} == {204}
    assert {always() for _ in range(50)} == {503}
    assert {some() for _ in range(200)} == {204, 500}


async def test_listen_subscribes_itself_proves_its_will_prints_what_comes_and_unsubscribes(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment_of(resources.settings).items():
        monkeypatch.setenv(name, value)
    outbox = Outbox(resources.engine, resources.vault)
    process = await start_leadhub(
        "listen",
        "--port",
        "0",
        "--subscribe",
        "--event",
        "lead.routed",
        env=environment(**environment_of(resources.settings)),
    )
    assert process.stderr is not None
    assert process.stdout is not None
    said = (await process.stderr.readline()).decode()
    [(endpoint_id, url)] = await outbox.rows("SELECT id, url FROM endpoint")

    verified = await asyncio.to_thread(run, ["endpoints", "verify", str(endpoint_id)])
    challenged = (await process.stdout.readline()).decode()
    await outbox.events(2, body=BODY)
    await outbox.events(type="lead.updated")
    async with delivering(resources):
        lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    states = await outbox.states()
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.post(url, content=BODY, headers=_headers(key=bytes(32)))
    os.kill(process.pid, signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 60)

    assert url in said
    assert "and subscribed" in said
    assert (verified, "sent the challenge back" in capsys.readouterr().err) == (0, True)
    assert "endpoint.verify" in challenged
    assert all("lead.routed" in line and "valid" in line and "ada@example.com" in line for line in lines)
    assert "no signature matches" in out.decode()
    assert states == {"delivered": 2}
    assert "unsubscribed" in err.decode()
    assert "Traceback" not in err.decode()
    assert process.returncode == 130
    assert await outbox.rows("SELECT id FROM endpoint") == []
