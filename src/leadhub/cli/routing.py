"""`leadhub routing`: who in sales is at work, who has how much to do, and which leads wait."""

from dataclasses import dataclass

from cyclopts import App

from leadhub.cli.console import Columns, show
from leadhub.cli.database import now, use
from leadhub.cli.options import Json
from leadhub.pipeline import floor
from leadhub.pipeline.floor import TeamState
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.resources import Resources
from leadhub.store.reading import routing as reading
from leadhub.store.reading.routing import QueuedLead

app = App(name="routing")


@dataclass(frozen=True, slots=True)
class _Place:
    """Somebody's place in a team."""

    team: str
    user: str
    open_leads: int
    capacity: int | None
    weight: int
    credit: int
    at_work: bool
    can_take: bool
    because: str | None
    waiting: int


_TEAMS: Columns = {
    "team": lambda row: row.team,
    "who": lambda row: row.user,
    "open": lambda row: f"{row.open_leads}/{row.capacity}" if row.capacity else row.open_leads,
    "weight": lambda row: row.weight,
    "at work": lambda row: "yes" if row.at_work else "no",
    "next lead": lambda row: row.because or ("owed a turn" if row.credit else "can take it"),
    "waiting": lambda row: row.waiting,
}
_QUEUE: Columns = {
    "id": lambda row: row.lead_id,
    "queue": lambda row: row.queue,
    "team": lambda row: row.team,
    "since": lambda row: row.routed_at,
    "due": lambda row: row.due_at,
    "because": lambda row: row.because,
}


@app.command
def teams(*, as_json: Json = False) -> None:
    """List everybody in sales: at work now or not, with how many open leads, and whether the next can go to them.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[TeamState]:
        at = now()
        playbook = await ActivePlaybook(resources.sessions).current(now=at)
        async with resources.sessions() as session:
            return await floor.look(session, playbook, now=at)

    show(
        [place for team in use(work) for place in _places(team)],
        _TEAMS,
        empty="The playbook names no team.",
        as_json=as_json,
    )


@app.command
def queue(name: str | None = None, /, *, limit: int = 50, as_json: Json = False) -> None:
    """List leads that wait because nobody of their team can take one, the longest waiting first.

    Args:
        name: Only those in this queue.
        limit: At most so many.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[QueuedLead]:
        async with resources.sessions() as session:
            return await reading.queue(session, name=name, limit=limit)

    show(use(work), _QUEUE, empty="Nobody waits.", as_json=as_json)


def _places(team: TeamState) -> list[_Place]:
    if team.strategy == floor.GONE:
        because = "the playbook has no such team any more"
        gone = _Place(
            team.team, "", 0, None, 0, 0, at_work=False, can_take=False, because=because, waiting=team.waiting
        )
        return [gone]
    return [
        _Place(
            team.team,
            member.user,
            member.open_leads,
            member.capacity,
            member.weight,
            member.credit,
            member.at_work,
            member.can_take,
            member.because,
            team.waiting,
        )
        for member in team.members
    ]
