"""Is it alive, may it be sent leads, and what does it count."""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

import orjson
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from starlette.responses import Response

from leadhub.api.problems import instance_of, problems, status_response
from leadhub.pipeline.measuring import exposition
from leadhub.resources import Resources
from leadhub.store import readiness as database
from leadhub.store.inbox import Inbox

_CACHED_SECONDS = 1.0
_DATABASE_SECONDS = 1.0
_REDIS_SECONDS = 0.5
_OK = "ok"

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Whether leads may be sent here, and why."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"status": "ready", "checks": {"database": "ok", "inbox": "ok", "redis": "ok"}}}
    )

    status: str = Field(description="`live`, `ready` or `not ready`.")
    checks: dict[str, str] = Field(default_factory=dict, description="Each part: `ok`, or what is wrong with it.")


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    is_ready: bool
    checks: dict[str, str]


class Readiness:
    """Whether this gateway may be sent leads; asked at most once a second, however many ask."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._parts: tuple[Resources, Inbox] | None = None
        self._revisions: tuple[str, ...] = ()
        self._checking: asyncio.Task[dict[str, str]] | None = None
        self._checked_at = 0.0

    def open(self, resources: Resources, inbox: Inbox) -> None:
        """Begin to check these parts."""
        self._parts = (resources, inbox)
        self._revisions = database.revisions()

    async def report(self) -> Report:
        """Return whether leads may be sent here.

        Redis is reported and never makes the answer no: leads are taken without it. Stopping is said at once, all
        else within a second.
        """
        if self._parts is None:
            return Report(is_ready=False, checks={"process": "starting"})
        resources, inbox = self._parts
        now = time.monotonic()
        if self._checking is None or (self._checking.done() and now - self._checked_at > _CACHED_SECONDS):
            self._checked_at = now
            self._checking = asyncio.get_running_loop().create_task(self._check(resources))
        checks = {
            "process": "stopping" if self.is_stopping else _OK,
            "inbox": "full" if inbox.is_saturated else _OK,
            **await asyncio.shield(self._checking),
        }
        return Report(all(state == _OK for name, state in checks.items() if name != "redis"), checks)

    async def _check(self, resources: Resources) -> dict[str, str]:
        states = await asyncio.gather(self._check_database(resources), _check_redis(resources))
        return {"database": states[0], "redis": states[1]}

    async def _check_database(self, resources: Resources) -> str:
        try:
            async with asyncio.timeout(_DATABASE_SECONDS), resources.engine.connect() as connection:
                unsafe = await database.not_durable(connection)
                if unsafe:
                    return f"not durable: {', '.join(unsafe)} is off"
                return "not migrated" if await database.is_behind(connection, self._revisions) else _OK
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, leads must not be sent here
            return f"away ({type(error).__name__})"


async def _check_redis(resources: Resources) -> str:
    try:
        async with asyncio.timeout(_REDIS_SECONDS):
            await resources.redis.ping()
    except (RedisError, OSError) as error:
        return f"degraded ({type(error).__name__}): leads are taken and processed by polling"
    return _OK


@router.get("/health/live", operation_id="health_live", summary="Whether the process runs", response_model=Health)
async def live() -> Response:
    """Say that the process runs and its event loop turns; nothing about the parts that it needs."""
    return _json(200, {"status": "live", "checks": {}})


@router.get(
    "/health/ready",
    operation_id="health_ready",
    summary="Whether leads may be sent here",
    response_model=Health,
    responses=problems(503),
)
async def ready(request: Request) -> Response:
    """Say whether a lead that is sent here now would be on disk when it is acknowledged."""
    report = await cast("Readiness", request.app.state.readiness).report()
    if report.is_ready:
        return _json(200, {"status": "ready", "checks": report.checks})
    response = status_response(503, instance=instance_of(request.scope))
    response.body = orjson.dumps({**orjson.loads(response.body), "checks": report.checks})
    response.headers["content-length"] = str(len(response.body))
    return response


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return what this process counts, and the length of the queue that all share, for Prometheus."""
    resources: Resources = request.app.state.resources
    found = await exposition(resources.engine, now=request.app.state.now())
    return Response(found, media_type=CONTENT_TYPE_LATEST)


def _json(status: int, content: dict[str, object]) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
