"""The demo's view of its CRM: starts the process, hands it the secret, and knows what it received."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from leadhub.demo.receiver import Receipt

_LONGEST_LINE = 4_000_000
_CHANGES = frozenset({"lead.created", "lead.updated"})
"""Types of which each submission is named by exactly one event."""


class Crm:
    """The receiver in its own process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.receipts: list[Receipt] = []
        self.arrivals: asyncio.Queue[Receipt] = asyncio.Queue()
        """Receipts in the order of arrival, for whoever follows them live."""
        self._process = process
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._about: dict[str, asyncio.Future[Receipt]] = {}

    async def url(self) -> str:
        """Return where it listens, once it does."""
        return await self._url

    async def trust(self, secret: str) -> None:
        """Let it verify with this signing secret."""
        if self._process.stdin is not None:
            self._process.stdin.write(orjson.dumps({"secret": secret}) + b"\n")
            await self._process.stdin.drain()

    async def told_of(self, submission_id: str, *, within_seconds: float) -> Receipt | None:
        """Return the first believed event that names a submission, or None if none comes in time."""
        try:
            async with asyncio.timeout(within_seconds):
                return await asyncio.shield(self._told(submission_id))
        except TimeoutError:
            return None

    async def read(self) -> None:
        """Take down what it receives, until it ends."""
        if self._process.stdout is not None and (first := await self._process.stdout.readline()):
            self._url.set_result(orjson.loads(first)["url"])
        while self._process.stdout is not None and (line := await self._process.stdout.readline()):
            receipt = Receipt(**orjson.loads(line))
            self.receipts.append(receipt)
            self.arrivals.put_nowait(receipt)
            if receipt.doubt is None and receipt.type in _CHANGES:
                for submission_id in receipt.data.get("submission_ids", ()):
                    self._resolve(submission_id, receipt)

    def _resolve(self, submission_id: str, receipt: Receipt) -> None:
        told = self._told(submission_id)
        if not told.done():
            told.set_result(receipt)

    def _told(self, submission_id: str) -> asyncio.Future[Receipt]:
        if submission_id not in self._about:
            self._about[submission_id] = asyncio.get_running_loop().create_future()
        return self._about[submission_id]


@asynccontextmanager
async def running_crm() -> AsyncIterator[Crm]:
    """Run the CRM until the block is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "leadhub.demo.crm",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        start_new_session=True,
    )
    crm = Crm(process)
    reader = asyncio.create_task(crm.read())
    try:
        yield crm
    finally:
        reader.cancel()
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
