"""`leadhub send`: post invented leads, many or few, and say how the gateway took them."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import httpx2
import orjson
from cyclopts import Parameter

from leadhub.channels.protocol import Inbound
from leadhub.channels.registry import PLATFORMS
from leadhub.cli import context, posting
from leadhub.cli.console import is_terminal, printable, say, show_json, terminal
from leadhub.cli.database import now
from leadhub.cli.errors import UserError
from leadhub.cli.options import Json
from leadhub.cli.posting import Target
from leadhub.demo import invented
from leadhub.demo.platform_samples import ANNOUNCED, SAMPLES

_MOST_IN_FLIGHT = 64
_REASONS_SHOWN = 5


@dataclass(slots=True)
class _Tally:
    """How the requests ended."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the time below which this share of the answers came."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def send(
    channel: str = "api",
    *,
    count: int = 20,
    rate: float | None = None,
    source: str | None = None,
    url: str | None = None,
    key: Annotated[str | None, Parameter(env_var="LEADHUB_SEND_KEY")] = None,
    as_json: Json = False,
) -> int:
    """Post sample leads, each an invented person; exit code 1 if any was refused.

    As meta or linkedin only notifications are posted, as these platforms do; the leads behind them are put into a
    `leadhub double`, which LEADHUB_META_GRAPH_URL or LEADHUB_LINKEDIN_API_URL must name, so that they can be fetched.

    Args:
        channel: As what: api (JSON with an API key), form (a page's), or a platform such as typeform, truly signed.
        count: How many.
        rate: How many a second; as fast as they are taken if not given.
        source: Key of the source to post to; the newest of the channel that is switched on if not given.
        url: The gateway, such as https://leads.example.com; that of the LeadHub found if not given.
        key: API key for the api channel; one that is revoked at the end is made if not given.
        as_json: Print JSON.
    """
    if channel not in {"api", "form", *SAMPLES, *ANNOUNCED}:
        known = ", ".join(("api", "form", *ANNOUNCED, *SAMPLES))
        raise UserError(f"No samples of '{channel}' are known.", f"Known: {known}.")
    if count < 1:
        raise UserError(f"--count {count} sends nothing.", "It is 1 or more.")
    if rate is not None and rate <= 0:
        raise UserError(f"--rate {rate:g} sends nothing.", "It is more than 0.")
    began = time.monotonic()
    tally = asyncio.run(_send(count, rate, channel, source=source, url=url, key=key, quiet=as_json))
    _report(tally, time.monotonic() - began, as_json=as_json)
    return 1 if tally.refused else 0


async def _send(
    count: int, rate: float | None, channel: str, *, source: str | None, url: str | None, key: str | None, quiet: bool
) -> _Tally:
    if source is not None and url is not None and (key is not None or channel == "form"):
        return await _post_all(Target(url.rstrip("/"), channel, source, key), count, rate, quiet=quiet)
    deployment = context.find()
    double = posting.double_of(deployment, channel) if channel in ANNOUNCED else ""
    async with posting.found(deployment, channel, source=source, url=url, key=key) as target:
        return await _post_all(replace(target, double=double), count, rate, quiet=quiet)


async def _post_all(target: Target, count: int, rate: float | None, *, quiet: bool) -> _Tally:
    # Long, so that the companies and addresses of two runs are not each other's misspelling.
    tally, run, began = _Tally(), f"s{secrets.token_hex(8)}", time.monotonic()
    slots = asyncio.Semaphore(_MOST_IN_FLIGHT)
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client, _progress(count, quiet=quiet) as advance:

        async def one(number: int) -> None:
            try:
                await _post(client, target, invented.lead(number, run=run), tally, submission=f"{run}-{number}")
            finally:
                slots.release()
                advance()

        async with asyncio.TaskGroup() as group:
            for number in range(count):
                if rate is not None:
                    await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                await slots.acquire()
                group.create_task(one(number))
    return tally


async def _post(
    client: httpx2.AsyncClient, target: Target, lead: dict[str, Any], tally: _Tally, *, submission: str
) -> None:
    headers = target.headers
    body: dict[str, Any] = {"data": invented.as_form(lead)} if target.channel == "form" else {"json": lead}
    if target.channel in ANNOUNCED:
        announced, behind = ANNOUNCED[target.channel](lead, submission)
        (await client.post(f"{target.double}/_leads", json={"leads": [behind]})).raise_for_status()
        content = orjson.dumps(announced)
        body = {"content": content}
        headers = headers | _proof(target, content)
    elif target.channel in SAMPLES:
        content = orjson.dumps(SAMPLES[target.channel](lead, submission, target.secret.decode()))
        body = {"content": content}
        headers = headers | _proof(target, content)
    began = time.perf_counter()
    answer = await client.post(target.url, headers=headers, **body)
    tally.milliseconds.append((time.perf_counter() - began) * 1_000)
    if answer.is_success:
        tally.accepted += 1
    else:
        tally.refused[posting.reason(answer)] += 1


def _proof(target: Target, content: bytes) -> dict[str, str]:
    """Return what the platform would send along, signed with the source's own secret."""
    kind = {"content-type": "application/json"}
    inbound = Inbound("POST", "", {}, content, None, now())
    return kind | (PLATFORMS[target.channel].proof.sign(inbound, target.secret) if target.secret else {})


@asynccontextmanager
async def _progress(count: int, *, quiet: bool) -> AsyncIterator[Callable[[], object]]:
    """Show a bar to somebody who looks on."""
    if quiet or not is_terminal():
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal(), transient=True) as bar:
        task = bar.add_task("sending", total=count)
        yield lambda: bar.advance(task)


def _report(tally: _Tally, seconds: float, *, as_json: bool) -> None:
    p50, p99 = tally.percentile(0.5), tally.percentile(0.99)
    total = len(tally.milliseconds)
    if as_json:
        numbers = {"p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "per_second": round(total / seconds, 1)}
        show_json({"accepted": tally.accepted, "refused": dict(tally.refused), **numbers})
        return
    refused = sum(tally.refused.values())
    say(
        f"accepted {tally.accepted}, refused {refused}; {total / seconds:.0f} a second; "
        f"answered in p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    )
    for why, times in tally.refused.most_common(_REASONS_SHOWN):
        say(f"  {times} times: {printable(why)}")
