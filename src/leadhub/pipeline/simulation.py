"""Try a playbook on the leads there are, without any effect: who would be judged differently, and how.

Leads are read in slices by their ids, newest first, each slice in a transaction of its own that only reads: memory
stays flat however many there are, and nothing waits for the simulation. Both playbooks decide as of the same instant.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.domain import owners
from leadhub.domain.changes import Decision
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import Lead
from leadhub.domain.model import Route
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.domain.standing import Move, Moved, Standing
from leadhub.pipeline.recognise import from_row, load_facts
from leadhub.store import driver, followup, leads

SLICE = 500
"""Leads of one read: some megabytes, and a twentieth of a second between two reports of progress."""
_BAND = 10
_LAST = UUID(int=(1 << 128) - 1)

Progress = Callable[[int], Awaitable[None]]
"""Told, after each slice, how many leads were tried so far."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many of the leads a team or an owner would have."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Band:
    """Leads with a total from `low` to `low + 9`; and how many of those now in it sales accepted or rejected."""

    low: int
    before: int
    after: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """What publishing a playbook would change."""

    old: str
    new: str
    leads: int
    complete: bool
    """Whether all leads asked for were tried; False when the limit ended it."""
    changed: int
    """Leads whose stage, temperature or route would be another."""
    rescored: int
    """Leads whose total would be another."""
    moves: tuple[Move, ...]
    """The most frequent first."""
    examples: tuple[Moved, ...]
    teams: tuple[Load, ...]
    owners: tuple[Load, ...]
    """Leads stay with who has them; the others are dealt out by turns, weights, capacity and absences of today."""
    left_out: tuple[str, ...]
    """What dealing them out did not look at."""
    bands: tuple[Band, ...]


LEFT_OUT: Final = ("working hours", "rates", "who had a lead, or others of its company, before")
"""Of what decides who gets a lead: a month of leads is dealt out in one instant, which has no hours and no past."""
NOBODY: Final = "nobody can take it"


async def simulate(
    engine: AsyncEngine,
    old: CompiledPlaybook,
    new: CompiledPlaybook,
    *,
    now: datetime,
    since: datetime | None = None,
    limit: int | None = None,
    examples: int = 20,
    slice_rows: int = SLICE,
    progress: Progress | None = None,
) -> Simulation:
    """Judge leads by two playbooks and return what is different.

    Args:
        engine: where the leads are.
        old: what decides now.
        new: what is tried.
        now: the instant as of which both decide.
        since: only leads that were active, or came, since then.
        limit: at most so many leads, the newest.
        examples: at most so many of the leads that would move.
        slice_rows: leads of one read; between two reads others have their turn.
        progress: told how far it has come.
    """
    async with driver.connect(engine) as connection:
        people = {member.user for team in new.playbook.teams.values() for member in team.members}
        loads = await followup.look_at_loads(connection, people)
    # Rates are left out: what somebody got lately is not counted.
    open_leads = {user: owners.Load(loads[user].open_leads if user in loads else 0) for user in people}
    tally = _Tally(new, examples, now, open_leads)
    async for part in _slices(engine, since=since, limit=limit, rows=slice_rows):
        for lead in part:
            view = lead.view()
            tally.add(lead, old.decide(view, now=now), new.decide(view, now=now))
        if progress is not None:
            await progress(tally.leads)
    return tally.result(old.reference, new.reference, complete=limit is None or tally.leads < limit)


async def count_leads(engine: AsyncEngine, *, since: datetime | None = None) -> int:
    """Return how many leads a simulation without a limit would try."""
    async with driver.connect(engine) as connection:
        return await leads.count_history(connection, since=since)


async def _slices(
    engine: AsyncEngine, *, since: datetime | None, limit: int | None, rows: int
) -> AsyncIterator[list[Lead]]:
    before, left = _LAST, limit
    while left is None or left > 0:
        wanted = rows if left is None else min(rows, left)
        async with driver.transaction(engine) as connection:
            found = await leads.history(connection, before=before, since=since, rows=wanted)
            if not found:
                return
            loaded: dict[LeadId, Lead] = {row["id"]: from_row(row, {}) for row in found}
            await load_facts(connection, loaded)
        yield list(loaded.values())
        before = found[-1]["id"]
        left = None if left is None else left - len(found)


