"""Where a lead goes: route, team, owner, and by when somebody should have called.

The route is total: every lead has one, and the rule that gave it. An owner is chosen by counting turns; the counter is
the caller's, kept under a lock, so two workers never give the same turn away twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import gcd

from leadhub.domain import business_time
from leadhub.domain.context import Context, NextChange, Scope
from leadhub.domain.model import Route, RoutingDecision
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_people import Member, Team, ToTeam
from leadhub.domain.playbook_values import TERRITORY
from leadhub.domain.predicates import Ladder


@dataclass(frozen=True, slots=True)
class Routes:
    """The compiled routing and territory sections."""

    playbook: Playbook
    rules: Ladder
    territories: Ladder

    def choose(self, context: Context) -> tuple[int, Route, str | None]:
        """Return the index of the rule, the route and, for sales, the team."""
        index = self.rules.first(context)
        to = self.playbook.routing.rules[index].to
        if not isinstance(to, ToTeam):
            return index, Route(to), None
        return index, Route.SALES, self._territory(context) if to.team == TERRITORY else to.team

    def _territory(self, context: Context) -> str | None:
        territories = self.playbook.territories or ()
        return territories[self.territories.first(context)].team if territories else None

    def decide(self, context: Context) -> RoutingDecision:
        """Return the decision with its reason."""
        index, route, team = self.choose(context)
        rule = self.playbook.routing.rules[index]
        because = self.rules.because(index, context)
        if isinstance(rule.to, ToTeam) and rule.to.team == TERRITORY:
            territory = self.territories.because(self.territories.first(context), context)
            because = f"{because}; territory {team}: {territory}"
        if route is Route.NONE and context.disqualified is not None:
            because = f"{because}: {context.disqualified}"
        return RoutingDecision(route, rule.id, because, team, rule.sla)

    @property
    def changes(self) -> tuple[NextChange, ...]:
        """When time alone may change the route or the team."""
        return self.rules.changes + self.territories.changes


def compile_routes(playbook: Playbook, scope: Scope) -> Routes:
    """Compile the routing and territory sections."""
    rules = Ladder.of([rule.when for rule in playbook.routing.rules], scope)
    territories = Ladder.of([territory.when for territory in playbook.territories or ()], scope)
    return Routes(playbook, rules, territories)


@dataclass(frozen=True, slots=True)
class OwnerChoice:
    """Who gets the lead, if anybody can, and the counter to keep for the next one."""

    owner: str | None
    cursor: int
    because: str


def choose_owner(team: Team, *, cursor: int, open_leads: Mapping[str, int] | None = None) -> OwnerChoice:
    """Choose a member of a team.

    Args:
        team: who shares, and how.
        cursor: what the last choice for this team returned; 0 at first.
        open_leads: open leads by user; capacities are respected only if given, and `least_loaded` needs it.
    """
    able = [member for member in team.members if member.active and _has_room(member, open_leads)]
    if not able:
        return OwnerChoice(None, cursor, _nobody(team, open_leads or {}))
    if team.strategy == "least_loaded":
        return _least_loaded(team, able, cursor, open_leads or {})
    turns = tuple(member.user for member in team.members)
    if team.strategy == "weighted_round_robin":
        turns = _smooth_turns(tuple((one.user, one.weight) for one in team.members if one.active))
    return _next_turn(turns, {member.user for member in able}, cursor, team.strategy)


def _has_room(member: Member, open_leads: Mapping[str, int] | None) -> bool:
    if open_leads is None or member.capacity is None:
        return True
    return open_leads.get(member.user, 0) < member.capacity


def _nobody(team: Team, open_leads: Mapping[str, int]) -> str:
    active = [member for member in team.members if member.active]
    loads = ", ".join(f"{one.user} {open_leads.get(one.user, 0)}/{one.capacity}" for one in active)
    return f"everybody is at capacity: {loads}" if active else "nobody is active"


def _next_turn(turns: Sequence[str], able: set[str], cursor: int, strategy: str) -> OwnerChoice:
    """Give the turn at the cursor, or the next one of somebody who can take it."""
    for offset in range(len(turns)):
        turn = (cursor + offset) % len(turns)
        if turns[turn] in able:
            skipped = f", {offset} passed over" if offset else ""
            because = f"{strategy.replace('_', ' ')}, turn {turn + 1} of {len(turns)}{skipped}"
            return OwnerChoice(turns[turn], (turn + 1) % len(turns), because)
    raise AssertionError("somebody is able, and everybody active has a turn")


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


def _least_loaded(team: Team, able: list[Member], cursor: int, open_leads: Mapping[str, int]) -> OwnerChoice:
    """Choose who has the fewest open leads for their weight; of equals, the next after the last chosen."""
    places = {member.user: place for place, member in enumerate(team.members)}
    size = len(team.members)
    chosen = min(able, key=lambda one: (open_leads.get(one.user, 0) / one.weight, (places[one.user] - cursor) % size))
    load = open_leads.get(chosen.user, 0)
    return OwnerChoice(chosen.user, (places[chosen.user] + 1) % size, f"least loaded, {load} open leads")


def first_contact_due(playbook: Playbook, sla_name: str, *, now: datetime) -> datetime:
    """Return by when, in UTC, a lead handed over now should have been contacted.

    Raises:
        KeyError: the playbook has no such promise.
    """
    return due(playbook, sla_name, now=now, after=playbook.sla[sla_name].first_contact)


def breaches_due(playbook: Playbook, sla_name: str, *, now: datetime) -> tuple[datetime, ...]:
    """Return when each `breach` of a promise falls due, in the document's order: 200% is twice the open time."""
    promise = playbook.sla[sla_name]
    return tuple(
        due(playbook, sla_name, now=now, after=promise.first_contact * breach.at / 100) for breach in promise.breach
    )


def due(playbook: Playbook, sla_name: str, *, now: datetime, after: timedelta) -> datetime:
    """Return when so much time has passed on the calendar of a promise; without a calendar every hour counts."""
    name = playbook.sla[sla_name].calendar
    if name is None:
        return now.astimezone(UTC) + after
    calendar = playbook.calendars[name]
    holidays = frozenset(calendar.holidays)
    return business_time.due(calendar.week, calendar.zone, holidays, now=now, after=after)
