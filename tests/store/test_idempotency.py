import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from typing_extensions import override

from leadhub.domain.errors import Conflict, IdempotencyConflict
from leadhub.resources import Resources
from leadhub.store.idempotency import Repeatable, once, purge

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    number: int


@pytest.fixture
def repeatable(resources: Resources) -> Repeatable:
    return Repeatable(caller_id=UUID(int=1), key="key", fingerprint=b"asked", vault=resources.vault)


class Maker:
    """Makes a new number each time; slow, so that others can come in between."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> Made:
        await asyncio.sleep(0.02)
        self.made += 1
        return Made(self.made)


async def ask(resources: Resources, repeatable: Repeatable | None, make: Maker) -> Made:
    async with resources.sessions.begin() as session:
        return await once(session, repeatable, Made, make, now=NOW)


async def test_of_many_at_once_one_makes_and_all_get_it(resources: Resources, repeatable: Repeatable) -> None:
    make = Maker()

    answers = await asyncio.gather(*(ask(resources, repeatable, make) for _ in range(5)))

    assert answers == [Made(1)] * 5
    assert make.made == 1


async def test_without_a_key_every_request_makes(resources: Resources) -> None:
    make = Maker()

    assert [await ask(resources, None, make) for _ in range(2)] == [Made(1), Made(2)]


async def test_another_request_under_the_same_key_is_refused(resources: Resources, repeatable: Repeatable) -> None:
    make = Maker()
    await ask(resources, repeatable, make)

    with pytest.raises(IdempotencyConflict):
        await ask(resources, replace(repeatable, fingerprint=b"asked for more"), make)


async def test_what_failed_is_not_remembered(resources: Resources, repeatable: Repeatable) -> None:
    class Failing(Maker):
        @override
        async def __call__(self) -> Made:
            raise Conflict("not this time")

    with pytest.raises(Conflict):
        await ask(resources, repeatable, Failing())

    assert await ask(resources, repeatable, Maker()) == Made(1)


async def test_answers_are_forgotten_in_time(resources: Resources, repeatable: Repeatable) -> None:
    make = Maker()
    await ask(resources, repeatable, make)

    async with resources.sessions.begin() as session:
        early = await purge(session, before=NOW)
        late = await purge(session, before=NOW + timedelta(days=4))

    assert (early, late) == (0, 1)
    assert await ask(resources, repeatable, make) == Made(2)
