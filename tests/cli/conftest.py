"""A command beside a deployment of this test's own."""

import logging
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from tests.cli.commands import Leadhub, Ran, environment, run_leadhub

from leadhub import telemetry
from leadhub.demo import processes
from leadhub.demo.processes import Processes
from leadhub.settings import Settings


@pytest.fixture(autouse=True)
def _no_logging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test calls in this process must not decide how all later tests log."""
    monkeypatch.setattr(telemetry, "configure_logging", lambda **_: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.fixture
def ported(settings: Settings) -> Settings:
    """Settings whose gateway has a port that is free just now."""
    return settings.model_copy(update={"port": processes.free_port(), "drain_seconds": 0.0})


@pytest.fixture
def leadhub(ported: Settings) -> Leadhub:
    """Run a command on this test's own database."""

    async def run(*arguments: str, **variables: str) -> Ran:
        return await run_leadhub(*arguments, env=environment(**processes.environment_of(ported)) | variables)

    return run


@pytest.fixture
async def pair(ported: Settings, tmp_path: Path) -> AsyncIterator[Processes]:
    """A gateway and a worker, running."""

    async def prepare() -> None:
        """The fixture's database is migrated."""

    async with processes.running(ported, log_dir=tmp_path, notice=print, prepare=prepare) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Commands can be stopped with Ctrl-C also where the tests run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
