"""`leadhub openapi`: the API's description, made from the code and kept in the repository."""

import difflib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from leadhub.cli.console import note
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag

_FILE = Path(__file__).resolve().parents[3] / "openapi" / "leadhub.json"
_MOST_LINES = 200


def openapi(*, check: Flag = False, output: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None) -> int:
    """Write the API's description.

    Args:
        check: Write nothing; exit code 1, with the difference, if the file is not what the code says.
        output: File to write; `-` for standard output, openapi/leadhub.json of the checkout if not given.
    """
    from leadhub.api.openapi import render  # noqa: PLC0415 - builds the whole application

    text = render()
    if str(output) == "-":
        sys.stdout.write(text)
        return 0
    file = output or _FILE
    if check:
        return _check(file, text)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror}.", "Name another file with --output.") from None
    note(f"wrote {file}")
    return 0


def _check(file: Path, text: str) -> int:
    written = file.read_text(encoding="utf-8") if file.exists() else ""
    if written == text:
        note(f"{file.name} is what the code says")
        return 0
    difference = list(
        difflib.unified_diff(written.splitlines(), text.splitlines(), str(file), "the code", lineterm="", n=2)
    )
    for line in difference[:_MOST_LINES]:
        print(line)
    if len(difference) > _MOST_LINES:
        print(f"… and {len(difference) - _MOST_LINES} lines more")
    note("Run `python -m leadhub openapi` and commit the file.")
    return 1
