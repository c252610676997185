"""`leadhub up` from nothing, found by other commands, stopped by a signal."""

import asyncio
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.cli.commands import environment, run_leadhub, start_leadhub

from leadhub.demo.processes import free_port

pytestmark = pytest.mark.timeout(240)  # many cold starts of Python on a busy machine


@pytest.fixture(scope="module")  # what one test began, the next goes on with
def data_dir() -> Iterator[str]:
    """Directly in the temporary folder: root's servers run as another account, to which `tmp_path` is closed."""
    with tempfile.TemporaryDirectory(prefix="leadhub-up-", ignore_cleanup_errors=True) as folder:
        yield folder


async def _said_until(process: asyncio.subprocess.Process, word: str) -> str:
    assert process.stdout is not None
    said = ""
    while word not in said:
        line = await asyncio.wait_for(process.stdout.readline(), 90)
        assert line, f"it ended, saying: {said}"
        said += line.decode()
    return said


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


async def _is_gone(pid: int) -> bool:
    for _ in range(150):
        if not _exists(pid):
            return True
        await asyncio.sleep(0.1)
    return False


async def test_up_from_nothing_takes_a_lead_and_stops_cleanly(data_dir: str) -> None:
    env = environment(LEADHUB_DATA_DIR=data_dir, LEADHUB_PORT=str(free_port()))
    process = await start_leadhub("up", env=env)

    said = await _said_until(process, "Ready.")
    (token,) = re.findall(r"^  (lh_live_\S+)$", said, flags=re.MULTILINE)
    (url,) = re.findall(r"curl (http\S+)", said)
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(url, json={"email": "ada@example.com"}, headers={"authorization": f"Bearer {token}"})
    status = await run_leadhub("status", env=env)
    second = await run_leadhub("up", "--port", "0", env=env)
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), 60)

    assert answer.status_code == 202
    assert status.code == 0, status
    assert second.code == 2
    assert "in use" in second.err
    assert process.returncode == 0, err.decode()
    assert "stopped" in out.decode()
    assert (await run_leadhub("status", env=env)).code == 2


@pytest.mark.skipif(not _exists(os.getpid()), reason="looks at processes by /proc")
async def test_nothing_outlives_an_up_that_is_killed(data_dir: str) -> None:
    env = environment(LEADHUB_DATA_DIR=data_dir, LEADHUB_PORT=str(free_port()))
    process = await start_leadhub("up", env=env)
    await _said_until(process, "Ready.")
    children = _children(process.pid)

    process.kill()
    await process.wait()

    assert len(children) >= 2
    for pid in children:
        assert await _is_gone(pid)
