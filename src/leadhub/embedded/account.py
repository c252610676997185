"""Whom the servers run as: ourselves, or as root an account that PostgreSQL accepts."""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from leadhub.embedded.errors import EmbeddedError

# A server's locale, time zone and libraries must not depend on who started it.
SERVER_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine; None wherever an `Account | None` is taken means the one we run as."""

    name: str
    uid: int
    gid: int


def server_account(cluster: Path) -> Account | None:
    """Return the account to run servers as, or None to run them as ourselves.

    An existing cluster keeps its account: a system PostgreSQL installed later brings `postgres`, which could not open
    what `nobody` made.
    """
    if os.geteuid() != 0:
        return None
    candidates = []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            candidates.append(Account(name, entry.pw_uid, entry.pw_gid))
    if not candidates:
        raise EmbeddedError(
            "PostgreSQL does not run as root, and there is neither an account 'postgres' nor 'nobody'. Run LeadHub as "
            "an ordinary user, or set LEADHUB_DATABASE_URL and LEADHUB_REDIS_URL."
        )
    owner = cluster.stat().st_uid if cluster.exists() else None
    return next((candidate for candidate in candidates if candidate.uid == owner), candidates[0])


def runner(account: Account | None) -> str:
    """Return how a message calls the account."""
    return f"the account '{account.name}'" if account else "this account"


def run_as(account: Account | None, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as the account; one that cannot be run at all returns 126, as in a shell."""
    try:
        return subprocess.run(
            argv,
            cwd="/",  # ours may be closed to the account
            env=SERVER_ENVIRONMENT,
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


def can_enter(folder: Path, account: Account) -> bool:
    """Tell whether the account really gets there: trying also honours what mode bits do not show."""
    return run_as(account, ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0


def give_to(folder: Path, account: Account | None) -> None:
    """Make the account the folder's owner."""
    if account:
        os.chown(folder, account.uid, account.gid)
