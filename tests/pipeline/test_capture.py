"""What the hot path remembers, for how long, and what it does when it cannot ask."""

import asyncio
import base64
import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.support.waiting import a_source, new_id

from leadhub.domain import credentials
from leadhub.domain.errors import Unavailable
from leadhub.pipeline.keys import create_key, revoke_key
from leadhub.pipeline.lookups import ApiKeys, Connections, Lookup
from leadhub.resources import Resources, clock
from leadhub.store.vault import Vault


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Oracle:
    """Answers questions, counts them, and can be out."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.asked = 0
        self.is_out = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, question: str) -> str | None:
        self.asked += 1
        await self.gate.wait()
        if self.is_out:
            raise ConnectionRefusedError
        return self.answers.get(question)


def a_lookup() -> tuple[Lookup[str, str], Oracle, Clock]:
    oracle, ticking = Oracle(), Clock()
    return Lookup(oracle, clock=ticking), oracle, ticking


async def test_an_answer_is_kept_for_two_seconds() -> None:
    lookup, oracle, ticking = a_lookup()
    oracle.answers["a"] = "old"

    first = await lookup.find("a")
    oracle.answers["a"] = "new"
    ticking.now += 1.9
    second = await lookup.find("a")
    ticking.now += 0.2
    third = await lookup.find("a")

    assert (first, second, third) == ("old", "old", "new")
    assert oracle.asked == 2


async def test_that_there_is_none_is_kept_too() -> None:
    lookup, oracle, _ = a_lookup()

    assert [await lookup.find("a") for _ in range(10)] == [None] * 10
    assert oracle.asked == 1


async def test_who_asks_the_same_at_once_asks_once() -> None:
    lookup, oracle, _ = a_lookup()
    oracle.answers["a"] = "x"
    oracle.gate.clear()

    asking = [asyncio.create_task(lookup.find("a")) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    oracle.gate.set()

    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert answers[1:] == ["x"] * 49
    assert oracle.asked == 1


async def test_what_was_known_is_believed_for_a_minute_of_outage() -> None:
    lookup, oracle, ticking = a_lookup()
    oracle.answers["a"] = "x"
    await lookup.find("a")
    oracle.is_out = True

    for _ in range(19):
        ticking.now += 3
        assert await lookup.find("a") == "x"
    ticking.now += 4
    with pytest.raises(Unavailable):
        await lookup.find("a")


async def test_what_was_never_known_is_unavailable_in_an_outage() -> None:
    lookup, oracle, _ = a_lookup()
    oracle.is_out = True

    with pytest.raises(Unavailable):
        await lookup.find("a")
    oracle.is_out = False
    assert await lookup.find("a") is None


async def test_a_bug_is_not_taken_for_an_outage() -> None:
    async def fail(_: str) -> str | None:
        raise KeyError

    with pytest.raises(KeyError):
        await Lookup(fail).find("a")


async def test_who_cannot_be_asked_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leadhub.pipeline.lookups._WAIT_SECONDS", 0.05)
    lookup, oracle, ticking = a_lookup()
    oracle.answers["a"] = "x"
    await lookup.find("a")
    ticking.now += 3
    oracle.gate.clear()

    assert await lookup.find("a") == "x"
    with pytest.raises(Unavailable):
        await lookup.find("b")


async def test_what_is_remembered_is_bounded_and_the_busy_stay() -> None:
    lookup, oracle, _ = a_lookup()
    oracle.answers["busy"] = "x"
    for number in range(6_000):
        await lookup.find("busy")
        await lookup.find(f"unknown {number}")

    assert oracle.asked == 6_001
    assert len(lookup._entries) <= 4_096


async def a_secret(resources: Resources, source_id: UUID, secret: bytes, *, valid_until: str = "NULL") -> None:
    secret_id = new_id()
    sealed = resources.vault.seal(secret, context=f"source_secret:{secret_id}")
    statement = text(f"INSERT INTO source_secret VALUES (:id, :source, :sealed, now(), {valid_until})")  # noqa: S608 - ours
    async with resources.engine.begin() as connection:
        await connection.execute(statement, {"id": secret_id, "source": source_id, "sealed": sealed})


def connections(resources: Resources) -> Connections:
    return Connections(resources.sessions, resources.vault, now=clock)


async def test_a_connection_comes_with_its_options_and_live_secrets_newest_first(resources: Resources) -> None:
    source_id = await a_source(resources.engine, channel="api", colour="blue")
    await a_secret(resources, source_id, b"older")
    await a_secret(resources, source_id, b"expired", valid_until="now() - interval '1 second'")
    await a_secret(resources, source_id, b"newer", valid_until="now() + interval '1 hour'")

    found = await connections(resources).find("api", source_id.hex)

    assert found is not None
    assert (found.source_id, found.channel, found.options) == (source_id, "api", {"colour": "blue"})
    assert found.secrets == (b"newer", b"older")


async def test_a_key_of_another_channel_finds_nothing(resources: Resources) -> None:
    source_id = await a_source(resources.engine, channel="api")

    assert await connections(resources).find("form", source_id.hex) is None


async def test_a_switched_off_source_is_gone_within_seconds(resources: Resources) -> None:
    source_id = await a_source(resources.engine, channel="api")
    found, ticking = connections(resources), Clock()
    found._lookup._clock = ticking
    assert await found.find("api", source_id.hex) is not None

    async with resources.engine.begin() as connection:
        await connection.execute(text("UPDATE source SET enabled = false"))
    ticking.now += 5

    assert await found.find("api", source_id.hex) is None


async def test_secrets_that_no_key_opens_make_a_connection_unavailable_not_open(resources: Resources) -> None:
    source_id = await a_source(resources.engine, channel="api")
    await a_secret(resources, source_id, b"secret")
    other = Vault([base64.b64encode(bytes(32)).decode()])

    with pytest.raises(Unavailable):
        await Connections(resources.sessions, other, now=clock).find("api", source_id.hex)


async def a_key(resources: Resources, **changes: Any) -> tuple[bytes, Any]:
    values: dict[str, Any] = {"scopes": ["leads:write"], "expires_at": None, "now": clock(), **changes}
    made = await create_key(resources.sessions, name="t", entropy=secrets.token_bytes, **values)
    return credentials.hash_token(made.token), made.key.id


def keys_at(resources: Resources, now: Callable[[], Any] = clock) -> tuple[ApiKeys, Clock]:
    keys, ticking = ApiKeys(resources.sessions, now=now), Clock()
    keys._lookup._clock = ticking
    return keys, ticking


async def test_a_revoked_key_opens_nothing_after_five_seconds(resources: Resources) -> None:
    token_sha256, key_id = await a_key(resources)
    keys, ticking = keys_at(resources)
    assert await keys.find(token_sha256) is not None

    await revoke_key(resources.sessions, key_id, now=clock())
    ticking.now += 5

    assert await keys.find(token_sha256) is None


async def test_a_key_expires_on_the_second_although_it_is_remembered(resources: Resources) -> None:
    now = clock()
    token_sha256, _ = await a_key(resources, expires_at=now.replace(year=now.year + 1))
    seen = [now]
    keys, _ = keys_at(resources, lambda: seen[0])
    assert await keys.find(token_sha256) is not None

    seen[0] = now.replace(year=now.year + 1)

    assert await keys.find(token_sha256) is None


async def test_the_use_of_a_key_is_noted(resources: Resources) -> None:
    token_sha256, _ = await a_key(resources)
    keys, _ = keys_at(resources)

    await keys.find(token_sha256)

    async with resources.engine.connect() as connection:
        assert (await connection.execute(text("SELECT last_used_at FROM api_key"))).scalar_one() is not None


async def test_an_unknown_token_finds_nothing(resources: Resources) -> None:
    keys, _ = keys_at(resources)

    assert await keys.find(credentials.hash_token("lh_live_" + "A" * 43)) is None
