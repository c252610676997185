"""One bounded request to a platform's API, and its answer as far as it counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson

from leadhub.domain.fetching import Later

_TIMEOUT = httpx2.Timeout(10, connect=5)
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=50)
"""Each source asks a few times at once and no more; a limit over all would let ten that hang hold up the rest."""
_MOST_BYTES = 4_000_000
"""A page of a hundred leads with their form; a single lead has some kilobytes."""


@dataclass(frozen=True, slots=True)
class Account:
    """What opens a platform's API, and whose leads are meant."""

    token: str = field(repr=False)
    app_secret: bytes = field(repr=False)
    options: Mapping[str, object] = field(default_factory=dict)
    """The source's: which page, which owner."""
    hook_url: str = ""
    """Where the platform is to send its notifications; empty: not known."""
    refresh_token: str | None = field(repr=False, default=None)

    def option(self, name: str) -> str:
        """Return an option that is a text, or nothing."""
        value = self.options.get(name)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A platform's answer; more than `_MOST_BYTES` of it are none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> object:
        """Return the JSON, or None."""
        try:
            found: object = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return found


class Asking:
    """Sends requests over one client; what does not come about is a `Later` with its reason."""

    def __init__(self) -> None:
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer | Later:
        """Send one request. The address is sent as it is written: Rest.li means something by what is escaped."""
        try:
            async with self._client.stream(method, url, headers=dict(headers), content=content) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        return Later("the answer is too large")
                return Answer(response.status_code, {**response.headers}, bytes(body))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Later(f"no answer: {type(error).__name__}")


def text_at(document: object, *path: str) -> str:
    """Return a scalar of a document as text, or nothing."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return str(document) if isinstance(document, (str, int)) and not isinstance(document, bool) else ""


def objects_at(document: object, name: str) -> list[dict[str, Any]]:
    """Return the objects of a list in a document; nothing of anything else."""
    found = document.get(name) if isinstance(document, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
