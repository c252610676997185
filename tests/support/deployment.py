"""A whole deployment for a fault test: own servers, a gateway and a worker as processes of their own."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2

from leadhub import embedded
from leadhub.embedded import EmbeddedServers

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Deployment:
    """Processes that a test may kill and start again."""

    def __init__(self, servers: EmbeddedServers, log: Path) -> None:
        self.servers = servers
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, verb: str, *, name: str | None = None, **variables: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "LEADHUB_DATABASE_URL": self.servers.database_url,
            "LEADHUB_REDIS_URL": self.servers.redis_url,
            "LEADHUB_SECRET_KEY": self.servers.secret_key,
            "LEADHUB_PORT": str(self.port),
            "LEADHUB_LEASE_SECONDS": "5",
            "LEADHUB_OUTBOUND_NETWORKS": "127.0.0.0/8",
            **variables,
        }
        with self.log.open("ab") as log:
            self._running[name or verb] = subprocess.Popen(
                [sys.executable, "-m", "leadhub", verb], env=environment, stdout=log, stderr=log
            )

    def kill(self, verb: str) -> None:
        self._running[verb].kill()
        self._running[verb].wait()

    def terminate(self, verb: str) -> int:
        self._running[verb].send_signal(signal.SIGTERM)
        return self._running[verb].wait(timeout=20)

    def signal(self, name: str, number: signal.Signals) -> None:
        self._running[name].send_signal(number)

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            process.kill()
            process.wait()

    def wait_ready(self, *, seconds: float = 30) -> None:
        """Return once the gateway says that it is ready."""
        deadline = time.monotonic() + seconds
        with httpx2.Client() as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx2.HTTPError):
                    if client.get(f"{self.url}/health/ready", timeout=2).status_code == 200:
                        return
                time.sleep(0.05)
        raise AssertionError(f"the gateway did not become ready:\n{self.log.read_text()[-3000:]}")

    async def settle(self, *, seconds: float) -> None:
        """Return once every stored submission has been processed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                if not await self.query("SELECT 1 FROM pending_submission LIMIT 1"):
                    return
            await asyncio.sleep(0.2)
        raise AssertionError(await self.query("SELECT * FROM pending_submission"))

    async def query(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.servers.database_url.replace("+asyncpg", ""))
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
        finally:
            await connection.close()
        return rows


@contextlib.contextmanager
def deployment(log: Path) -> Iterator[Deployment]:
    """Own servers, nothing migrated and nothing started yet."""
    with embedded.temporary() as servers:
        running = Deployment(servers, log)
        try:
            yield running
        finally:
            running.stop()
