"""Files by command: checked, taken in, killed on the way and taken up again."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.cli.commands import Leadhub, environment, start_leadhub

from leadhub.cli import build
from leadhub.demo import processes
from leadhub.resources import Resources
from leadhub.settings import Settings


def called(*arguments: str) -> None:
    """Run a command in this process; it has a loop of its own, so elsewhere than the test."""
    build()(list(arguments), exit_on_error=False, result_action="return_value")


async def submissions(resources: Resources) -> int:
    async with resources.engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM submission"))).scalar_one())


@pytest.fixture
def deployment(ported: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in processes.environment_of(ported).items():
        monkeypatch.setenv(name, value)
    return ported


async def test_a_file_is_checked_taken_in_and_its_rejects_printed(
    deployment: Settings, resources: Resources, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    del deployment
    file = tmp_path / "fair.csv"
    file.write_text("Mail;Kundennr\nada@example.org;1\n;\nnobody;\n")

    def said(*arguments: str) -> bytes:
        capfdbinary.readouterr()
        called(*arguments)
        return capfdbinary.readouterr().out

    await asyncio.to_thread(said, "sources", "create", "import", "Files", "--key", "files")
    arguments = (str(file), "--source", "files", "--mapping", "Kundennr=external_id", "--json")
    checked = json.loads(await asyncio.to_thread(said, "imports", "check", *arguments))
    before = await submissions(resources)
    started = json.loads(await asyncio.to_thread(said, "imports", "start", *arguments))
    rejects = await asyncio.to_thread(said, "imports", "rejects", started["id"])

    assert (checked["would be taken"], checked["new"], checked["rejected"]) == (1, 1, 1)
    assert before == 0
    assert (started["state"], started["taken"], await submissions(resources)) == ("done", 1, 1)
    assert rejects.decode().splitlines()[1].startswith('"3","')


@pytest.mark.slow
async def test_after_kill_9_another_goes_on_and_no_row_is_there_twice(
    leadhub: Leadhub, ported: Settings, resources: Resources, tmp_path: Path
) -> None:
    count = 20_000
    file = tmp_path / "many.csv"
    file.write_text("email\n" + "".join(f"p{number}@example.org\n" for number in range(count)))
    await leadhub("sources", "create", "import", "Files", "--key", "files")
    env = environment(**processes.environment_of(ported))
    process = await start_leadhub("imports", "start", str(file), "--source", "files", env=env)
    while await submissions(resources) < 3_000:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    halfway = await submissions(resources)
    [run] = json.loads((await leadhub("imports", "list", "--json")).out)
    async with resources.engine.begin() as connection:
        await connection.execute(text("UPDATE import_run SET lease_until = now()"))

    resumed = await leadhub("imports", "resume", run["id"], "--json")

    assert halfway < count
    assert json.loads(resumed.out)["taken"] == count
    query = text("SELECT count(*), count(DISTINCT content->'fields'->>'email') FROM submission")
    async with resources.engine.connect() as connection:
        assert tuple((await connection.execute(query)).one()) == (count, count)
