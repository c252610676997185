"""What a process holds open: made here once, closed here once, passed on as an argument."""

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import redis.asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.domain.ids import uuid7_number
from leadhub.outbound import queue
from leadhub.outbound.fetching import Apis, Platforms
from leadhub.outbound.jsonl import JsonlFiles
from leadhub.outbound.webhook import WebhookSender
from leadhub.pipeline.retention import Retention
from leadhub.pipeline.sending import Courier
from leadhub.settings import Settings
from leadhub.store.engine import Sessions, create_engine, create_sessions
from leadhub.store.inbox import Inbox, Limits
from leadhub.store.vault import Vault


def clock() -> datetime:
    """Return the time: what every edge hands down as `now`."""
    return datetime.now(UTC)


class Ids:
    """Makes UUIDv7s that ascend within this process, also within one millisecond and when the clock goes back.

    Within a millisecond the last id is counted up by a random step (RFC 9562 §6.2, method 2): ids stay unguessable,
    and a batch of them costs little.
    """

    def __init__(self) -> None:
        self._last = 0
        self._until = 0
        """The first number of the next millisecond."""
        self._entropy = b""
        self._used = 0

    def __call__(self) -> UUID:
        """Return the next id."""
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds << 80 >= self._until:
            self._last = uuid7_number(milliseconds, self._draw(10))
            self._until = milliseconds + 1 << 80
        else:
            self._last += 1 + int.from_bytes(self._draw(4), "big")
        return UUID(int=self._last)

    def _draw(self, size: int) -> bytes:
        """Return random bytes, fetched a page at a time: asking the system costs more than all the rest of an id."""
        if self._used + size > len(self._entropy):
            self._entropy, self._used = secrets.token_bytes(4_096), 0
        self._used += size
        return self._entropy[self._used - size : self._used]


@dataclass(frozen=True, slots=True)
class Resources:
    """The open parts of one process."""

    settings: Settings
    engine: AsyncEngine
    sessions: Sessions
    redis: redis.asyncio.Redis
    vault: Vault
    submissions_nudge: queue.Nudge
    deliveries_nudge: queue.Nudge
    announcements_nudge: queue.Nudge


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything; nothing connects before its first use, so a part that is down stops no start."""
    engine = create_engine(
        settings.database_url,
        pool=settings.database_pool,
        pool_wait_seconds=settings.pool_wait_seconds,
        statement_seconds=settings.statement_seconds,
    )
    client = queue.connect(settings.redis_url)
    keys = [settings.secret_key, *settings.retired_secret_keys]
    resources = Resources(
        settings=settings,
        engine=engine,
        sessions=create_sessions(engine),
        redis=client,
        vault=Vault([key.get_secret_value() for key in keys]),
        submissions_nudge=queue.Nudge(client, queue.SUBMISSIONS),
        deliveries_nudge=queue.Nudge(client, queue.DELIVERIES),
        announcements_nudge=queue.Nudge(client, queue.ANNOUNCEMENTS),
    )
    try:
        yield resources
    finally:
        await resources.submissions_nudge.close()
        await resources.deliveries_nudge.close()
        await resources.announcements_nudge.close()
        await client.aclose()
        await engine.dispose()


def open_inbox(resources: Resources) -> Inbox:
    """Return an inbox that takes submissions until it is closed."""
    settings = resources.settings
    limits = Limits(
        rows=settings.inbox_rows,
        bytes=settings.inbox_bytes,
        wait_seconds=settings.inbox_wait_seconds,
        connect_seconds=2 * settings.pool_wait_seconds,  # a wait for one of the pool's, or to make a new one
    )
    inbox = Inbox(resources.engine, limits, nudge=resources.submissions_nudge)
    inbox.start()
    return inbox


def retention_of(settings: Settings) -> Retention:
    """Return how long a deployment keeps what it told others."""
    return Retention(
        events=timedelta(days=settings.event_days),
        held=timedelta(days=max(settings.held_days, settings.event_days)),
        attempts=timedelta(days=settings.attempt_days),
    )


def open_apis(settings: Settings) -> Apis:
    """Return the platforms' APIs over one client, until it is closed."""
    places = Platforms(
        meta_url=settings.meta_graph_url.rstrip("/"),
        linkedin_url=settings.linkedin_api_url.rstrip("/"),
        linkedin_oauth_url=settings.linkedin_oauth_url,
        linkedin_version=settings.linkedin_version,
    )
    return Apis(places, clock=clock)


@asynccontextmanager
async def webhook_sender(settings: Settings) -> AsyncIterator[WebhookSender]:
    """Open a sender with a deployment's limits; reading the system's authorities must not hold up the loop."""
    async with WebhookSender(
        allowed_networks=settings.outbound_networks,
        connect_seconds=settings.delivery_connect_seconds,
        total_seconds=settings.delivery_total_seconds,
        tls=await asyncio.to_thread(ssl.create_default_context),
    ) as sender:
        yield sender


@asynccontextmanager
async def open_courier(resources: Resources) -> AsyncIterator[Courier]:
    """Open every kind of destination, with a deployment's limits."""
    settings = resources.settings
    files = JsonlFiles(settings.sink_directory, total_seconds=settings.delivery_total_seconds)
    async with webhook_sender(settings) as webhooks:
        with files:
            yield Courier(vault=resources.vault, webhooks=webhooks, files=files, clock=clock)
