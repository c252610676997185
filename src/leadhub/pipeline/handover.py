"""Give leads to people in sales: the state under lock, and the choice for one lead after the other.

    lock teams, then owners → sticky owner → the company's owner → whoever waits comes first → the team's strategy

Turns and loads are read once a batch and written once, with all that the batch changes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadhub.domain import owners
from leadhub.domain.ids import LeadId
from leadhub.domain.lead import Lead
from leadhub.domain.owners import Load, OwnerChoice, Reasons
from leadhub.domain.playbook_people import Team
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.store import followup
from leadhub.store.driver import Connection
from leadhub.store.followup import Account, Former

_UNKNOWN: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """That a lead which sales has changes hands, or leaves the queue."""

    assignment: Mapping[str, Any]
    """The open one."""
    why: str
    """What is noted of it when it ends."""
    not_to: frozenset[str] = frozenset()
    to: str | None = None
    """To somebody by name, whatever there is to do; None: whoever's turn it is."""
    to_queue: bool = False
    stays: bool = False
    """Whether everything stays as it is if nobody can take the lead."""


@dataclass(frozen=True, slots=True)
class Handed:
    """Who has a lead now: somebody, or a queue."""

    owner: str | None
    because: str
    beat: Sequence[tuple[str, str]] = _UNKNOWN
    queue: str | None = None


@dataclass(slots=True)
class Floor:
    """The sales floor of some teams, locked until the commit."""

    playbook: CompiledPlaybook
    now: datetime
    cursors: dict[str, int]
    loads: dict[str, Load]
    waiting: set[str]
    """Teams for which leads wait."""
    accounts: dict[tuple[str, str], Account]
    former: Mapping[LeadId, Former]
    _changed: set[str] = field(default_factory=set)
    """Owners whose load is another now."""
    _moved_accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    _absent: dict[str, dict[str, str]] = field(default_factory=dict)

    def hand_over(self, lead: Lead, team_name: str) -> Handed:
        """Choose who gets a lead that comes to sales."""
        team = self._team(team_name)
        stuck, note = self._former_owner(lead, team_name, team)
        if stuck is None:
            stuck, account_note = self._account_owner(lead, team_name, team)
            note = "; ".join(filter(None, (note, account_note)))
        if stuck is not None:
            return self._given(lead, team_name, team, OwnerChoice(stuck, self.cursors[team_name], note))
        queue = self.queue_of(team_name)
        if team_name in self.waiting:
            return Handed(None, _joined(f"waits in {queue} behind others", note), queue=queue)
        return self._chosen(lead, team_name, team, note)

    def move(self, lead: Lead, team_name: str, move: Move) -> Handed | None:
        """Choose who gets a lead that sales has already; None if it stays where it is."""
        team = self._team(team_name)
        if move.to_queue:
            self.waiting.add(team_name)
            return Handed(None, move.why, queue=self.queue_of(team_name))
        if move.to is not None:
            return self._given(lead, team_name, team, OwnerChoice(move.to, self.cursors[team_name], move.why))
        not_to = dict.fromkeys(move.not_to, "had it already")
        handed = self._chosen(lead, team_name, team, move.why, not_to)
        return None if handed.owner is None and move.stays else handed

    def give_back(self, owner: str | None, *, owed: bool = False) -> None:
        """Count a lead less for its owner."""
        if owner is not None:
            self._changed.add(owner)
            self.loads[owner].give_back(owed=owed)

    def queue_of(self, team_name: str) -> str:
        """Return the name of the queue in which a team's leads wait."""
        nobody = self.playbook.playbook.routing.no_capacity
        return nobody.queue if nobody else team_name

    def cursor_rows(self) -> list[dict[str, Any]]:
        """Return whose turn is next, team by team."""
        return [{"team": team, "position": position} for team, position in self.cursors.items()]

    def load_rows(self) -> list[dict[str, Any]]:
        """Return the loads that changed."""
        return [
            {"owner": owner, "open_leads": load.open_leads, "recent": load.recent, "credit": load.credit}
            for owner in sorted(self._changed)
            for load in (self.loads[owner],)
        ]

    def account_rows(self) -> list[dict[str, Any]]:
        """Return who got leads of which company."""
        return [
            {"team": team, "domain": domain, "owner": one.owner, "handed_over_at": one.handed_over_at}
            for (team, domain), one in self._moved_accounts.items()
        ]

    def _team(self, name: str) -> Team:
        return self.playbook.playbook.teams[name]

    def _chosen(self, lead: Lead, team_name: str, team: Team, note: str, not_to: Reasons | None = None) -> Handed:
        """Let the team's strategy choose; nobody: the lead waits in a queue."""
        choice = owners.choose_owner(
            team,
            cursor=self.cursors[team_name],
            loads=self.loads,
            now=self.now,
            absent=self._absent_of(team_name, team),
            not_to=not_to,
        )
        if choice.owner is None:
            self.waiting.add(team_name)
            return Handed(None, _joined(choice.because, note), choice.beat, self.queue_of(team_name))
        if choice.uses_credit:
            self.loads[choice.owner].credit -= 1
        self.cursors[team_name] = choice.cursor
        handed = self._given(lead, team_name, team, choice)
        return Handed(handed.owner, _joined(choice.because, note), choice.beat)

    def _given(self, lead: Lead, team_name: str, team: Team, choice: OwnerChoice) -> Handed:
        owner = choice.owner
        if owner is not None:
            rate = next((member.rate for member in team.members if member.user == owner), None)
            self._changed.add(owner)
            self.loads[owner].take(rate, now=self.now)
            domain = account_of(lead, self.playbook)
            if domain is not None and any(member.user == owner for member in team.members):
                account = Account(owner, self.now)
                self.accounts[team_name, domain] = self._moved_accounts[team_name, domain] = account
        return Handed(owner, choice.because, choice.beat)

    def _former_owner(self, lead: Lead, team_name: str, team: Team) -> tuple[str | None, str]:
        """Return who had the lead and has it again, with the reason; else None and, if there was somebody, why not."""
        sticky, former = self.playbook.playbook.routing.sticky_owner, self.former.get(lead.lead_id)
        if not sticky.respect or former is None:
            return None, ""
        if sticky.release_after is not None and self.now - former.released_at >= sticky.release_after:
            return None, f"{former.owner} had it too long ago"
        load = self.loads[former.owner]
        absent = self._absent_of(team_name, team)
        against = owners.keeps(team, former.owner, sticky, load, now=self.now, absent=absent)
        if against is not None:
            return None, f"{former.owner}, who had it, {against}"
        return former.owner, f"stays with {former.owner}, who had it"

    def _account_owner(self, lead: Lead, team_name: str, team: Team) -> tuple[str | None, str]:
        """Return who has the other leads of the company, likewise."""
        sticky, domain = self.playbook.playbook.routing.sticky_account, account_of(lead, self.playbook)
        account = self.accounts.get((team_name, domain)) if domain is not None else None
        if sticky is None or account is None:
            return None, ""
        if sticky.release_after is not None and self.now - account.handed_over_at >= sticky.release_after:
            return None, ""
        member = next((one for one in team.members if one.user == account.owner), None)
        if member is None:
            return None, ""
        load, absent = self.loads[account.owner], self._absent_of(team_name, team)
        if against := owners.why_not(member, load, now=self.now) or absent.get(account.owner):
            return None, f"{account.owner}, who has this company, is {against}"
        return account.owner, f"{account.owner} has this company"

    def _absent_of(self, team_name: str, team: Team) -> dict[str, str]:
        if team_name not in self._absent:
            self._absent[team_name] = self.playbook.shifts.absent(team, now=self.now)
        return self._absent[team_name]


