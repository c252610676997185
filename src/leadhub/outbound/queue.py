"""The nudge: a hint, sent after a commit, that there is work. Losing one costs a worker's poll interval."""

import asyncio
from contextlib import suppress

import redis.asyncio
from redis.exceptions import RedisError

SUBMISSIONS = "leadhub:nudge:submissions"
DELIVERIES = "leadhub:nudge:deliveries"
ANNOUNCEMENTS = "leadhub:nudge:announcements"


def connect(url: str) -> redis.asyncio.Redis:
    """Return a client that gives up quickly: nothing that it carries is worth waiting for."""
    pool = redis.asyncio.ConnectionPool.from_url(url, socket_timeout=2, socket_connect_timeout=1)
    return redis.asyncio.Redis.from_pool(pool)  # which then closes the pool with the client


_PACE_SECONDS = 0.02
"""The least time between two hints. The first goes at once; at a high rate those that follow are folded into one,
which saves the gateway a seventh of its time and brings the worker batches instead of single leads."""


class Nudge:
    """Publishes hints without making anybody wait for them; those that come too soon after another become one."""

    def __init__(self, client: redis.asyncio.Redis, channel: str) -> None:
        self._client = client
        self._channel = channel
        self._task: asyncio.Task[None] | None = None
        self._again = False

    def __call__(self) -> None:
        """Send a hint soon."""
        if self._task is not None and not self._task.done():
            self._again = True
            return
        self._task = asyncio.get_running_loop().create_task(self._publish())

    async def _publish(self) -> None:
        self._again = True
        while self._again:
            self._again = False
            with suppress(RedisError, OSError):
                await self._client.publish(self._channel, b"")
            await asyncio.sleep(_PACE_SECONDS)

    async def close(self) -> None:
        """Wait for the hints on their way."""
        if self._task is not None:
            await self._task


class Wakeup:
    """Waits for hints on several channels; while Redis is away every wait simply lasts its whole interval."""

    def __init__(self, client: redis.asyncio.Redis, *channels: str) -> None:
        self._client = client
        self._events = {channel: asyncio.Event() for channel in channels}

    async def listen(self) -> None:
        """Turn hints into events until cancelled; reconnects for ever."""
        while True:
            with suppress(RedisError, OSError):
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(*self._events)
                    self._wake_all()
                    await self._forward(pubsub)
            await asyncio.sleep(1)

    async def _forward(self, pubsub: redis.asyncio.client.PubSub) -> None:
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                self._events[message["channel"].decode()].set()

    def wake(self, channel: str) -> None:
        """Wake this process's own waiters, whatever Redis does."""
        self._events[channel].set()

    def _wake_all(self) -> None:
        for event in self._events.values():
            event.set()

    async def wait(self, channel: str, *, at_most_seconds: float) -> None:
        """Return at the next hint, or when the time is up."""
        event = self._events[channel]
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_seconds):
                await event.wait()
        event.clear()
