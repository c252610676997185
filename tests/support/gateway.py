"""A gateway on a real socket, in this process, and raw HTTP to talk to it as no client library would."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx2
import orjson

from leadhub.api.door import Door
from leadhub.api.server import server_config
from leadhub.app import GatewayServer, create_app
from leadhub.channels.protocol import Capture, Channel, Connection, Guide, Inbound, Receipt, Reply, SecretFrom, Unpacked
from leadhub.domain.errors import InvalidInput, NotAllowed
from leadhub.domain.submission import Content
from leadhub.embedded import EmbeddedServers
from leadhub.resources import Resources
from leadhub.settings import Settings


class EchoChannel:
    """The smallest channel: the body is the lead's e-mail; headers ask for whatever a test needs."""

    def __init__(self, name: str = "echo", scope: str | None = None) -> None:
        self.name = name
        self.needs_scope = scope

    calls: tuple[str, ...] = ()
    guide = Guide("Echo", SecretFrom.NOBODY, ())

    def check_secret(self, secret: str) -> None:
        del secret

    def validate_options(self, options: Mapping[str, object]) -> dict[str, object]:
        return dict(options)

    def preflight(self, inbound: Inbound, connection: Connection) -> Reply | None:
        del connection
        return Reply(200, b"hello", "text/plain") if inbound.method == "GET" and inbound.query == "hello" else None

    def unpack(self, inbound: Inbound, connection: Connection) -> Capture:
        del connection
        text = inbound.body.decode()
        match text:
            case "invalid":
                raise InvalidInput.at("#/email", "This is not an e-mail address.")
            case "forbidden":
                raise NotAllowed("Not from there.")
            case "bug":
                raise RuntimeError("ada@example.com broke it")
            case _:
                pass
        one = Unpacked(
            content=Content(fields={"email": text}),
            raw=inbound.body,
            raw_type="text/plain",
            dedupe_key=inbound.header("idempotency-key"),
            is_spam=text == "spam",
        )
        return Capture((one,) * int(inbound.header("times") or 1))

    def preview(self, inbound: Inbound, connection: Connection) -> Capture:
        return self.unpack(inbound, connection)

    def reply(self, capture: Capture, receipts: Sequence[Receipt], inbound: Inbound, connection: Connection) -> Reply:
        del capture, connection
        told = [{"id": one.submission_id, "replayed": one.replayed} for one in receipts]
        return Reply(202, orjson.dumps({"receipts": told, "client": inbound.client_ip}))

    def decorate(self, inbound: Inbound, connection: Connection) -> tuple[tuple[str, str], ...]:
        del inbound, connection
        return (("Access-Control-Allow-Origin", "*"),)


ECHOES: Mapping[str, Channel] = {"echo": EchoChannel(), "closed": EchoChannel("closed", "leads:write")}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that runs."""

    port: int
    door: Door
    server: GatewayServer
    resources: Resources

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def raw(self, *parts: bytes, pause: float = 0.0, seconds: float = 5) -> bytes:
        """Send parts, with a pause between, and return all that comes back until the gateway closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answering = asyncio.create_task(_read_all(reader, seconds))
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
        answer = await answering
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return answer


async def _read_all(reader: asyncio.StreamReader, seconds: float) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65_536):
                received += chunk
    return received


@asynccontextmanager
async def running(settings: Settings, channels: Mapping[str, Channel] = ECHOES) -> AsyncIterator[Gateway]:
    """A gateway with these settings and channels, stopped at the end."""
    door = create_app(settings, channels)
    server = GatewayServer(server_config(door, settings), door.readiness, drain_seconds=settings.drain_seconds)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)
    try:
        yield Gateway(server.servers[0].sockets[0].getsockname()[1], door, server, door.api.state.resources)
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def own_database(servers: EmbeddedServers, template: str, name: str) -> AsyncIterator[Settings]:
    """Settings for a database that a whole module of tests shares."""
    await execute(servers, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield Settings.model_validate(
        {
            "database_url": servers.database_url.replace("@/postgres?", f"@/{name}?"),
            "redis_url": servers.redis_url,
            "secret_key": servers.secret_key,
            "port": 0,
            "drain_seconds": 0,
        }
    )
    await execute(servers, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(servers: EmbeddedServers, statement: str) -> None:
    """Run a statement as the administrator of the server."""
    admin = await asyncpg.connect(servers.database_url.replace("+asyncpg", ""))
    await admin.execute(statement)
    await admin.close()


@asynccontextmanager
async def client_of(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=10) as client:
        yield client


def a_post(path: str = "/in/echo/key", body: bytes = b"ada@example.com", *headers: bytes) -> bytes:
    """A whole request that closes its connection."""
    lines = (b"host: x", b"connection: close", b"content-length: %d" % len(body), *headers)
    return b"POST %s HTTP/1.1\r\n" % path.encode() + b"\r\n".join(lines) + b"\r\n\r\n" + body


def problem_in(raw: bytes, status: int) -> dict[str, Any]:
    """The problem in a raw answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0].startswith(b"HTTP/1.1 %d " % status), raw[:200]
    assert b"content-type: application/problem+json" in lines
    problem: dict[str, Any] = orjson.loads(body)
    assert problem["status"] == status
    return problem
