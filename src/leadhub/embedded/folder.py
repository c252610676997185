"""The data folder: where it is, who may use it, who holds it, and the small files that we keep in it."""

import base64
import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from leadhub.embedded.account import Account, can_enter, give_to
from leadhub.embedded.errors import EmbeddedError

ROOT_DATA_DIR = Path("/var/lib/leadhub")
SECRET_KEY_BYTES = 32

# sockaddr_un.sun_path less its closing NUL. Source: unix(7) on Linux, unix(4) on macOS.
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
# PostgreSQL names its own socket, by its port.
POSTGRES_SOCKET = ".s.PGSQL.5432"
VALKEY_SOCKET = "valkey.sock"

# Characters that PostgreSQL's list syntax, SQLAlchemy's host syntax, arq and redis-py all take as they are.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+")
_LOCK_SECONDS = 0.5  # is_held() holds the lock for an instant
_POLL_SECONDS = 0.02


def default_data_dir() -> Path:
    """Return the data folder of the account that runs us.

    Root's servers run as another account, which cannot reach /root: hence /var/lib. An account without a home (a
    container's, a service's) gets a folder in /var/tmp, which outlives a reboot.
    """
    if os.geteuid() == 0:
        return ROOT_DATA_DIR
    with contextlib.suppress(RuntimeError):
        home = Path.home()
        if home.is_dir() and os.access(home, os.W_OK):
            return home / ".local" / "share" / "leadhub"
    return Path(f"/var/tmp/leadhub-{os.geteuid()}")  # noqa: S108  prepare() checks its owner before it is used


def prepare(folder: Path, account: Account | None) -> None:
    """Make the data folder, closed to others but passable for the account that runs the servers.

    Raises:
        EmbeddedError: it cannot be made, belongs to somebody else, or the account cannot reach it.
    """
    try:
        folder.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if account and not can_enter(folder, account):
            os.chown(folder, -1, account.gid)
            folder.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXGRP)
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error}. Choose another.") from error
    if account is None and found.st_uid != os.geteuid():
        raise EmbeddedError(f"The data folder {folder} belongs to another account. Choose another.")
    if account and not can_enter(folder, account):
        raise EmbeddedError(
            f"As root the servers run as '{account.name}', which cannot reach {folder}: one of its parent folders is "
            f"closed to that account. Choose another data folder, such as {ROOT_DATA_DIR}."
        )


@contextlib.contextmanager
def sockets_of(folder: Path, account: Account | None) -> Iterator[Path]:
    """Yield the private folder for the sockets.

    Inside the data folder, unless the path would be too long for a socket or has characters that one of PostgreSQL,
    SQLAlchemy, redis-py and arq reads as something else (blanks, commas, colons: they disagree about quoting). Then it
    is /tmp/leadhub-<hash of the data folder>, removed when the servers stop.
    """
    sockets = folder / "sockets"
    longest = max(len(os.fsencode(sockets / name)) for name in (POSTGRES_SOCKET, VALKEY_SOCKET))
    elsewhere = longest > LONGEST_SOCKET_PATH or not _PLAIN_PATH.fullmatch(str(sockets))
    if elsewhere:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        sockets = Path(f"/tmp/leadhub-{digest}")  # noqa: S108  made private, and its owner is checked, below
    sockets.mkdir(mode=0o700, exist_ok=True)
    found = sockets.lstat()  # not stat(): somebody else may have put a link there
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), account.uid if account else -1}:
        raise EmbeddedError(f"{sockets} belongs to another account. Remove it, or choose another data folder.")
    give_to(sockets, account)
    sockets.chmod(0o700)
    try:
        yield sockets
    finally:
        if elsewhere:
            shutil.rmtree(sockets, ignore_errors=True)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the kernel drops with our process, however that ends.

    The file stays: removing a lock file lets two launchers hold two files of one name.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not wait_until(lambda: _try_lock(descriptor, fcntl.LOCK_EX), seconds=_LOCK_SECONDS):
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise EmbeddedError(
                f"The data folder {folder} is in use by the running LeadHub process {holder}. Stop it, or choose "
                "another."
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Tell whether a launcher holds the folder: surer than its pid, which may be another process's by now."""
    with (folder / "lock").open("rb") as lock:
        return not _try_lock(lock.fileno(), fcntl.LOCK_SH)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def secret_key_of(folder: Path) -> str:
    """Return the folder's encryption key, 32 random bytes in base64, made on first use and never replaced."""
    key_file = folder / "secret.key"
    if not key_file.exists():
        write_atomically(key_file, base64.b64encode(secrets.token_bytes(SECRET_KEY_BYTES)).decode("ascii") + "\n")
    text = key_file.read_text(encoding="ascii").strip()
    try:
        length = len(base64.b64decode(text, validate=True))
    except ValueError:
        length = 0
    if length != SECRET_KEY_BYTES:
        raise EmbeddedError(f"{key_file} does not hold {SECRET_KEY_BYTES} bytes in base64. Restore it from a backup.")
    return text


def write_atomically(path: Path, text: str) -> None:
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


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Wait for something that sends no word, and tell whether it came in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
