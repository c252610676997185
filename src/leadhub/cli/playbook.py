"""`leadhub playbook`: the document that scores, qualifies, routes and nurtures."""

import sys
from pathlib import Path

from cyclopts import App

from leadhub.cli.console import note
from leadhub.cli.database import use
from leadhub.cli.errors import UserError
from leadhub.domain.errors import FieldError, InvalidDocument
from leadhub.domain.playbook_loading import read, shipped, shipped_names
from leadhub.resources import Resources
from leadhub.store import playbooks
from leadhub.store.playbooks import StoredPlaybook

app = App(name="playbook")


@app.command
def show(name: str | None = None, /) -> None:
    """Print the playbook that decides now, or one that comes with LeadHub.

    Args:
        name: guide or basics; the active one of the database if not given.
    """
    if name is None:
        document = _active().document
    elif name in shipped_names():
        document = shipped(name)
    else:
        raise UserError(f"There is no playbook '{name}'.", f"LeadHub comes with {', '.join(shipped_names())}.")
    sys.stdout.write(document if document.endswith("\n") else document + "\n")


@app.command
def lint(file: Path, /) -> int:
    """Check a playbook and list every finding with its line; exit code 1 if it does not hold.

    Args:
        file: YAML or JSON.
    """
    try:
        reading = read(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is no text in UTF-8.") from None
    except InvalidDocument as error:
        _list(file, "error", error.errors)
        return 1
    _list(file, "warning", reading.warnings)
    about = reading.playbook.metadata
    note(f"{about.name}@{about.version} holds")
    return 0


def _active() -> StoredPlaybook:
    async def work(resources: Resources) -> StoredPlaybook | None:
        async with resources.sessions() as session:
            return await playbooks.active(session)

    found = use(work)
    if found is None:
        raise UserError("The database has no playbook.", "Run `leadhub migrate`, which brings the first one.")
    note(f"{found.name}@{found.version}, by {found.author}, {found.created_at:%Y-%m-%d}")
    return found


def _list(file: Path, kind: str, findings: tuple[FieldError, ...]) -> None:
    for one in findings:
        print(f"{file}: {kind}: {one.detail} ({one.pointer})")
