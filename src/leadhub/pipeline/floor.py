"""The sales floor as people look at it: teams, who is at work, who can take a lead, what waits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain import owners
from leadhub.domain.playbook_people import Team
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.store.reading import routing as reading
from leadhub.store.reading.routing import Waiting

GONE = "gone"
"""In place of a strategy: the playbook does not name this team any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberState:
    """Somebody of a team now."""

    user: str
    weight: int
    open_leads: int
    capacity: int | None
    credit: int
    """Turns owed."""
    at_work: bool
    can_take: bool
    because: str | None
    """Why no lead can go to them now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamState:
    """A team now."""

    team: str
    strategy: str
    waiting: int
    waiting_since: datetime | None
    members: tuple[MemberState, ...]


async def look(session: AsyncSession, playbook: CompiledPlaybook, *, now: datetime) -> list[TeamState]:
    """Return how every team stands; one that is not in the playbook any more is listed as long as leads wait for it."""
    loads, waiting = await reading.loads(session), await reading.waiting(session)
    teams = [_team(name, team, playbook, loads, waiting, now=now) for name, team in playbook.playbook.teams.items()]
    gone = [one for name, one in waiting.items() if name not in playbook.playbook.teams]
    return teams + [
        TeamState(team=one.team, strategy=GONE, waiting=one.leads, waiting_since=one.since, members=()) for one in gone
    ]


def _team(
    name: str,
    team: Team,
    playbook: CompiledPlaybook,
    loads: Mapping[str, owners.Load],
    waiting: Mapping[str, Waiting],
    *,
    now: datetime,
) -> TeamState:
    absent = playbook.shifts.absent(team, now=now)
    members = []
    for member in team.members:
        load = loads.get(member.user, owners.NOTHING)
        because = owners.why_not(member, load, now=now) or absent.get(member.user)
        members.append(
            MemberState(
                user=member.user,
                weight=member.weight,
                open_leads=load.open_leads,
                capacity=member.capacity,
                credit=load.credit,
                at_work=member.active and member.user not in absent,
                can_take=because is None,
                because=because,
            )
        )
    queue = waiting.get(name)
    return TeamState(
        team=name,
        strategy=team.strategy,
        waiting=queue.leads if queue else 0,
        waiting_since=queue.since if queue else None,
        members=tuple(members),
    )
