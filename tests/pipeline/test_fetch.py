"""Leads that a platform only announces, from its signed notification to the inbox, with doubles of the platforms."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.support.gate import NobodyIsAsked, NoLimits
from tests.support.platform_double import APP_SECRET
from tests.support.posting import an_inbound

from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.domain.ids import SourceId
from leadhub.outbound.fetching import Fetcher, Platforms
from leadhub.pipeline import sources
from leadhub.pipeline.capture import Captured, Gate, capture, find_target
from leadhub.pipeline.fetch import Fetching, fetch_due, set_token
from leadhub.pipeline.lookups import ApiKeys, Connections
from leadhub.resources import Ids, Resources, clock, open_inbox
from leadhub.store import notifications
from leadhub.store.sources import Source

TOKEN = "a token of the double"


@pytest.fixture(scope="module")
async def double() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.platform_double",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    yield f"http://127.0.0.1:{port}"
    process.stdin.close()
    await process.wait()


@dataclass
class Ahead:
    """A clock that can be moved."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return clock() + self.by


@dataclass
class Deployment:
    """A gateway's and a worker's part in it. What arrives has the time of the tests' requests: due at once."""

    resources: Resources
    gate: Gate
    work: Fetching
    url: str
    ahead: Ahead

    async def source(self, channel: str, *, token: str | None = TOKEN) -> Source:
        made = await sources.create_source(
            self.resources.sessions,
            self.resources.vault,
            channel=channel,
            name=channel,
            secrets=[APP_SECRET.decode()],
            now=clock(),
            entropy=secrets.token_bytes,
        )
        if token is not None:
            await self.give_token(made.id, token)
        return made

    async def give_token(self, source_id: SourceId, token: str) -> None:
        await set_token(self.resources.sessions, self.resources.vault, source_id, token, now=self.ahead.now())

    async def announce(self, source: Source, document: object) -> Captured:
        inbound = an_inbound(json.dumps(document).encode(), "application/json")
        proof = PLATFORMS[source.channel].proof.sign(inbound, APP_SECRET)
        inbound = an_inbound(inbound.body, "application/json", proof)
        target = await find_target(self.gate, channel=source.channel, key=source.key)
        return await capture(self.gate, target, inbound, request_id=self.gate.new_id())

    async def control(self, **changes: Any) -> None:
        known = {"leads": {}, "token": TOKEN, "fail_every": 0, "throttle": 0, "stumble": 0}
        async with httpx2.AsyncClient() as client:
            await client.put(f"{self.url}/_control", json=known | changes)

    async def seen(self) -> dict[str, Any]:
        async with httpx2.AsyncClient() as client:
            found: dict[str, Any] = (await client.get(f"{self.url}/_seen")).json()
            return found

    async def fetch_all(self) -> int:
        """Fetch round after round until nothing is due; return the number of tries."""
        tried = 0
        while count := await fetch_due(self.work):
            tried += count
        return tried

    async def rows(self, query: str) -> list[Any]:
        async with self.resources.engine.connect() as connection:
            return list((await connection.execute(text(query))).all())


@pytest.fixture
async def deployment(resources: Resources, double: str) -> AsyncIterator[Deployment]:
    async with opened(resources, double) as found:
        yield found


@asynccontextmanager
async def opened(resources: Resources, double: str) -> AsyncIterator[Deployment]:
    inbox, ids = open_inbox(resources), Ids()
    gate = Gate(
        channels=CHANNELS,
        connections=Connections(resources.sessions, resources.vault, now=clock),
        api_keys=ApiKeys(resources.sessions, now=clock),
        inbox=inbox,
        sessions=resources.sessions,
        new_id=ids,
        verifier=NobodyIsAsked(),
        limits=NoLimits(),
    )
    platforms = Platforms(meta_url=f"{double}/v26.0", linkedin_url=f"{double}/rest", linkedin_version="202607")
    fetcher = Fetcher(platforms)
    ahead = Ahead()
    work = Fetching(
        sessions=resources.sessions,
        vault=resources.vault,
        inbox=inbox,
        fetcher=fetcher,
        new_id=ids,
        clock=ahead.now,
    )
    yield Deployment(resources, gate, work, double, ahead)
    await fetcher.close()
    await inbox.close()


