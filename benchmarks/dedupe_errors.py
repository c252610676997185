"""What a run of `dedupe` got wrong, and why: whom it joined although they are two, whom it never found to be one."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from uuid import UUID

from benchmarks.lead_stream import Arrival

from leadhub.domain.deduplication import Known, Match, Scale, Sighting, examine
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.evidence import letters
from leadhub.domain.matching.profile import profile_of
from leadhub.domain.register import Placement

_NEVER_MET = "they share no key: nothing but a first name, or less, is said by both"
_FAMILY_ONLY = "they share no key, although a family name begins alike in both, or in one's address"
_FAMILY_HEAD = 5
"""Letters. A block key of these would let them meet, and was left out: each lead was compared with nearly twice as
many, which found two more pairs in a thousand, all of them by more questions."""


def joined_wrongly(
    arrivals: Sequence[Arrival], sightings: Sequence[Sighting], placements: Sequence[Placement], leads: Sequence[LeadId]
) -> list[str]:
    """Return a line for each lead that holds several people, that with the most wrong pairs first; no value of theirs.

    Args:
        arrivals: the stream.
        sightings: of each submission.
        placements: of each submission.
        leads: of each submission in the end.
    """
    members: defaultdict[LeadId, list[int]] = defaultdict(list)
    for place, lead in enumerate(leads):
        members[lead].append(place)
    lines: list[tuple[int, str]] = []
    for places in members.values():
        people = Counter(arrivals[place].person for place in places)
        if len(people) > 1:
            wrong = sum(a * b for a, b in combinations(people.values(), 2))
            why = "; ".join(_ties(arrivals, placements, places))
            lines.append((wrong, f"{wrong} wrong pairs, {_relation(arrivals, sightings, places)}: {why}"))
    return [line for _, line in sorted(lines, reverse=True)]


def _ties(arrivals: Sequence[Arrival], placements: Sequence[Placement], places: Sequence[int]) -> list[str]:
    """Return what brought another person's submission into a lead."""
    seen: set[int] = set()
    ties = []
    for place in places:
        placement, person = placements[place], arrivals[place].person
        if placement.decision.match and not placement.is_new and (person not in seen or placement.absorbed):
            levels = ", ".join(f"{x.compares} {x.level} {x.bits:+g}" for x in placement.decision.match.evidence.lines)
            bridged = ", and made one of two leads" if placement.absorbed else ""
            ties.append(f"{placement.decision.because}{bridged} [{levels}]")
        seen.add(person)
    return ties


def _relation(arrivals: Sequence[Arrival], sightings: Sequence[Sighting], places: Sequence[int]) -> str:
    if len({arrivals[place].household for place in places}) == 1:
        return "of one household"
    said: defaultdict[int, set[str]] = defaultdict(set)
    for place in places:
        one = sightings[place]
        said[arrivals[place].person] |= {*one.companies, one.company_domain, *one.phones} - {""}
    return "with a company or a number in common" if set.intersection(*said.values()) else "strangers"


def never_found(
    sightings: Sequence[Sighting], truth: Sequence[int], leads: Sequence[Hashable], scale: Scale
) -> dict[str, float]:
    """Return the share of true pairs that stayed apart, by the reason, the largest first.

    Args:
        sightings: of each submission.
        truth: whose each one is.
        leads: of each one, once every question is answered.
        scale: by which they were compared.
    """
    parts: defaultdict[int, defaultdict[Hashable, list[int]]] = defaultdict(lambda: defaultdict(list))
    holders: defaultdict[object, set[Hashable]] = defaultdict(set)
    for place, (person, lead) in enumerate(zip(truth, leads, strict=True)):
        parts[person][lead].append(place)
        for key in sightings[place].keys:
            holders[key].add(lead)
    lost: Counter[str] = Counter()
    for groups in parts.values():
        for one, other in combinations(groups.values(), 2):
            lost[_why_apart(sightings, one, other, holders, scale)] += len(one) * len(other)
    pairs = sum(n * (n - 1) // 2 for n in Counter(truth).values())
    return {reason: count / pairs for reason, count in lost.most_common()}


def _why_apart(
    sightings: Sequence[Sighting],
    one: Sequence[int],
    other: Sequence[int],
    holders: Mapping[object, set[Hashable]],
    scale: Scale,
) -> str:
    keys = [{key for place in side for key in _keys(sightings[place])} for side in (one, other)]
    if keys[0].isdisjoint(keys[1]):
        families = [{head for place in side if (head := _family(sightings[place]))} for side in (one, other)]
        return _NEVER_MET if families[0].isdisjoint(families[1]) else _FAMILY_ONLY
    best = max(
        (*_matches(sightings, one, other, holders, scale), *_matches(sightings, other, one, holders, scale)),
        key=lambda match: (match.is_same, match.is_question, match.evidence.bits),
    )
    if best.is_same:
        return "what would prove it came later, or speaks against another lead"
    if best.is_question:
        return "another lead was likelier, or too many have the name"
    return "an objection" if best.objection else "too few bits to ask"


def _matches(
    sightings: Sequence[Sighting],
    arriving: Sequence[int],
    known: Sequence[int],
    holders: Mapping[object, set[Hashable]],
    scale: Scale,
) -> list[Match]:
    """Compare each submission of one part of a person with all that the other part says."""
    held = {key: len(holders[key]) > 1 for place in known for key in sightings[place].keys}
    lead = Known(LeadId(UUID(int=0)), profile_of([sightings[place] for place in known]), held)
    shared = {key for key, is_shared in held.items() if is_shared}
    return [examine(sightings[place], lead, shared, scale) for place in arriving]


def _family(sighting: Sighting) -> str:
    """Return how a family name begins, or how an address does if none is said: most begin with a name."""
    local = sighting.email.rpartition("@")[0] if sighting.has_own_mailbox else ""
    return letters(sighting.name.last or local)[:_FAMILY_HEAD]


def _keys(sighting: Sighting) -> set[object]:
    return {*sighting.keys, *block_keys(sighting)}
