"""`leadhub leads`: who they are, what they are worth, why, and where they went."""

from typing import Any, Literal
from uuid import UUID

from cyclopts import App
from pydantic import ValidationError

from leadhub.cli.console import Columns, clean, note, printable, say, show, show_json
from leadhub.cli.database import an_id, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Json
from leadhub.domain.errors import InvalidInput
from leadhub.domain.feedback import Outcome, Said
from leadhub.domain.ids import LeadId
from leadhub.pipeline import feedback as pipeline
from leadhub.pipeline.editing import Edit, Edited, edit_lead
from leadhub.pipeline.merging import Wish, merge_leads, undo_merge
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.pipeline.queueing import drain_queues
from leadhub.pipeline.saying import Sender
from leadhub.resources import Ids, Resources, clock
from leadhub.store.feedback import StoredFeedback
from leadhub.store.reading import leads as reading
from leadhub.store.reading import merges as reading_merges
from leadhub.store.reading.leads import LeadFilter, LeadRow, LeadRows
from leadhub.store.reading.merges import MergeFilter, MergeRow
from leadhub.store.reading.timeline import timeline

app = App(name="leads")

_TIMELINE = 15


def person(lead: LeadRow) -> str:
    """Return a lead's name, or what else it can be called by."""
    name = " ".join(part for part in (lead.first_name, lead.last_name) if part)
    return name or lead.email or lead.phone or "?"


def destination(lead: LeadRow) -> str:
    """Return where a lead went: `sales emea/dora`, `nurture beginner`, `none`."""
    if lead.route == "sales":
        return f"sales {lead.team or ''}/{lead.owner or 'queue'}"
    return f"nurture {lead.track or '(no track)'}" if lead.route == "nurture" else lead.route


_COLUMNS: Columns = {
    "id": lambda lead: lead.id,
    "person": person,
    "stage": lambda lead: f"{lead.stage} {lead.temperature}",
    "score": lambda lead: f"{lead.score_total} = {lead.score_fit} + {lead.score_engagement}",
    "to": destination,
    "updated": lambda lead: f"{lead.updated_at.astimezone():%m-%d %H:%M:%S}",
}


@app.command(name="list")
def list_(
    *,
    route: Literal["sales", "nurture", "none"] | None = None,
    stage: str | None = None,
    owner: str | None = None,
    limit: int = 50,
    include_test: bool = False,
    as_json: Json = False,
) -> None:
    """List leads, the one that changed last first.

    Args:
        route: Only those that went there.
        stage: Only those at this stage, such as MQL.
        owner: Only those of this person in sales.
        limit: At most so many.
        include_test: Test leads too.
        as_json: Print JSON.
    """
    which = LeadFilter(route=route, stage=stage and stage.upper(), owner=owner, include_test=include_test)

    async def work(resources: Resources) -> list[LeadRow]:
        async with resources.sessions() as session:
            return await reading.list_leads(session, which, order="updated", limit=limit)

    show(use(work), _COLUMNS, empty="No such leads yet.", as_json=as_json)


@app.command(name="show")
def show_(id_: str, /, *, as_json: Json = False) -> None:
    """Show one lead: contact, score line by line, why it went where it went, what happened.

    Args:
        id_: The lead's id; that of one that was merged shows the one it became part of.
        as_json: Print JSON.
    """
    lead_id = LeadId(an_id(id_, "leads"))

    async def work(resources: Resources) -> tuple[LeadRows, list[dict[str, Any]]]:
        async with resources.sessions() as session:
            rows = await reading.get_lead(session, lead_id)
            return rows, await timeline(session, rows.family, most=_TIMELINE)

    rows, entries = use(work)
    if as_json:
        show_json({**rows.lead, "identity_keys": rows.keys, "merges": rows.merges, "timeline": entries})
        return
    _print_contact(rows)
    _print_score(rows.lead)
    _print_timeline(entries)


_ACTOR = "command line"
_MERGES: Columns = {
    "id": lambda row: row.id,
    "merged": lambda row: row.merged_at,
    "lead": lambda row: row.winner_id,
    "was also": lambda row: row.loser_id,
    "by": lambda row: row.actor,
    "because": lambda row: row.because,
    "undone": lambda row: row.undone_at,
}


@app.command
def edit(id_: str, /, *assignments: str) -> None:
    """Write values into a lead that no later submission replaces, or take such values back.

    Args:
        id_: The lead's id.
        assignments: `job_title=CTO` sets a field, `job_title=` takes its edits back.
    """
    fields = dict(_assigned(one) for one in assignments)
    if not fields:
        raise InvalidInput("Name at least one field, as in job_title=CTO.")
    wish = Edit(lead_id=LeadId(an_id(id_, "leads")), fields=fields, actor=_ACTOR)

    async def work(resources: Resources) -> Edited:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        done = await edit_lead(_processing(resources), playbook, wish)
        resources.deliveries_nudge()
        return done

    done = use(work)
    note(f"Changed: {', '.join(done.changed) or 'nothing'}.")
    if done.also_held_by:
        note(f"Also held by: {', '.join(map(str, done.also_held_by))}. `leadhub reviews list` asks who is who.")


def _assigned(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"{printable(name)} has no value: write name=value.")
    return name.strip(), value.strip() or None


