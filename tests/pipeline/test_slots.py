import pytest
from tests.support.outbox import new_id

from leadhub.domain.ids import AttemptId, DeliveryId, EndpointId
from leadhub.pipeline.slots import Slots
from leadhub.store.lanes import Lease

SIZE = 8


def _lease(endpoint_id: EndpointId | None = None, *, is_again: bool = False, is_in_doubt: bool = False) -> Lease:
    return Lease(
        delivery_id=DeliveryId(new_id()),
        attempt_id=AttemptId(new_id()),
        endpoint_id=endpoint_id or EndpointId(new_id()),
        number=1,
        is_again=is_again,
        is_in_doubt=is_in_doubt,
    )


@pytest.fixture
def slots() -> Slots:
    return Slots(SIZE, host_cap=3)


def test_what_is_under_way_has_a_slot_until_it_comes_back(slots: Slots) -> None:
    lease = _lease()
    slots.take(lease, at=0)
    assert (slots.room(at=0.5).slots, slots.room(at=0.5).busy) == (SIZE - 1, {lease.endpoint_id: 1})

    slots.give(lease)

    room = slots.room(at=0.5)
    assert (room.slots, room.busy, room.host) == (SIZE, {}, 3)


def test_what_hangs_gives_its_slot_back_and_its_endpoint_is_in_doubt(slots: Slots) -> None:
    hanging = [_lease() for _ in range(SIZE)]
    for lease in hanging:
        slots.take(lease, at=0)
    assert slots.room(at=0.9).slots == 0

    room = slots.room(at=1.1)

    assert room.slots == SIZE
    assert set(room.slow) == {lease.endpoint_id for lease in hanging}
    assert room.busy.keys() == {lease.endpoint_id for lease in hanging}


def test_what_waits_beside_is_bounded(slots: Slots) -> None:
    for _ in range(3 * SIZE + 5):
        slots.take(_lease(), at=0)

    room = slots.room(at=2)

    assert (room.slots, room.doubtful) == (SIZE - 5, 0)


def test_retries_and_endpoints_in_doubt_have_half_of_the_slots_each(slots: Slots) -> None:
    for _ in range(3):
        slots.take(_lease(is_again=True), at=0)
    slots.take(_lease(is_in_doubt=True), at=0)

    room = slots.room(at=0.5)

    assert (room.again, room.doubtful) == (SIZE // 2 - 3, SIZE // 2 - 1)
