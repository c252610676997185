"""The README says what is true: every setting with its default, every command, the two first commands."""

import re
import shlex
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from leadhub.cli import build
from leadhub.domain.signature import format_secret, sign
from leadhub.settings import Settings

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def text() -> str:
    return README.read_text(encoding="utf-8")


def settings_table() -> str:
    """Return the table of settings as the README must have it."""
    rows = [
        f"| `LEADHUB_{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "none" if field.default in {None, "", ()} else f"`{field.default}`"


def test_the_table_of_settings_is_that_of_the_class(text: str) -> None:
    expected = settings_table()

    assert expected in text, f"Put this table into README.md:\n\n{expected}\n"


def test_the_first_screen_has_exactly_the_two_commands(text: str) -> None:
    first = text.split("\n## ", maxsplit=1)[0]

    commands = re.findall(r"^\./run .*$", first, flags=re.MULTILINE)

    assert [line.split("#")[0].strip() for line in commands] == ["./run demo", "./run test"]
    assert first.count("curl ") == 1


def test_every_command_in_it_can_be_typed(text: str) -> None:
    lines = re.findall(r"^leadhub (?!--help)(.+)$", text, flags=re.MULTILINE)

    assert len(lines) > 10
    for line in lines:
        build().parse_args(shlex.split(line, comments=True), print_error=False, exit_on_error=False)


def test_its_verification_believes_what_we_sign_and_nothing_else(text: str) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the README's own lines are what is tested
    key, now, body = bytes(range(32)), int(time.time()), b'{"type":"lead.routed"}'
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now),
        "webhook-signature": "v1,AAAA " + sign(message_id="msg_1", timestamp=now, body=body, keys=[key]),
    }
    is_genuine = names["is_genuine"]

    assert is_genuine(format_secret(key), headers, body)
    assert not is_genuine(format_secret(key), headers, body + b" ")
    assert not is_genuine(format_secret(bytes(32)), headers, body)
    assert not is_genuine(format_secret(key), headers | {"webhook-timestamp": str(now - 301)}, body)


def test_no_folder_of_this_machine_and_nothing_unfinished_is_in_it(text: str) -> None:
    assert str(README.parent) not in text
    assert "TODO" not in text