async def open_floor(
    connection: Connection,
    playbook: CompiledPlaybook,
    comers: Iterable[tuple[Lead, str]],
    *,
    returning: Collection[LeadId],
    freed: Collection[str],
    now: datetime,
) -> Floor:
    """Lock the teams that get leads, and everybody who gets or gives some.

    Args:
        connection: in a transaction that holds the leads.
        playbook: what decides.
        comers: leads that go to a team, with its name.
        returning: those of them that sales may have had before.
        freed: owners that have a lead less, and those that get one by name.
        now: the instant of the hand-over.
    """
    comers = list(comers)
    names = {team for _, team in comers}
    accounts = {(team, domain) for lead, team in comers if (domain := account_of(lead, playbook)) is not None}
    former = await followup.former_owners(connection, list(returning))
    cursors = await followup.lock_cursors(connection, names) if names else {}
    waiting, known = await followup.look_around(connection, names, accounts) if names else (set(), {})
    people = {member.user for name in names for member in playbook.playbook.teams[name].members}
    people |= {one.owner for one in former.values()} | {one.owner for one in known.values()} | set(freed)
    loads = await followup.lock_loads(connection, people) if people else {}
    return Floor(playbook, now, cursors, loads, waiting, known, former)


def account_of(lead: Lead, playbook: CompiledPlaybook) -> str | None:
    """Return the domain by which a lead's company is told, or None: it is unknown, or nobody's own."""
    sticky = playbook.playbook.routing.sticky_account
    golden = lead.golden.get("company_domain")
    if sticky is None or not sticky.respect or golden is None:
        return None
    domain = str(golden.value)
    return None if domain in playbook.playbook.expand(sticky.except_ or ()) else domain


def _joined(because: str, note: str) -> str:
    return f"{because}; {note}" if note else because
