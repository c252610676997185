"""Which submissions go back when a merge is undone.

    what the merge moved         ── goes back
    what the winner had          ── stays
    what came while both were one ── goes to the side whose keys it carries; with keys of both or of none it stays, and
                                    somebody has to look at it

Memberships decide, not leads: a submission that a later undo took elsewhere is not here any more, and one that a later
merge brought from a third lead is the winner's.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from leadhub.domain.deduplication import Key
from leadhub.domain.ids import SubmissionId


@dataclass(frozen=True, slots=True)
class Member:
    """A submission of the lead that is to be parted."""

    submission_id: SubmissionId
    since: datetime
    """Since when it belongs to the lead, or to one that became part of it."""
    keys: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which what the loser had was part of one lead, from its own merge to the next one's."""

    start: datetime
    moved_on: frozenset[SubmissionId] | None
    """What the merge that ended it moved; None: it goes on."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Who gets what, each in the order of the members."""

    back: tuple[SubmissionId, ...]
    """To the lead that was merged away."""
    stay: tuple[SubmissionId, ...]
    unclear: tuple[SubmissionId, ...]
    """Those that stay because nothing says whose they are."""


def came_later(member: Member, periods: Sequence[Period], elsewhere: Collection[SubmissionId]) -> bool:
    """Say whether a submission came to a lead while it was both.

    Args:
        member: the submission.
        periods: in which both were one lead, in their order.
        elsewhere: submissions that other merges brought from other leads.
    """
    if member.submission_id in elsewhere:
        return False
    began = [period for period in periods if period.start <= member.since]
    if not began:
        return False
    return began[-1].moved_on is None or member.submission_id in began[-1].moved_on


def part(members: Iterable[Member], *, moved: Collection[SubmissionId], later: Collection[SubmissionId]) -> Parting:
    """Return who gets what; what a submission brings to its side helps to place those after it.

    Args:
        members: all submissions of the lead as it is now.
        moved: those that the merge moved.
        later: those that came while both were one.

    >>> a, b = Key("email", "ada@example.com"), Key("email", "bob@example.com")
    >>> at = datetime(2026, 1, 1)
    >>> of = lambda number, *keys: Member(SubmissionId(UUID(int=number)), at, frozenset(keys))
    >>> from uuid import UUID
    >>> parting = part([of(1, a), of(2, b), of(3, b), of(4, a, b)], moved=[of(2).submission_id],
    ...                later=[of(3).submission_id, of(4).submission_id])
    >>> [one.int for one in parting.back], [one.int for one in parting.unclear]
    ([2, 3], [4])
    """
    in_order = sorted(members, key=lambda member: (member.since, member.submission_id))
    theirs: set[Key] = set()
    ours: set[Key] = set()
    for member in in_order:
        if member.submission_id in moved:
            theirs |= member.keys
        elif member.submission_id not in later:
            ours |= member.keys
    back, unclear = set(moved), set()
    for member in in_order:
        if member.submission_id not in later or member.submission_id in moved:
            continue
        for_them, for_us = member.keys & (theirs - ours), member.keys & (ours - theirs)
        if for_them and not for_us:
            back.add(member.submission_id)
            theirs |= member.keys
        elif for_us and not for_them:
            ours |= member.keys
        else:
            unclear.add(member.submission_id)
    ids = [member.submission_id for member in in_order]
    return Parting(
        tuple(one for one in ids if one in back),
        tuple(one for one in ids if one not in back),
        tuple(one for one in ids if one in unclear),
    )
