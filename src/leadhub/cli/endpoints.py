"""`leadhub endpoints`: the URLs that events are delivered to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated, Literal

from cyclopts import App, Parameter

from leadhub.cli.console import Columns, note, say, show, show_json
from leadhub.cli.database import an_id, entropy, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Json, Several
from leadhub.domain.ids import EndpointId
from leadhub.domain.subscription import SignatureKind
from leadhub.outbound.jsonl import is_file
from leadhub.pipeline import endpoints
from leadhub.pipeline.verifying import Verification, verify_again, verify_endpoint
from leadhub.resources import Resources, webhook_sender
from leadhub.store import endpoints as stored
from leadhub.store.endpoints import Endpoint
from leadhub.store.reading import status
from leadhub.store.reading.status import EndpointLoad

app = App(name="endpoints")

_MOST = 1_000
_COLUMNS: Columns = {
    "id": lambda row: row.endpoint.id,
    "url": lambda row: row.endpoint.url,
    "events": lambda row: row.endpoint.event_types or "all",
    "state": lambda row: row.endpoint.state,
    "waiting": lambda row: row.load.pending + row.load.held if row.load else None,
    "oldest due": lambda row: row.load.oldest_due_at if row.load else None,
    "failing since": lambda row: row.load.failing_since if row.load else None,
    "because": lambda row: row.load.because if row.load else row.endpoint.state_because,
    "at once": lambda row: row.load.cap if row.load else None,
    "a minute": lambda row: row.load.per_minute if row.load else None,
    "description": lambda row: row.endpoint.description,
}


@dataclass(frozen=True, slots=True)
class _Row:
    endpoint: Endpoint
    load: EndpointLoad | None
    """None if counting would take too long."""


@app.command
def create(
    url: str,
    *,
    event: Several = (),
    description: str = "",
    include_test: Flag = False,
    payload: Literal["full", "thin"] = "full",
    signature: Literal["v1", "v1a"] = "v1",
    cap: int | None = None,
    per_minute: int | None = None,
    in_order: Flag = False,
    poison: Literal["skip", "block"] = "skip",
    retry: Annotated[tuple[int, ...], Parameter(negative="")] = (),
    replays_only: Flag = False,
    as_json: Json = False,
) -> None:
    """Subscribe a URL and show the secret that signs what it gets; or jsonl:NAME, a file of JSON lines.

    A filter, headers and an authorization are set over the API: arguments of commands are no place for secrets.

    Args:
        url: Where events are posted to, or jsonl:NAME.
        event: Type of event, such as lead.routed; repeat it for several. Without it: all.
        description: What the URL is, for lists.
        include_test: Deliver events of test leads too.
        payload: thin sends ids only; the receiver fetches the rest.
        signature: v1 signs with a shared secret, v1a with a key pair of which the public half is shown.
        cap: Most requests in flight, 1 to 32.
        per_minute: Most requests a minute; without it: no limit.
        in_order: Send an event only when all earlier ones of its lead have come to an end.
        poison: With --in-order, after an event that was given up: skip it, or block the later ones of its lead.
        retry: Seconds to wait before the next attempt; repeat it. Without it: ten attempts over three days.
        replays_only: Send nothing but what is replayed to it.
        as_json: Print JSON.
    """
    if per_minute is not None and per_minute < 1:
        raise UserError(f"--per-minute {per_minute} would send nothing.", "Leave it out for no limit.")
    _check(cap, retry)
    options = endpoints.Options(
        payload=payload,
        cap=cap,
        per_minute=per_minute,
        is_subscribed=not replays_only,
        ordering="lead" if in_order else "none",
        poison=poison,
        schedule=retry,
    )

    async def work(resources: Resources) -> endpoints.CreatedEndpoint:
        return await subscribe(
            resources,
            url,
            events=event,
            description=description,
            include_test=include_test,
            options=options,
            signature=signature,
        )

    made = use(work)
    if as_json:
        show_json({"id": made.endpoint.id, "url": made.endpoint.url, "secret": made.secret})
        return
    if is_file(url):
        say(f"[bold]{made.endpoint.id}[/bold]")
        note("Active. Workers append to a file a day in LEADHUB_SINK_DIRECTORY, with this id in its name.")
        return
    say(f"[bold]{made.secret}[/bold]")
    note(f"The endpoint {made.endpoint.id} is active. Verify each webhook with this secret (Standard Webhooks).")


async def subscribe(
    resources: Resources,
    url: str,
    *,
    events: Sequence[str],
    description: str,
    include_test: bool = False,
    options: endpoints.Options | None = None,
    signature: SignatureKind = "v1",
) -> endpoints.CreatedEndpoint:
    """Subscribe a URL with the limits of this deployment."""
    return await endpoints.create_endpoint(
        resources.sessions,
        resources.vault,
        url=url,
        description=description,
        event_types=events,
        include_test=include_test,
        options=options or endpoints.Options(),
        signature=signature,
        lane_cap=resources.settings.delivery_lane_cap,
        allowed_networks=resources.settings.outbound_networks,
        has_folder=resources.settings.sink_directory is not None,
        now=now(),
        entropy=entropy,
    )


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List endpoints, newest first, with what waits for each.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[_Row]:
        async with resources.sessions() as session:
            found = await stored.list_endpoints(session, limit=_MOST)
        loads = {load.id: load for load in await status.loads(resources.sessions) or ()}
        return [_Row(endpoint, loads.get(endpoint.id)) for endpoint in found]

    rows = use(work)
    if as_json:
        show_json([(asdict(row.load) if row.load else {}) | asdict(row.endpoint) for row in rows])
    else:
        show(rows, _COLUMNS, empty="Nobody is subscribed. Subscribe with `leadhub endpoints create URL`.")


@app.command(name="set")
def set_(
    id_: str,
    /,
    *,
    url: str | None = None,
    event: Several = (),
    description: str | None = None,
    payload: Literal["full", "thin"] | None = None,
    cap: int | None = None,
    per_minute: int | None = None,
    retry: Annotated[tuple[int, ...], Parameter(negative="")] = (),
) -> None:
    """Change an endpoint; what is not given stays. A new URL brings one back that had been switched off.

    Args:
        id_: The endpoint's id.
        url: Where events are posted to, or jsonl:NAME.
        event: Type of event; all that it is to get, repeat it for several.
        description: What the URL is, for lists.
        payload: thin sends ids only; the receiver fetches the rest.
        cap: Most requests in flight, 1 to 32.
        per_minute: Most requests a minute; 0 for no limit.
        retry: Seconds to wait before the next attempt; all of them, repeat it.
    """
    if per_minute is not None and per_minute < 0:
        raise UserError(f"--per-minute {per_minute} is no number of requests.", "0 means no limit.")
    _check(cap, retry)
    changes = endpoints.EndpointChanges(
        url=url,
        description=description,
        event_types=event or None,
        options=endpoints.Options(payload=payload, cap=cap, per_minute=per_minute, schedule=retry or None),
    )
    if changes == endpoints.EndpointChanges():
        raise UserError("Nothing to change was given.", "`leadhub endpoints set --help` shows what can be.")
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> Endpoint:
        async with resources.sessions() as session:
            before = await stored.get_endpoint(session, endpoint_id)
        changed = await endpoints.update_endpoint(
            resources.sessions,
            resources.vault,
            endpoint_id,
            changes,
            expected_version=None,
            allowed_networks=resources.settings.outbound_networks,
            has_folder=resources.settings.sink_directory is not None,
            now=now(),
        )
        resources.deliveries_nudge()
        return await verify_again(
            resources.sessions,
            resources.vault,
            partial(webhook_sender, resources.settings),
            before,
            changed,
            now=now(),
            entropy=entropy,
        )

    changed = use(work)
    note(f"Changed {changed.url}; it is {changed.state}{', and verified' if changed.verified_at else ''}.")


def _check(cap: int | None, retry: Sequence[int]) -> None:
    if cap is not None and not 1 <= cap <= 32:
        raise UserError(f"--cap {cap} is no number of requests.", "It goes from 1 to 32.")
    if not all(1 <= wait <= 86_400 for wait in retry) or len(retry) > 20:
        raise UserError("--retry is given at most 20 times.", "Each is 1 to 86400 seconds.")


@app.command
def pause(id_: str, /) -> None:
    """Hold everything for an endpoint until it is resumed; nothing is lost.

    Args:
        id_: The endpoint's id.
    """
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> Endpoint:
        return await endpoints.pause_endpoint(resources.sessions, endpoint_id, now=now())

    note(f"Paused {use(work).url}.")


@app.command
def resume(id_: str, /) -> None:
    """Deliver again, what was held first.

    Args:
        id_: The endpoint's id.
    """
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> Endpoint:
        endpoint = await endpoints.resume_endpoint(resources.sessions, endpoint_id, now=now())
        resources.deliveries_nudge()
        return endpoint

    note(f"Resumed {use(work).url}.")


@app.command
def delete(id_: str, /) -> None:
    """Unsubscribe a URL for good; what still waits for it is cancelled.

    Args:
        id_: The endpoint's id.
    """
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> None:
        await endpoints.delete_endpoint(resources.sessions, endpoint_id, now=now())

    use(work)
    note("Deleted the endpoint.")


@app.command
def secrets(id_: str, /) -> None:
    """Show the secrets that sign now, newest first.

    Args:
        id_: The endpoint's id.
    """
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> list[endpoints.RevealedSecret]:
        return await endpoints.reveal_secrets(resources.sessions, resources.vault, endpoint_id, now=now())

    for one in use(work):
        say(one.secret + (f"\tuntil {one.valid_until:%Y-%m-%d %H:%M} UTC" if one.valid_until else ""))


@app.command
def rotate(id_: str, /, *, overlap_hours: int = 24) -> None:
    """Sign with a new secret; for a while the old one signs too, so that the receiver can change over.

    Args:
        id_: The endpoint's id.
        overlap_hours: How long, from 0 (the old one is known to others) to 168.
    """
    if not 0 <= overlap_hours <= 168:
        raise UserError(f"--overlap-hours {overlap_hours} is out of bounds.", "It goes from 0 to 168.")
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> endpoints.RevealedSecret:
        return await endpoints.rotate_secret(
            resources.sessions,
            resources.vault,
            endpoint_id,
            overlap=timedelta(hours=overlap_hours),
            now=now(),
            entropy=entropy,
        )

    say(use(work).secret)


@app.command
def verify(id_: str, /) -> None:
    """Send a challenge that the receiver must send back: proof that it wants the events.

    Args:
        id_: The endpoint's id.
    """
    endpoint_id = _id(id_)

    async def work(resources: Resources) -> Verification:
        async with webhook_sender(resources.settings) as sender:
            return await verify_endpoint(
                resources.sessions, resources.vault, sender, endpoint_id, now=now(), entropy=entropy
            )

    ended = use(work)
    if not ended.is_verified:
        raise UserError(f"Not verified: {ended.because}.", code=1)
    note(f"Verified: {ended.because}.")


def _id(text: str) -> EndpointId:
    return EndpointId(an_id(text, "endpoints"))
