"""A gateway and a worker as child processes, watched: what `up` and `demo` run beside the embedded servers.

Two processes rather than tasks in ours, because that is what production runs; and because then killing one is a test
that anybody can make: it is started again, and nothing is lost.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from pydantic import SecretStr

from leadhub.settings import Settings

Notice = Callable[[str], None]
"""Takes a sentence for whoever watches."""

_READY_SECONDS = 60.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 10.0
_STABLE_SECONDS = 30.0
"""A process that lived this long gets the shortest pause again."""
_LARGEST_LOG = 10_000_000
_TAIL_BYTES = 1_500
_MOST_WARNINGS = 15


class ProcessFailed(Exception):
    """A process ended before it was ready; the text has the end of its log."""


@dataclass(slots=True)
class Child:
    """One process of ours, started again whenever it dies until we stop it."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log_file: Path
    stop_seconds: float
    notice: Notice
    _process: asyncio.subprocess.Process | None = None
    _watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process, and from now on keep it running."""
        if self.log_file.exists() and self.log_file.stat().st_size > _LARGEST_LOG:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        await self._spawn()
        self._watcher = asyncio.create_task(self._watch())

    async def _spawn(self) -> None:
        log = _open_log(self.log_file)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "leadhub",
                *self.arguments,
                "--with-parent",
                # It reads this pipe, which closes with us however we end; see `cli.serving`.
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self.environment),
                # Ctrl-C in the terminal reaches us alone; we stop our children in their order.
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _watch(self) -> None:
        pause = _FIRST_PAUSE
        while self._process is not None:
            began = time.monotonic()
            code = await self._process.wait()
            if time.monotonic() - began > _STABLE_SECONDS:
                pause = _FIRST_PAUSE
            self.notice(f"the {self.name} {_ended(code)}; starting it again in {pause:g} s (log: {self.log_file})")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            await self._spawn()

    async def stop(self) -> None:
        """Ask the process to finish what it has begun, and wait; kill it if it takes too long."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.stop_seconds):
                await process.wait()
        except TimeoutError:
            self.notice(f"the {self.name} did not stop within {self.stop_seconds:g} s and was killed")
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """Let the process die without a word: what a test does, and what the watcher is there for."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def fail_if_ended(self) -> None:
        """Raise `ProcessFailed` if the process is not running just now."""
        if self.pid is None:
            raise ProcessFailed(f"The {self.name} did not start. The end of {self.log_file}:\n{tail(self.log_file)}")


@dataclass(slots=True)
class Processes:
    """The running pair."""

    gateway_url: str
    gateway: Child
    worker: Child
    children: tuple[Child, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.children = (self.gateway, self.worker)


@asynccontextmanager
async def running(
    settings: Settings, *, log_dir: Path, notice: Notice, prepare: Callable[[], Awaitable[None]]
) -> AsyncIterator[Processes]:
    """Run a gateway and a worker until the block is left: the gateway stops first, so that nothing new comes in.

    Args:
        settings: of both.
        log_dir: where their logs go.
        notice: told when one of them dies.
        prepare: migrates the database. The gateway, which starts slowly and waits until the database is ready, is
            started beside it; the worker, which needs the database, after it.

    Raises:
        ProcessFailed: the gateway did not become ready.
    """
    environment = environment_of(settings)
    patience = settings.drain_seconds + 15
    gateway = Child("gateway", ("serve",), environment, log_dir / "gateway.log", patience, notice)
    worker = Child("worker", ("worker",), environment, log_dir / "worker.log", 25, notice)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    processes = Processes(f"http://{host}:{settings.port}", gateway, worker)
    try:
        await gateway.start()
        await prepare()
        await worker.start()
        await _until_ready(processes)
        yield processes
    finally:
        for child in processes.children:
            await child.stop()


async def _until_ready(processes: Processes) -> None:
    async with httpx2.AsyncClient(base_url=processes.gateway_url, timeout=2, trust_env=False) as client:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get("/health/ready")).status_code == 200:
                    return
            for child in processes.children:
                child.fail_if_ended()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"The gateway is not ready after {_READY_SECONDS:g} s.")
            await asyncio.sleep(0.05)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that gives a child process exactly these settings."""
    return {**os.environ, **{f"LEADHUB_{name.upper()}": text for name, text in texts_of(settings).items()}}


def texts_of(settings: Settings) -> dict[str, str]:
    """Return each setting as the text that the environment would hold; what is not set is left out."""
    return {name: _as_text(value) for name, value in settings.model_dump().items() if value is not None}


def _as_text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case list() | tuple():
            return ",".join(map(_as_text, value))
        case _:
            return str(value)


def cancel_on_signal() -> None:
    """Let the first Ctrl-C or SIGTERM cancel this task, and with it all that it has begun, in order; pass over others.

    A supervisor that a second, impatient Ctrl-C tears out of its clean-up would leave its children behind.
    """
    task = asyncio.current_task()
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(one, lambda: task and not task.cancelling() and task.cancel())


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nobody listens just now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Whether a port can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _open_log(log_file: Path) -> int:
    return os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _ended(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def tail(log_file: Path) -> str:
    """Return the last lines of a log."""
    try:
        text = log_file.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
    except OSError:
        return ""
    return text.partition("\n")[2] if len(text) >= _TAIL_BYTES else text


def warnings(log_dir: Path, name: str) -> list[str]:
    """Return the last lines of a process's log that are more than information."""
    log_file = log_dir / f"{name}.log"
    lines = log_file.read_text("utf-8", "replace").splitlines() if log_file.exists() else []
    return [f"{name}: {line}" for line in lines if '"level":"info"' not in line.replace(" ", "")][-_MOST_WARNINGS:]
