"""`/in/{channel}/{key}` over HTTP, down to the rows."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text
from tests.support.admin import problem_of
from tests.support.gateway import Gateway, client_of, own_database, running
from tests.support.waiting import a_source

from leadhub.channels.registry import CHANNELS
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.keys import create_key
from leadhub.resources import clock
from leadhub.settings import Settings

ADA = b"ada@example.com"


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "intake") as settings, running(settings) as opened:
        yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


@pytest.fixture
async def path(gateway: Gateway) -> str:
    return await a_path(gateway)


async def a_path(gateway: Gateway, channel: str = "echo") -> str:
    return f"/in/{channel}/{(await a_source(gateway.resources.engine, channel=channel)).hex}"


async def rows(gateway: Gateway, path: str, table: str = "submission") -> int:
    query = text(f"SELECT count(*) FROM {table} WHERE source_id = :id")  # noqa: S608 - ours
    async with gateway.resources.engine.connect() as connection:
        return int((await connection.execute(query, {"id": UUID(path[-32:])})).scalar_one())


async def test_a_lead_is_on_disk_when_it_is_acknowledged(
    gateway: Gateway, client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.post(path, content=ADA)

    assert answer.status_code == 202
    submission_id = answer.json()["receipts"][0]["id"]
    async with gateway.resources.engine.connect() as connection:
        query = text("SELECT content->'fields'->>'email', raw FROM submission WHERE id = :id")
        assert (await connection.execute(query, {"id": UUID(submission_id)})).one() == ("ada@example.com", ADA)


async def test_nothing_is_acknowledged_before_its_commit(
    gateway: Gateway, client: httpx2.AsyncClient, path: str
) -> None:
    async with gateway.resources.engine.connect() as locking:
        await locking.execute(text("LOCK TABLE submission IN ACCESS EXCLUSIVE MODE"))
        waiting = asyncio.create_task(client.post(path, content=ADA))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await locking.rollback()

    assert (await waiting).status_code == 202


async def test_addresses_that_lead_nowhere_all_look_alike(
    gateway: Gateway, client: httpx2.AsyncClient, path: str
) -> None:
    async with gateway.resources.engine.begin() as connection:
        await connection.execute(text("UPDATE source SET enabled = false WHERE id = :id"), {"id": UUID(path[-32:])})
    paths = [
        path,
        "/in/echo/unknown",
        "/in/nochannel/key",
        "/in/echo/",
        "/in/echo",
        "/in/",
        "/in/echo/key/more",
        "/in/echo/a%00b",
        "/in/echo/" + "k" * 300,
        "/in/echo/%ff%fe",
        f"/in/closed/{path[-32:]}",
    ]

    answers = [await client.post(one, content=ADA) for one in paths]

    problems = [problem_of(answer, 404) for answer in answers]
    assert len({(one["type"], one["title"], one["detail"]) for one in problems}) == 1


async def test_the_channel_answers_what_carries_no_lead(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}?hello")

    assert (answer.status_code, answer.text) == (200, "hello")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_question_about_the_address_is_answered(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.options(path)

    assert answer.status_code == 204
    assert answer.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused_with_the_ones_that_work(
    client: httpx2.AsyncClient, path: str, method: str
) -> None:
    answer = await client.request(method, path)

    problem_of(answer, 405)
    assert answer.headers["allow"] == "OPTIONS, POST"


async def test_a_wrong_field_is_named_and_never_repeated(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=b"invalid")

    problem = problem_of(answer, 422)
    assert problem["errors"] == [{"pointer": "#/email", "detail": "This is not an e-mail address."}]


@pytest.mark.parametrize(("body", "status"), [(b"invalid", 422), (b"forbidden", 403), (b"x" * 1_000_001, 413)])
async def test_a_page_of_another_origin_may_read_problems_too(
    client: httpx2.AsyncClient, path: str, body: bytes, status: int
) -> None:
    answer = await client.post(path, content=body)

    problem_of(answer, status)
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_bug_in_a_channel_is_a_500_without_a_word_of_it(
    gateway: Gateway, client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.post(path, content=b"bug")

    problem_of(answer, 500)
    assert "ada" not in answer.text
    assert await rows(gateway, path) == 0


@pytest.mark.parametrize("body", [b"a\x00b", b"\\\x00"])
async def test_what_postgresql_cannot_hold_is_refused(
    gateway: Gateway, client: httpx2.AsyncClient, path: str, body: bytes
) -> None:
    problem_of(await client.post(path, content=body), 422)

    assert await rows(gateway, path) == 0


async def test_a_backslash_and_its_letters_are_plain_text(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.post(path, content=b"\\u0000 \\\\u0000 \\")).status_code == 202


async def test_a_key_that_is_too_long_is_refused(client: httpx2.AsyncClient, path: str) -> None:
    problem_of(await client.post(path, content=ADA, headers={"idempotency-key": "k" * 501}), 422)


async def test_a_repeat_gets_the_same_answer(gateway: Gateway, client: httpx2.AsyncClient, path: str) -> None:
    headers = {"idempotency-key": "once"}

    first, again = [(await client.post(path, content=ADA, headers=headers)).json() for _ in range(2)]

    assert first["receipts"][0]["id"] == again["receipts"][0]["id"]
    assert [one["receipts"][0]["replayed"] for one in (first, again)] == [False, True]
    assert await rows(gateway, path) == 1


async def test_another_body_under_the_same_key_is_a_conflict(client: httpx2.AsyncClient, path: str) -> None:
    headers = {"idempotency-key": "once"}
    await client.post(path, content=ADA, headers=headers)

    problem = problem_of(await client.post(path, content=b"other", headers=headers), 409)

    assert problem["type"].endswith("/idempotency-conflict")


async def test_repeats_that_race_are_one_lead(gateway: Gateway, client: httpx2.AsyncClient, path: str) -> None:
    headers = {"idempotency-key": "race"}

    answers = await asyncio.gather(*(client.post(path, content=ADA, headers=headers) for _ in range(30)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["receipts"][0]["id"] for answer in answers}) == 1
    assert await rows(gateway, path) == 1


async def test_several_submissions_of_a_request_are_all_stored(
    gateway: Gateway, client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.post(path, content=ADA, headers={"times": "3"})

    assert len(answer.json()["receipts"]) == 3
    assert await rows(gateway, path) == 3


async def test_too_many_submissions_are_refused_whole(gateway: Gateway, client: httpx2.AsyncClient, path: str) -> None:
    problem_of(await client.post(path, content=ADA, headers={"times": "2501"}), 413)

    assert await rows(gateway, path) == 0


async def a_token(gateway: Gateway, *scopes: str) -> str:
    made = await create_key(
        gateway.resources.sessions, name="t", scopes=scopes, expires_at=None, now=clock(), entropy=secrets.token_bytes
    )
    return made.token


async def test_a_channel_with_a_scope_wants_a_key_that_has_it(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_path(gateway, "closed")
    allowed, other = await a_token(gateway, "leads:write"), await a_token(gateway, "leads:read")

    taken = await client.post(path, content=ADA, headers={"authorization": f"Bearer {allowed}"})
    lacking = await client.post(path, content=ADA, headers={"authorization": f"bearer {other}"})

    assert taken.status_code == 202
    problem_of(lacking, 403)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "Bearer")],
        [("authorization", "Bearer lh_live_short")],
        [("authorization", "Bearer lh_live_" + "A" * 43)],
        [("authorization", "Basic bGg6bGl2ZQ==")],
        [("authorization", b"Bearer \xff\xfe")],
        [("authorization", "Bearer lh_live_" + "A" * 43), ("authorization", "Bearer lh_live_" + "B" * 43)],
    ],
)
async def test_every_wrong_credential_is_refused_alike(
    gateway: Gateway, client: httpx2.AsyncClient, headers: list[tuple[str, Any]]
) -> None:
    answer = await client.post(await a_path(gateway, "closed"), content=ADA, headers=headers)

    problem = problem_of(answer, 401)
    assert problem["detail"] == "No credential, or one that is not accepted."
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_real_channels_are_served(servers: EmbeddedServers, template: str) -> None:
    async with (
        own_database(servers, template, "intake_real") as settings,
        running(settings, CHANNELS) as gateway,
        client_of(gateway) as client,
    ):
        path = await a_path(gateway, "form")

        answer = await client.post(path, data={"email": "ada@example.com"}, headers={"accept": "application/json"})

        assert answer.status_code == 202
        assert await rows(gateway, path) == 1


@asynccontextmanager
async def a_gateway(settings: Settings, **changes: object) -> AsyncIterator[tuple[Gateway, httpx2.AsyncClient, str]]:
    changed = settings.model_copy(update={"drain_seconds": 0, **changes})
    async with running(changed) as gateway, client_of(gateway) as client:
        yield gateway, client, await a_path(gateway)


@pytest.mark.parametrize("limit", ["inbox_rows", "requests"])
async def test_what_is_too_much_is_refused_and_told_when_to_come_again(settings: Settings, limit: str) -> None:
    async with a_gateway(settings, **{limit: 5}) as (gateway, client, path):
        async with gateway.resources.engine.connect() as locking:
            await locking.execute(text("LOCK TABLE submission IN ACCESS EXCLUSIVE MODE"))
            posting = [asyncio.create_task(client.post(path, content=ADA)) for _ in range(30)]
            refused = [await one for one in itertools.islice(asyncio.as_completed(posting), 25)]
            await locking.rollback()
        taken = [answer for answer in await asyncio.gather(*posting) if answer.status_code == 202]

        for answer in refused:
            problem_of(answer, 503)
            assert int(answer.headers["retry-after"]) > 0
        assert len(taken) == 5
        assert await rows(gateway, path) == 5
        assert (await client.post(path, content=ADA)).status_code == 202


async def test_without_redis_leads_are_taken(settings: Settings) -> None:
    async with a_gateway(settings, redis_url="unix:///nowhere/redis.sock") as (gateway, client, path):
        answers = await asyncio.gather(*(client.post(path, content=ADA) for _ in range(20)))

        assert {answer.status_code for answer in answers} == {202}
        assert await rows(gateway, path) == 20
