"""`leadhub listen`: a receiver on this machine that verifies webhooks and prints them; also plays a broken CRM."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

from cyclopts import Parameter

from leadhub.cli import context, endpoints
from leadhub.cli.console import clean, note, say
from leadhub.cli.database import now
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Several
from leadhub.demo.receiver import Receipt, Receiver
from leadhub.domain.signature import parse_secret
from leadhub.pipeline.endpoints import delete_endpoint
from leadhub.resources import open_resources

_CERTAIN = 1.0


def listen(
    *,
    secret: Annotated[str | None, Parameter(env_var="LEADHUB_LISTEN_SECRET")] = None,
    port: int = 9000,
    host: str = "127.0.0.1",
    status: int | None = None,
    fail_rate: float = 0.0,
    subscribe: Flag = False,
    event: Several = (),
) -> None:
    """Receive webhooks on this machine, verify and print them.

    Args:
        secret: The endpoint's signing secret, whsec_…; without it nothing is verified.
        port: Port to listen on; 0 picks a free one.
        host: Address to listen on.
        status: Answer with this status instead of 204; with --fail-rate, the status of a failure.
        fail_rate: Share of requests to fail, from 0 to 1: plays a broken CRM.
        subscribe: Subscribe this receiver while it runs; the endpoint is deleted at the end.
        event: With --subscribe: type of event to deliver; repeat it for several. Without it: all.
    """
    if not 0 <= fail_rate <= _CERTAIN:
        raise UserError(f"--fail-rate {fail_rate:g} is no share.", "It goes from 0 (none) to 1 (all).")
    if status is not None and not 200 <= status <= 599:
        raise UserError(f"--status {status} is no status of an answer.", "It goes from 200 to 599.")
    receiver = Receiver(_print, answer=_answers(status, fail_rate))
    if secret is not None:
        receiver.keys = [parse_secret(secret)]
    asyncio.run(_listen(receiver, host, port, events=event, subscribe=subscribe))


async def _listen(receiver: Receiver, host: str, port: int, *, events: tuple[str, ...], subscribe: bool) -> None:
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(receiver.listening(host, port))
        except OSError as error:
            fault = f"Port {port} on {host} cannot be used: {error.strerror}."
            raise UserError(fault, "Name another with --port.") from None
        if subscribe:
            await stack.enter_async_context(_subscribed(receiver, url, events))
        note(f"listening at {url}{' and subscribed' if subscribe else ''}; stop with Ctrl-C")
        await asyncio.Event().wait()


@asynccontextmanager
async def _subscribed(receiver: Receiver, url: str, events: tuple[str, ...]) -> AsyncIterator[None]:
    """Be an endpoint of the LeadHub found, as long as the block lasts."""
    async with open_resources(context.find().settings) as resources:
        made = await endpoints.subscribe(resources, url, events=events, description="leadhub listen")
        receiver.keys = [parse_secret(made.secret)]
        try:
            yield
        finally:
            await delete_endpoint(resources.sessions, made.endpoint.id, now=now())
            note("unsubscribed")


def _answers(status: int | None, fail_rate: float) -> Callable[[], int]:
    """Return what chooses each answer's status."""
    if not fail_rate:
        return lambda: status or 204
    chance = secrets.SystemRandom()
    return lambda: (status or 503) if chance.random() < fail_rate else 204


def _print(receipt: Receipt) -> None:
    verdict = "[green]valid[/green]" if receipt.doubt is None else f"[red]{clean(receipt.doubt)}[/red]"
    marks = " repeated" if receipt.is_repeat else ""
    contact = receipt.data.get("contact")
    who = contact.get("email") or contact.get("phone") or "" if isinstance(contact, dict) else ""
    lead = str(receipt.data.get("lead_id", ""))
    say(
        f"{receipt.time:%H:%M:%S}  {clean(receipt.type) or '?':<14}  {receipt.status}  {verdict}{marks}  "
        f"{clean(receipt.webhook_id)}  {clean(lead)}  {clean(who)}"
    )
