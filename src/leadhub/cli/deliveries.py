"""`leadhub deliveries`: what was sent to whom, and how it ended."""

from dataclasses import asdict
from datetime import UTC
from typing import Literal

from cyclopts import App

from leadhub.cli.console import Columns, clean, note, say, show, show_json
from leadhub.cli.database import an_id, now, use
from leadhub.cli.options import Json
from leadhub.domain.attempt import Outcome
from leadhub.domain.ids import DeliveryId
from leadhub.domain.why import Why
from leadhub.domain.why import why as reason_of
from leadhub.outbound.jsonl import is_file
from leadhub.resources import Resources
from leadhub.store import deliveries as stored
from leadhub.store.reading import deliveries as reading
from leadhub.store.reading.deliveries import AttemptRow, DeliveryDetail, DeliveryFilter, DeliveryRow

app = App(name="deliveries")

_COLUMNS: Columns = {
    "id": lambda row: row.id,
    "event": lambda row: row.event_type,
    "state": lambda row: row.state,
    "outcome": lambda row: row.outcome,
    "tries": lambda row: row.attempts,
    "next": lambda row: row.due_at if row.state == "pending" else None,
    "finished": lambda row: row.finished_at,
    "endpoint": lambda row: row.endpoint_id,
}
State = Literal["pending", "leased", "delivered", "held", "dead", "cancelled"]


@app.command(name="list")
def list_(
    *,
    state: State | None = None,
    endpoint: str | None = None,
    lead: str | None = None,
    limit: int = 50,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first.

    Args:
        state: Only those in this state.
        endpoint: Only those to the endpoint with this id.
        lead: Only those about the lead with this id.
        limit: At most so many.
        as_json: Print JSON.
    """
    which = DeliveryFilter(
        state=state,
        endpoint_id=an_id(endpoint, "endpoints") if endpoint else None,
        lead_id=an_id(lead, "leads") if lead else None,
    )

    async def work(resources: Resources) -> list[DeliveryRow]:
        async with resources.sessions() as session:
            return await reading.list_deliveries(session, which, limit=limit)

    show(use(work), _COLUMNS, empty="No such deliveries.", as_json=as_json)


@app.command(name="show")
def show_(id_: str, /, *, as_json: Json = False) -> None:
    """Show one delivery with every try.

    Args:
        id_: The delivery's id.
        as_json: Print JSON.
    """
    delivery_id = DeliveryId(an_id(id_, "deliveries"))

    async def work(resources: Resources) -> DeliveryDetail:
        async with resources.sessions() as session:
            return await reading.get_delivery(session, delivery_id)

    found = use(work)
    if as_json:
        show_json({**asdict(found.delivery), "attempts_made": [asdict(one) for one in found.attempts]})
        return
    delivery = found.delivery
    say(f"[bold]{clean(delivery.event_type)}[/bold] to {clean(found.endpoint_url or 'a deleted endpoint')}")
    said = f" ({clean(delivery.outcome)})" if delivery.outcome not in {None, delivery.state} else ""
    say(f"{delivery.state}{said}; event {delivery.event_id}, lead {delivery.lead_id}")
    if found.endpoint_because:
        say(f"the endpoint is {clean(found.endpoint_state)}: {clean(found.endpoint_because)}")
    for attempt in found.attempts:
        took = f"{attempt.duration_ms} ms" if attempt.duration_ms is not None else "under way"
        say(
            f"  {attempt.number:>3}  {clean(attempt.started_at)}  {attempt.status or '-':<4} {took:>9}  "
            f"{clean(attempt.because or attempt.outcome)}{_split(attempt)}"
        )


def _split(attempt: AttemptRow) -> str:
    """Say where the time of an attempt went, and whom it reached."""
    parts = {
        "name": attempt.dns_ms,
        "connect": attempt.connect_ms,
        "TLS": attempt.tls_ms,
        "first byte": attempt.first_byte_ms,
    }
    told = [f"{name} {took} ms" for name, took in parts.items() if took is not None]
    return f" ({', '.join([*told, f'from {attempt.remote_ip}'])})" if attempt.remote_ip else ""


@app.command
def why(id_: str, /, *, as_json: Json = False) -> None:
    """Say why a delivery is where it is, and what would help.

    Args:
        id_: The delivery's id.
        as_json: Print JSON.
    """
    delivery_id = DeliveryId(an_id(id_, "deliveries"))

    async def work(resources: Resources) -> DeliveryDetail:
        async with resources.sessions() as session:
            return await reading.get_delivery(session, delivery_id)

    found = use(work)
    reason = reason_of(found.situation, now=now())
    if as_json:
        then = [f"leadhub {command}" for command in _commands(found, reason)]
        show_json({"id": found.delivery.id, "state": found.delivery.state, **asdict(reason), "then": then})
        return
    say(f"[bold]{found.delivery.state}[/bold]: {clean(reason.because)}")
    if reason.remedy:
        say(f"To mend it: {clean(reason.remedy)}.")
    for command in _commands(found, reason):
        note(f"  leadhub {command}")


_AT_ITS_URL = frozenset({Outcome.REDIRECTED, Outcome.DNS, Outcome.PROTOCOL, Outcome.BLOCKED})
"""Outcomes that another URL mends; with it, what waits is tried again by itself."""


def _commands(found: DeliveryDetail, reason: Why) -> list[str]:
    """Return what to type to mend it, in this order; for one that waits for its turn, nothing."""
    delivery = found.delivery
    if reason.remedy is None or found.endpoint_state is None:
        return []
    is_at_its_url = delivery.outcome in _AT_ITS_URL and not is_file(found.endpoint_url or "")
    change = [f"endpoints set {delivery.endpoint_id} --url URL"] if is_at_its_url else []
    if delivery.state == "held":
        return change or [f"endpoints resume {delivery.endpoint_id}"]
    if found.situation.behind:
        return [f"deliveries why {found.situation.behind}"]
    if change and delivery.state == "pending":
        return change
    if delivery.state == "dead":  # it is hardly the only one
        since = delivery.created_at.astimezone(UTC)
        missed = [f"replays start {delivery.endpoint_id} {since:%Y-%m-%dT%H:%MZ} --undelivered"]
    else:
        missed = []
    return [*change, f"deliveries resend {delivery.id}", *missed]


@app.command
def resend(id_: str, /) -> None:
    """Send a delivery again, whatever became of it; the receiver knows the repeat by its webhook-id.

    Args:
        id_: The delivery's id.
    """
    delivery_id = DeliveryId(an_id(id_, "deliveries"))

    async def work(resources: Resources) -> str:
        async with resources.sessions.begin() as session:
            state = await stored.resend(session, delivery_id, now=now())
        resources.deliveries_nudge()
        return state

    is_held = use(work) == "held"
    note("It is held until its endpoint is resumed." if is_held else "It is due now.")


@app.command
def cancel(id_: str, /) -> None:
    """Give a delivery up: it is not sent any more, and later events of its lead that wait for it go on.

    Args:
        id_: The delivery's id.
    """
    delivery_id = DeliveryId(an_id(id_, "deliveries"))

    async def work(resources: Resources) -> None:
        async with resources.sessions.begin() as session:
            await stored.cancel(session, delivery_id, now=now())
        resources.deliveries_nudge()

    use(work)
    note("It is cancelled.")
