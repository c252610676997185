import asyncio
import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.support.delivering import until

from leadhub.domain.attempt import Failure, Outcome, classify, explain
from leadhub.domain.errors import InvalidInput
from leadhub.domain.ids import EndpointId
from leadhub.outbound.jsonl import Entry, JsonlFiles, check_file, is_file

ENDPOINT = EndpointId(UUID("019bc0fd-89c0-7000-8000-000000000001"))
OTHER = EndpointId(UUID("019bc0fd-89c0-7000-8000-000000000002"))
ENTRY = Entry(
    endpoint_id=ENDPOINT,
    url="jsonl:warehouse",
    message_id="evt_1",
    at=datetime(2026, 1, 15, 23, 59, 59, tzinfo=UTC),
    body='{"type":"lead.routed","data":{"company":"Zoë"}}'.encode(),
    attempt=3,
    sequence=7,
)
NAME = f"warehouse-{ENDPOINT}-2026-01-15.jsonl"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[JsonlFiles]:
    with JsonlFiles(tmp_path, total_seconds=5) as opened:
        yield opened


def _lines(folder: Path, name: str = NAME) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def _names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


async def test_a_line_is_the_event_with_what_a_webhook_says_in_its_headers(files: JsonlFiles, tmp_path: Path) -> None:
    result = await files.append(ENTRY)

    assert (classify(result), explain(result)) == (Outcome.DELIVERED, "it is in the file")
    assert _names(tmp_path) == {NAME}
    assert _lines(tmp_path) == [
        {
            "webhook-id": "evt_1",
            "webhook-timestamp": 1768521599,
            "leadhub-attempt": 3,
            "leadhub-sequence": 7,
            "event": {"type": "lead.routed", "data": {"company": "Zoë"}},
        }
    ]
    assert not stat.S_IMODE((tmp_path / NAME).stat().st_mode) & stat.S_IRWXO


async def test_an_event_of_several_lines_is_one(files: JsonlFiles, tmp_path: Path) -> None:
    await files.append(replace(ENTRY, body=b'{\n  "type": "lead.routed"\n}'))

    assert [line["event"] for line in _lines(tmp_path)] == [{"type": "lead.routed"}]


async def test_each_endpoint_and_each_day_has_a_file(files: JsonlFiles, tmp_path: Path) -> None:
    for entry in (ENTRY, replace(ENTRY, endpoint_id=OTHER), replace(ENTRY, at=datetime(2026, 1, 16, tzinfo=UTC))):
        await files.append(entry)

    assert _names(tmp_path) == {
        NAME,
        f"warehouse-{OTHER}-2026-01-15.jsonl",
        f"warehouse-{ENDPOINT}-2026-01-16.jsonl",
    }


async def test_several_processes_may_write_one_file(tmp_path: Path) -> None:
    with JsonlFiles(tmp_path, total_seconds=5) as one, JsonlFiles(tmp_path, total_seconds=5) as other:
        results = await asyncio.gather(
            *(
                files.append(replace(ENTRY, message_id=f"{name}_{number}", body=b'{"of":"' + b"x" * 9_000 + b'"}'))
                for name, files in (("one", one), ("other", other))
                for number in range(60)
            )
        )

    assert all(result.is_written for result in results)
    expected = {f"{name}_{number}" for name in ("one", "other") for number in range(60)}
    assert sorted(line["webhook-id"] for line in _lines(tmp_path)) == sorted(expected)


