"""What a form must prove: captcha, time, and not too often. Over HTTP, down to the rows."""

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from aiohttp import web
from sqlalchemy import text
from tests.support.admin import Admin, pointers, problem_of
from tests.support.gateway import Gateway, client_of, own_database, running

from leadhub.channels.registry import CHANNELS
from leadhub.demo.receiver import listening
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.sources import create_source
from leadhub.resources import clock

SECRET = "a secret of the captcha"
FIELD = "cf-turnstile-response"
HERE = "www.example.org"


class Provider:
    """A captcha's provider: believes each token once, if the secret is right."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, str]] = []
        self.used: set[str] = set()
        self.status = 200

    async def verify(self, request: web.Request) -> web.Response:
        sent = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(sent)
        if self.status != 200:
            return web.Response(status=self.status)
        if sent["secret"] != SECRET:
            return web.json_response({"success": False, "error-codes": ["invalid-input-secret"]})
        if not sent["response"].startswith("good") or sent["response"] in self.used:
            return web.json_response({"success": False, "error-codes": ["timeout-or-duplicate"]})
        self.used.add(sent["response"])
        return web.json_response({"success": True, "hostname": HERE})


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    made = Provider()
    application = web.Application()
    application.router.add_post("/siteverify", made.verify)
    async with listening(application, "127.0.0.1", 0) as url:
        yield made, f"{url}/siteverify"


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str, provider: tuple[Provider, str]) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "proofs") as settings:
        known = settings.model_dump() | {"turnstile_url": provider[1], "outbound_networks": "127.0.0.0/8"}
        async with running(settings.model_validate(known), CHANNELS) as opened:
            yield opened


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(gateway) as opened:
        yield opened


@pytest.fixture
def asked(provider: tuple[Provider, str]) -> Provider:
    provider[0].status = 200
    provider[0].asked.clear()
    return provider[0]


async def a_form(gateway: Gateway, *known: str, **options: Any) -> str:
    source = await create_source(
        gateway.resources.sessions,
        gateway.resources.vault,
        channel="form",
        name="a form",
        options=options,
        secrets=known,
        now=clock(),
        entropy=secrets.token_bytes,
    )
    return f"/in/form/{source.key}"


async def captcha_form(gateway: Gateway, **chosen: Any) -> str:
    captcha = {"provider": "turnstile", "hostnames": [HERE], **chosen}
    return await a_form(gateway, SECRET, captcha=captcha)


def a_token(kind: str = "good") -> str:
    return f"{kind}.{secrets.token_hex(20)}"


async def rows(gateway: Gateway, path: str) -> list[tuple[bool, list[str] | None, bytes]]:
    query = text(
        "SELECT is_spam, content->'doubts', raw FROM submission JOIN source ON source.id = source_id"
        " WHERE key = :key ORDER BY submission.id"
    )
    async with gateway.resources.engine.connect() as connection:
        found = await connection.execute(query, {"key": path.rpartition("/")[2]})
        return [tuple(row) for row in found]


SCRIPT = {"accept": "application/json"}
ADA = {"email": "ada@example.org"}


async def test_a_solved_captcha_is_a_lead_and_its_token_is_not_kept(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider
) -> None:
    path, token = await captcha_form(gateway), a_token()

    answer = await client.post(path, data=ADA | {FIELD: token}, headers=SCRIPT)

    assert answer.status_code == 202
    [(is_spam, doubts, raw)] = await rows(gateway, path)
    assert (is_spam, doubts) == (False, None)
    assert token.encode() not in raw
    assert asked.asked == [{"secret": SECRET, "response": token, "remoteip": "127.0.0.1"}]


async def test_a_repeat_is_answered_without_asking_again_and_a_replayed_token_is_refused(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider
) -> None:
    path, token = await captcha_form(gateway), a_token()
    first = await client.post(path, data=ADA | {FIELD: token}, headers=SCRIPT)

    again = await client.post(path, data=ADA | {FIELD: token}, headers=SCRIPT)
    other = await client.post(path, data={"email": "eve@example.org", FIELD: token}, headers=SCRIPT)
    keyed = await client.post(
        path, data={"email": "eve@example.org", FIELD: token}, headers=SCRIPT | {"idempotency-key": "k"}
    )

    assert again.json()["id"] == first.json()["id"]
    problem_of(other, 409)
    problem_of(keyed, 422)
    assert len(await rows(gateway, path)) == 1
    assert len(asked.asked) == 2


@pytest.mark.parametrize("sent", [{}, {FIELD: ""}, {FIELD: "short"}, {FIELD: "bad." + "x" * 40}])
async def test_an_unsolved_captcha_is_refused_at_its_field(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider, sent: dict[str, str]
) -> None:
    del asked
    path = await captcha_form(gateway)

    problem = problem_of(await client.post(path, data=ADA | sent, headers=SCRIPT), 422)
    page = await client.post(path, data=ADA | sent, headers={"accept": "text/html"})

    assert pointers(problem) == [f"#/{FIELD}"]
    assert (page.status_code, FIELD in page.text) == (422, True)
    assert page.headers["content-type"].startswith("text/html")
    assert await rows(gateway, path) == []


async def test_two_captchas_in_one_form_are_refused(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider
) -> None:
    path = await captcha_form(gateway)
    twice = urlencode([("email", "a@b.org"), (FIELD, a_token()), (FIELD, a_token())])
    beside = urlencode([("email", "a@b.org"), (FIELD, a_token()), ("g-recaptcha-response", a_token())])

    for body in (twice, beside):
        headers = SCRIPT | {"content-type": "application/x-www-form-urlencoded"}
        assert pointers(problem_of(await client.post(path, content=body, headers=headers), 422)) == [f"#/{FIELD}"]
    assert asked.asked == []


async def test_a_token_of_another_site_waits_for_a_person_where_the_source_says_so(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider
) -> None:
    del asked
    path = await captcha_form(gateway, hostnames=["other.example.org"], failed="review")

    answer = await client.post(path, data=ADA | {FIELD: a_token()}, headers=SCRIPT)

    assert answer.status_code == 202
    assert [row[:2] for row in await rows(gateway, path)] == [(True, ["captcha: solved on another site"])]


@pytest.mark.parametrize(("choice", "status"), [("review", 202), ("refuse", 503)])
async def test_while_the_provider_does_not_answer_the_sources_choice_counts(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider, choice: str, status: int
) -> None:
    asked.status = 500
    path = await captcha_form(gateway, unreachable=choice)

    answer = await client.post(path, data=ADA | {FIELD: a_token()}, headers=SCRIPT)

    assert answer.status_code == status
    kept = [["captcha: the provider does not answer"]] if choice == "review" else []
    assert [row[1] for row in await rows(gateway, path)] == kept


async def test_a_wrong_secret_is_the_owners_fault_and_not_the_visitors(
    gateway: Gateway, client: httpx2.AsyncClient, asked: Provider
) -> None:
    del asked
    path = await a_form(gateway, "another secret", captcha={"provider": "turnstile"})

    assert (await client.post(path, data=ADA | {FIELD: a_token()}, headers=SCRIPT)).status_code == 202

    [(is_spam, doubts, _)] = await rows(gateway, path)
    assert (is_spam, doubts) == (True, ["captcha: the captcha's secret is not right"])


async def test_a_form_token_is_good_for_one_submission(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_form(gateway, form_token="refuse", min_fill_seconds=0)
    token = (await client.get(f"{path}?token")).json()["token"]

    first = await client.post(path, data=ADA | {"_form_token": token}, headers=SCRIPT)
    again = await client.post(path, data=ADA | {"_form_token": token}, headers=SCRIPT)
    other = await client.post(path, data={"email": "b@example.org", "_form_token": token}, headers=SCRIPT)

    assert first.status_code == 202
    assert again.json() == first.json()
    problem_of(other, 409)
    assert len(await rows(gateway, path)) == 1


@pytest.mark.parametrize("forged", [None, "", "x", "0" * 16 + "-" + "0" * 16 + "-" + "0" * 64])
async def test_without_a_token_of_ours_a_form_is_refused_or_kept_apart(
    gateway: Gateway, client: httpx2.AsyncClient, forged: str | None
) -> None:
    strict, mild = await a_form(gateway, form_token="refuse"), await a_form(gateway, form_token="review")
    sent = ADA if forged is None else ADA | {"_form_token": forged}

    refused = await client.post(strict, data=sent, headers=SCRIPT)
    kept = await client.post(mild, data=sent, headers=SCRIPT)

    assert pointers(problem_of(refused, 422)) == ["#/_form_token"]
    assert kept.status_code == 202
    assert [row[0] for row in await rows(gateway, mild)] == [True]


async def test_a_form_that_is_filled_in_faster_than_people_can_is_kept_apart(
    gateway: Gateway, client: httpx2.AsyncClient
) -> None:
    path = await a_form(gateway, form_token="review", min_fill_seconds=60)
    other = await a_form(gateway, form_token="refuse", min_fill_seconds=0)
    token = (await client.get(f"{path}?token")).json()["token"]

    assert (await client.post(path, data=ADA | {"_form_token": token}, headers=SCRIPT)).status_code == 202
    elsewhere = await client.post(other, data=ADA | {"_form_token": token}, headers=SCRIPT)

    assert [row[1] for row in await rows(gateway, path)] == [["form: filled in within 60 seconds"]]
    problem_of(elsewhere, 422)


async def test_beyond_its_limit_a_source_asks_to_wait(gateway: Gateway, client: httpx2.AsyncClient) -> None:
    path = await a_form(gateway, limit_per_minute=2)

    answers = [await client.post(path, data=ADA, headers=SCRIPT) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    problem_of(answers[2], 429)
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30


DOOR_REFUSES = [
    ({}, b"message=" + b"x" * 1_100_000, {}, 413),
    ({"limit_per_minute": 1}, b"email=ada%40example.org", {}, 429),
    ({"allowed_origins": ["https://www.example.org"]}, b"email=a", {"origin": "https://evil.test"}, 403),
    ({}, b"email=a", {"content-type": "text/csv"}, 415),
]


@pytest.mark.parametrize("refused", DOOR_REFUSES, ids=lambda refused: refused[-1])
async def test_a_person_without_a_script_reads_a_page_also_where_the_door_refuses(
    gateway: Gateway, client: httpx2.AsyncClient, refused: tuple[dict[str, Any], bytes, dict[str, str], int]
) -> None:
    options, body, headers, status = refused
    path = await a_form(gateway, **options)
    browser = {"accept": "text/html,*/*;q=0.8", "content-type": "application/x-www-form-urlencoded"} | headers
    script = browser | {"accept": "application/json"}
    if status == 429:
        assert (await client.post(path, content=body, headers=browser)).status_code == 200

    shown, told = [await client.post(path, content=body, headers=one) for one in (browser, script)]

    assert shown.status_code == status
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>Your message was not sent</h1>" in shown.text
    problem_of(told, status)
    assert shown.headers.get("retry-after") == told.headers.get("retry-after")
    assert ("retry-after" in shown.headers) == (status == 429)


async def test_one_address_does_not_use_up_what_others_may_post(gateway: Gateway) -> None:
    path = await a_form(gateway, limit_per_minute=3, limit_per_address=2)
    limits = gateway.door._intake._open_gate().limits
    target, _ = await gateway.door._intake._target(path, b"")
    options, source_id = target.connection.options, target.connection.source_id

    waits = [await limits.wait(options, source_id, "198.51.100.1") for _ in range(4)]
    other = [await limits.wait(options, source_id, f"2001:db8::{n}") for n in (1, 2)]

    assert [bool(wait) for wait in waits] == [False, False, True, True]
    assert [bool(wait) for wait in other] == [False, True]


async def test_without_redis_leads_are_taken_and_still_counted(servers: EmbeddedServers, template: str) -> None:
    async with own_database(servers, template, "no_redis") as settings:
        away = settings.model_copy(update={"redis_url": "unix:///nowhere/valkey.sock"})
        async with running(away, CHANNELS) as gateway, client_of(gateway) as client:
            path = await a_form(gateway, limit_per_minute=2)

            answers = [await client.post(path, data=ADA, headers=SCRIPT) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [202, 202, 429]


async def test_what_was_kept_apart_is_listed_with_its_reason_and_can_be_released(
    gateway: Gateway, client: httpx2.AsyncClient
) -> None:
    path = await a_form(gateway, form_token="review")
    kept = (await client.post(path, data=ADA, headers=SCRIPT)).json()["id"]
    empty = (await client.post(path, data={"_gotcha": "x"}, headers=SCRIPT)).json()["id"]
    token = await _token(gateway)
    headers = {"authorization": f"Bearer {token}"}

    listed = (await client.get("/v1/submissions?state=spam", headers=headers)).json()["items"]
    released = await client.post(f"/v1/submissions/{kept}/release", headers=headers)
    again = await client.post(f"/v1/submissions/{kept}/release", headers=headers)
    nobody = await client.post(f"/v1/submissions/{empty}/release", headers=headers)

    reasons = {one["id"]: one["doubts"] for one in listed}
    assert reasons[kept] == ["form: no token of when it was opened"]
    assert "form: the honeypot was filled in" in reasons[empty]
    assert released.json()["state"] == "pending"
    problem_of(again, 409)
    problem_of(nobody, 409)


async def _token(gateway: Gateway) -> str:
    return await Admin(gateway.resources).token("admin")
