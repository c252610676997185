"""Whom a submission is compared with, among leads that share something with it."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from leadhub.domain.deduplication import Key, Known, Sighting
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.names import Name
from leadhub.domain.matching.profile import Profile, profile_of
from leadhub.domain.normalisation import EmailClass
from leadhub.domain.register import MOST_CANDIDATES, MOST_HOLDERS, Register

PHONE = Key("phone", "+4930123456")


def lead_id(number: int) -> LeadId:
    return LeadId(UUID(int=number))


@pytest.fixture
def ids() -> Iterator[LeadId]:
    return map(lead_id, range(1_000_000, 2_000_000))


def a_lead(number: int, keys: dict[Key, bool] | None = None) -> Known:
    return Known(lead_id(number), Profile(), keys or {})


def numbers(found: list[Known]) -> list[int]:
    return [lead.lead_id.int for lead in found]


def test_a_block_key_that_too_many_share_brings_nobody() -> None:
    register = Register()
    for number in range(MOST_HOLDERS + 1):
        register.know(a_lead(number), [1])
    register.know(a_lead(777), [1, 2])

    assert register.candidates(Sighting(), [1]) == []
    assert numbers(register.candidates(Sighting(), [1, 2])) == [777]


def test_no_more_than_so_many_are_compared_and_those_with_whom_most_is_shared_come_first() -> None:
    register = Register()
    for number in range(10 * MOST_CANDIDATES):
        register.know(a_lead(number), [number % 50])
    register.know(a_lead(777), [1, 2, 3])

    found = numbers(register.candidates(Sighting(), range(50)))

    assert len(found) == MOST_CANDIDATES
    assert found[0] == 777


def test_the_rarer_what_is_shared_the_sooner() -> None:
    register = Register()
    for number in range(10):
        register.know(a_lead(number), [1])
    register.know(a_lead(777), [2])

    assert numbers(register.candidates(Sighting(), [1, 2]))[0] == 777


def test_who_holds_a_key_alone_comes_before_all_who_look_alike() -> None:
    register = Register()
    register.know(a_lead(777, {PHONE: False}))
    for number in range(2 * MOST_CANDIDATES):
        register.know(a_lead(number), [number % 10, 10 + number % 11, 21 + number % 12])

    assert numbers(register.candidates(Sighting(keys={PHONE: False}), range(33)))[0] == 777


def test_a_number_of_thousands_brings_a_few_and_leaves_room_for_those_who_look_alike() -> None:
    register = Register()
    for number in range(5_000):
        register.know(a_lead(number, {PHONE: True}), [number])

    found = numbers(register.candidates(Sighting(keys={PHONE: False}), [17]))

    assert found[:2] == [4_999, 17]
    assert len(found) == MOST_CANDIDATES


def test_the_newest_holder_of_a_shared_key_is_there_however_many_look_more_alike() -> None:
    register = Register()
    for number in range(1_000, 1_003):
        register.know(a_lead(number, {PHONE: True}))
    for number in range(4 * MOST_CANDIDATES):
        register.know(a_lead(number), [number % 40, 40 + number % 41, 81 + number % 43])

    found = numbers(register.candidates(Sighting(keys={PHONE: False}), range(124)))

    assert len(found) == MOST_CANDIDATES
    assert found[0] == 1_002


def test_what_a_batch_makes_is_found_by_the_next_of_the_batch(ids: Iterator[LeadId]) -> None:
    mail = "ada@example.com"
    seen = Sighting({Key("email", mail): False}, Name("ada", "king"), mail, EmailClass.BUSINESS)
    register = Register()
    first = register.place(seen, [], new_id=lambda: next(ids))

    again = register.place(seen, [], new_id=lambda: next(ids))

    assert (first.is_new, again.is_new) == (True, False)
    assert register.leads[first.lead_id].profile == profile_of([seen, seen])
