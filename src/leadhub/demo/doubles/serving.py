"""The doubles' server, and a process of their own for whoever needs one."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

from leadhub.demo.doubles.graph import Graph
from leadhub.demo.doubles.restli import RestLi
from leadhub.demo.doubles.world import Double
from leadhub.demo.receiver import listening

_LARGEST_BODY = 64_000_000


@asynccontextmanager
async def serving(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve both doubles in this process, and yield their URL; port 0 picks a free one.

    Raises:
        OSError: the port is in use.
    """
    double, application = Double(), web.Application(client_max_size=_LARGEST_BODY)
    for part in (double, Graph(double), RestLi(double)):
        part.install(application)
    async with listening(application, host, port) as url:
        yield url


@asynccontextmanager
async def running() -> AsyncIterator[str]:
    """Run both doubles in a process of their own until the block is left, and yield their URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "leadhub.demo.doubles",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    try:
        yield orjson.loads(await process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        await process.wait()
