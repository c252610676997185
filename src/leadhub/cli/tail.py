"""`leadhub tail`: leads as they come and change, a line each."""

import asyncio
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson

from leadhub.cli.console import clean, note, say
from leadhub.cli.database import now, use
from leadhub.cli.leads import destination, person
from leadhub.cli.options import Json
from leadhub.resources import Resources
from leadhub.store.reading.leads import LeadFilter, LeadRow, list_leads

_EVERY_SECONDS = 0.5
_OVERLAP = timedelta(seconds=10)
"""A batch is stamped when it begins and seen when it commits: what was stamped a little earlier is looked for again."""
_MOST = 1_000
_COLOURS = {"sales": "green", "nurture": "cyan", "none": "yellow"}


def tail(*, route: Literal["sales", "nurture", "none"] | None = None, as_json: Json = False) -> None:
    """Follow leads as they come and change, until Ctrl-C.

    Args:
        route: Only those that went there.
        as_json: Print a JSON object a line.
    """

    async def work(resources: Resources) -> None:
        await _follow(resources, route, as_json=as_json)

    use(work)


async def _follow(resources: Resources, route: str | None, *, as_json: bool) -> None:
    began = now()
    seen: dict[UUID, datetime] = {}
    is_first = True
    while True:
        since = max(began, now() - _OVERLAP)
        async with resources.sessions() as session:
            which = LeadFilter(route=route, updated_from=since, include_test=True)
            rows = await list_leads(session, which, order="updated", limit=_MOST)
        if is_first:
            note("following leads; stop with Ctrl-C")
            is_first = False
        for lead in reversed(rows):
            if seen.get(lead.id) != lead.updated_at:
                _print(lead, is_new=lead.created_at >= began and lead.id not in seen, as_json=as_json)
            seen[lead.id] = lead.updated_at
        seen = {id_: at for id_, at in seen.items() if at >= since - _OVERLAP}
        await asyncio.sleep(_EVERY_SECONDS)


def _print(lead: LeadRow, *, is_new: bool, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(lead, default=str).decode(), flush=True)
        return
    colour = _COLOURS.get(lead.route, "white")
    score = f"{lead.score_total:>3} = {lead.score_fit:>3} + {lead.score_engagement:<3}"
    say(
        f"{lead.updated_at.astimezone():%H:%M:%S}  {'new    ' if is_new else 'changed'}  {lead.id}  {score}  "
        f"{lead.stage:<12} {lead.temperature:<4}  [{colour}]{clean(destination(lead)):<18}[/{colour}]  "
        f"{clean(person(lead))}"
    )
