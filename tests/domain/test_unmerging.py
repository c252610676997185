from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import SubmissionId
from leadhub.domain.unmerging import Member, Period, came_later, part

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
OURS, THEIRS, NEW, BOTH = (Key("email", f"{name}@example.com") for name in ("ours", "theirs", "new", "both"))


def an_id(number: int) -> SubmissionId:
    return SubmissionId(UUID(int=100 + number))


def member(number: int, *keys: Key) -> Member:
    return Member(an_id(number), NOON + timedelta(minutes=number), frozenset(keys))


def test_what_came_later_follows_its_keys() -> None:
    members = [member(1, OURS, BOTH), member(2, THEIRS, BOTH), member(3, THEIRS), member(4, OURS), member(5, BOTH)]

    parting = part(members, moved=[an_id(2)], later=[an_id(3), an_id(4), an_id(5)])

    assert parting.back == (an_id(2), an_id(3))
    assert parting.stay == (an_id(1), an_id(4), an_id(5))
    assert parting.unclear == (an_id(5),)


def test_a_key_that_came_later_tells_whose_the_next_ones_are() -> None:
    members = [member(1, OURS), member(2, THEIRS), member(3, THEIRS, NEW), member(4, NEW)]

    parting = part(members, moved=[an_id(2)], later=[an_id(3), an_id(4)])

    assert parting.back == (an_id(2), an_id(3), an_id(4))


def test_without_a_key_of_either_side_somebody_has_to_look() -> None:
    parting = part([member(1, OURS), member(2, THEIRS), member(3)], moved=[an_id(2)], later=[an_id(3)])

    assert parting.unclear == (an_id(3),)


def test_what_a_later_merge_brought_or_the_winner_had_did_not_come_while_both_were_one() -> None:
    periods = [Period(NOON, frozenset({an_id(5)})), Period(NOON + timedelta(minutes=10), None)]

    later = {number for number in range(-1, 14) if came_later(member(number), periods, {an_id(12)})}

    assert later == {5, 10, 11, 13}


_KEYS = st.frozensets(st.sampled_from([OURS, THEIRS, NEW, BOTH]))


@given(st.lists(_KEYS, min_size=1, max_size=8), st.data())
def test_everything_goes_somewhere_and_what_was_moved_goes_back(
    keys: list[frozenset[Key]], data: st.DataObject
) -> None:
    members = [Member(an_id(number), NOON, held) for number, held in enumerate(keys)]
    ids = [one.submission_id for one in members]
    moved = data.draw(st.sets(st.sampled_from(ids)))
    later = data.draw(st.sets(st.sampled_from(ids)))

    parting = part(members, moved=moved, later=later)

    assert sorted((*parting.back, *parting.stay)) == ids
    assert moved <= set(parting.back) <= moved | later
    assert set(parting.unclear) <= set(parting.stay) & later
