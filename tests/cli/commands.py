"""Commands as a user runs them: in a process of their own, with an environment of their own.

Those that end by themselves are forked from the nursery, which spares each of them its imports.
"""

import asyncio
import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
    return await asyncio.to_thread(_ordered, arguments, env)


def _ordered(arguments: Sequence[str], env: Mapping[str, str]) -> Ran:
    with _one_at_a_time, tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
        order = {"arguments": arguments, "environment": dict(env), "out": out.name, "err": err.name}
        nursery = _nursery()
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        nursery.stdin.write(json.dumps(order) + "\n")
        nursery.stdin.flush()
        code = int(nursery.stdout.readline())
        return Ran(code, out.read().decode(), err.read().decode())


_one_at_a_time = threading.Lock()


@functools.cache
def _nursery() -> subprocess.Popen[str]:
    nursery = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("nursery.py"))],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(nursery.communicate)  # closes its input, which ends it
    return nursery
