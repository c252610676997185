"""`leadhub doctor`: every part looked at, and for what is wrong, what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import httpx2

from leadhub import telemetry
from leadhub.cli import context
from leadhub.cli.console import clean, say, show_json
from leadhub.cli.context import Deployment
from leadhub.cli.database import now
from leadhub.cli.explain import explain
from leadhub.cli.options import Flag, Json
from leadhub.cli.status import LATE
from leadhub.domain.ids import first_uuid7
from leadhub.pipeline.endpoints import reveal_secrets
from leadhub.resources import Resources, open_resources
from leadhub.store import endpoints, migrations
from leadhub.store.reading import checkup as queries
from leadhub.store.reading.status import status

_POSTGRES = range(15, 19)
_BOOKS_BACK = timedelta(days=7)
_PARTITIONS_AHEAD = timedelta(days=14)
_MOST_ENDPOINTS = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result; `fix` is empty when all is well."""

    check: str
    said: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class _Patient:
    """What the checks look at."""

    deployment: Deployment
    resources: Resources
    books_since: datetime


Check = Callable[[_Patient], Awaitable[Finding]]


def doctor(*, all_: Flag = False, as_json: Json = False) -> int:
    """Check every part and say how to put right what is wrong; exit code 1 if anything is.

    Args:
        all_: Balance the books of all time, not of the last 7 days.
        as_json: Print JSON.
    """
    deployment = context.find()
    telemetry.configure_logging(log_format="console", level="error")
    since = datetime(1970, 1, 1, tzinfo=UTC) if all_ else now() - _BOOKS_BACK
    findings = asyncio.run(_examine(deployment, since))
    if as_json:
        show_json([asdict(one) for one in findings])
    else:
        for one in findings:
            mark = "[red]wrong[/red]" if one.fix else "[green]ok   [/green]"
            say(f"{mark}  {one.check:<11} {clean(one.said)}" + (f"\n       -> {clean(one.fix)}" if one.fix else ""))
    return 1 if any(one.fix for one in findings) else 0


async def _examine(deployment: Deployment, since: datetime) -> list[Finding]:
    async with open_resources(deployment.settings) as resources:
        patient = _Patient(deployment, resources, since)
        return [await _examined(name, check, patient) for name, check in _CHECKS.items()]


async def _examined(name: str, check: Check, patient: _Patient) -> Finding:
    """Return a check's finding; one that cannot be made has found something, too."""
    try:
        return await check(patient)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks are still to be made
        told = explain(error)
        if told is None:
            return Finding(name, f"could not be checked: {type(error).__name__}", "Report this as a bug.")
        return Finding(name, told.sentence, told.advice or "Put this right, then look again.")


async def _server(patient: _Patient) -> Finding:
    row = (await queries.ask(patient.resources.sessions, queries.SERVER))[0]
    if row["number"] // 10_000 not in _POSTGRES:
        return Finding("postgres", f"version {row['version']}", "LeadHub needs PostgreSQL 15 to 18.")
    off = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if row[name] in {"off", "local"}]
    if off:
        fix = f"Set {' and '.join(off)} = on in postgresql.conf: without, a power cut loses accepted leads."
        return Finding("postgres", f"version {row['version']}, {', '.join(off)} off", fix)
    return Finding("postgres", f"version {row['version']}, and a commit is on disk")


async def _schema(patient: _Patient) -> Finding:
    url = patient.deployment.settings.database_url
    if pending := await migrations.pending(url):
        return Finding("schema", f"{len(pending)} revisions are pending", "Run `leadhub migrate`.")
    if difference := await migrations.drift(url):
        return Finding("schema", f"the tables were changed by hand: {difference}", "Undo that, or write a revision.")
    return Finding("schema", "at this version")


