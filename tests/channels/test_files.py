import io
import zipfile

import openpyxl
import pytest
from tests.support.posting import a_connection

from leadhub.channels.files.channel import names_of, read_row
from leadhub.channels.files.guessing import guess, mapping_of
from leadhub.channels.files.tables import Layout, Row, columns, detect, rows, safe_cell
from leadhub.domain.errors import InvalidInput

CONNECTION = a_connection("import")


def a_file(content: str | bytes) -> io.BytesIO:
    return io.BytesIO(content.encode() if isinstance(content, str) else content)


def read(content: str | bytes, **after: int) -> list[Row]:
    file = a_file(content)
    return list(rows(file, detect(file), **after))


def a_workbook(*lines: list[object]) -> bytes:
    book = openpyxl.Workbook()
    for line in lines:
        book.active.append(line)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (b"email,name\na@b.org,Ada\n", Layout("csv", "utf-8", ",")),
        (b"email;name\na@b.org;Ada, of London\nc@d.org;Eve\n", Layout("csv", "utf-8", ";")),
        (b"email\tname\na@b.org\tAda\n", Layout("csv", "utf-8", "\t")),
        ("\ufeffemail;name\n".encode(), Layout("csv", "utf-8-sig", ";")),
        ("email;name\na@b.org;Jos\u00e9\n".encode("cp1252"), Layout("csv", "cp1252", ";")),
        ("email,name\na@b.org,Jos\u00e9\n".encode("utf-16"), Layout("csv", "utf-16", ",")),
        (b"email\na@b.org\n", Layout("csv", "utf-8", ",")),
        (b'{"email": "a@b.org"}\n', Layout("jsonl", "utf-8", ",")),
    ],
)
def test_a_file_is_read_as_it_was_written(content: bytes, layout: Layout) -> None:
    assert detect(a_file(content)) == layout


def test_rows_are_numbered_from_below_the_headings_and_blank_ones_are_left_out() -> None:
    found = read("email,name\na@b.org,Ada\n\n,\nc@d.org,\n")

    assert found == [
        Row(1, {"email": ["a@b.org"], "name": ["Ada"]}),
        Row(4, {"email": ["c@d.org"]}),
    ]
    assert read("email,name\na@b.org,Ada\n\n,\nc@d.org,\n", after=1) == found[1:]


def test_headings_without_a_name_or_with_one_twice_get_their_own() -> None:
    file = a_file("email,,email\na@b.org,x,c@d.org\n")

    assert columns(file, detect(file)) == ["email", "column 2", "email (3)"]


def test_quotes_may_hold_lines_and_a_row_may_not_be_longer_than_the_headings() -> None:
    [first, second] = read('email,note\na@b.org,"two\nlines"\nc@d.org,x,y\n')

    assert first.values["note"] == ["two\nlines"]
    assert second.problem == "more cells than columns"


def test_what_is_wrong_with_a_line_of_json_stops_nothing() -> None:
    found = read('{"email": "a@b.org", "x": {"y": 1}}\n[1]\n{"broken\n\n{"email": "c@d.org"}\n')

    assert [(row.number, row.problem is None) for row in found] == [(1, True), (2, False), (3, False), (5, True)]
    assert found[0].values == {"email": ["a@b.org"], "x.y": ["1"]}


def test_an_excel_file_reads_like_the_others() -> None:
    found = read(a_workbook(["E-Mail", "Telefon", "Seats"], ["a@b.org", 493012345, 2.0], [None, None], ["c@d.org"]))

    assert found == [
        Row(1, {"E-Mail": ["a@b.org"], "Telefon": ["493012345"], "Seats": ["2"]}),
        Row(3, {"E-Mail": ["c@d.org"]}),
    ]


@pytest.mark.parametrize("content", [b"", b" \n", b"PK\x03\x04 no archive", b"\n\n"])
def test_what_is_no_file_of_rows_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        list(read(content))


def test_an_archive_that_would_burst_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(2_001):
            archive.writestr(str(number), b"")

    with pytest.raises(InvalidInput, match="too large"):
        detect(file)


def test_an_excel_file_whose_texts_would_fill_the_memory_is_refused_before_it_is_read() -> None:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings.xml", "w") as texts,
    ):
        for _ in range(41):
            texts.write(b"<si><t>a</t></si>" * 60_000)

    with pytest.raises(InvalidInput, match="too many different texts; save it as CSV"):
        detect(file)


@pytest.mark.parametrize("text", ["=1+1", "+49 30 1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula_and_the_guard_comes_off_again(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    assert safe_cell("plain") == "plain"
    if text.isprintable():
        assert read(f"a,b\n{safe_cell(text)},x\n")[0].values["a"] == [text]


def test_columns_are_known_by_name_and_by_what_is_in_them() -> None:
    sample = [
        {"Kontakt": ["a@b.org"], "Firma": ["A"], "Durchwahl": ["+49 30 123456"], "email": ["x"], "Farbe": ["red"]},
        {"Kontakt": ["c@d.org"], "Durchwahl": ["030 1234567"], "email": ["y"]},
    ]
    found = guess(["Firma", "Kontakt", "Durchwahl", "Farbe"], sample, names_of(CONNECTION, {}))
    doubtful = guess(["email"], sample, names_of(CONNECTION, {}))

    assert [(one.target, one.confidence) for one in found] == [
        ("company", 0.9),
        ("email", 0.8),
        ("phone", 0.8),
        ("custom", 0.0),
    ]
    assert mapping_of(found) == {"Kontakt": "email", "Durchwahl": "phone"}
    assert doubtful[0].confidence < 0.5


def test_a_row_becomes_a_submission_under_its_own_key() -> None:
    names = names_of(CONNECTION, {"Kundennr": "external_id", "Farbe": "ignore"})
    reading = read_row({"Kundennr": ["k-1"], "Vorname": ["Ada"], "Farbe": ["red"]}, names, CONNECTION, key="import:1:1")

    assert reading.unpacked is not None
    assert reading.unpacked.content.external_id == "k-1"
    assert reading.unpacked.content.fields == {"first_name": "Ada"}
    assert reading.unpacked.content.custom == {}
    assert (reading.unpacked.dedupe_key, reading.unpacked.permanent_key) == ("import:1:1", True)


def test_a_row_without_anybody_in_it_says_why_and_not_what() -> None:
    reading = read_row({"email": ["nobody"], "company": ["x" * 400]}, names_of(CONNECTION, {}), CONNECTION, key="k")

    assert reading.unpacked is None
    assert reading.reasons == (
        "company: At most 300 characters are accepted.",
        "This is not an e-mail address, and there is no phone number.",
    )
