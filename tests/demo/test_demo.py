"""The demo itself, as the README has it, only without its pauses."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.timeout(240)
async def test_the_demo_adds_up() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "leadhub",
        "demo",
        "--exit",
        "--pace",
        "0",
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    out, err = (text.decode() for text in await process.communicate())

    assert process.returncode == 0, out + err
    assert "57 accepted (2 of them spam), 2 refused; 43 people, 12 submissions merged" in out
    assert "15 to sales, 26 to nurture, 2 to nobody" in out
    assert "\x1b[" not in out, "plain lines where nobody looks on"
    assert " no  " not in out
    assert err == ""
