"""Append events to files of JSON lines: for those who run nothing that could receive a webhook.

The other kind of destination beside `outbound.webhook`: it says what happened as the same `AttemptResult`, so lanes,
leases, filters, order, retries and replays are the same. A message broker would be one more such module and one more
scheme in `pipeline.sending`; NATS, RabbitMQ and Kafka are left out.

A line is on the disk before its delivery is recorded, and carries the event's id: at least once, as everywhere. Files
are only ever appended to, so that whoever follows one never reads a byte twice: where a crash left half a line, the
next one begins on a line of its own. A reader passes over a line that is no JSON; its event comes again.
"""

import asyncio
import errno
import fcntl
import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from leadhub.domain.attempt import AttemptResult, Failure
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import EndpointId

_SCHEME = "jsonl:"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_THREADS = 8
"""A disk that hangs keeps its thread long after the attempt ended; the loop's own threads are for others."""
_MODE = 0o640
"""Leads are personal data: for the owner, and for a group that ships them."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that one line needs."""

    endpoint_id: EndpointId
    url: str
    """`jsonl:NAME`."""
    message_id: str
    """The same for every attempt, so that a reader knows a repeat."""
    at: datetime
    """Of this attempt; its day, in UTC, is in the file's name."""
    body: bytes
    """JSON."""
    attempt: int
    sequence: int | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    line: bytes
    written: asyncio.Future[None]


def is_file(url: str) -> bool:
    """Whether a URL stands for files and not for a receiver.

    >>> is_file("jsonl:warehouse"), is_file("https://crm.example.com/jsonl:x")
    (True, False)
    """
    return url.startswith(_SCHEME)


def check_file(url: str, *, has_folder: bool) -> None:
    """Accept the URL of files, as far as that can be seen without touching the disk.

    Raises:
        InvalidInput: at `#/url`: the name could lead elsewhere, or this deployment writes no files.
    """
    if not _NAME.fullmatch(url.removeprefix(_SCHEME)):
        raise InvalidInput.at("#/url", "write jsonl: and a name of up to 40 small letters, digits and hyphens")
    if not has_folder:
        raise InvalidInput.at("#/url", "this deployment writes no files: its operator has to set a folder for them")


class JsonlFiles:
    """Writes the files of one folder: one a process, closed at the end of `with`. Several processes may share it."""

    def __init__(self, folder: Path | None, *, total_seconds: float) -> None:
        """Build it; without a folder nothing is written."""
        self._folder = folder
        self._total_seconds = total_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jsonl")
        self._waiting: dict[str, list[_Waiting]] = {}
        """By the file's name; a file has an entry while somebody writes it."""
        self._writers: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def append(self, entry: Entry) -> AttemptResult:
        """Add a line, and return once it is on the disk, or why it is not; nothing that the disk does raises."""
        clock = asyncio.get_running_loop().time
        started, failure = clock(), None
        try:
            async with asyncio.timeout(self._total_seconds):
                failure = await self._write(entry)
        except TimeoutError:
            failure = Failure.TIMEOUT
        except OSError as error:
            failure = Failure.DISK_FULL if error.errno in _FULL else Failure.DISK
        duration_ms = round((clock() - started) * 1000)
        return AttemptResult(failure=failure, is_written=failure is None, duration_ms=duration_ms)

    async def _write(self, entry: Entry) -> Failure | None:
        """Wait until a line is written, together with all that arrives while the line before it is."""
        if self._folder is None:
            return Failure.NO_FOLDER
        name = _name(entry)
        mine = _Waiting(_line(entry), asyncio.get_running_loop().create_future())
        if name in self._waiting:
            self._waiting[name].append(mine)
        else:
            self._waiting[name] = [mine]
            writer = asyncio.create_task(self._write_all(self._folder, name))
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        await mine.written
        return None

    async def _write_all(self, folder: Path, name: str) -> None:
        """Write what waits for a file until nothing does: one flush for all that came during the last."""
        loop = asyncio.get_running_loop()
        try:
            while some := [one for one in self._waiting[name] if not one.written.done()]:
                self._waiting[name] = []
                lines = [one.line for one in some]
                error = await loop.run_in_executor(self._threads, _append, folder, name, lines)
                for one in some:
                    if one.written.done():
                        continue  # whoever waited for it gave up: it comes again
                    if error is None:
                        one.written.set_result(None)
                    else:
                        one.written.set_exception(error)
        finally:
            del self._waiting[name]


def _name(entry: Entry) -> str:
    """Return the name of a file: the endpoint's id is in it, so no endpoint ever writes into the files of another."""
    name = entry.url.removeprefix(_SCHEME)
    return f"{name}-{entry.endpoint_id}-{entry.at.astimezone(UTC):%Y-%m-%d}.jsonl"


def _line(entry: Entry) -> bytes:
    """Return a line: what a webhook says in its headers, then the event. In JSON a line feed is only a blank."""
    head = {
        "webhook-id": entry.message_id,
        "webhook-timestamp": int(entry.at.timestamp()),
        "leadhub-attempt": entry.attempt,
        "leadhub-sequence": entry.sequence,
    }
    body = entry.body.replace(b"\n", b" ")
    return json.dumps(head, separators=(",", ":")).encode()[:-1] + b',"event":' + body + b"}\n"


def _append(folder: Path, name: str, lines: Sequence[bytes]) -> OSError | None:
    """Write lines and flush them, the folder too, so that the file is found again; return what went wrong."""
    try:
        # A link in the folder would lead out of it.
        file = os.open(folder / name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed: other workers write the same file
            size = os.fstat(file).st_size
            is_broken = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            rest = memoryview(b"\n" * is_broken + b"".join(lines))
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
        finally:
            os.close(file)
        entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)
    except OSError as error:
        return error
    return None
