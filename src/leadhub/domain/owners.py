"""Who of a team gets a lead: turns, weights, loads, and who cannot take one now.

Whoever cannot take a lead is passed over, and the turn goes to the next; over time everybody who is there gets leads in
the proportion of the weights. Turns and loads are the caller's, kept under a lock, so two workers never give the same
turn away twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from math import gcd
from typing import Final

from leadhub.domain.playbook_people import Member, Rate, StickyOwner, Team
from leadhub.domain.playbook_values import duration_text

MOST_SHOWN: Final = 20
"""Of those that a choice passed over, so many are kept with their reasons."""

Reasons = Mapping[str, str]
"""User → why not."""


@dataclass(slots=True)
class Load:
    """What somebody in sales has to do."""

    open_leads: int = 0
    recent: list[datetime] = field(default_factory=list)
    """The newest hand-overs, oldest first, as many as the rate cap counts; empty without a cap."""
    credit: int = 0
    """Turns owed for leads that were none."""

    def take(self, rate: Rate | None, *, now: datetime) -> None:
        """Count one more lead."""
        self.open_leads += 1
        self.recent = [*self.recent, now][-rate.leads :] if rate else []

    def give_back(self, *, owed: bool = False) -> None:
        """Count one lead less; one that was none does not count against the rate, and gives the turn back."""
        self.open_leads = max(0, self.open_leads - 1)
        if owed:
            self.credit += 1
            self.recent = self.recent[:-1]


Loads = Mapping[str, Load]
NOTHING: Final = Load()


@dataclass(frozen=True, slots=True)
class OwnerChoice:
    """Who gets the lead, if anybody can, the counter to keep for the next one, and who it could have been."""

    owner: str | None
    cursor: int
    because: str
    beat: Sequence[tuple[str, str]] = ()
    """Others with the reason why not: those who could not take it, then who would have been next."""
    uses_credit: bool = False


def choose_owner(
    team: Team,
    *,
    cursor: int,
    loads: Loads,
    now: datetime,
    absent: Reasons | None = None,
    not_to: Reasons | None = None,
) -> OwnerChoice:
    """Choose a member of a team.

    Args:
        team: who shares, and how.
        cursor: what the last choice for this team returned; 0 at first.
        loads: what they have to do already; nothing for whoever is not in it.
        now: the instant of the hand-over.
        absent: who is not at work (see `domain.shifts`).
        not_to: who must not get it, for another reason.
    """
    unable: dict[str, str] = {}
    able: list[Member] = []
    for member in team.members:
        reason = why_not(member, loads.get(member.user, NOTHING), now=now)
        reason = reason or (absent or {}).get(member.user) or (not_to or {}).get(member.user)
        if reason is None:
            able.append(member)
        else:
            unable[member.user] = reason
    beat = [*unable.items()][: MOST_SHOWN - 1]
    if not able:
        return OwnerChoice(None, cursor, _nobody(unable), beat)
    owed = next((member for member in able if loads.get(member.user, NOTHING).credit), None)
    if owed is not None:
        because = "owed a turn for a lead that was none"
        return OwnerChoice(owed.user, cursor, because, beat, uses_credit=True)
    if team.strategy == "least_loaded":
        return _least_loaded(team, able, cursor, loads, beat)
    turns = tuple(member.user for member in team.members)
    if team.strategy == "weighted_round_robin":
        turns = _smooth_turns(tuple((one.user, one.weight) for one in team.members if one.active))
    return _next_turn(turns, {member.user for member in able}, cursor, team.strategy, beat)


def why_not(member: Member, load: Load, *, now: datetime) -> str | None:
    """Return why somebody cannot take another lead however much they are at work, or None."""
    if not member.active:
        return "not active"
    if member.capacity is not None and load.open_leads >= member.capacity:
        return f"{load.open_leads} of {member.capacity} open leads"
    rate = member.rate
    if rate is not None:
        lately = sum(taken > now - rate.per for taken in load.recent)
        if lately >= rate.leads:
            return f"{lately} of {rate.leads} new leads in {duration_text(rate.per)}"
    return None


def keeps(team: Team, owner: str, sticky: StickyOwner, load: Load, *, now: datetime, absent: Reasons) -> str | None:
    """Return why a lead that comes back does not stay with its owner, or None if it does.

    An absence of days releases it as well: nobody waits for the end of a holiday. The end of a working day does so only
    with `at_work`.
    """
    member = next((one for one in team.members if one.user == owner), None)
    if member is None:
        return "is not in this team"
    if "owner_active" in sticky.while_:
        if not member.active:
            return "is not active"
        if absent.get(owner, "").startswith("away"):
            return f"is {absent[owner]}"
    if "at_work" in sticky.while_ and owner in absent:
        return f"is {absent[owner]}"
    if "under_capacity" in sticky.while_ and (full := why_not(member, load, now=now)):
        return f"has {full}"
    return None


def _nobody(unable: Reasons) -> str:
    told = [f"{user} {reason}" for user, reason in unable.items()][:MOST_SHOWN]
    return f"nobody can take it: {', '.join(told)}"


def _next_turn(
    turns: Sequence[str], able: set[str], cursor: int, strategy: str, beat: list[tuple[str, str]]
) -> OwnerChoice:
    """Give the turn at the cursor, or the next one of somebody who can take it."""
    size = len(turns)
    offset = next(offset for offset in range(size) if turns[(cursor + offset) % size] in able)
    turn = (cursor + offset) % size
    owner = turns[turn]
    behind_it = (turns[(turn + step) % size] for step in range(1, size))
    following = next((user for user in behind_it if user in able), owner)
    skipped = f", {offset} passed over" if offset else ""
    because = f"{strategy.replace('_', ' ')}, turn {turn + 1} of {size}{skipped}"
    behind = [(following, "has the next turn")] if following != owner else []
    return OwnerChoice(owner, (turn + 1) % size, because, beat + behind)


@lru_cache(maxsize=256)
def _smooth_turns(weights: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """Return one full round in which each user has as many turns as weight, spread evenly.

    Everybody gains their weight each turn; whoever has most takes it and pays the sum of all weights.
    Source: nginx, "Upstream: smooth weighted round-robin balancing", 2012.
    """
    divisor = gcd(*(weight for _, weight in weights))
    shares = [weight // divisor for _, weight in weights]
    length, credit, turns = sum(shares), [0] * len(shares), []
    for _ in range(length):
        credit = [have + share for have, share in zip(credit, shares, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= length
        turns.append(weights[chosen][0])
    return tuple(turns)


def _least_loaded(
    team: Team, able: list[Member], cursor: int, loads: Loads, beat: list[tuple[str, str]]
) -> OwnerChoice:
    """Choose who has the fewest open leads for their weight; of equals, the next after the last chosen."""
    places = {member.user: place for place, member in enumerate(team.members)}
    size = len(team.members)

    def load_of(one: Member) -> tuple[float, int]:
        return loads.get(one.user, NOTHING).open_leads / one.weight, (places[one.user] - cursor) % size

    chosen, *others = sorted(able, key=load_of)[:2]
    load = loads.get(chosen.user, NOTHING).open_leads
    behind = [(one.user, f"{loads.get(one.user, NOTHING).open_leads} open leads") for one in others]
    because = f"least loaded, {load} open leads"
    return OwnerChoice(chosen.user, (places[chosen.user] + 1) % size, because, beat + behind)
