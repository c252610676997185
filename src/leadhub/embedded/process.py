"""One server process: started, watched, stopped, killed; and the orphan that an earlier launcher left behind."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from leadhub.embedded.account import SERVER_ENVIRONMENT, Account, run_as
from leadhub.embedded.errors import EmbeddedError
from leadhub.embedded.folder import wait_until

_START_SECONDS = 300.0  # after a crash the write-ahead log is replayed first
_KILL_SECONDS = 10.0
_LARGEST_LOG_BYTES = 10_000_000
_LOG_TAIL_BYTES = 2_000
_PR_SET_PDEATHSIG = 1  # Source: prctl(2)


@dataclass(frozen=True, slots=True)
class Program:
    """What tells the two servers apart, for the code that starts, watches and stops either."""

    name: str
    argv: tuple[str, ...]
    directory: Path  # its working directory and its children's, by which an orphan is recognised
    log_file: Path
    pid_file: Path
    sockets: tuple[Path, ...]
    stop_signals: tuple[tuple[signal.Signals, float], ...]  # gentle first, each with the seconds it is given
    is_ready: Callable[[int], bool]


class Server:
    """Our child process, in a session of its own so that the terminal's Ctrl-C is ours to handle."""

    def __init__(self, program: Program, account: Account | None, spawner: ThreadPoolExecutor) -> None:
        self._program = program
        self._account = account
        self._spawner = spawner
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            EmbeddedError: it ended instead; the message has the end of its log.
        """
        _clear_the_way(self._program)
        process = self._spawn()
        wait_until(lambda: self._program.is_ready(process.pid) or process.poll() is not None, seconds=_START_SECONDS)
        if not self._program.is_ready(process.pid):
            self.stop()
            log = self._program.log_file
            raise EmbeddedError(f"{self._program.name} did not start. The end of {log}:\n{_tail(log)}")

    def stop(self) -> None:
        """Ask it to finish, ever less politely, and wait until it is gone."""
        process = self._process
        if process is not None:
            _end(process.pid, self._program.stop_signals, has_ended=lambda: process.poll() is not None)
        self._process = None

    def restart(self) -> None:
        """Stop it if it runs, then start it."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill it and its children at once, and wait until all are gone.

        The parent is frozen first: it must neither see a child die nor fork another.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGSTOP)
        for pid in _processes_of(self._program) | {process.pid}:
            _send(pid, signal.SIGKILL)
        process.wait()
        wait_until(lambda: not _processes_of(self._program), seconds=_KILL_SECONDS)
        self._process = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the process from the spawner's thread.

        Linux sends the parent-death signal when the *thread* that forked ends, so a caller's short-lived thread would
        take the server with it. The spawner's one thread lives exactly as long as the servers.
        """
        program, account = self._program, self._account
        with _open_log(program.log_file) as log:
            self._process = self._spawner.submit(
                subprocess.Popen,
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=program.directory,
                env=SERVER_ENVIRONMENT,
                umask=0o077,
                start_new_session=True,
                preexec_fn=_dies_with_launcher(program.stop_signals[0][0]),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            ).result()
        return self._process


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Have the server run inside the `with` block."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _dies_with_launcher(signum: signal.Signals) -> Callable[[], None] | None:
    """Return what the forked child does before it becomes the server: ask for a signal when its launcher dies.

    Python runs it after the change of account, which would clear the request. It calls nothing but libc, whose function
    is looked up here, because in the fork of a process with threads any lock may be held for ever.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    launcher = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != launcher:  # it died before we could ask
            os._exit(1)

    return ask


def _clear_the_way(program: Program) -> None:
    """Stop what a killed launcher left running on our folder, and remove what a killed server left lying there.

    We hold the folder's lock, so no launcher owns that server. Its pid file must stay while any of its processes live:
    by it PostgreSQL recognises backends that outlived their postmaster. Once none lives it must go, for the number may
    be another process's by now, at which PostgreSQL would refuse to start.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = int(program.pid_file.read_text(encoding="ascii").split("\n", 1)[0])
        if pid in _processes_of(program):
            _end(pid, program.stop_signals, has_ended=lambda: pid not in _processes_of(program))
    for backend in _processes_of(program):
        _send(backend, signal.SIGKILL)
    wait_until(lambda: not _processes_of(program), seconds=_KILL_SECONDS)
    for leftover in (program.pid_file, *program.sockets):
        leftover.unlink(missing_ok=True)


def _end(pid: int, signals: Sequence[tuple[signal.Signals, float]], *, has_ended: Callable[[], bool]) -> None:
    for signum, seconds in signals:
        if has_ended():
            return
        _send(pid, signum)
        wait_until(has_ended, seconds=seconds)
    if not has_ended():
        raise EmbeddedError(f"The process {pid} does not stop, not even killed.")


def _send(pid: int, signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)


def _processes_of(program: Program) -> set[int]:
    """Return the living processes of a server: those of its name that work in its directory.

    The name keeps a shell out in which somebody looks around there.
    """
    name = Path(program.argv[0]).name
    if sys.platform == "linux":
        return {
            int(entry.name)
            for entry in Path("/proc").glob("[0-9]*")
            if _works_in(entry, program.directory) and _name_of(entry) == name
        }
    listed = run_as(None, ["lsof", "-t", "-a", "-d", "cwd", "-c", name, str(program.directory)]).stdout
    return {int(line) for line in listed.split() if line.isdigit()}


def _works_in(entry: Path, directory: Path) -> bool:
    """Tell whether the process of this /proc entry works there; one that ended, reaped or not, works nowhere."""
    try:
        return (entry / "cwd").readlink() == directory
    except OSError:
        return False


def _name_of(entry: Path) -> str:
    try:
        return (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _open_log(path: Path) -> IO[bytes]:
    """Open a server's log for appending; a large one steps aside, so that two at most are kept."""
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.old"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _tail(path: Path) -> str:
    return path.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace")
