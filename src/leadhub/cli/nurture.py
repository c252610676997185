"""`leadhub nurture`: the tracks in numbers, one lead's plan, and a pause for it."""

from datetime import UTC, datetime

from cyclopts import App

from leadhub.cli.console import Columns, note, show
from leadhub.cli.database import an_id, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Json
from leadhub.domain.ids import LeadId
from leadhub.pipeline import nurture
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.resources import Ids, Resources, clock
from leadhub.store.reading import nurture as reading
from leadhub.store.reading.nurture import PlanRow, TrackRow

app = App(name="nurture")

_TRACKS: Columns = {
    "track": lambda row: row.track,
    "leads": lambda row: row.leads,
    "due": lambda row: row.due,
    "waiting": lambda row: row.waiting,
    "leased": lambda row: row.leased,
    "sent": lambda row: row.sent,
}
_PLAN: Columns = {
    "track": lambda row: row.track,
    "step": lambda row: row.step,
    "channel": lambda row: row.channel,
    "content": lambda row: row.content,
    "state": lambda row: row.state,
    "due": lambda row: row.due_at,
    "sent": lambda row: row.sent_at,
    "attempt": lambda row: row.attempt,
    "because": lambda row: row.because,
}


@app.command
def tracks(*, as_json: Json = False) -> None:
    """List the playbook's tracks: how many leads are on each, what is due, waits, is leased and was sent.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[TrackRow]:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        section = playbook.playbook.nurture
        async with resources.sessions() as session:
            return await reading.tracks(session, [one.id for one in section.tracks] if section else [], now=now())

    show(use(work), _TRACKS, empty="The playbook has no tracks.", as_json=as_json)


@app.command
def lead(id_: str, /, *, as_json: Json = False) -> None:
    """Show what a lead got and is to get, and why something waits.

    Args:
        id_: The lead's id.
        as_json: Print JSON.
    """
    lead_id = an_id(id_, "leads")

    async def work(resources: Resources) -> list[PlanRow]:
        async with resources.sessions() as session:
            return await reading.plan_of(session, lead_id)

    show(use(work), _PLAN, empty="No step was planned for this lead.", as_json=as_json)


@app.command
def hold(id_: str, /, *, until: datetime | None = None, signal: str | None = None, because: str) -> None:
    """Let a lead's next step wait until a time or a signal, whichever comes first.

    Args:
        id_: The lead's id.
        until: When, in UTC unless it says otherwise: 2026-02-01T09:00. A time that is past lets it come at once.
        signal: A signal of the playbook: hand_raise.
        because: Why, for those who ask later.
    """
    lead_id = LeadId(an_id(id_, "leads"))
    if until is None and signal is None:
        raise UserError("Say until when it waits, or for which signal: --until, --signal.")
    instant = until.replace(tzinfo=UTC) if until is not None and until.tzinfo is None else until

    async def work(resources: Resources) -> None:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        processing = Processing(resources.engine, Ids(), clock)
        await nurture.hold(processing, playbook, lead_id, until=instant, signal=signal, because=because)

    use(work)
    ends = [f"{instant:%Y-%m-%d %H:%M %Z}"] if instant else []
    note(f"Held until {' or '.join([*ends, *([f'{signal} holds'] if signal else [])])}.")
