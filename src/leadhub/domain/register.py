"""The leads that a batch of submissions may meet, kept up to date while its submissions are placed one by one.

The second submission of a batch must see what the first one did, before anything is written. So placing changes the
register, and what it changed is what is to be written.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice
from math import inf, log

from leadhub.domain.deduplication import Decision, Key, Known, Scale, decide
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.profile import Profile
from leadhub.domain.matching.sighting import Sighting

MOST_CANDIDATES = 5
"""Leads that a submission is compared with. A base twenty times as large has nearly twenty times as many of one name,
and comparing with all of them would cost more than all else. Whoever it is, or a question is about, stands among the
first four (measured on 60,000 submissions: 4, 6, 8 and 12 find equally many)."""
MOST_HOLDERS = 6
"""Leads looked at for one key. A shared identity key brings its newest; a block key of more is stood down and brings
none, since people who are one have a rarer one in common, too (measured: 4, 6, 10 and 50 find equally many)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a submission went."""

    lead_id: LeadId
    decision: Decision
    is_new: bool
    absorbed: tuple[LeadId, ...] = ()
    """Leads that turned out to be this one."""

    @property
    def perhaps_one(self) -> tuple[LeadId, ...]:
        """The leads, known before, that became one by this, or about which a person is asked whether they are one."""
        question = self.decision.question
        doubted = (question.lead_id,) if question is not None else ()
        return (self.lead_id, *self.absorbed, *doubted) if not self.is_new and (self.absorbed or doubted) else ()


@dataclass(slots=True)
class Register:
    """Leads by what finds them."""

    scale: Scale = field(default_factory=Scale)
    leads: dict[LeadId, Known] = field(default_factory=dict)
    merged: dict[LeadId, LeadId] = field(default_factory=dict)
    """Leads that were absorbed → by which."""
    _holders: dict[Key, dict[LeadId, None]] = field(default_factory=dict)
    _blocks: dict[int, dict[LeadId, None]] = field(default_factory=dict)

    def know(self, lead: Known, blocks: Iterable[int] = ()) -> None:
        """Add a lead, with the block keys under which it is to be found."""
        self.leads[lead.lead_id] = lead
        for key in lead.keys:
            self._holders.setdefault(key, {})[lead.lead_id] = None
        for block in blocks:
            self._blocks.setdefault(block, {})[lead.lead_id] = None

    def place(self, sighting: Sighting, blocks: Collection[int], *, new_id: Callable[[], LeadId]) -> Placement:
        """Decide whose submission this is, and make it part of that lead; of several that are one, the oldest stays.

        Args:
            sighting: what it says of who somebody is.
            blocks: its block keys.
            new_id: of a lead, should it be somebody new.
        """
        decision = decide(sighting, self.candidates(sighting, blocks), self.scale)
        for key in decision.becomes_shared:
            for lead_id in self._holders.get(key, ()):
                self.leads[self.living(lead_id)].keys[key] = True
        absorbed: tuple[LeadId, ...] = ()
        if decision.lead_id is None:
            lead = Known(new_id(), Profile())
        else:
            winner, *losers = sorted((decision.lead_id, *decision.ties))
            lead, absorbed = self.leads[winner], (*losers,)
            for loser in losers:
                self._absorb(lead, self.leads.pop(loser))
        lead.profile.add(sighting)
        taken = set(decision.becomes_shared)
        for key, is_shared in sighting.keys.items():
            lead.keys[key] = is_shared or key in taken or self._is_shared(key)
        self.know(lead, blocks)
        return Placement(lead.lead_id, decision, decision.lead_id is None, absorbed)

    def candidates(self, sighting: Sighting, blocks: Iterable[int]) -> list[Known]:
        """Return whom to compare it with: who holds one of its keys alone, then those with whom it shares most.

        What is shared counts the more, the fewer share it; the newest holder of a key is always there, to tell that it
        is shared. `store.candidates` chooses among stored leads alike.
        """
        shares: defaultdict[LeadId, float] = defaultdict(float)
        for key in sighting.keys:
            holders = self._holders.get(key, {})
            for place, lead_id in enumerate(map(self.living, islice(reversed(holders), MOST_HOLDERS))):
                shares[lead_id] += _rarity(len(holders)) if place else inf
        for block in blocks:
            holders = self._blocks.get(block, {})
            if len(holders) <= MOST_HOLDERS:
                for lead_id in map(self.living, holders):
                    shares[lead_id] += _rarity(len(holders))
        return [self.leads[lead_id] for lead_id in nlargest(MOST_CANDIDATES, shares, key=shares.__getitem__)]

    def _is_shared(self, key: Key) -> bool:
        return any(self.leads[self.living(lead_id)].keys.get(key, False) for lead_id in self._holders.get(key, ()))

    def living(self, lead_id: LeadId) -> LeadId:
        """Return the lead that a lead has become part of, or itself."""
        while lead_id in self.merged:
            lead_id = self.merged[lead_id]
        return lead_id

    def _absorb(self, winner: Known, loser: Known) -> None:
        winner.profile.unite(loser.profile)
        winner.apart_from |= loser.apart_from
        for key, is_shared in loser.keys.items():
            winner.keys[key] = is_shared or winner.keys.get(key, False)
        self.merged[loser.lead_id] = winner.lead_id


def _rarity(holders: int) -> float:
    """Return what sharing a key with so many leads counts; one of very many counts a little, too."""
    return 1 + log(MOST_HOLDERS / min(holders, MOST_HOLDERS))
