"""Where a lead goes: route and team, and by when somebody should have called.

The route is total: every lead has one, and the rule that gave it. Who of the team gets it: `domain.owners`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from leadhub.domain import business_time
from leadhub.domain.context import Context, NextChange, Scope
from leadhub.domain.model import Route, RoutingDecision
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_people import Breach, ToTeam
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
        return RoutingDecision(route, rule.id, because, team, rule.sla, self._beaten(index, context))

    def _beaten(self, index: int, context: Context) -> str | None:
        """Return the rule that would have decided otherwise: the next one below that matches, too."""
        for below in range(index + 1, len(self.rules.rungs)):
            rung = self.rules.rungs[below]
            if rung is None or rung.holds(context):
                return self.playbook.routing.rules[below].id
        return None

    @property
    def changes(self) -> tuple[NextChange, ...]:
        """When time alone may change the route or the team."""
        return self.rules.changes + self.territories.changes


def compile_routes(playbook: Playbook, scope: Scope) -> Routes:
    """Compile the routing and territory sections."""
    rules = Ladder.of([rule.when for rule in playbook.routing.rules], scope)
    territories = Ladder.of([territory.when for territory in playbook.territories or ()], scope)
    return Routes(playbook, rules, territories)


def first_contact_due(playbook: Playbook, sla_name: str, *, now: datetime) -> datetime:
    """Return by when, in UTC, a lead handed over now should have been contacted.

    Raises:
        KeyError: the playbook has no such promise.
    """
    return due(playbook, sla_name, now=now, after=playbook.sla[sla_name].first_contact)


@dataclass(frozen=True, slots=True)
class PromiseStep:
    """What happens when so much of a promised time has passed without contact."""

    at: datetime
    """In UTC."""
    share: int
    """Percent of the promised time: below 100 a warning, from 100 on a breach."""
    do: str
    """warn, notify, reassign or escalate."""
    notify: tuple[str, ...] = ()
    to: str | None = None
    """To whom it is escalated."""


def promise_steps(playbook: Playbook, sla_name: str, *, now: datetime) -> tuple[PromiseStep, ...]:
    """Return what happens, and when, unless a lead handed over now is contacted; in order of time.

    That a promise was broken is always told, also where the document names nothing to be done.

    Raises:
        KeyError: the playbook has no such promise.
    """
    promise = playbook.sla[sla_name]
    breaches = promise.breach
    if not any(one.at >= _WHOLE for one in breaches):
        breaches = (*breaches, Breach(at=_WHOLE, do="notify", notify=("owner",)))

    def at(share: int) -> datetime:
        return due(playbook, sla_name, now=now, after=promise.first_contact * share / _WHOLE)

    steps = [PromiseStep(at(one.at), one.at, one.do, one.notify, one.to) for one in breaches]
    if promise.warn is not None:
        steps.append(PromiseStep(at(promise.warn), promise.warn, "warn", ("owner",)))
    return tuple(sorted(steps, key=lambda step: step.share))


_WHOLE = 100


def due(playbook: Playbook, sla_name: str, *, now: datetime, after: timedelta) -> datetime:
    """Return when so much time has passed on the calendar of a promise; without a calendar every hour counts."""
    name = playbook.sla[sla_name].calendar
    if name is None:
        return now.astimezone(UTC) + after
    calendar = playbook.calendars[name]
    holidays = frozenset(calendar.holidays)
    return business_time.due(calendar.week, calendar.zone, holidays, now=now, after=after)


def time_taken(playbook: Playbook, sla_name: str, *, since: datetime, until: datetime) -> timedelta:
    """Return how much time has passed on the calendar of a promise; real time if the document has no such promise."""
    promise = playbook.sla.get(sla_name)
    if promise is None or promise.calendar is None:
        return max(until - since, timedelta(0))
    calendar = playbook.calendars[promise.calendar]
    holidays = frozenset(calendar.holidays)
    return business_time.elapsed(calendar.week, calendar.zone, holidays, since=since, until=until)
