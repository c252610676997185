"""The demo: a whole LeadHub on this machine, sample leads through its front door, and proof that every number adds up.

    servers (embedded) ── gateway ── worker        three kinds of processes, as in production
    form page, CRM                                 the two ends that a customer has

What became of a lead is learnt as a stranger would learn it: from the public API and from what the CRM received.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import httpx2

from leadhub.demo import checks, journey, processes, samples
from leadhub.demo.checks import Check, Evidence, Summary
from leadhub.demo.crm_process import Crm, running_crm
from leadhub.demo.form_page import FormPage
from leadhub.demo.gateway import Answer, Gateway, Refused
from leadhub.demo.journey import Journey
from leadhub.demo.samples import SampleRequest
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.keys import create_key
from leadhub.resources import open_resources
from leadhub.settings import Settings
from leadhub.store.migrations import migrate

_REST_SECONDS = 15.0
_LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True, slots=True)
class Stage:
    """The addresses and the key of the running demo."""

    gateway_url: str
    form_url: str
    token: str
    data_dir: Path


class Audience(Protocol):
    """Whoever watches the demo."""

    def step(self, text: str) -> None:
        """Something is under way or done."""

    def begin(self, expected: int) -> None:
        """The samples are about to be sent."""

    def arrived(self, one: Journey) -> None:
        """A submission has come to its end."""

    def finished(self, summary: Summary, found: list[Check]) -> None:
        """All samples have, and this is the sum."""

    def trouble(self, lines: list[str]) -> None:
        """It did not end well; these are the last warnings of the processes' logs."""

    def stays(self, stage: Stage) -> None:
        """It stays up; this is where to go on."""


def run(servers: EmbeddedServers, audience: Audience, *, pace: float, exit_at_end: bool) -> bool:
    """Run the demo and tell whether everything added up; without `exit_at_end` it then stays up until cancelled.

    Args:
        servers: fresh ones of its own.
        audience: shows it.
        pace: leads a second; 0 sends them as fast as they are taken.
        exit_at_end: leave when the last sample has come to its end.

    Raises:
        CancelledError: a signal came; everything was stopped.
    """
    try:
        all_well = asyncio.run(_run(servers, audience, pace=pace, exit_at_end=exit_at_end))
    except Exception:
        audience.trouble(_warnings(servers.data_dir))
        raise
    if not all_well:
        audience.trouble(_warnings(servers.data_dir))
    return all_well


def _warnings(folder: Path) -> list[str]:
    return [line for name in ("gateway", "worker") for line in processes.warnings(folder, name)]


async def _run(servers: EmbeddedServers, audience: Audience, *, pace: float, exit_at_end: bool) -> bool:
    processes.cancel_on_signal()
    audience.step("migrating the database, starting gateway, worker, CRM and form page")
    page = FormPage()
    async with page.listening() as origin, running_crm() as crm, _deployment(servers, audience) as (url, token):
        page.gateway, page.key = url, "demo-request"
        async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            gateway = Gateway(client, token=token, origin=origin)
            await _connect(gateway, crm)
            journeys = await _send(gateway, crm, audience, pace=pace)
            evidence = await _evidence(gateway, crm, journeys)
            found = checks.check(evidence)
            audience.finished(checks.summary(evidence), found)
            if not exit_at_end:
                audience.stays(Stage(url, origin, token, servers.data_dir))
                known = {one.submission_id for one in journeys if one.submission_id}
                await _follow_visitors(gateway, crm, audience, known=known)
            return not any(one.found for one in found)


@asynccontextmanager
async def _deployment(servers: EmbeddedServers, audience: Audience) -> AsyncIterator[tuple[str, str]]:
    """Run gateway and worker; yield the gateway's URL and an admin key."""
    settings = _settings(servers)

    async def prepare() -> None:
        await migrate(settings.database_url, now=datetime.now(UTC))

    log_dir = servers.data_dir
    async with processes.running(settings, log_dir=log_dir, notice=audience.step, prepare=prepare) as pair:
        yield pair.gateway_url, await _first_key(settings)


async def _first_key(settings: Settings) -> str:
    async with open_resources(settings) as resources:
        made = await create_key(
            resources.sessions,
            name="demo",
            scopes=("admin",),
            expires_at=None,
            now=datetime.now(UTC),
            entropy=secrets.token_bytes,
        )
    return made.token


def _settings(servers: EmbeddedServers) -> Settings:
    """Return the settings of the demo, whatever the environment says: it must not touch somebody's real deployment."""
    return Settings(
        _env_prefix="LEADHUB_OF_NOBODY_",
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        secret_key=servers.secret_key,
        port=processes.free_port(),
        drain_seconds=0,
        outbound_networks=_LOOPBACK,
    )


async def _connect(gateway: Gateway, crm: Crm) -> None:
    for source in samples.SOURCES.values():
        await gateway.connect(source)
    await crm.trust(await gateway.subscribe(await crm.url()))


async def _send(gateway: Gateway, crm: Crm, audience: Audience, *, pace: float) -> list[Journey]:
    """Post the samples one after the other; show each, in their order, when it has come to its end."""
    shipped = samples.samples()
    audience.begin(len(shipped))
    travelling: asyncio.Queue[asyncio.Task[Journey] | None] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        shown = group.create_task(_show_in_order(travelling, audience))
        began, sent = time.monotonic(), 0
        for request in samples.requests(shipped):
            if pace:
                await asyncio.sleep(max(0.0, began + sent / pace - time.monotonic()))
            answer = await gateway.post(request)
            for one in _begun(request, answer):
                travelling.put_nowait(group.create_task(journey.follow(one, gateway, crm)))
            sent += len(request.samples)
        travelling.put_nowait(None)
    return shown.result()


def _begun(request: SampleRequest, answer: Answer) -> list[Journey]:
    return [journey.begin(sample, request.source.name, answer, place) for place, sample in enumerate(request.samples)]


async def _show_in_order(travelling: asyncio.Queue[asyncio.Task[Journey] | None], audience: Audience) -> list[Journey]:
    journeys: list[Journey] = []
    while (task := await travelling.get()) is not None:
        journeys.append(await task)
        audience.arrived(journeys[-1])
    return journeys


async def _evidence(gateway: Gateway, crm: Crm, journeys: list[Journey]) -> Evidence:
    """Wait until nothing is under way any more, then look at everything once again."""
    status = await gateway.status()
    deadline = time.monotonic() + _REST_SECONDS
    while not _is_at_rest(status, crm) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        status = await gateway.status()
    for one in journeys:
        await journey.look_again(one, gateway)
    return Evidence(
        journeys=journeys,
        leads=await gateway.all_of("leads"),
        deliveries=await gateway.all_of("deliveries"),
        status=status,
        receipts=list(crm.receipts),
    )


def _is_at_rest(status: Mapping[str, Any], crm: Crm) -> bool:
    deliveries = status["deliveries_by_state"] or {}
    delivered = deliveries.get("delivered", 0)
    return not status["queue"]["pending"] and delivered == sum(deliveries.values()) and len(crm.receipts) >= delivered


async def _follow_visitors(gateway: Gateway, crm: Crm, audience: Audience, *, known: set[str]) -> None:
    """Show what comes through the form page or the curl, until cancelled."""
    while True:
        receipt = await crm.arrivals.get()
        news = [one for one in receipt.data.get("submission_ids", ()) if isinstance(one, str) and one not in known]
        for submission_id in news:
            known.add(submission_id)
            with contextlib.suppress(httpx2.TransportError, Refused):
                audience.arrived(await journey.unforeseen(submission_id, gateway, crm))