@app.command
def merge(winner: str, loser: str, /, *, because: str, although_not_same: Flag = False) -> None:
    """Make one lead of two that are the same person.

    Args:
        winner: The id of the lead that stays, with its owner.
        loser: The id of the lead that becomes part of it; the id goes on to work.
        because: Why, for those who ask later.
        although_not_same: Also if somebody declared that these are two people.
    """
    wish = Wish(
        winner=LeadId(an_id(winner, "leads")),
        loser=LeadId(an_id(loser, "leads")),
        because=because,
        actor=_ACTOR,
        although_not_same=although_not_same,
    )

    async def work(resources: Resources) -> UUID:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        merge_id = await merge_leads(_processing(resources), playbook, wish)
        resources.deliveries_nudge()
        return merge_id

    note(f"Merged. Take it back with `leadhub leads unmerge {use(work)} --because …`.")


@app.command
def unmerge(merge_id: str, /, *, because: str) -> None:
    """Part two people that were taken for one; both are judged anew.

    Args:
        merge_id: The merge's id, as `leadhub leads merges` lists it.
        because: Why, for those who ask later.
    """
    undone = an_id(merge_id, "leads")

    async def work(resources: Resources) -> MergeRow:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        await undo_merge(_processing(resources), playbook, undone, because=because, actor=_ACTOR)
        resources.deliveries_nudge()
        async with resources.sessions() as session:
            return await reading_merges.get_merge(session, undone)

    done = use(work)
    unclear = (done.undone or {}).get("unclear", [])
    note(f"{done.loser_id} lives again beside {done.winner_id}.")
    if unclear:
        note(f"Could be either's and stayed: {', '.join(unclear)}. `leadhub reviews list` asks whose they are.")


@app.command
def merges(*, lead: str | None = None, limit: int = 50, as_json: Json = False) -> None:
    """List merges, newest first: who became part of whom, and who said so.

    Args:
        lead: Only those of the lead with this id, on either side.
        limit: At most so many.
        as_json: Print JSON.
    """
    which = MergeFilter(lead_id=LeadId(an_id(lead, "leads")) if lead else None)

    async def work(resources: Resources) -> list[MergeRow]:
        async with resources.sessions() as session:
            return await reading_merges.list_merges(session, which, limit=limit)

    show(use(work), _MERGES, empty="Nobody was merged yet.", as_json=as_json)


@app.command
def feedback(
    id_: str,
    outcome: Outcome,
    /,
    *,
    reason: str | None = None,
    value: float | None = None,
    currency: str | None = None,
    duplicate_of: str | None = None,
    key: str | None = None,
) -> None:
    """Say what became of a lead in sales: accepted, rejected, reached, won or lost.

    Args:
        id_: The lead's id.
        outcome: What became of it.
        reason: Of a rejection; the playbook names them.
        value: Of a deal.
        currency: Of the value, as EUR.
        duplicate_of: With a rejection: the id of the lead that it is, too.
        key: A word of your own; the same again under it changes nothing.
    """
    lead_id = LeadId(an_id(id_, "leads"))
    other = an_id(duplicate_of, "leads") if duplicate_of else None
    told = {"outcome": outcome, "reason": reason, "value": value, "currency": currency, "duplicate_of": other}
    try:
        said = Said.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{first['loc'][0] if first['loc'] else 'this'}: {first['msg']}") from None

    async def work(resources: Resources) -> StoredFeedback:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        sender = Sender(name=_ACTOR, key=key)
        stored = await pipeline.say(_processing(resources), playbook, lead_id, said, sender=sender)
        await drain_queues(_processing(resources), playbook)
        resources.deliveries_nudge()
        return stored

    note(f"{outcome}: {use(work).effect}.")


def _processing(resources: Resources) -> Processing:
    return Processing(resources.engine, new_id=Ids(), clock=clock, public_url=resources.settings.public_url.rstrip("/"))


def _print_contact(rows: LeadRows) -> None:
    lead = rows.lead
    say(f"[bold]{clean(lead['golden'].get('full_name', {}).get('value') or lead['id'])}[/bold]  {lead['id']}")
    merged = f", {len(rows.family) - 1} merged into it" if len(rows.family) > 1 else ""
    say(f"submissions: {rows.memberships}{merged}")
    for name, golden in lead["golden"].items():
        say(
            f"  {clean(name):<16} {clean(golden['value'])}   "
            f"[dim]{clean(golden['source'])}, {clean(golden['rule'])}[/dim]"
        )


def _print_score(lead: Any) -> None:
    say()
    say(
        f"[bold]{lead['score_total']}[/bold] = {lead['score_fit']} fit + {lead['score_engagement']} engagement, "
        f"{lead['stage']}, {lead['temperature']}"
    )
    for line in (lead["evaluation"] or {}).get("lines", ()):
        say(f"  {line['points']:>+4}  {clean(line['rule']):<24} {clean(line['because'])}")
    where = " ".join(str(lead[name]) for name in ("route", "team", "owner", "track") if lead[name])
    say(f"to [bold]{clean(where)}[/bold]: {clean(lead['route_because'])}")


def _print_timeline(entries: list[dict[str, Any]]) -> None:
    say()
    for entry in entries:
        facts = {name: value for name, value in entry.items() if name not in {"at", "kind"} and value not in (None, {})}
        told = "  ".join(f"{name}={clean(value)}" for name, value in facts.items() if not name.endswith("_id"))
        say(f"{clean(entry['at'])}  {entry['kind']:<10}  {told}")