@dataclass(slots=True)
class _Tally:
    """Adds up what is different; keeps counters and a few examples, never the leads."""

    playbook: CompiledPlaybook
    most_examples: int
    now: datetime
    open_leads: dict[str, owners.Load]
    """Of everybody whom the new playbook names: all that they have now, and what they are dealt."""
    leads: int = 0
    changed: int = 0
    rescored: int = 0
    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    examples: list[Moved] = field(default_factory=list)
    teams: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    owners: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    bands: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    answers: tuple[Counter[int], Counter[int]] = field(default_factory=lambda: (Counter(), Counter()))
    cursors: dict[str, int] = field(default_factory=dict)
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of each team who is away today."""

    def add(self, lead: Lead, old: Decision, new: Decision) -> None:
        self.leads += 1
        before, after = Standing.of(old), Standing.of(new)
        if before != after:
            self._note_moves(lead, before, after)
        for decision, teams in zip((old, new), self.teams, strict=True):
            if decision.route is Route.SALES and decision.team is not None:
                teams[decision.team] += 1
        self._note_owners(lead, old, new)
        for standing, bands in zip((before, after), self.bands, strict=True):
            bands[standing.total // _BAND * _BAND] += 1
        if lead.sales_decision is not None:
            accepted = lead.sales_decision in {"accepted", "won", "lost"}
            self.answers[0 if accepted else 1][before.total // _BAND * _BAND] += 1

    def _note_moves(self, lead: Lead, before: Standing, after: Standing) -> None:
        self.rescored += before.total != after.total
        moves = list(before.moves(after))
        self.moves.update(moves)
        self.changed += bool(moves)
        if moves and len(self.examples) < self.most_examples:
            self.examples.append(Moved(lead.lead_id, before, after))

    def _note_owners(self, lead: Lead, old: Decision, new: Decision) -> None:
        """Leave leads with their owners, and deal those out that would come to sales, as routing would."""
        held, dealt = self.owners
        mine = lead.owner if lead.route == Route.SALES else None
        if mine is not None and old.route is Route.SALES:
            held[mine] += 1
        if new.route is not Route.SALES or new.team is None:
            if mine in self.open_leads:
                self.open_leads[mine].give_back()
        elif mine in self.open_leads:
            dealt[mine] += 1
        else:
            dealt[self._dealt(new.team) or NOBODY] += 1

    def _dealt(self, team_name: str) -> str | None:
        """Return who of a team gets one more lead, or None."""
        shifts, team = self.playbook.shifts, self.playbook.playbook.teams[team_name]
        if team_name not in self.absent:
            self.absent[team_name] = {
                member.user: "away" for member in team.members if shifts.away_until(team, member, now=self.now)
            }
        cursor, absent = self.cursors.get(team_name, 0), self.absent[team_name]
        choice = owners.choose_owner(team, cursor=cursor, loads=self.open_leads, now=self.now, absent=absent)
        self.cursors[team_name] = choice.cursor
        if choice.owner is not None:
            self.open_leads[choice.owner].take(None, now=self.now)
        return choice.owner

    def result(self, old: str, new: str, *, complete: bool) -> Simulation:
        return Simulation(
            old=old,
            new=new,
            leads=self.leads,
            complete=complete,
            changed=self.changed,
            rescored=self.rescored,
            moves=tuple(Move(*key, leads) for key, leads in self.moves.most_common()),
            examples=tuple(self.examples),
            teams=_loads(*self.teams),
            owners=_loads(*self.owners),
            left_out=LEFT_OUT,
            bands=tuple(
                Band(low, self.bands[0][low], self.bands[1][low], self.answers[0][low], self.answers[1][low])
                for low in sorted(self.bands[0] | self.bands[1])
            ),
        )


def _loads(before: Counter[str], after: Counter[str]) -> tuple[Load, ...]:
    return tuple(Load(name, before[name], after[name]) for name in sorted(before | after))
