"""The gateway as a stranger sees it: leads are posted and their fate is asked for over HTTP, with a key."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from leadhub.demo.samples import SampleRequest, SampleSource

_PAGE = 100
_READS = 4
"""Reads at a time: the demo asks after every lead, and should not be the load that it measures."""
_REPEATS = 20
_BUSY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said to a post."""

    posted_at: float
    """Unix seconds just before the request was sent."""
    status: int
    submission_ids: tuple[str, ...]
    problem: str
    """Why it was refused, in the gateway's words."""


class Gateway:
    """Speaks to one gateway with one admin key."""

    def __init__(self, client: httpx2.AsyncClient, *, token: str, origin: str) -> None:
        self._client = client
        self._bearer = {"authorization": f"Bearer {token}"}
        self._origin = origin
        self._reads = asyncio.Semaphore(_READS)

    async def connect(self, source: SampleSource) -> None:
        """Create a source."""
        body = {"channel": source.channel, "name": source.name, "key": source.key}
        await self._create("/v1/sources", {**body, "options": source.options(origin=self._origin)})

    async def subscribe(self, url: str) -> str:
        """Subscribe a URL to all events; return the signing secret."""
        made = await self._create("/v1/endpoints", {"url": url, "description": "the demo's CRM"})
        return str(made["secret"])

    async def post(self, request: SampleRequest) -> Answer:
        """Post what a page's form, or a server with a key, would post."""
        headers = {"content-type": request.media_type, "accept": "application/json"}
        headers |= self._bearer if request.source.channel == "api" else {"origin": self._origin}
        posted_at = time.time()
        answer = await self._sent("POST", request.path, content=request.body, headers=headers)
        body = answer.json()
        if not answer.is_success:
            return Answer(posted_at, answer.status_code, (), str(body.get("detail") or body.get("title", "")))
        ids = tuple(one["id"] for one in body.get("submissions", (body,)))
        return Answer(posted_at, answer.status_code, ids, "")

    async def submission(self, submission_id: str) -> dict[str, Any]:
        """Return what became of a submission."""
        return await self._read(f"/v1/submissions/{submission_id}")

    async def lead(self, lead_id: str) -> dict[str, Any]:
        """Return a lead; for one that was merged, the one that it became part of."""
        return await self._read(f"/v1/leads/{lead_id}")

    async def status(self) -> dict[str, Any]:
        """Return the deployment's numbers."""
        return await self._read("/v1/status")

    async def all_of(self, noun: str) -> list[dict[str, Any]]:
        """Return every lead, or every delivery, page by page."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            page = await self._read(f"/v1/{noun}", {"limit": str(_PAGE)} | ({"after": after} if after else {}))
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    async def _create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return _document(await self._sent("POST", path, json=body, headers=self._bearer))

    async def _read(self, path: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        async with self._reads:
            return _document(await self._sent("GET", path, params=query, headers=self._bearer))

    async def _sent(self, method: str, path: str, **parts: Any) -> httpx2.Response:
        """Send a request, and again when the gateway is busy, after the pause that it asks for."""
        answer = await self._client.request(method, path, **parts)
        for _ in range(_REPEATS):
            if answer.status_code not in _BUSY:
                break
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
            answer = await self._client.request(method, path, **parts)
        return answer


class Refused(Exception):
    """The API refused what the demo asked of it."""


def _document(answer: httpx2.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise Refused(
            f"{answer.request.method} {answer.request.url.path} was answered {answer.status_code}: {answer.text}"
        )
    document: dict[str, Any] = answer.json()
    return document
