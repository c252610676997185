"""What of many doubts a person is asked."""

import doctest
from uuid import UUID

from leadhub.domain import doubts
from leadhub.domain.doubts import Doubt, worth_asking
from leadhub.domain.ids import LeadId, SubmissionId


def doubt(lead: int, candidate: int, bits: float, *submissions: int) -> Doubt:
    ids = tuple(SubmissionId(UUID(int=number)) for number in submissions or (100 + lead,))
    return Doubt(LeadId(UUID(int=lead)), LeadId(UUID(int=candidate)), bits, "the same last name", ids)


def asked(*some: Doubt, most: int = 10, tied: tuple[int, int] | None = None, occupied: int = 0) -> list[float]:
    pairs = [(LeadId(UUID(int=tied[0])), LeadId(UUID(int=tied[1])))] if tied else []
    full = {SubmissionId(UUID(int=occupied))}
    return [one.doubt.bits for one in worth_asking(some, tied=pairs, occupied=full, most=most)]


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(doubts).failed == 0


def test_the_likeliest_come_first_and_no_more_than_wanted() -> None:
    some = [doubt(2, 1, 3), doubt(4, 3, 9), doubt(6, 5, 6)]

    assert asked(*some) == [9, 6, 3]
    assert asked(*some, most=2) == [9, 6]
    assert asked(*some, most=0) == []


def test_what_other_answers_settle_is_not_asked() -> None:
    ring = [doubt(2, 1, 5), doubt(3, 2, 4), doubt(4, 3, 3), doubt(4, 1, 2)]

    assert asked(*ring) == [5, 4, 3]
    assert asked(*ring, tied=(4, 1)) == [5, 4]


def test_a_question_stands_at_a_submission_that_has_none() -> None:
    first, second = doubt(3, 1, 5, 103, 113), doubt(3, 2, 4, 103, 113)

    found = worth_asking([first, second, doubt(3, 7, 3, 103, 113)], most=10)

    assert [one.submission_id.int for one in found] == [103, 113]
    assert asked(doubt(3, 1, 5, 103), occupied=103) == []
