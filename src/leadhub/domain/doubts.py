"""Which of many doubts are worth a person's time: the likeliest ones, and none that another answer settles.

If A may be B and B may be C, the answers to these two say whether A is C. So doubts are taken in the order of their
bits, and one between two leads that those before it tie together already is left out. Should somebody answer that A
is not B, the next look over the base finds A and C untied, and asks.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from leadhub.domain.ids import LeadId, SubmissionId


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two leads that may be one person."""

    lead_id: LeadId
    candidate_id: LeadId
    bits: float
    because: str
    submissions: tuple[SubmissionId, ...]
    """Of the lead, the one that fits best first: a question stands at one of them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A doubt that became a question."""

    doubt: Doubt
    submission_id: SubmissionId


def worth_asking(
    doubts: Iterable[Doubt],
    *,
    tied: Iterable[tuple[LeadId, LeadId]] = (),
    occupied: Collection[SubmissionId] = (),
    most: int,
) -> list[Asked]:
    """Return the questions to put, the likeliest first.

    Args:
        doubts: in any order.
        tied: pairs of leads that are one, or will be if a question that is open already is answered so.
        occupied: submissions that have a question already: each has room for one.
        most: questions to put.

    >>> from uuid import UUID
    >>> a, b, c = (LeadId(UUID(int=number)) for number in (1, 2, 3))
    >>> doubts = [Doubt(c, a, 1.0, "", (c,)), Doubt(b, a, 7.0, "", (b,)), Doubt(c, b, 4.0, "", (c,))]
    >>> [asked.doubt.bits for asked in worth_asking(doubts, most=10)]
    [7.0, 4.0]
    """
    groups = _Groups()
    for one, other in tied:
        groups.tie(one, other)
    full, asked = set(occupied), list[Asked]()
    for doubt in sorted(doubts, key=lambda doubt: (-doubt.bits, doubt.lead_id, doubt.candidate_id)):
        if len(asked) == most:
            break
        room = next((one for one in doubt.submissions if one not in full), None)
        if room is not None and groups.tie(doubt.lead_id, doubt.candidate_id):
            full.add(room)
            asked.append(Asked(doubt, room))
    return asked


class _Groups:
    """Which leads are tied together, directly or through others."""

    def __init__(self) -> None:
        self._nearer: dict[LeadId, LeadId] = {}

    def tie(self, one: LeadId, other: LeadId) -> bool:
        """Tie two leads; say whether they were apart."""
        a, b = self._head(one), self._head(other)
        self._nearer[a] = b
        return a != b

    def _head(self, lead_id: LeadId) -> LeadId:
        while (nearer := self._nearer.get(lead_id, lead_id)) != lead_id:
            lead_id = nearer
        return lead_id
