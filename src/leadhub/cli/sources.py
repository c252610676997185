"""`leadhub sources`: the connections through which leads come."""

import json
from typing import Any

from cyclopts import App

from leadhub.cli.console import Columns, note, say, show, show_json, show_one
from leadhub.cli.context import find
from leadhub.cli.database import entropy, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Json, Several
from leadhub.pipeline import sources
from leadhub.resources import Resources
from leadhub.store import sources as stored
from leadhub.store.sources import Source

app = App(name="sources")

_MOST = 1_000
_COLUMNS: Columns = {
    "key": lambda source: source.key,
    "channel": lambda source: source.channel,
    "name": lambda source: source.name,
    "state": lambda source: "on" if source.enabled else "off",
    "id": lambda source: source.id,
}


@app.command
def create(channel: str, name: str, *, key: str | None = None, option: Several = (), as_json: Json = False) -> None:
    """Connect a source and show where its leads are to be posted.

    Args:
        channel: form or api.
        name: What people call it; leads carry it.
        key: Its part of the URL; a key that nobody can guess if not given.
        option: NAME=VALUE of the channel, such as allowed_origins=https://www.example.com; repeat it for several.
        as_json: Print JSON.
    """
    options = _options(option)

    async def work(resources: Resources) -> Source:
        return await sources.create_source(
            resources.sessions,
            resources.vault,
            channel=channel,
            name=name,
            key=key,
            options=options,
            now=now(),
            entropy=entropy,
        )

    made = use(work)
    url = f"{find().gateway_url}/in/{made.channel}/{made.key}"
    if as_json:
        show_json({"id": made.id, "key": made.key, "url": url})
        return
    say(f"[bold]{url}[/bold]")
    note(f"Post leads there. `leadhub sources show {made.key}` shows its options.")


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List sources, newest first.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[Source]:
        async with resources.sessions() as session:
            return await stored.list_sources(session, limit=_MOST, now=now())

    show(use(work), _COLUMNS, empty="No sources yet. Connect one with `leadhub sources create`.", as_json=as_json)


@app.command(name="show")
def show_(key: str, /, *, as_json: Json = False) -> None:
    """Show a source with its options.

    Args:
        key: The source's key, the last part of its URL.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> Source:
        return await _by_key(resources, key)

    source = use(work)
    facts = {"key": source.key, "channel": source.channel, "name": source.name, "enabled": source.enabled}
    shown = source.options if as_json else {f"  {name}": _as_text(value) for name, value in source.options.items()}
    show_one({**facts, "options": shown} if as_json else {**facts, **shown}, as_json=as_json)


@app.command
def pause(key: str, /) -> None:
    """Refuse what comes through a source until it is resumed.

    Args:
        key: The source's key.
    """
    _enable(key, enabled=False)
    note(f"Paused: {key} takes nothing until `leadhub sources resume {key}`.")


@app.command
def resume(key: str, /) -> None:
    """Take leads through a source again.

    Args:
        key: The source's key.
    """
    _enable(key, enabled=True)
    note(f"Resumed: {key} takes leads.")


@app.command(name="set")
def set_(key: str, option: tuple[str, ...], /) -> None:
    """Change options of a source; those not named stay.

    Args:
        key: The source's key.
        option: NAME=VALUE; a value may be JSON.
    """
    changes = _options(option)

    async def work(resources: Resources) -> None:
        source = await _by_key(resources, key)
        await sources.update_source(
            resources.sessions,
            source.id,
            sources.SourceChanges(options={**source.options, **changes}),
            expected_version=source.version,
            now=now(),
        )

    use(work)
    note(f"Changed {', '.join(changes)} of {key}.")


def _enable(key: str, *, enabled: bool) -> None:
    async def work(resources: Resources) -> None:
        source = await _by_key(resources, key)
        changes = sources.SourceChanges(enabled=enabled)
        await sources.update_source(resources.sessions, source.id, changes, expected_version=None, now=now())

    use(work)


async def _by_key(resources: Resources, key: str) -> Source:
    async with resources.sessions() as session:
        found = await stored.list_sources(session, limit=_MOST, now=now())
    for source in found:
        if key in {source.key, str(source.id)}:
            return source
    raise UserError(f"There is no source '{key}'.", "`leadhub sources list` shows them.")


def _options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; what is no JSON is text, and a lone text stands for a list where one is expected."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise UserError(f"'{pair}' is no option.", "Write it as NAME=VALUE, such as thank_you_url=https://…")
        try:
            value = json.loads(text)
        except ValueError:
            value = text.split(",") if name in _LISTS else text
        options[name] = value
    return options


_LISTS = frozenset({"allowed_origins", "redirect_hosts", "allowed_activities"})
"""Options that take several texts, which may be written with commas."""


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
