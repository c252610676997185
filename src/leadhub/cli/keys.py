"""`leadhub keys`: the bearer tokens of the API."""

import re
from datetime import timedelta

from cyclopts import App

from leadhub.cli.console import Columns, note, say, show, show_json
from leadhub.cli.database import an_id, entropy, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Json, Several
from leadhub.domain.credentials import SCOPES, Scope
from leadhub.domain.ids import ApiKeyId
from leadhub.pipeline import keys
from leadhub.resources import Resources
from leadhub.store import keys as stored
from leadhub.store.keys import Key

app = App(name="keys")

_MOST = 1_000
_SPAN = re.compile(r"([1-9][0-9]{0,4})([hd])")


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None:
        return "expired" if key.expires_at <= now() else f"until {key.expires_at:%Y-%m-%d %H:%M}"
    return "live"


_COLUMNS: Columns = {
    "id": lambda key: key.id,
    "name": lambda key: key.name,
    "ends in": lambda key: key.last4,
    "scopes": lambda key: key.scopes,
    "state": _state,
    "last used": lambda key: key.last_used_at or "never",
}


@app.command
def create(name: str, *, scope: Several = (Scope.ADMIN,), expires: str | None = None, as_json: Json = False) -> None:
    """Make a key and show its token, once.

    Args:
        name: Whom it is for; shown in lists.
        scope: What it may do; repeat it for several. Without it the key may do everything.
        expires: After how long it ends, as 12h or 90d; never if not given.
        as_json: Print JSON.
    """
    unknown = sorted(set(scope) - SCOPES)
    if unknown:
        raise UserError(f"There is no scope '{unknown[0]}'.", f"Known are: {', '.join(sorted(SCOPES))}")
    at = now()
    until = at + _span(expires) if expires else None

    async def work(resources: Resources) -> keys.CreatedKey:
        return await keys.create_key(
            resources.sessions, name=name, scopes=scope, expires_at=until, now=at, entropy=entropy
        )

    made = use(work)
    if as_json:
        show_json({"id": made.key.id, "name": made.key.name, "scopes": made.key.scopes, "token": made.token})
        return
    say(f"[bold]{made.token}[/bold]")
    note(f"Keep it now: it cannot be shown again. Revoke it with `leadhub keys revoke {made.key.id}`.")


@app.command(name="list")
def list_(*, as_json: Json = False) -> None:
    """List keys, newest first, revoked ones too.

    Args:
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[Key]:
        async with resources.sessions() as session:
            return await stored.list_keys(session, limit=_MOST)

    show(use(work), _COLUMNS, empty="No keys yet. Make one with `leadhub keys create NAME`.", as_json=as_json)


@app.command
def revoke(id_: str, /) -> None:
    """Make a key useless, at once and for good.

    Args:
        id_: The key's id.
    """
    key_id = ApiKeyId(an_id(id_, "keys"))

    async def work(resources: Resources) -> Key:
        return await keys.revoke_key(resources.sessions, key_id, now=now())

    note(f"Revoked the key '{use(work).name}'.")


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UserError(f"'{text}' is no time span.", "Write 12h for hours or 90d for days.")
    return timedelta(hours=int(found[1])) if found[2] == "h" else timedelta(days=int(found[1]))
