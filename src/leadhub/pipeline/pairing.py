"""Pairs of stored leads that may be one person, compared as an arriving submission would be.

Each submission of the newer lead is compared with all that is known of the older one, and the best counts. What the
submissions said is read anew with today's normaliser, so that what it has learnt since finds its people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from leadhub.domain.deduplication import Key, Known, Match, Scale, examine, is_by_first_name, why_apart
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import Arrived
from leadhub.domain.matching import profile
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.profile import profile_of
from leadhub.pipeline.recognise import arrived
from leadhub.store import candidates, merges, scans
from leadhub.store.driver import Connection

HOLDERS = 20
"""Older leads looked at for each key of a lead."""
_MOST_OLDER = 50
"""Older leads that each one is compared with."""
_MOST_SUBMISSIONS = 5
"""Submissions of a lead that are compared, the newest: what comes often says the same."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How a pair compares."""

    arrival: Arrived
    """The submission that fits best."""
    match: Match
    objection: str | None
    """Why both must not become one although the submission is the same person's."""

    @property
    def answer(self) -> str:
        """same, review or new. A pair does not show who else has the first name, so that alone is asked about."""
        if self.match.is_same and self.objection is None and not is_by_first_name(self.match):
            return "same"
        return "review" if self.match.is_same or self.match.is_question else "new"

    @property
    def bits(self) -> float:
        """What speaks for one person."""
        return self.match.evidence.bits


@dataclass(frozen=True, slots=True)
class Pair:
    """Submissions of a lead, and a lead that they may be, too; or the rest of their own."""

    lead_id: LeadId
    arrivals: Sequence[Arrived]
    known: Known
    shared: frozenset[Key]
    objection: str | None = None

    def judge(self, scale: Scale) -> Judged:
        """Compare with a table of bits."""
        judged = [
            Judged(one, examine(one.sighting, self.known, self.shared, scale), self.objection) for one in self.arrivals
        ]
        return max(judged, key=lambda one: (one.match.is_same, one.match.is_question, one.bits))


@dataclass(slots=True)
class Seen:
    """Some leads, and the older ones that they share keys with."""

    arrivals: dict[LeadId, list[Arrived]] = field(default_factory=dict)
    """Of each lead its newest submissions, in the order of receipt."""
    known: dict[LeadId, Known] = field(default_factory=dict)
    older: list[tuple[LeadId, LeadId]] = field(default_factory=list)
    """Pairs to compare: newer, older."""


async def look(connection: Connection, ids: Sequence[LeadId], *, renew: bool = False) -> Seen:
    """Read leads and the older ones that they share keys with.

    Args:
        connection: in a transaction.
        ids: the leads.
        renew: write the block keys that today's rules give them first.
    """
    seen = Seen({lead_id: [] for lead_id in ids})
    blocks: list[tuple[int, LeadId]] = []
    for member in await merges.members(connection, ids):
        if member.waiting.content.waits:  # what somebody did says nothing of who they are
            continue
        arrival = arrived(member.waiting)
        blocks += [(block, member.lead_id) for block in block_keys(arrival.sighting)]
        seen.arrivals[member.lead_id] = [*seen.arrivals[member.lead_id], arrival][-_MOST_SUBMISSIONS:]
    if renew:
        await scans.add_block_keys(connection, sorted(set(blocks)))
    found = await scans.older_alike(connection, ids, holders=HOLDERS, most=_MOST_OLDER)
    wanted = sorted({*ids, *(older for _, older in found)})
    profiles = await scans.profiles(connection, wanted)
    keys = await merges.keys_of(connection, wanted)
    apart = await candidates.declared_apart(connection, wanted)
    seen.known = {
        lead_id: Known(lead_id, profile.read(document), keys.get(lead_id, {}), apart.get(lead_id, frozenset()))
        for lead_id, document in profiles.items()
    }
    seen.older = [pair for pair in found if seen.known.keys() >= set(pair) and seen.arrivals[pair[0]]]
    return seen


def pairs(seen: Seen, *, own: bool = False) -> Iterator[Pair]:
    """Return what is to be compared.

    Args:
        seen: what was read.
        own: also each lead's newest submission with its others: what one person shows.
    """
    for newer, older in seen.older:
        one, other = seen.known[newer], seen.known[older]
        yield Pair(newer, seen.arrivals[newer], other, _shared(one, other), why_apart([one], other))
    if own:
        for lead_id, arrivals in seen.arrivals.items():
            if len(arrivals) > 1 and lead_id in seen.known:
                yield _rest(arrivals, seen.known[lead_id])


def strangers(seen: Seen, *, each: int) -> Iterator[Pair]:
    """Return pairs that have nothing to do with each other: leads of the slice at some distances in time."""
    leads = [lead_id for lead_id, arrivals in seen.arrivals.items() if arrivals and lead_id in seen.known]
    for place, lead_id in enumerate(leads):
        for step in range(1, each + 1):
            other = seen.known[leads[(place + step * step * step) % len(leads)]]
            if other.lead_id != lead_id:
                yield Pair(lead_id, seen.arrivals[lead_id][-1:], other, _shared(seen.known[lead_id], other))


def _rest(arrivals: Sequence[Arrived], known: Known) -> Pair:
    rest = arrivals[:-1]
    held = {key: known.keys.get(key, is_shared) for one in rest for key, is_shared in one.keys.items()}
    other = Known(known.lead_id, profile_of([one.sighting for one in rest]), held)
    return Pair(known.lead_id, arrivals[-1:], other, _shared(other))


def _shared(*leads: Known) -> frozenset[Key]:
    return frozenset(key for lead in leads for key, is_shared in lead.keys.items() if is_shared)
