"""`leadhub sources`: the connections through which leads come."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cyclopts import App
from rich.markup import escape

from leadhub.channels.protocol import Guide, SecretFrom, Unpacked
from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.cli.console import Columns, note, say, show, show_json, show_one
from leadhub.cli.context import find
from leadhub.cli.database import entropy, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Json, Several
from leadhub.cli.source_platforms import by_key, typed
from leadhub.pipeline import quarantine as held
from leadhub.pipeline import sources
from leadhub.pipeline.quarantine import Replayed
from leadhub.resources import Ids, Resources, open_inbox
from leadhub.store import quarantine as stored_quarantine
from leadhub.store import sources as stored
from leadhub.store.sources import Source

app = App(name="sources")
for _name in ("token", "health", "backfill"):
    app.command(f"leadhub.cli.source_platforms:{_name}", name=_name)

_MOST = 1_000
_COLUMNS: Columns = {
    "key": lambda source: source.key,
    "channel": lambda source: source.channel,
    "name": lambda source: source.name,
    "state": lambda source: "on" if source.enabled else "off",
    "id": lambda source: source.id,
}


@app.command(alias="add")
def create(channel: str, name: str, *, key: str | None = None, option: Several = (), as_json: Json = False) -> None:
    """Connect a source and show its address, its secret, and what to do at the other side.

    Args:
        channel: form, api, or a platform such as typeform; `leadhub sources channels` lists them.
        name: What people call it; leads carry it.
        key: Its part of the URL; a key that nobody can guess if not given.
        option: NAME=VALUE of the channel, such as allowed_origins=https://www.example.com; repeat it for several.
        as_json: Print JSON.
    """
    options = _options(option)
    guide = _guide(channel)
    key = key or sources.make_key(entropy)
    secret = sources.make_secret(entropy) if guide.secret is SecretFrom.LEADHUB else None
    url = _url(channel, key)
    known = PLATFORMS[channel].options.model_fields if channel in PLATFORMS else {}
    if "webhook_url" in known:
        options.setdefault("webhook_url", url)
    if "verify_token" in known:
        options.setdefault("verify_token", sources.make_secret(entropy))

    async def work(resources: Resources) -> Source:
        return await sources.create_source(
            resources.sessions,
            resources.vault,
            channel=channel,
            name=name,
            key=key,
            options=options,
            secrets=[secret] if secret else [],
            now=now(),
            entropy=entropy,
        )

    made = use(work)
    if as_json:
        show_json({"id": made.id, "key": made.key, "url": url} | ({"secret": secret} if secret else {}))
        return
    say(f"[bold]{url}[/bold]")
    if secret:
        say(f"secret, shown only now: [bold]{secret}[/bold]")
    _say_steps(made, url=url, secret=secret)


@app.command
def channels(*, as_json: Json = False) -> None:
    """List the kinds of senders that can be connected.

    Args:
        as_json: Print JSON.
    """
    known = [_Known(name, each.guide.title, _SECRETS[each.guide.secret]) for name, each in CHANNELS.items()]
    show(known, _CHANNEL_COLUMNS, empty="There are none.", as_json=as_json)


@app.command
def steps(key: str, /) -> None:
    """Say again what to do at the other side of a source.

    Args:
        key: The source's key.
    """

    async def work(resources: Resources) -> Source:
        return await by_key(resources, key)

    source = use(work)
    url = _url(source.channel, source.key)
    say(f"[bold]{url}[/bold]")
    _say_steps(source, url=url, secret=None)


@app.command
def secret(key: str, /, *, make: Flag = False, forget: UUID | None = None) -> None:
    """Give a source one more secret, typed or piped in. The others stay, so that the sender can change over.

    Args:
        key: The source's key.
        make: Make a secret and show it, instead of asking for one.
        forget: Believe the secret with this id no longer; `leadhub sources show KEY` lists them.
    """
    if forget is not None:
        _forget(key, forget)
        return
    text = sources.make_secret(entropy) if make else typed()

    async def work(resources: Resources) -> Source:
        source = await by_key(resources, key)
        return await sources.add_secret(
            resources.sessions, resources.vault, source.id, text, now=now(), entropy=entropy
        )

    changed = use(work)
    if make:
        say(f"secret, shown only now: [bold]{text}[/bold]")
    note(f"{key} has {len(changed.secrets)} live secrets; `leadhub sources secret {key} --forget ID` drops an old one.")


@app.command
def quarantine(key: str, /, *, replay: Flag = False, as_json: Json = False) -> None:
    """List what a source's sender sent and nobody could be found in; it was acknowledged, and is kept for 30 days.

    Args:
        key: The source's key.
        replay: Read it again, with the source's options as they are now; what can be read becomes leads.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> tuple[Replayed | None, list[_HeldLine]]:
        source = await by_key(resources, key)
        done = None
        if replay:
            inbox = open_inbox(resources)
            done = await held.replay(resources.sessions, inbox, source.id, new_id=Ids(), now=now())
            await inbox.close()
        async with resources.sessions() as session:
            rows = await stored_quarantine.of_source(session, source.id, limit=_MOST)
        return done, [_HeldLine(str(row.id), row.received_at, row.because, len(row.body)) for row in rows]

    done, lines = use(work)
    if done is not None:
        note(f"{done.taken} could be read and are leads now, {done.held} could not.")
    show(lines, _HELD_COLUMNS, empty="Nothing is held.", as_json=as_json)


