"""`leadhub replays`: deliver again what happened."""

from dataclasses import asdict
from datetime import UTC, datetime

from cyclopts import App

from leadhub.cli.console import Columns, clean, note, say, show, show_json, show_one
from leadhub.cli.database import an_id, entropy, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Json, Several
from leadhub.domain.events import EVENT_TYPES
from leadhub.domain.ids import EndpointId, LeadId, ReplayId
from leadhub.pipeline import replaying
from leadhub.pipeline.replaying import Preview, Wish
from leadhub.resources import Resources
from leadhub.store import replays as stored
from leadhub.store.replays import Replay

app = App(name="replays")

_MOST = 200
_MOST_A_SECOND = 1_000
_COLUMNS: Columns = {
    "id": lambda replay: replay.id,
    "state": lambda replay: replay.state,
    "because": lambda replay: replay.state_because,
    "examined": lambda replay: f"{replay.examined} of {replay.total}",
    "queued": lambda replay: replay.queued,
    "endpoint": lambda replay: replay.selection.endpoint_id,
    "begun": lambda replay: replay.created_at,
}


@app.command
def preview(
    endpoint: str,
    since: str,
    /,
    *,
    until: str | None = None,
    event: Several = (),
    lead: str | None = None,
    undelivered: Flag = False,
    as_json: Json = False,
) -> None:
    """Say what a replay would send, and send nothing.

    Args:
        endpoint: The id of the endpoint to deliver to: the one that missed it, or another one.
        since: Events from then on: 2026-01-15T09:30, in local time unless it says otherwise.
        until: And before then; without it: before now.
        event: Type of event; repeat it for several. Without it: those that the endpoint subscribes to.
        lead: Only those about the lead with this id.
        undelivered: Pass over what the endpoint has already.
        as_json: Print JSON.
    """
    wish = _wish(endpoint, since, until, event, lead, undelivered=undelivered)

    async def work(resources: Resources) -> Preview:
        return await replaying.preview(resources.sessions, wish, now=now())

    found = use(work)
    if as_json:
        sample = [{"id": one.id, "type": one.type, "occurred_at": one.occurred_at} for one in found.sample]
        show_json({"total": found.total, "sample": sample})
        return
    say(f"[bold]{found.total}[/bold] events{' or more' if found.total >= stored.MOST_COUNTED else ''}; the first:")
    for one in found.sample:
        say(f"  {clean(one.occurred_at)}  {clean(one.type)}  {one.id}")


@app.command
def start(
    endpoint: str,
    since: str,
    /,
    *,
    until: str | None = None,
    event: Several = (),
    lead: str | None = None,
    undelivered: Flag = False,
    per_second: int = 50,
) -> None:
    """Deliver again what happened; workers do it, what is new goes first. See `leadhub replays preview` before.

    Args:
        endpoint: The id of the endpoint to deliver to: the one that missed it, or another one.
        since: Events from then on: 2026-01-15T09:30, in local time unless it says otherwise.
        until: And before then; without it: before now.
        event: Type of event; repeat it for several. Without it: those that the endpoint subscribes to.
        lead: Only those about the lead with this id.
        undelivered: Pass over what the endpoint has already.
        per_second: Queue at most so many a second.
    """
    if not 1 <= per_second <= _MOST_A_SECOND:
        raise UserError(f"--per-second {per_second} is out of bounds.", f"It goes from 1 to {_MOST_A_SECOND}.")
    wish = _wish(endpoint, since, until, event, lead, undelivered=undelivered)

    async def work(resources: Resources) -> Replay:
        return await replaying.start(
            resources.sessions, wish, per_second=per_second, actor="command line", now=now(), entropy=entropy
        )

    begun = use(work)
    say(str(begun.id))
    note(f"It goes through {begun.total} events. Follow it: leadhub replays show {begun.id}")


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List replays, newest first.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[Replay]:
        async with resources.sessions() as session:
            return await stored.list_replays(session, limit=_MOST)

    show(use(work), _COLUMNS, empty="Nothing was ever replayed.", as_json=as_json)


@app.command(name="show")
def show_(id_: str, /, *, as_json: Json = False) -> None:
    """Show how far a replay has come.

    Args:
        id_: The replay's id.
        as_json: Print JSON.
    """
    replay_id = _id(id_)

    async def work(resources: Resources) -> tuple[Replay, dict[str, int]]:
        async with resources.sessions() as session:
            return await stored.get_replay(session, replay_id), dict(await stored.progress(session, replay_id))

    replay, deliveries = use(work)
    if as_json:
        show_json({**asdict(replay), "deliveries": deliveries})
        return
    told = ", ".join(f"{number} {state}" for state, number in sorted(deliveries.items())) or "none yet"
    shown = {name: read(replay) for name, read in _COLUMNS.items()}
    show_one({**shown, "deliveries": told})


@app.command
def pause(id_: str, /) -> None:
    """Queue no more; what is queued already, at most a few hundred, is still sent.

    Args:
        id_: The replay's id.
    """
    replay_id = _id(id_)

    async def work(resources: Resources) -> Replay:
        return await replaying.pause(resources.sessions, replay_id)

    note(f"Paused after {use(work).examined} events.")


@app.command
def resume(id_: str, /) -> None:
    """Go on where it was paused.

    Args:
        id_: The replay's id.
    """
    replay_id = _id(id_)

    async def work(resources: Resources) -> Replay:
        return await replaying.resume(resources.sessions, replay_id)

    note(f"It goes on after {use(work).examined} events.")


@app.command
def cancel(id_: str, /) -> None:
    """Queue no more, and take back what nobody has begun to send.

    Args:
        id_: The replay's id.
    """
    replay_id = _id(id_)

    async def work(resources: Resources) -> Replay:
        return await replaying.cancel(resources.sessions, replay_id, now=now())

    note(f"Cancelled after {use(work).examined} events.")


def _wish(
    endpoint: str, since: str, until: str | None, event: tuple[str, ...], lead: str | None, *, undelivered: bool
) -> Wish:
    if unknown := set(event) - set(EVENT_TYPES):
        raise UserError(f"There is no event {min(unknown)}.", f"Known: {', '.join(EVENT_TYPES)}.")
    return Wish(
        endpoint_id=EndpointId(an_id(endpoint, "endpoints")),
        since=_instant(since),
        until=_instant(until) if until else None,
        event_types=event,
        lead_id=LeadId(an_id(lead, "leads")) if lead else None,
        only_undelivered=undelivered,
    )


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UserError(f"'{text}' is no date and time.", "Write it as 2026-01-15T09:30.") from None


def _id(text: str) -> ReplayId:
    return ReplayId(an_id(text, "replays"))
