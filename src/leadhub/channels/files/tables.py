"""Files as rows: CSV, JSON lines and Excel, one row at a time, with bounds on all that a file can be too much of."""

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import IO, Any, Literal, NamedTuple

import orjson
from typing_extensions import override

from leadhub.channels.decoding import FormFields
from leadhub.channels.decoding.forms import MAX_VALUE, flatten
from leadhub.domain.errors import InvalidInput

Format = Literal["csv", "jsonl", "xlsx"]

MOST_ROWS = 1_000_000
MOST_COLUMNS = 200
_MOST_UNPACKED = 1_000_000_000
"""Bytes of an Excel file without its compression."""
_TEXTS = "sharedstrings.xml"
"""How the part of an Excel file is called that holds the texts of all cells."""
_MOST_SHARED = 40_000_000
"""Bytes of the texts that an Excel file's cells refer to, which are all held in memory while it is read, and take five
times as much there: 100,000 rows of six texts each that are all different have 20 MB of them, and take 106 MiB (10 MiB
where the texts stand in their cells). That is all that grows with the file."""
_MOST_ENTRIES = 2_000
_LONGEST_NAME = 200
_SAMPLE_BYTES = 64_000
_SAMPLE_ROWS = 100
_DELIMITERS = ",;\t|"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read."""

    format: Format
    encoding: str = "utf-8"
    delimiter: str = ","


class Row(NamedTuple):
    """One row; the first below the headings is number 1."""

    number: int
    values: FormFields
    """Column → its text."""
    problem: str | None = None
    """Why it cannot be read."""


def detect(file: IO[bytes]) -> Layout:
    """Return how a file is to be read.

    Raises:
        InvalidInput: it is empty, or an Excel file that is broken or far too large.
    """
    file.seek(0)
    head = file.read(_SAMPLE_BYTES)
    if not head.strip():
        raise InvalidInput("The file is empty.")
    if head.startswith(b"PK\x03\x04"):
        _check_archive(file)
        return Layout("xlsx")
    encoding = _encoding(file, head)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return Layout("jsonl", encoding)
    return Layout("csv", encoding, _delimiter(text))


def columns(file: IO[bytes], layout: Layout) -> list[str]:
    """Return a file's columns; of JSON lines those of the first rows."""
    if layout.format == "jsonl":
        names: dict[str, None] = {}
        for row in islice(rows(file, layout), _SAMPLE_ROWS):
            names |= dict.fromkeys(row.values)
        return list(names)
    return next(_named(_cells(file, layout)))


def rows(file: IO[bytes], layout: Layout, *, after: int = 0) -> Iterator[Row]:
    """Yield a file's rows behind a row number; blank ones are counted and left out.

    Raises:
        InvalidInput: more rows or columns than a file may have, or a broken Excel file.
    """
    found = _json_rows(file, layout) if layout.format == "jsonl" else _table_rows(file, layout)
    for row in found:
        if row.number > MOST_ROWS:
            raise InvalidInput(f"A file may have {MOST_ROWS:,} rows; split it.")
        if row.number > after and (row.values or row.problem):
            yield row


def safe_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: with an apostrophe in front, which `rows` takes off again.

    Source: OWASP, "CSV Injection".

    >>> safe_cell("=1+1"), safe_cell("+49 30 1"), safe_cell("Ada")
    ("'=1+1", "'+49 30 1", 'Ada')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _encoding(file: IO[bytes], head: bytes) -> str:
    """Return the encoding: as a byte order mark says, UTF-8 if every byte is, else what Excel in the West writes."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    try:
        while chunk := file.read(1_000_000):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _delimiter(text: str) -> str:
    """Return what separates columns: what gives the most of them, the same number in each of the first rows."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(cells) for cells in islice(csv.reader(io.StringIO(text), delimiter=delimiter), 20) if cells][:-1]
        widths = widths or [len(next(csv.reader(io.StringIO(text), delimiter=delimiter), []))]
        usual = widths[0]
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    return max(_DELIMITERS, key=score)