@app.command
def preview(key: str, file: Path, /, *, content_type: str = "application/json", option: Several = ()) -> None:
    """Show what a source would make of a request, without sending or storing anything.

    Args:
        key: The source's key.
        file: The body as the platform sends it; - for standard input.
        content_type: What the body is.
        option: NAME=VALUE to try instead of the source's own; repeat it for several.
    """
    body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    changes = _options(option)

    async def work(resources: Resources) -> Sequence[Unpacked]:
        source = await by_key(resources, key)
        return await sources.preview(
            resources.sessions,
            source.id,
            body=body,
            content_type=content_type,
            headers={},
            options={**source.options, **changes} if changes else None,
            now=now(),
        )

    found = use(work)
    show_json([one.content.model_dump(mode="json", exclude_defaults=True) for one in found])
    if not found:
        note("Nobody is in it: neither an e-mail address, nor a telephone number, nor an external_id.")


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
        return await by_key(resources, key)

    source = use(work)
    facts = {"key": source.key, "channel": source.channel, "name": source.name, "enabled": source.enabled}
    secrets = [{"id": str(each.id), "created_at": each.created_at} for each in source.secrets]
    facts |= {"url": _url(source.channel, source.key)}
    facts |= {"secrets": secrets if as_json else [each["id"] for each in secrets]}
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
        source = await by_key(resources, key)
        await sources.update_source(
            resources.sessions,
            source.id,
            sources.SourceChanges(options={**source.options, **changes}),
            expected_version=source.version,
            now=now(),
        )

    use(work)
    note(f"Changed {', '.join(changes)} of {key}.")


@dataclass(frozen=True, slots=True)
class _HeldLine:
    id: str
    received_at: datetime
    because: str
    bytes: int


_HELD_COLUMNS: Columns = {
    "id": lambda line: line.id,
    "received": lambda line: line.received_at,
    "because": lambda line: line.because,
    "bytes": lambda line: line.bytes,
}


@dataclass(frozen=True, slots=True)
class _Known:
    channel: str
    title: str
    secret: str


_SECRETS = {
    SecretFrom.LEADHUB: "made here, pasted there",
    SecretFrom.PLATFORM: "made there, told here",
    SecretFrom.NOBODY: "",
}
_CHANNEL_COLUMNS: Columns = {
    "channel": lambda known: known.channel,
    "title": lambda known: known.title,
    "secret": lambda known: known.secret,
}


def _guide(channel: str) -> Guide:
    if channel not in CHANNELS:
        raise UserError(f"There is no channel '{channel}'.", "`leadhub sources channels` lists them.")
    return CHANNELS[channel].guide


def _url(channel: str, key: str) -> str:
    deployment = find()
    return f"{(deployment.settings.public_url or deployment.gateway_url).rstrip('/')}/in/{channel}/{key}"


def _say_steps(source: Source, *, url: str, secret: str | None) -> None:
    guide = _guide(source.channel)
    unknown = "(its secret; `leadhub sources secret KEY --make` makes another)"
    for number, line in enumerate(guide.filled(url=url, secret=secret or unknown, options=source.options), start=1):
        say(escape(f"{number}. {line.replace('KEY', source.key)}"))


def _forget(key: str, secret_id: UUID) -> None:
    async def work(resources: Resources) -> None:
        source = await by_key(resources, key)
        await sources.remove_secret(resources.sessions, source.id, secret_id, now=now())

    use(work)
    note(f"{key} believes that secret no longer.")


def _enable(key: str, *, enabled: bool) -> None:
    async def work(resources: Resources) -> None:
        source = await by_key(resources, key)
        changes = sources.SourceChanges(enabled=enabled)
        await sources.update_source(resources.sessions, source.id, changes, expected_version=None, now=now())

    use(work)


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
