"""How often a source, and an address at a source, may post: counted in Redis for all gateways together.

While Redis is away or slow each gateway counts for itself: leads are taken with or without it. Addresses are kept as
keyed hashes, and for two minutes.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

import redis.asyncio
from redis.exceptions import RedisError

from leadhub import telemetry
from leadhub.domain.rate import Bucket, take

_SECONDS = 0.1
"""The longest that a post waits for Redis."""
_REST_SECONDS = 5.0
"""After Redis failed it is not asked for so long."""
_MOST = 20_000
"""Buckets that a gateway keeps itself."""
_PREFIX = "leadhub:limit:"

# The arithmetic of `domain.rate`, by Redis's own clock. All buckets are looked at before one is touched: who is over
# the limit of an address does not use up the source's.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local left, wait = {}, 0
for i, key in ipairs(KEYS) do
  local rate = tonumber(ARGV[i])
  local kept = redis.call('HMGET', key, 't', 'a')
  local tokens, at = tonumber(kept[1]) or rate, tonumber(kept[2]) or now
  left[i] = math.min(rate, tokens + math.max(0, now - at) * rate / 60)
  if left[i] < 1 then wait = math.max(wait, (1 - left[i]) * 60 / rate) end
end
if wait == 0 then
  for i, key in ipairs(KEYS) do
    redis.call('HSET', key, 't', tostring(left[i] - 1), 'a', tostring(now))
    redis.call('EXPIRE', key, 120)
  end
end
return tostring(wait)
"""

_log = telemetry.get_logger("limits")


class RateLimits:
    """Counts posts."""

    def __init__(self, client: redis.asyncio.Redis, *, key: bytes, clock: Callable[[], float]) -> None:
        """Take a key for the hashes of addresses and a clock that only goes forward, in seconds."""
        self._take = client.register_script(_TAKE)
        self._key = key
        self._clock = clock
        self._rests_until = 0.0
        self._own: OrderedDict[str, Bucket] = OrderedDict()

    async def wait(self, options: Mapping[str, object], source_id: UUID, client_ip: str | None) -> float:
        """Count one post; return 0.0 if it may pass, else how many seconds to wait."""
        buckets = self._buckets(options, source_id, client_ip)
        if not buckets:
            return 0.0
        if self._clock() >= self._rests_until:
            try:
                async with asyncio.timeout(_SECONDS):
                    return float(await self._take(keys=list(buckets), args=list(buckets.values())))
            except (RedisError, OSError, ValueError) as error:
                self._rests_until = self._clock() + _REST_SECONDS
                _log.warning("limits.alone", error_class=type(error).__name__)
        return self._wait_alone(buckets)

    def _buckets(self, options: Mapping[str, object], source_id: UUID, client_ip: str | None) -> dict[str, int]:
        """Return each bucket's name and its posts a minute."""
        buckets: dict[str, int] = {}
        if isinstance(most := options.get("limit_per_minute"), int):
            buckets[f"{_PREFIX}{source_id}"] = most
        if client_ip and isinstance(most := options.get("limit_per_address"), int):
            who = hmac.digest(self._key, _network(client_ip).encode(), sha256).hex()[:32]
            buckets[f"{_PREFIX}{source_id}:{who}"] = most
        return buckets

    def _wait_alone(self, buckets: Mapping[str, int]) -> float:
        now = self._clock()
        taken = {name: take(self._own.get(name), per_minute=most, now=now) for name, most in buckets.items()}
        wait = max(seconds for _, seconds in taken.values())
        if not wait:
            self._keep([(name, bucket) for name, (bucket, _) in taken.items()])
        return wait

    def _keep(self, taken: Sequence[tuple[str, Bucket]]) -> None:
        for name, bucket in taken:
            self._own[name] = bucket
            self._own.move_to_end(name)
        while len(self._own) > _MOST:
            self._own.popitem(last=False)


def _network(address: str) -> str:
    """Return what one visitor has: an IPv4 address, or a /64 of IPv6 in which any address is theirs."""
    found = ip_address(address)
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
