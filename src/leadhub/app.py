"""The gateway: puts the parts together, and runs them."""

import asyncio
import gc
import resource
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from leadhub import telemetry
from leadhub.api import embed, health, openapi, problems
from leadhub.api.body import Bodies
from leadhub.api.door import Door
from leadhub.api.intake import Intake
from leadhub.api.routers import ROUTERS
from leadhub.api.server import server_config
from leadhub.channels.protocol import Channel
from leadhub.channels.registry import CHANNELS
from leadhub.outbound.captcha import Verifier
from leadhub.outbound.limits import RateLimits
from leadhub.pipeline.capture import Gate
from leadhub.pipeline.lookups import ApiKeys, Connections
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.questioning import Questioning
from leadhub.pipeline.tallying import Tally
from leadhub.resources import Ids, clock, open_inbox, open_resources, webhook_sender
from leadhub.settings import Settings

_FILES_BESIDES_CONNECTIONS = 200
_log = telemetry.get_logger("gateway")


class Api(FastAPI):
    """FastAPI that serves the one description there is: with the intake, the events, and errors as problems."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.document()
        return self.openapi_schema


def create_api(settings: Settings, **options: Any) -> Api:
    """Return all of the HTTP face but the intake; what `leadhub openapi` describes."""
    api = Api(
        title="LeadHub",
        version="1",
        openapi_url="/openapi.json" if settings.docs else None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header, which anybody can set
        **options,
    )
    problems.install(api)
    for router in (*ROUTERS, health.router, embed.router):
        api.include_router(router)
    return api


def create_app(settings: Settings, channels: Mapping[str, Channel] = CHANNELS) -> Door:
    """Return a gateway; its parts are opened by its lifespan."""
    bodies = Bodies(most_bytes=settings.body_bytes, seconds=settings.body_seconds, together_bytes=settings.inbox_bytes)
    intake = Intake(bodies, most_requests=settings.requests)
    readiness = health.Readiness()
    ids = Ids()

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        async with open_resources(settings) as resources, webhook_sender(settings) as sender:
            inbox = open_inbox(resources)
            connections = Connections(resources.sessions, resources.vault, now=clock)
            api_keys = ApiKeys(resources.sessions, now=clock)
            tally = Tally()
            counting = asyncio.create_task(tally.run(resources.engine))
            intake.open(
                Gate(
                    channels=channels,
                    connections=connections,
                    api_keys=api_keys,
                    inbox=inbox,
                    sessions=resources.sessions,
                    new_id=ids,
                    questioning=Questioning(engine=resources.engine, playbook=ActivePlaybook(resources.sessions)),
                    announced=resources.announcements_nudge,
                    verifier=Verifier(sender, _captcha_urls(settings), clock=time.monotonic),
                    limits=RateLimits(
                        resources.redis, key=resources.vault.derive("addresses")[0], clock=time.monotonic
                    ),
                    tally=tally,
                )
            )
            readiness.open(resources, inbox)
            api.openapi()  # FastAPI builds its routes at first use, which would hold up that request and all beside it
            api.state.resources = resources
            api.state.inbox = inbox
            try:
                yield
            finally:
                await inbox.close()
                counting.cancel()
                await tally.write(resources.engine)

    api = create_api(settings, lifespan=lifespan)
    api.state.readiness = readiness
    api.state.now = clock
    return Door(api, intake, bodies, readiness, now=clock, new_id=ids)


def _captcha_urls(settings: Settings) -> Mapping[str, str]:
    return {
        "turnstile": settings.turnstile_url,
        "hcaptcha": settings.hcaptcha_url,
        "recaptcha": settings.recaptcha_url,
    }


class GatewayServer(uvicorn.Server):
    """Uvicorn that says first, and for some time, that it is going to stop.

    From SIGTERM on readiness is red and every answer closes its connection, but requests are served as ever: so load
    balancers and clients have gone elsewhere before the port closes. A second signal stops at once.
    """

    def __init__(self, config: uvicorn.Config, readiness: health.Readiness, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._drain_seconds = drain_seconds
        self._stops_at: float | None = None

    @override
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                host, port = listener.getsockname()[:2]
                _log.info("gateway.listening", host=host, port=port)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._stops_at is not None:
            super().handle_exit(sig, frame)
            return
        self._readiness.is_stopping = True
        self._stops_at = time.monotonic() + self._drain_seconds

    @override
    async def on_tick(self, counter: int) -> bool:
        if self._stops_at is not None and time.monotonic() >= self._stops_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings) -> None:
    """Run a gateway until SIGTERM or SIGINT; what is under way then is finished first."""
    telemetry.configure_logging(log_format=settings.log_format, level=settings.log_level)
    _allow_files(settings.connections + _FILES_BESIDES_CONNECTIONS)
    door = create_app(settings)
    server = GatewayServer(server_config(door, settings), door.readiness, drain_seconds=settings.drain_seconds)
    # Uvicorn raises the signal that stopped it again when it is done, and would then end as if killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # what is there now stays: the collector need not look at it again and again
    server.run()


def _allow_files(wanted: int) -> None:
    """Raise the soft limit of open files, which is 1,024 in most shells, as far as is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
