"""`leadhub sources token`, `health` and `backfill`: sources whose leads are fetched at their platform."""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from leadhub.cli.console import Columns, note, say, show, show_json, show_one
from leadhub.cli.database import now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Json
from leadhub.pipeline import checking, polling
from leadhub.pipeline.checking import NewToken
from leadhub.resources import Resources
from leadhub.store import source_health
from leadhub.store import sources as stored
from leadhub.store.source_health import SourceHealth
from leadhub.store.sources import Source

_MOST = 1_000


def token(
    key: str,
    /,
    *,
    expires: datetime | None = None,
    refresh: Flag = False,
    refresh_expires: datetime | None = None,
) -> None:
    """Give a source the access token that fetches its leads, typed or piped in; leads that waited for it go on.

    Args:
        key: The source's key.
        expires: When the token ends, such as 2026-03-01; it is renewed before, where the platform allows that.
        refresh: Ask for a refresh token, too (piped in: the second line): it renews the access token.
        refresh_expires: When the refresh token ends; a month before, source.needs_reauth asks for a new consent.
    """
    new = NewToken(
        token=typed("token", longest=4_000),
        expires_at=_utc(expires),
        refresh_token=typed("refresh token", longest=4_000) if refresh else None,
        refresh_expires_at=_utc(refresh_expires),
    )

    async def work(resources: Resources) -> SourceHealth:
        source = await by_key(resources, key)
        await checking.set_token(resources.sessions, resources.vault, source.id, new, now=now())
        return await _health(resources, source)

    state = use(work)
    note(f"{key} fetches with this token now; {state.waiting} announced leads wait.")


def health(key: str = "", /, *, as_json: Json = False) -> None:
    """Say how sources do: what came by each, how, and since when something is wrong.

    Args:
        key: The source's key; without it all sources, a line each.
        as_json: Print JSON.
    """
    if not key:
        show(use(_all), _COLUMNS, empty="No sources yet.", as_json=as_json)
        return

    async def work(resources: Resources) -> SourceHealth:
        return await _health(resources, await by_key(resources, key))

    found = use(work)
    if as_json:
        show_json(asdict(found))
        return
    facts = asdict(found)
    feeds = facts.pop("feeds")
    show_one({name.replace("_", " "): value for name, value in facts.items() if value is not None})
    if feeds:
        say()
        show(found.feeds, _FEED_COLUMNS, empty="")


def backfill(key: str, /, *, since: datetime) -> None:
    """Read a source's lists at its platform again from a day on; leads that are here already stay one lead.

    Meta keeps leads for 90 days, LinkedIn for a year. The workers do it in the background, within the platform's
    limits; `leadhub sources health KEY` says how far they are.

    Args:
        key: The source's key.
        since: From when on, such as 2026-01-01.
    """

    async def work(resources: Resources) -> None:
        source = await by_key(resources, key)
        await polling.backfill(resources.sessions, source.id, since=since.astimezone(UTC), now=now())

    use(work)
    note(f"The lists of {key} are read again from {since:%Y-%m-%d}; `leadhub sources health {key}` says how far.")


async def by_key(resources: Resources, key: str) -> Source:
    """Return the source with a key, or with an id.

    Raises:
        UserError: there is none.
    """
    async with resources.sessions() as session:
        found = await stored.list_sources(session, limit=_MOST, now=now())
    for source in found:
        if key in {source.key, str(source.id)}:
            return source
    raise UserError(f"There is no source '{key}'.", "`leadhub sources list` shows them.")


def typed(what: str = "secret", *, longest: int = 200) -> str:
    """Read a secret from a terminal without showing it, or from a pipe; never from the arguments, which others see."""
    text = getpass.getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline()
    text = text.strip()
    if not 8 <= len(text) <= longest or not text.isprintable():
        raise UserError(f"A {what} has 8 to {longest} printable characters.", "Type it, or pipe it in.")
    return text


@dataclass(frozen=True, slots=True)
class _Line:
    key: str
    channel: str
    last_received_at: datetime | None
    received: int
    found: int
    waiting: int
    state: str


_COLUMNS: Columns = {
    "key": lambda line: line.key,
    "channel": lambda line: line.channel,
    "last received": lambda line: line.last_received_at,
    "received": lambda line: line.received,
    "found": lambda line: line.found,
    "waiting": lambda line: line.waiting,
    "state": lambda line: line.state,
}
_FEED_COLUMNS: Columns = {
    "list": lambda feed: feed.feed_id,
    "name": lambda feed: feed.name,
    "read up to": lambda feed: feed.read_up_to,
    "state": lambda feed: feed.error or ("under way" if feed.is_under_way else "read"),
}


async def _all(resources: Resources) -> Sequence[_Line]:
    async with resources.sessions() as session:
        found = await stored.list_sources(session, limit=_MOST, now=now())
        states = [await source_health.read(session, source.id) for source in found]
    return [
        _Line(
            source.key,
            source.channel,
            state.last_received_at,
            state.received,
            state.found,
            state.waiting,
            _state(source, state),
        )
        for source, state in zip(found, states, strict=True)
        if state is not None
    ]


def _state(source: Source, state: SourceHealth) -> str:
    if not source.enabled:
        return "off"
    if state.needs_reauth_since is not None:
        return f"needs a new token: {state.because}"
    if state.failing_since is not None:
        return f"failing: {state.because}"
    return "well" if state.last_received_at or state.received or state.found else "nothing came yet"


async def _health(resources: Resources, source: Source) -> SourceHealth:
    async with resources.sessions() as session:
        found = await source_health.read(session, source.id)
    if found is None:
        raise UserError(f"There is no source '{source.key}'.", "`leadhub sources list` shows them.")
    return found


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None else None