def a_lead(number: int, **more: Any) -> dict[str, Any]:
    answers = [{"name": "email", "values": [f"ada.{number}@example.org"]}, {"name": "city", "values": ["London"]}]
    return {"id": str(number), "created_time": "2026-01-15T09:28:59+0000", "field_data": answers, **more}


def leadgen(*numbers: int) -> dict[str, Any]:
    changes = [{"field": "leadgen", "value": {"leadgen_id": str(number)}} for number in numbers]
    return {"object": "page", "entry": [{"id": "153", "changes": changes}]}


async def test_a_lead_of_meta_is_fetched_once_however_often_it_is_announced(deployment: Deployment) -> None:
    await deployment.control(leads={"7": a_lead(7, ad_name="Blue")})
    source = await deployment.source("meta")

    for _ in range(3):
        captured = await deployment.announce(source, leadgen(7))
        assert captured.reply.status == 200
    await deployment.fetch_all()
    await deployment.announce(source, leadgen(7))
    await deployment.fetch_all()

    [(content, raw_type)] = await deployment.rows("SELECT content, raw_type FROM submission")
    assert content["fields"] == {"email": "ada.7@example.org", "city": "London"}
    assert content["attribution"] == {"ad_name": "Blue"}
    assert raw_type == "application/json"
    assert await deployment.rows("SELECT 1 FROM notification") == []
    assert TOKEN not in str((await deployment.seen())["paths"])


async def test_no_announced_lead_is_lost_through_dead_tokens_limits_and_faults(deployment: Deployment) -> None:
    numbers = range(1_000, 1_300)
    await deployment.control(leads={str(n): a_lead(n) for n in numbers}, token="renewed token", fail_every=20)
    source = await deployment.source("meta")

    await deployment.announce(source, leadgen(*numbers))
    await deployment.fetch_all()

    async with deployment.resources.sessions() as session:
        state = await notifications.token_state(session, source.id)
    assert state.needs_reauth_since is not None
    assert state.because == "the token is no longer valid (190/463)"
    assert len(await deployment.rows("SELECT 1 FROM notification WHERE failed_at IS NULL")) == 300
    assert (await deployment.seen())["requests"] <= 40, "a dead token is not tried for every lead"

    await deployment.give_token(source.id, "renewed token")
    await deployment.fetch_all()
    for _ in range(6):
        deployment.ahead.by += timedelta(minutes=11)
        await deployment.fetch_all()

    emails = [row[0] for row in await deployment.rows("SELECT content->'fields'->>'email' FROM submission")]
    assert sorted(emails) == sorted(f"ada.{n}@example.org" for n in numbers)
    assert await deployment.rows("SELECT 1 FROM notification") == []


async def test_a_platform_that_asks_for_quiet_gets_it_and_no_lead_loses_a_try(deployment: Deployment) -> None:
    await deployment.control(leads={"8": a_lead(8)}, throttle=1)
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(8))

    await deployment.fetch_all()

    [(attempts, error)] = await deployment.rows("SELECT attempts, error FROM notification")
    [(minutes,)] = await deployment.rows("SELECT extract(epoch FROM paused_until - now()) / 60 FROM source_token")
    assert attempts == 0
    assert "80005" in error
    assert 6 < minutes < 8
    deployment.ahead.by = timedelta(minutes=8)
    await deployment.fetch_all()
    assert len(await deployment.rows("SELECT 1 FROM submission")) == 1


async def test_what_may_be_read_of_a_lead_is_read_without_a_permission_for_ads(deployment: Deployment) -> None:
    await deployment.control(leads={"9": a_lead(9, ad_name="Blue", _no_ads=True)})
    await deployment.announce(await deployment.source("meta"), leadgen(9))

    await deployment.fetch_all()

    [(content,)] = await deployment.rows("SELECT content FROM submission")
    assert content["fields"]["email"] == "ada.9@example.org"
    assert "attribution" not in content