async def _partitions(patient: _Patient) -> Finding:
    rows = await queries.ask(patient.resources.sessions, queries.PARTITIONS)
    wanted = f"{now() + _PARTITIONS_AHEAD:%Y%m%d}"
    short = [row["parent"] for row in rows if (row["newest"] or "") < wanted]
    if short:
        fix = "Start a worker, which makes them daily, or run `leadhub migrate`."
        return Finding("partitions", f"too few ahead for {', '.join(short)}", fix)
    return Finding("partitions", f"made ahead to {rows[0]['newest'] if rows else 'none'} or later")


async def _redis(patient: _Patient) -> Finding:
    about = await patient.resources.redis.info("server")
    name = "Valkey" if "valkey_version" in about else "Redis"
    return Finding("redis", f"{name} {about.get(f'{name.lower()}_version', '?')} answers")


async def _secrets(patient: _Patient) -> Finding:
    """Open what is sealed: a wrong key shows here and not when the first webhook is due."""
    resources = patient.resources
    async with resources.sessions() as session:
        known = await endpoints.list_endpoints(session, limit=_MOST_ENDPOINTS)
    for endpoint in known:
        await reveal_secrets(resources.sessions, resources.vault, endpoint.id, now=now())
    return Finding("secrets", f"the secret key opens what {len(known)} endpoints have sealed")


async def _gateway(patient: _Patient) -> Finding:
    url = patient.deployment.gateway_url
    async with httpx2.AsyncClient(timeout=3, trust_env=False) as client:
        answer = await client.get(f"{url}/health/ready")
    if answer.is_success:
        return Finding("gateway", f"ready at {url}")
    return Finding("gateway", f"not ready: {answer.text[:200]}", "Put right what it names.")


async def _worker(patient: _Patient) -> Finding:
    queue = (await status(patient.resources.sessions)).queue
    waited = now() - queue.oldest_at if queue.oldest_at else timedelta()
    if waited > LATE:
        fix = "Start a worker: `leadhub worker`. If one runs, look at its log."
        return Finding("worker", f"the oldest of {queue.pending} submissions has waited {waited}", fix)
    if queue.failed:
        fix = "See `leadhub submissions failed`, put it right, then `leadhub submissions replay --all`."
        return Finding("worker", f"{queue.failed} submissions failed", fix)
    return Finding("worker", f"{queue.pending} submissions wait, none for long")


async def _books(patient: _Patient) -> Finding:
    since = first_uuid7(patient.books_since)
    row = (await queries.ask(patient.resources.sessions, queries.BOOKS, since=since))[0]
    said = (
        f"{row['accepted']} accepted = {row['members']} in leads + {row['pending']} waiting + {row['failed']} failed "
        f"+ {row['spam']} spam"
    )
    if row["wrong"]:
        return Finding("books", f"{said}; {row['wrong']} do not add up", "Report this as a bug: nothing may be lost.")
    return Finding("books", said)


async def _routes(patient: _Patient) -> Finding:
    wrong = (await queries.ask(patient.resources.sessions, queries.UNROUTED))[0]["wrong"]
    if wrong:
        return Finding("routes", f"{wrong} leads are nowhere", "Report this as a bug: every lead has a route.")
    return Finding("routes", "every lead is with sales, in nurture, or nowhere for a reason")


async def _deliveries(patient: _Patient) -> Finding:
    row = (await queries.ask(patient.resources.sessions, queries.OVERDUE, late=now() - LATE))[0]
    if row["wrong"]:
        fix = "Start a worker: `leadhub worker`. If one runs, `leadhub deliveries list --state pending` tells more."
        return Finding("deliveries", f"{row['wrong']} are overdue, the oldest since {row['oldest']}", fix)
    return Finding("deliveries", "none is overdue")


_CHECKS: dict[str, Check] = {
    "postgres": _server,
    "schema": _schema,
    "partitions": _partitions,
    "redis": _redis,
    "secrets": _secrets,
    "gateway": _gateway,
    "worker": _worker,
    "books": _books,
    "routes": _routes,
    "deliveries": _deliveries,
}