async def test_what_came_while_a_line_was_flushed_is_flushed_together(
    files: JsonlFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = 0

    def counting(file: int, *, flush: Callable[[int], None] = os.fsync) -> None:
        nonlocal flushed
        flushed += stat.S_ISREG(os.fstat(file).st_mode)
        flush(file)

    monkeypatch.setattr(os, "fsync", counting)
    await asyncio.gather(*(files.append(replace(ENTRY, message_id=str(number))) for number in range(32)))

    assert [line["webhook-id"] for line in _lines(tmp_path)] == [str(number) for number in range(32)]
    assert flushed <= 2


async def test_nothing_is_delivered_before_it_is_on_the_disk(
    files: JsonlFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: release.wait(5))

    writing = asyncio.create_task(files.append(ENTRY))
    await until(lambda: NAME in _names(tmp_path) and _lines(tmp_path))
    await asyncio.sleep(0.02)
    is_early = writing.done()
    release.set()

    assert not is_early
    assert (await writing).is_written


@pytest.mark.parametrize("rest", [b'{"webhook-id":"evt_0","ev', b"\0\0\0", b"{"])
async def test_half_a_line_of_a_crash_stays_alone_on_its_line(files: JsonlFiles, tmp_path: Path, rest: bytes) -> None:
    (tmp_path / NAME).write_bytes(b'{"a":1}\n' + rest)

    await files.append(ENTRY)
    await files.append(ENTRY)

    first, broken, second, third, end = (tmp_path / NAME).read_bytes().split(b"\n")
    assert (first, broken, end) == (b'{"a":1}', rest, b"")
    assert json.loads(second) == json.loads(third)


async def test_a_full_disk_breaks_a_line_off_and_the_next_try_is_whole(
    files: JsonlFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def filling(file: int, data: memoryview, *, write: Callable[[int, Any], int] = os.write) -> int:
        nonlocal written
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, data[:20])
        return written

    with monkeypatch.context() as full:
        full.setattr(os, "write", filling)
        failed = await files.append(ENTRY)
    again = await files.append(ENTRY)

    assert (failed.failure, classify(failed)) == (Failure.DISK_FULL, Outcome.DISK)
    assert again.is_written
    broken, whole = (tmp_path / NAME).read_bytes().splitlines()
    assert len(broken) == 20
    assert json.loads(whole)["webhook-id"] == "evt_1"


async def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with JsonlFiles(tmp_path / "absent", total_seconds=5) as absent, JsonlFiles(None, total_seconds=5) as nowhere:
        assert (await absent.append(ENTRY)).failure is Failure.DISK
        assert classify(await nowhere.append(ENTRY)) is Outcome.BLOCKED


async def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"")
    (folder / NAME).symlink_to(outside)

    with JsonlFiles(folder, total_seconds=5) as files:
        result = await files.append(ENTRY)

    assert result.failure is Failure.DISK
    assert outside.read_bytes() == b""


async def test_a_disk_that_hangs_delays_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hanging(file: int, *, flush: Callable[[int], None] = os.fsync) -> None:
        if str(OTHER) in str(Path(f"/proc/self/fd/{file}").readlink()):
            release.wait(5)
        flush(file)

    monkeypatch.setattr(os, "fsync", hanging)
    with JsonlFiles(tmp_path, total_seconds=0.2) as files:
        hung = [asyncio.create_task(files.append(replace(ENTRY, endpoint_id=OTHER))) for _ in range(20)]
        quick = await files.append(ENTRY)
        ends = await asyncio.gather(*hung)
        release.set()

    assert quick.is_written
    assert {end.failure for end in ends} == {Failure.TIMEOUT}


@pytest.mark.parametrize("url", ["jsonl:warehouse", "jsonl:a", "jsonl:crm-2", "jsonl:" + "a" * 40])
def test_a_plain_name_is_accepted(url: str) -> None:
    check_file(url, has_folder=True)

    with pytest.raises(InvalidInput):
        check_file(url, has_folder=False)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "..",
        ".",
        "a/b",
        "a\\b",
        "A",
        "a\n",
        "a\0",
        "-a",
        "a-",
        "a" * 41,
        "ä",
        "a b",
        "//host/a",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused_at_its_field(name: str) -> None:
    assert is_file(f"jsonl:{name}")
    with pytest.raises(InvalidInput) as refusal:
        check_file(f"jsonl:{name}", has_folder=True)

    assert [error.pointer for error in refusal.value.errors] == ["#/url"]