async def test_what_never_comes_is_put_aside_with_its_reason_and_can_be_replayed(deployment: Deployment) -> None:
    await deployment.control()
    source = await deployment.source("meta")
    await deployment.announce(source, leadgen(10))

    for _ in range(12):
        await deployment.fetch_all()
        deployment.ahead.by += timedelta(hours=25)

    [(failed_at, error)] = await deployment.rows("SELECT failed_at, error FROM notification")
    assert failed_at is not None
    assert "100/33" in error
    await deployment.control(leads={"10": a_lead(10)})
    async with deployment.resources.sessions.begin() as session:
        assert await notifications.replay(session, source.id, now=clock()) == 1
    await deployment.fetch_all()
    assert len(await deployment.rows("SELECT 1 FROM submission")) == 1


async def test_without_a_token_leads_wait(deployment: Deployment) -> None:
    await deployment.control(leads={"11": a_lead(11)})
    source = await deployment.source("meta", token=None)
    await deployment.announce(source, leadgen(11))

    assert await deployment.fetch_all() == 0
    async with deployment.resources.sessions() as session:
        state = await notifications.token_state(session, source.id)
    assert (state.has_token, state.waiting) == (False, 1)

    await deployment.give_token(source.id, TOKEN)
    assert await deployment.fetch_all() == 1


async def test_an_answer_that_is_no_lead_is_tried_again_with_its_reason(deployment: Deployment) -> None:
    await deployment.control(leads={"12": {"id": "12", "field_data": "nonsense"}})
    await deployment.announce(await deployment.source("meta"), leadgen(12))

    await deployment.fetch_all()

    [(error,)] = await deployment.rows("SELECT error FROM notification")
    assert "nobody is in it" in error


def a_response(number: int) -> dict[str, Any]:
    answer = {"questionId": 2, "answerDetails": {"textQuestionAnswer": {"answer": f"ada.{number}@example.org"}}}
    question = {"questionId": 2, "predefinedField": "EMAIL"}
    form = {"id": 1, "name": "Demo", "content": {"questions": [question]}}
    return {"id": f"r-{number}", "submittedAt": 1768469339288, "formResponse": {"answers": [answer]}, "form": form}


def action(number: int, done: str = "CREATED") -> dict[str, Any]:
    urn = f"urn:li:leadGenFormResponse:r-{number}"
    return {"type": "LEAD_ACTION", "leadGenFormResponse": urn, "leadAction": done}


async def test_a_response_of_linkedin_is_fetched_with_its_form(deployment: Deployment) -> None:
    await deployment.control(leads={"r-1": a_response(1)})
    await deployment.announce(await deployment.source("linkedin"), action(1))

    await deployment.fetch_all()

    [(content,)] = await deployment.rows("SELECT content FROM submission")
    assert content["fields"] == {"email": "ada.1@example.org"}
    assert content["attribution"]["form_name"] == "Demo"


async def test_an_order_to_delete_stays_and_keeps_a_late_lead_from_coming_back(deployment: Deployment) -> None:
    await deployment.control(leads={"r-2": a_response(2)})
    source = await deployment.source("linkedin")

    await deployment.announce(source, action(2, "DELETED"))
    await deployment.announce(source, action(2))
    await deployment.fetch_all()

    assert await deployment.rows("SELECT 1 FROM submission") == []
    kept = await deployment.rows("SELECT action, error FROM notification ORDER BY action DESC")
    assert kept[0] == ("deleted", "the platform orders this lead's deletion")


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"token": "another"}, "65601"),
        ({"throttle": 1}, "quota"),
        ({"stumble": 502}, "answered"),
    ],
)
async def test_what_linkedin_refuses_waits_with_its_reason(
    deployment: Deployment, changes: dict[str, Any], left: str
) -> None:
    await deployment.control(leads={"r-3": a_response(3)}, **changes)
    await deployment.announce(await deployment.source("linkedin"), action(3))

    await deployment.fetch_all()

    [(error,)] = await deployment.rows("SELECT error FROM notification")
    assert left in error


async def test_a_response_that_is_gone_is_forgotten(deployment: Deployment) -> None:
    await deployment.control()
    await deployment.announce(await deployment.source("linkedin"), action(4))

    await deployment.fetch_all()

    assert await deployment.rows("SELECT 1 FROM notification") == []
