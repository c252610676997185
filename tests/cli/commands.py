"""Commands as a user runs them: in a process of their own, with an environment of their own."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


Leadhub = Callable[..., Awaitable[Ran]]


def environment(**variables: str) -> dict[str, str]:
    """What a command inherits: nothing of LeadHub's but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEADHUB_")}
    return {**inherited, "PYTHONPATH": str(SOURCES), **variables}


async def start_leadhub(*arguments: str, env: Mapping[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "leadhub",
        *arguments,
        env=dict(env),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run_leadhub(*arguments: str, env: Mapping[str, str]) -> Ran:
    process = await start_leadhub(*arguments, env=env)
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())
