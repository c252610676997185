"""What a worker has in flight, and how much more it may take.

A request that has waited for longer than a moment costs a socket and no work. So it gives its slot back and waits
beside: endpoints that all begin to hang at once hold up the others for that moment only, not until they time out.
Those that this worker waits for are in doubt, as are those that just failed; together they may take half of the slots.
"""

from collections import Counter
from dataclasses import dataclass

from leadhub.domain.ids import AttemptId, EndpointId
from leadhub.store.lanes import Lease, Room

_MOMENT_SECONDS = 1.0
"""So long a request keeps its slot: most are answered well before."""
_BESIDE = 3
"""For each slot so many requests may wait beside: the most that are open at once is four times the slots."""


@dataclass(frozen=True, slots=True)
class _InFlight:
    lease: Lease
    since: float


class Slots:
    """The requests of one worker that are under way."""

    def __init__(self, size: int, *, host_cap: int) -> None:
        """Build it.

        Args:
            size: most requests that set out just now.
            host_cap: most in flight to one host, over all workers.
        """
        self._size = size
        self._host_cap = host_cap
        self._in_flight: dict[AttemptId, _InFlight] = {}

    def take(self, lease: Lease, *, at: float) -> None:
        """Note that a request sets out; `at` is of a clock that only goes forward, in seconds."""
        self._in_flight[lease.attempt_id] = _InFlight(lease, at)

    def give(self, lease: Lease) -> None:
        """Note that it came back."""
        del self._in_flight[lease.attempt_id]

    def room(self, *, at: float) -> Room:
        """Return what may be taken now.

        Retries and endpoints in doubt have half of the slots each. What waits beside is bounded: where that is full,
        endpoints in doubt get nothing more, and what waits longer keeps its slot.
        """
        busy: Counter[EndpointId] = Counter()
        slow: Counter[EndpointId] = Counter()
        again = doubtful = 0
        for one in self._in_flight.values():
            busy[one.lease.endpoint_id] += 1
            if at - one.since > _MOMENT_SECONDS:
                slow[one.lease.endpoint_id] += 1
            else:
                again += one.lease.is_again
                doubtful += one.lease.is_in_doubt
        half, most_beside = self._size // 2, _BESIDE * self._size
        beside = min(slow.total(), most_beside)
        return Room(
            slots=max(0, self._size - (busy.total() - beside)),
            again=max(0, half - again),
            doubtful=max(0, min(half - doubtful, most_beside - slow.total())),
            host=self._host_cap,
            busy=busy,
            slow=tuple(slow),
        )
