from pathlib import Path

import pytest

from leadhub.cli import run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "described.json"


def test_what_was_written_passes_the_check(file: Path) -> None:
    assert run(["openapi", "--output", str(file)]) == 0
    assert run(["openapi", "--check", "--output", str(file)]) == 0


def test_a_stale_file_fails_with_the_difference_and_the_command(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["openapi", "--output", str(file)])
    file.write_text(file.read_text("utf-8").replace('"title": "LeadHub"', '"title": "LeafHub"'), "utf-8")

    code = run(["openapi", "--check", "--output", str(file)])

    told = capsys.readouterr()
    assert code == 1
    assert '-    "title": "LeafHub"' in told.out
    assert '+    "title": "LeadHub"' in told.out
    assert "python -m leadhub openapi" in told.err


def test_a_dash_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["openapi", "--output", "-"]) == 0
    assert capsys.readouterr().out.startswith("{")
