"""The admin API as a client sees it, on the test's own database, without a server in between."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2

from leadhub.app import create_api
from leadhub.domain.playbook_loading import load, shipped
from leadhub.domain.scoring import compile_playbook
from leadhub.pipeline.keys import create_key
from leadhub.pipeline.process import Processing, process_due
from leadhub.resources import Ids, Resources, clock, open_inbox

PROBLEM = "application/problem+json"


class Admin:
    """Makes keys, and clients that hold them."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.api = create_api(resources.settings)
        self.api.state.resources = resources
        self.api.state.inbox = open_inbox(resources)

    async def token(self, *scopes: str, expires_at: datetime | None = None) -> str:
        made = await create_key(
            self.resources.sessions,
            name="a test",
            scopes=scopes,
            expires_at=expires_at,
            now=datetime.now(UTC),
            entropy=secrets.token_bytes,
        )
        return made.token

    @asynccontextmanager
    async def client(self, *scopes: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A client whose key has these scopes; without any it sends no key."""
        headers = {"Authorization": f"Bearer {await self.token(*scopes)}"} if scopes else {}
        transport = httpx2.ASGITransport(self.api)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            yield client

    async def process(self) -> None:
        """Do what the worker does: all that waits becomes leads."""
        work = Processing(self.resources.engine, Ids(), clock)
        playbook = compile_playbook(load(shipped("guide")))
        while (await process_due(work, playbook)).claimed:
            pass


def problem_of(response: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem that an answer must be."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"].startswith("https://")
    return body


def pointers(problem: dict[str, Any]) -> Sequence[str]:
    return [error["pointer"] for error in problem["errors"]]
