"""The bare server against clients that are slow, greedy or malicious: raw bytes on a socket."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.gateway import Gateway, a_post, own_database, problem_in, running
from tests.support.waiting import a_source

from leadhub.embedded import EmbeddedServers

HURRIED = {"head_seconds": 0.4, "body_seconds": 0.4, "connections": 40, "body_bytes": 10_000}
HEAD = b"POST /in/echo/key HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with (
        own_database(servers, template, "bare_server") as settings,
        running(settings.model_copy(update=HURRIED)) as opened,
    ):
        yield opened


@pytest.fixture
async def path(gateway: Gateway) -> str:
    return f"/in/echo/{(await a_source(gateway.resources.engine, channel='echo')).hex}"


async def stored(gateway: Gateway, path: str) -> int:
    query = text("SELECT count(*) FROM submission WHERE source_id = :id")
    async with gateway.resources.engine.connect() as connection:
        return int((await connection.execute(query, {"id": UUID(path[-32:])})).scalar_one())


async def leave(gateway: Gateway, opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for _, writer in opened:
        writer.close()
    while gateway.server.server_state.connections:  # noqa: ASYNC110 - uvicorn keeps a set, and no event for it
        await asyncio.sleep(0.01)


async def test_a_head_that_never_ends_is_cut_off(gateway: Gateway) -> None:
    began = time.monotonic()

    answer = await gateway.raw(HEAD)

    problem_in(answer, 408)
    assert time.monotonic() - began < 2


async def test_a_head_that_drips_is_cut_off_as_soon(gateway: Gateway) -> None:
    began = time.monotonic()

    answer = await gateway.raw(*[HEAD[n : n + 1] for n in range(20)], pause=0.05)

    problem_in(answer, 408)
    assert time.monotonic() - began < 2


async def test_a_connection_that_says_nothing_is_closed(gateway: Gateway) -> None:
    assert await gateway.raw() == b""


async def test_blank_lines_do_not_keep_a_connection_open(gateway: Gateway) -> None:
    live = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    began = time.monotonic()

    await gateway.raw(live, *[b"\r\n"] * 20, pause=0.05)

    assert time.monotonic() - began < 2


async def test_a_body_that_drips_is_cut_off(gateway: Gateway, path: str) -> None:
    began = time.monotonic()

    answer = await gateway.raw(a_post(path)[:-10], *[b"x"] * 9, pause=0.1)

    problem_in(answer, 408)
    assert b"connection: close" in answer
    assert time.monotonic() - began < 2
    assert await stored(gateway, path) == 0


@pytest.mark.parametrize(
    "headers",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 5",
        b"content-length: 5\r\ncontent-length: 6",
        b"content-length: -5",
        b"content-length: 5_0",
        b"content-length: ",
        b"transfer-encoding: gzip, chunked",
        b"transfer-encoding: identity",
        b"host: other",
    ],
)
async def test_a_request_whose_end_is_in_doubt_is_refused_and_nothing_behind_it_is_served(
    gateway: Gateway, path: str, headers: bytes
) -> None:
    hidden = a_post(path, b"smuggled@example.com")
    first = b"POST %s HTTP/1.1\r\nhost: x\r\n%s\r\n\r\n0\r\n\r\n" % (path.encode(), headers)

    answer = await gateway.raw(first + hidden)

    problem_in(answer, 400)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert await stored(gateway, path) == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\x00" * 100,
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"GET relative HTTP/1.1\r\nhost: x\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused(gateway: Gateway, garbage: bytes) -> None:
    problem_in(await gateway.raw(garbage), 400)


async def test_a_huge_head_is_refused(gateway: Gateway) -> None:
    problem_in(await gateway.raw(HEAD + b"x-big: " + b"x" * 300_000 + b"\r\n\r\n"), 431)


async def test_a_huge_head_is_refused_before_it_ends(gateway: Gateway) -> None:
    problem_in(await gateway.raw(HEAD + b"x-big: " + b"x" * 40_000), 431)


async def test_too_many_headers_are_refused(gateway: Gateway) -> None:
    problem_in(await gateway.raw(HEAD + b"".join(b"x-%d: y\r\n" % n for n in range(200)) + b"\r\n"), 431)


async def test_idle_connections_disturb_nobody_and_are_closed(gateway: Gateway, path: str) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(35)]

    answer = await gateway.raw(a_post(path))

    assert answer.startswith(b"HTTP/1.1 202 ")
    ends = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in idle)), timeout=5)
    assert ends == [b""] * 35
    await leave(gateway, idle)


async def test_a_connection_too_many_is_told_when_to_come_again(gateway: Gateway, path: str) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(42)]

    answer = await gateway.raw(a_post(path))

    problem_in(answer, 503)
    assert b"retry-after: " in answer
    await leave(gateway, idle)


async def test_far_too_many_connections_are_dropped(gateway: Gateway) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(60)]
    await asyncio.sleep(0.1)

    assert len(gateway.server.server_state.connections) <= 50
    await leave(gateway, opened)


async def test_pipelined_requests_are_answered_in_order(gateway: Gateway, path: str) -> None:
    keep = a_post(path, b"one@example.com").replace(b"connection: close\r\n", b"")

    answer = await gateway.raw(keep + a_post(path, b"two@example.com"))

    assert answer.count(b"HTTP/1.1 202 ") == 2


async def test_endless_pipelining_is_cut_off(gateway: Gateway, path: str) -> None:
    keep = a_post(path).replace(b"connection: close\r\n", b"")

    answer = await gateway.raw(keep * 200)

    assert answer.count(b"HTTP/1.1 ") < 20


async def test_garbage_behind_a_whole_request_does_not_cost_its_answer(gateway: Gateway, path: str) -> None:
    keep = a_post(path).replace(b"connection: close\r\n", b"")

    answer = await gateway.raw(keep + b"\x00\x00garbage\r\n\r\n")

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert await stored(gateway, path) == 1


async def test_a_body_announced_too_long_is_refused_unread(gateway: Gateway, path: str) -> None:
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10001\r\n\r\n" % path.encode()

    answer = await gateway.raw(head)

    problem_in(answer, 413)
    assert b"100 Continue" not in answer
    assert b"connection: close" in answer


async def test_a_body_that_is_wanted_is_asked_for(gateway: Gateway, path: str) -> None:
    answer = await gateway.raw(a_post(path, b"a@example.com", b"expect: 100-continue"))

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")


async def test_chunks_are_counted(gateway: Gateway, path: str) -> None:
    head = b"POST %s HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" % path.encode()

    answer = await gateway.raw(head, *[b"400\r\n" + b"x" * 1024 + b"\r\n"] * 20, pause=0.002)

    problem_in(answer, 413)
    assert await stored(gateway, path) == 0


async def test_a_chunked_lead_is_taken(gateway: Gateway, path: str) -> None:
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n" % path.encode()

    answer = await gateway.raw(head, b"3\r\na@b\r\n", b"3\r\n.cd\r\n", b"0\r\n\r\n", pause=0.01)

    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_a_compressed_body_is_refused(gateway: Gateway, path: str) -> None:
    problem_in(await gateway.raw(a_post(path, b"\x1f\x8b", b"content-encoding: gzip", b"expect: 100-continue")), 415)


async def test_an_offer_to_upgrade_is_passed_over(gateway: Gateway, path: str) -> None:
    answer = await gateway.raw(a_post(path, b"a@example.com", b"upgrade: h2c").replace(b": close", b": upgrade"))

    assert answer.startswith(b"HTTP/1.1 202 ")


async def test_who_leaves_in_the_middle_leaves_nothing(gateway: Gateway, path: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(a_post(path)[:-5])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await asyncio.sleep(0.05)

    assert await stored(gateway, path) == 0
    assert (await gateway.raw(a_post(path))).startswith(b"HTTP/1.1 202 ")


async def test_the_server_does_not_say_what_it_is(gateway: Gateway) -> None:
    answer = await gateway.raw(a_post("/nowhere"))

    assert b"\r\nserver:" not in answer
    assert b"uvicorn" not in answer
    assert b"\r\ndate: " in answer


async def test_only_the_hop_that_the_proxy_saw_is_believed(gateway: Gateway, path: str) -> None:
    answer = await gateway.raw(a_post(path, b"a@example.com", b"x-forwarded-for: 203.0.113.9, 198.51.100.7"))

    assert b'"client":"198.51.100.7"' in answer
