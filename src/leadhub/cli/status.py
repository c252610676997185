"""`leadhub status`: how it is, in a few lines or as JSON, and as an exit code."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

import httpx2
from sqlalchemy.exc import SQLAlchemyError

from leadhub import telemetry
from leadhub.cli import context
from leadhub.cli.console import clean, say, show_json
from leadhub.cli.context import Deployment
from leadhub.cli.database import now
from leadhub.cli.options import Json
from leadhub.domain.lane import PATIENCE, WARNINGS
from leadhub.resources import open_resources
from leadhub.store.reading.status import Counts, Status
from leadhub.store.reading.status import status as read_status

LATE = timedelta(minutes=1)
"""Work that waited so long says that no worker is doing it."""
_PATIENCE_SECONDS = 3.0


class Health(IntEnum):
    """How it is; the exit code."""

    HEALTHY = 0
    DEGRADED = 1
    DOWN = 2


@dataclass(slots=True)
class Report:
    """What was found, and what of it is wrong."""

    where: str
    gateway: str
    numbers: Status | None = None
    down: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)

    @property
    def health(self) -> Health:
        """The worst that was found."""
        if self.down:
            return Health.DOWN
        return Health.DEGRADED if self.degraded else Health.HEALTHY


def status(*, as_json: Json = False) -> int:
    """Say how it is; exit code 0 healthy, 1 degraded, 2 down.

    Args:
        as_json: Print JSON.
    """
    report = asyncio.run(look(context.find()))
    if as_json:
        numbers = asdict(report.numbers) if report.numbers else None
        faults = {"down": report.down, "degraded": report.degraded}
        show_json({"health": report.health.name.lower(), "gateway": report.gateway, **faults, "numbers": numbers})
    else:
        _print(report)
    return int(report.health)


async def look(deployment: Deployment) -> Report:
    """Ask the gateway and the database."""
    telemetry.configure_logging(log_format="console", level="error")
    report = Report(deployment.where, deployment.gateway_url)
    await _ask_gateway(report)
    await _ask_database(report, deployment)
    return report


async def _ask_gateway(report: Report) -> None:
    async with httpx2.AsyncClient(timeout=_PATIENCE_SECONDS, trust_env=False) as client:
        try:
            answer = await client.get(f"{report.gateway}/health/ready")
        except httpx2.TransportError as error:
            report.down.append(f"the gateway at {report.gateway} does not answer ({type(error).__name__})")
            return
    if answer.status_code != httpx2.codes.OK:
        report.degraded.append(f"the gateway is not ready: {answer.text[:200]}")


async def _ask_database(report: Report, deployment: Deployment) -> None:
    try:
        async with open_resources(deployment.settings) as resources:
            report.numbers = await read_status(resources.sessions)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        report.down.append(f"the database cannot be read ({type(error).__name__})")
        return
    report.degraded += _faults(report.numbers, now())


def _faults(numbers: Status, at: datetime) -> list[str]:
    faults = []
    if numbers.queue.oldest_at is not None and at - numbers.queue.oldest_at > LATE:
        waited = (at - numbers.queue.oldest_at).total_seconds()
        faults.append(f"the oldest submission has waited {waited:.0f} s: is a worker running?")
    if numbers.queue.failed:
        faults.append(f"{numbers.queue.failed} submissions failed: `leadhub submissions failed`")
    for endpoint in numbers.endpoints or ():
        if endpoint.state in {"gone", "misconfigured", "disabled"}:
            faults.append(f"the endpoint {endpoint.url} is {endpoint.state}: {endpoint.because}")
        elif endpoint.failing_since is not None and at - endpoint.failing_since > WARNINGS[0]:
            until = endpoint.failing_since + PATIENCE
            faults.append(
                f"nothing reaches {endpoint.url} since {endpoint.failing_since:%Y-%m-%d %H:%M} UTC:"
                f" {endpoint.because}; without a success it is disabled on {until:%Y-%m-%d}"
            )
        elif endpoint.oldest_due_at is not None and at - endpoint.oldest_due_at > LATE:
            faults.append(f"{endpoint.pending} deliveries to {endpoint.url} are late")
    return faults


def _print(report: Report) -> None:
    colour = {Health.HEALTHY: "green", Health.DEGRADED: "yellow", Health.DOWN: "red"}[report.health]
    say(f"[bold {colour}]{report.health.name.lower()}[/bold {colour}]  {clean(report.gateway)} ({clean(report.where)})")
    for fault in (*report.down, *report.degraded):
        say(f"  [{colour}]![/{colour}] {clean(fault)}")
    if report.numbers is None:
        return
    queue = report.numbers.queue
    say(f"  queue       {queue.pending} waiting, {queue.failed} failed")
    say(f"  leads       {_told(report.numbers.leads_by_route)}")
    say(f"  stages      {_told(report.numbers.leads_by_stage)}")
    say(f"  deliveries  {_told(report.numbers.deliveries_by_state)}")
    for endpoint in report.numbers.endpoints or ():
        waits = f", {endpoint.pending} waiting" if endpoint.pending else ""
        waits += f", {endpoint.held} held" if endpoint.held else ""
        say(f"  endpoint    {clean(endpoint.url)} {endpoint.state}{waits}")


def _told(counts: Counts | Mapping[str, int] | None) -> str:
    if counts is None:
        return "too many to count in time"
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
