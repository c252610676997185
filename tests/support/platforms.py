"""A gateway's and a worker's part in asking at platforms, beside doubles of these in a process of their own."""

import json
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2
from sqlalchemy import text
from tests.support.gate import NobodyIsAsked, NoLimits
from tests.support.posting import an_inbound

from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.demo.doubles.graph import PAGE
from leadhub.demo.doubles.world import World
from leadhub.domain.ids import SourceId
from leadhub.outbound.fetching import Apis, Platforms
from leadhub.pipeline import checking, sources
from leadhub.pipeline.capture import Captured, Gate, capture, find_target
from leadhub.pipeline.checking import NewToken, check_due
from leadhub.pipeline.fetch import fetch_due
from leadhub.pipeline.fetching import Fetching
from leadhub.pipeline.lookups import ApiKeys, Connections
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.polling import poll_due
from leadhub.pipeline.questioning import Questioning
from leadhub.resources import Ids, Resources, clock, open_inbox
from leadhub.store import source_health
from leadhub.store.source_health import SourceHealth
from leadhub.store.sources import Source

TOKEN = World().token
APP_SECRET = World().app_secret.encode()
FORM = "660010001"
OWNER = "urn:li:sponsoredAccount:1234567"


@dataclass
class Ahead:
    """A clock that can be moved."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return clock() + self.by


@dataclass
class Deployment:
    """What arrives has the time of the tests' requests: due at once."""

    resources: Resources
    gate: Gate
    work: Fetching
    url: str
    ahead: Ahead

    async def source(self, channel: str, *, token: str | None = TOKEN, **options: Any) -> Source:
        made = await sources.create_source(
            self.resources.sessions,
            self.resources.vault,
            channel=channel,
            name=channel,
            options=options,
            secrets=[APP_SECRET.decode()],
            now=clock(),
            entropy=secrets.token_bytes,
        )
        if token is not None:
            await self.give_token(made.id, token)
        return made

    async def page(self, **options: Any) -> Source:
        """A source whose lists are read through."""
        return await self.source("meta", page_id=PAGE, **options)

    async def give_token(self, source_id: SourceId, token: str, **more: Any) -> None:
        new = NewToken(token=token, **more)
        await checking.set_token(self.resources.sessions, self.resources.vault, source_id, new, now=self.ahead.now())

    async def announce(self, source: Source, document: object) -> Captured:
        inbound = an_inbound(json.dumps(document).encode(), "application/json")
        proof = PLATFORMS[source.channel].proof.sign(inbound, APP_SECRET)
        inbound = an_inbound(inbound.body, "application/json", proof)
        target = await find_target(self.gate, channel=source.channel, key=source.key)
        return await capture(self.gate, target, inbound, request_id=self.gate.new_id())

    async def world(self, **changes: Any) -> None:
        """Let the platforms be as new, but for what is named."""
        await self.change(**asdict(World()) | changes)

    async def change(self, **changes: Any) -> None:
        async with httpx2.AsyncClient() as client:
            (await client.put(f"{self.url}/_world", json=changes)).raise_for_status()

    async def appear(self, leads: Iterable[dict[str, Any]]) -> None:
        """Let the platforms have more leads."""
        async with httpx2.AsyncClient() as client:
            (await client.post(f"{self.url}/_leads", json={"leads": list(leads)})).raise_for_status()

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

    async def poll(self) -> int:
        """Read through what is due, turn after turn; return how many leads were new."""
        found = await poll_due(self.work)
        for _ in range(50):
            more = await poll_due(self.work)
            if not more:
                break
            found += more
        return found

    async def check(self) -> int:
        return await check_due(self.work)

    async def health(self, source: Source) -> SourceHealth:
        async with self.resources.sessions() as session:
            found = await source_health.read(session, source.id)
        assert found is not None
        return found

    async def rows(self, query: str) -> list[Any]:
        async with self.resources.engine.connect() as connection:
            return list((await connection.execute(text(query))).all())

    async def events(self) -> list[tuple[str, dict[str, Any]]]:
        rows = await self.rows("SELECT type, body FROM event WHERE type LIKE 'source.%' ORDER BY id")
        return [(kind, json.loads(body)["data"]) for kind, body in rows]


@asynccontextmanager
async def opened(resources: Resources, double: str, *, public_url: str = "") -> AsyncIterator[Deployment]:
    inbox, ids, ahead = open_inbox(resources), Ids(), Ahead()
    gate = Gate(
        channels=CHANNELS,
        connections=Connections(resources.sessions, resources.vault, now=clock),
        api_keys=ApiKeys(resources.sessions, now=clock),
        inbox=inbox,
        sessions=resources.sessions,
        new_id=ids,
        questioning=Questioning(engine=resources.engine, playbook=ActivePlaybook(resources.sessions)),
        announced=resources.announcements_nudge,
        verifier=NobodyIsAsked(),
        limits=NoLimits(),
    )
    places = Platforms(
        meta_url=f"{double}/v26.0",
        linkedin_url=f"{double}/rest",
        linkedin_oauth_url=f"{double}/oauth/v2/accessToken",
        linkedin_version="202607",
    )
    apis = Apis(places, clock=ahead.now)
    work = Fetching(
        engine=resources.engine,
        vault=resources.vault,
        inbox=inbox,
        apis=apis,
        new_id=ids,
        clock=ahead.now,
        public_url=public_url,
    )
    yield Deployment(resources, gate, work, double, ahead)
    await apis.close()
    await inbox.close()


def a_lead(number: int, *, made: datetime | None = None, **more: Any) -> dict[str, Any]:
    """A lead of Meta's, of an hour ago if nothing else is said."""
    at = made or clock() - timedelta(hours=1)
    answers = [{"name": "email", "values": [f"ada.{number}@example.org"]}, {"name": "city", "values": ["London"]}]
    return {
        "id": str(number),
        "created_time": at.strftime("%Y-%m-%dT%H:%M:%S+0000"),
        "field_data": answers,
        **more,
    }


def a_form(form_id: str = FORM, **more: Any) -> dict[str, Any]:
    questions = [{"key": "email", "label": "E-mail"}, {"key": "city", "label": "City"}]
    return {"id": form_id, "name": "Demo form", "status": "ACTIVE", "locale": "en_GB", "questions": questions, **more}


def leadgen(*numbers: int) -> dict[str, Any]:
    changes = [{"field": "leadgen", "value": {"leadgen_id": str(number)}} for number in numbers]
    return {"object": "page", "entry": [{"id": PAGE, "changes": changes}]}


def a_response(number: int, *, made: datetime | None = None) -> dict[str, Any]:
    answer = {"questionId": 2, "answerDetails": {"textQuestionAnswer": {"answer": f"ada.{number}@example.org"}}}
    question = {"questionId": 2, "predefinedField": "EMAIL"}
    form = {"id": 1, "name": "Demo", "content": {"questions": [question]}}
    at = int((made or clock() - timedelta(hours=1)).timestamp() * 1_000)
    return {"id": f"r-{number}", "submittedAt": at, "formResponse": {"answers": [answer]}, "form": form}


def action(number: int, done: str = "CREATED") -> dict[str, Any]:
    urn = f"urn:li:leadGenFormResponse:r-{number}"
    return {"type": "LEAD_ACTION", "leadGenFormResponse": urn, "leadAction": done}
