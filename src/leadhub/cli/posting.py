"""Where `leadhub send` posts to, and with which key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import httpx2

from leadhub.cli.context import Deployment
from leadhub.cli.database import entropy, now
from leadhub.cli.errors import UserError
from leadhub.domain.credentials import Scope
from leadhub.pipeline import keys
from leadhub.resources import Resources, open_resources
from leadhub.store import sources
from leadhub.store.connections import find_connection

_MOST = 1_000
_KEY_LIVES = timedelta(hours=24)
"""A key of ours that could not be revoked, because we were killed, ends by itself."""


@dataclass(frozen=True, slots=True)
class Target:
    """A source's address, and the key that opens it."""

    gateway_url: str
    channel: str
    source: str
    token: str | None = None
    secret: bytes = b""
    """What a platform signs with; nothing for a source without secrets."""
    double: str = ""
    """Where the leads are put that a platform only announces."""

    @property
    def url(self) -> str:
        """Where to post."""
        return f"{self.gateway_url}/in/{self.channel}/{self.source}"

    @property
    def headers(self) -> dict[str, str]:
        """What to send along."""
        bearer = {"authorization": f"Bearer {self.token}"} if self.token and self.channel == "api" else {}
        return {"accept": "application/json", **bearer}


@asynccontextmanager
async def found(
    deployment: Deployment, channel: str, *, source: str | None, url: str | None, key: str | None
) -> AsyncIterator[Target]:
    """Fill in what was not given: the newest source of the channel, and a key that lives as long as the block."""
    async with open_resources(deployment.settings) as resources:
        chosen = source or await _newest_source(resources, channel)
        gateway = (url or deployment.gateway_url).rstrip("/")
        if key is not None or channel != "api":
            yield Target(gateway, channel, chosen, key, await _secret(resources, channel, chosen))
            return
        made = await keys.create_key(
            resources.sessions,
            name="leadhub send",
            scopes=(Scope.LEADS_WRITE,),
            expires_at=now() + _KEY_LIVES,
            now=now(),
            entropy=entropy,
        )
        try:
            yield Target(gateway, channel, chosen, made.token)
        finally:
            await keys.revoke_key(resources.sessions, made.key.id, now=now())


def double_of(deployment: Deployment, channel: str) -> str:
    """Return the `leadhub double` at which this LeadHub fetches a channel's leads.

    Raises:
        UserError: it fetches them at the platform itself, which has no invented leads.
    """
    settings = deployment.settings
    name, url = (
        ("LEADHUB_META_GRAPH_URL", settings.meta_graph_url)
        if channel == "meta"
        else ("LEADHUB_LINKEDIN_API_URL", settings.linkedin_api_url)
    )
    parts = urlsplit(url)
    if parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
        raise UserError(
            f"This LeadHub fetches the leads of {channel} at {parts.hostname}, which has no invented ones.",
            f"Run `leadhub double`, and start LeadHub with the {name} that it prints.",
        )
    return f"{parts.scheme}://{parts.netloc}"


async def _secret(resources: Resources, channel: str, key: str) -> bytes:
    """Return the newest live secret of a source, or nothing."""
    async with resources.sessions() as session:
        stored = await find_connection(session, channel=channel, key=key, now=now())
    if stored is None or not stored.sealed:
        return b""
    secret_id, sealed = stored.sealed[0]
    return resources.vault.open(sealed, context=f"source_secret:{secret_id}")


async def _newest_source(resources: Resources, channel: str) -> str:
    async with resources.sessions() as session:
        known = await sources.list_sources(session, limit=_MOST, now=now())
    for source in known:
        if source.channel == channel and source.enabled:
            return source.key
    raise UserError(
        f"There is no source of channel '{channel}' to post to.", f"Make one: `leadhub sources create {channel} NAME`"
    )


def reason(answer: httpx2.Response) -> str:
    """Return why a request was refused, as the gateway's problem document says."""
    try:
        problem = answer.json()
    except ValueError:
        return f"{answer.status_code}"
    if not isinstance(problem, dict):
        return f"{answer.status_code}"
    return f"{answer.status_code} {problem.get('title', '')}: {problem.get('detail', '')}".strip(": ")