def _cells(file: IO[bytes], layout: Layout) -> Iterator[list[str] | str]:
    """Yield each row's cells, or what is wrong with it."""
    if layout.format == "xlsx":
        yield from _sheet(file)
        return
    file.seek(0)
    text = io.TextIOWrapper(io.BufferedReader(_Kept(file)), encoding=layout.encoding, errors="replace", newline="")
    reader = csv.reader(text, delimiter=layout.delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield "a cell without an end, or far too long"
            continue
        yield [_without_guard(cell) for cell in cells]


def _named(cells: Iterator[list[str] | str]) -> Iterator[list[str]]:
    """Yield the columns once, each under a name of its own.

    Raises:
        InvalidInput: no headings, or too many.
    """
    first = next((row for row in cells if not isinstance(row, str) and any(cell.strip() for cell in row)), None)
    if first is None:
        raise InvalidInput("The file has no row of headings.")
    while first and not first[-1].strip():
        first.pop()
    if len(first) > MOST_COLUMNS:
        raise InvalidInput(f"A file may have {MOST_COLUMNS} columns.")
    names: list[str] = []
    for place, cell in enumerate(first, start=1):
        name = " ".join(cell.split())[:_LONGEST_NAME] or f"column {place}"
        names.append(name if name not in names else f"{name} ({place})")
    yield names


def _table_rows(file: IO[bytes], layout: Layout) -> Iterator[Row]:
    cells = _cells(file, layout)
    [names] = _named(cells)
    for number, row in enumerate(cells, start=1):
        if isinstance(row, str):
            yield Row(number, {}, row)
        elif any(cell.strip() for cell in row[len(names) :]):
            yield Row(number, _values(names, row), "more cells than columns")
        else:
            values = _values(names, row)
            too_long = [name for name, texts in values.items() if len(texts[0]) > MAX_VALUE]
            yield Row(number, values, f"{too_long[0]}: the text is too long" if too_long else None)


def _values(names: Sequence[str], row: Sequence[str]) -> FormFields:
    return {name: [cell] for name, cell in zip(names, row, strict=False) if cell.strip()}


def _json_rows(file: IO[bytes], layout: Layout) -> Iterator[Row]:
    file.seek(0)
    text = io.TextIOWrapper(io.BufferedReader(_Kept(file)), encoding=layout.encoding, errors="replace")
    number = 0
    while line := text.readline(MAX_VALUE * 4):
        number += 1
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
            if not isinstance(document, dict):
                yield Row(number, {}, "a line is one JSON object")
                continue
            yield Row(number, flatten(document))
        except orjson.JSONDecodeError:
            yield Row(number, {}, "this line is not JSON")
        except InvalidInput as error:
            yield Row(number, {}, str(error))


def _sheet(file: IO[bytes]) -> Iterator[list[str]]:
    """Yield the rows of the first sheet."""
    import openpyxl  # noqa: PLC0415 - a second of start-up that only this needs

    _check_archive(file)
    file.seek(0)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its size may be anything
        for row in sheet.iter_rows(values_only=True, max_col=MOST_COLUMNS + 1):
            yield [_text(value) for value in row]
    except InvalidInput:
        raise
    except Exception:  # whatever the library makes of a broken file  # noqa: BLE001
        raise InvalidInput("The Excel file cannot be read.") from None


def _check_archive(file: IO[bytes]) -> None:
    """Refuse an archive that would become far larger than it is.

    Raises:
        InvalidInput: it would, or it is none.
    """
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        raise InvalidInput("The Excel file cannot be read.") from None
    if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > _MOST_UNPACKED:
        raise InvalidInput("The Excel file is too large; save it as CSV.")
    if sum(entry.file_size for entry in entries if entry.filename.lower().endswith(_TEXTS)) > _MOST_SHARED:
        raise InvalidInput("The Excel file has too many different texts; save it as CSV.")


def _text(value: Any) -> str:
    """Return a cell's value as text: 30123.0 is a number that somebody typed without a point."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return _without_guard(str(value))


def _without_guard(cell: str) -> str:
    """Return a cell without the apostrophe that `safe_cell` put in front."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


class _Kept(io.RawIOBase):
    """A file that stays open when the text reader on it is thrown away."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    @override
    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        chunk = self._file.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def layout_of(document: Mapping[str, Any]) -> Layout:
    """Return a layout as it was kept."""
    return Layout(document["format"], document["encoding"], document["delimiter"])
