"""What every benchmark needs: servers of its own, and CPU time read from the system."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from leadhub import embedded, telemetry
from leadhub.embedded import EmbeddedServers
from leadhub.settings import Settings

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Servers:
    """Running servers and the settings that lead to them."""

    embedded: EmbeddedServers

    def settings(self, **more: object) -> Settings:
        """Return settings for these servers; webhooks may go to this machine."""
        return Settings.model_validate(
            {
                "database_url": self.embedded.database_url,
                "redis_url": self.embedded.redis_url,
                "secret_key": self.embedded.secret_key,
                "outbound_networks": "127.0.0.0/8",
                "log_level": "warning",
                **more,
            }
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a child process of ours."""
        root = Path(__file__).resolve().parents[1]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)]),
            "LEADHUB_DATABASE_URL": self.embedded.database_url,
            "LEADHUB_REDIS_URL": self.embedded.redis_url,
            "LEADHUB_SECRET_KEY": self.embedded.secret_key,
            "LEADHUB_OUTBOUND_NETWORKS": "127.0.0.0/8",
            "LEADHUB_LOG_LEVEL": "warning",
            **more,
        }


@contextmanager
def servers() -> Iterator[Servers]:
    """Run a PostgreSQL and a Valkey on a folder that is deleted afterwards."""
    telemetry.configure_logging(log_format="json", level="warning")
    with embedded.temporary() as running:
        yield Servers(running)


def cpu_seconds() -> float:
    """Return the CPU time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def process_cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and its ended children have used, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[index]) for index in (11, 12, 13, 14)) / _TICKS


def postgres_cpu_seconds(running: Servers) -> float:
    """Return the CPU time of PostgreSQL and all its backends."""
    postmaster = running.embedded.postgres_pid
    if postmaster is None:
        return 0.0
    children = (path for path in Path("/proc").iterdir() if path.name.isdigit() and _parent(path) == postmaster)
    return process_cpu_seconds(postmaster) + sum(process_cpu_seconds(int(path.name)) for path in children)


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
    except OSError:
        return 0


CALM = 0.05
"""The share of the CPU that others on the same host may take before a measurement says more about them than of us."""


class Stolen:
    """Tells what share of this machine's CPU its host gave to others since this was made, 0 where nobody says."""

    def __init__(self) -> None:
        self._before = self._read()

    def share(self) -> float:
        """Return the share so far, of 1."""
        spent = [late - early for early, late in zip(self._before, self._read(), strict=True)]
        return spent[7] / (sum(spent) or 1)

    @staticmethod
    def _read() -> list[int]:
        line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
        return [int(number) for number in line.split()[1:9]]


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
