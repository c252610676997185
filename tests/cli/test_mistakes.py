"""What a user gets wrong is answered with a sentence and exit code 2, never with a traceback."""

import base64
import socket
from pathlib import Path

import pytest
from tests.cli.commands import environment, run_leadhub

from leadhub.cli import run

_DOWN = {
    "LEADHUB_DATABASE_URL": "postgresql+asyncpg://leadhub@/postgres?host=/nonexistent&port=5432",
    "LEADHUB_REDIS_URL": "unix:///nonexistent/valkey.sock",
    "LEADHUB_SECRET_KEY": base64.b64encode(bytes(32)).decode(),
}
_AN_ID = "01a2004c-ca3d-78d8-b2f8-c39974418fc0"


@pytest.fixture(autouse=True)
def _no_leadhub_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEADHUB_DATA_DIR", str(tmp_path / "nothing"))


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = run(arguments)

    told = capsys.readouterr().err
    assert code == 2
    assert told.startswith("leadhub: ")
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("sourcs list", '"sources"'),
        ("send --cuont 3", "--count"),
        ("send --count three", "--count"),
        ("send --count 0", "--count 0"),
        ("send --rate -1", "--rate"),
        ("send --channel carrier-pigeon", "carrier-pigeon"),
        ("demo --pace -1", "--pace"),
        ("listen --fail-rate 2", "--fail-rate"),
        ("listen --status 99", "--status"),
        ("listen --secret whsec_short", "24 to 64 bytes"),
        ("keys create x --scope everything", "leads:write"),
        ("keys create x --expires soon", "90d"),
        ("keys revoke 17", "keys list"),
        ("leads show 17", "leads list"),
        ("sources create form X --option colour", "NAME=VALUE"),
        ("submissions replay", "--all"),
        ("playbook show gide", "guide"),
        ("playbook lint /nonexistent.yaml", "/nonexistent.yaml"),
        ("leads show", "ID"),
    ],
)
def test_a_wrong_word_is_named(command: str, names: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert names in _told(capsys, *command.split())


@pytest.mark.parametrize("command", ["status", "leads list", "doctor", "tail", "send", "keys list", "migrate"])
def test_without_a_leadhub_it_says_how_to_get_one(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, *command.split())

    assert "LEADHUB_DATABASE_URL" in told
    assert " up`" in told


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_a_missing_setting_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, command)

    assert "LEADHUB_DATABASE_URL is not set" in told
    assert "LEADHUB_SECRET_KEY is not set" in told


def test_a_wrong_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**_DOWN, "LEADHUB_PORT": "123456"}.items():
        monkeypatch.setenv(name, value)

    told = _told(capsys, "serve")

    assert "LEADHUB_PORT" in told
    assert "123456" not in told


@pytest.mark.parametrize("command", ["leads list", "migrate", "tail"])
async def test_a_database_that_is_down_is_no_bug(command: str) -> None:
    ran = await run_leadhub(*command.split(), env=environment(**_DOWN))

    assert ran.code == 2
    assert ran.err.startswith("leadhub: ")
    assert "doctor`" in ran.err
    assert "Traceback" not in ran.err


def test_a_gateway_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    told = _told(capsys, "send", "--url", "http://127.0.0.1:9", "--channel", "form", "--source", "x")

    assert "http://127.0.0.1:9" in told


@pytest.mark.parametrize("command", ["up --port {port}", "listen --port {port}"])
def test_a_port_in_use_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        told = _told(capsys, *command.format(port=port).split())

    assert str(port) in told
    assert "--port" in told
