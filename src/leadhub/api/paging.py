"""Lists by the page: a limit, and a marker that only this deployment can make.

A marker names the list and the place in it, and is signed: it is what a query compares with, so a forged one would be
somebody else's words in our SQL's parameters. It names no number of rows to skip, so page 10,000 costs what page 1
does, and nothing is shown twice because something new came in front.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Annotated, Any, Generic, TypeVar, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field

from leadhub.api.parameters import Limit
from leadhub.domain.errors import InvalidCursor
from leadhub.settings import Settings

_VERSION = 1
_TAG_BYTES = 16
_LONGEST = 512

Item = TypeVar("Item")
Row = TypeVar("Row")


class PageQuery(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Limit = Field(default=50, description="Most items of one page.")
    after: Annotated[str, Field(max_length=_LONGEST)] | None = Field(
        default=None, description="The `next` of the page before; absent for the first page."
    )


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="Send it as `after` for the next page; null on the last one.")


class Cursors:
    """Makes and reads the markers of one list.

    >>> cursors = Cursors([b"key"], "leads")
    >>> cursors.read(cursors.make(["2026-01-15T09:30:00Z", "019b…"]))
    ['2026-01-15T09:30:00Z', '019b…']
    """

    def __init__(self, keys: Sequence[bytes], name: str) -> None:
        self._keys = keys
        self._name = name

    def make(self, position: Sequence[Any]) -> str:
        """Return the marker of a place: what the list's order reads of its last item."""
        place = orjson.dumps([_VERSION, self._name, *position], default=str)
        return base64.urlsafe_b64encode(_tag(self._keys[0], place) + place).rstrip(b"=").decode()

    def read(self, marker: str) -> list[Any]:
        """Return the place that a marker names.

        Raises:
            InvalidCursor: it is not one of ours, or of another list.
        """
        try:
            signed = base64.b64decode(marker + "=" * (-len(marker) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            signed = b""
        tag, place = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
        if not any(hmac.compare_digest(tag, _tag(key, place)) for key in self._keys):
            raise InvalidCursor("Send the `next` of the page before, unchanged.")
        version, name, *position = cast("list[Any]", orjson.loads(place))
        if (version, name) != (_VERSION, self._name):
            raise InvalidCursor("This page marker belongs to another list.")
        return position


def cursors(settings: Settings, name: str) -> Cursors:
    """Return the markers of one list of this deployment; those made before a change of the secret key still count."""
    secrets = [settings.secret_key, *settings.retired_secret_keys]
    keys = [hmac.digest(secret.get_secret_value().encode(), b"leadhub page marker", sha256) for secret in secrets]
    return Cursors(keys, name)


def page(
    rows: Sequence[Row],
    query: PageQuery,
    marks: Cursors,
    *,
    item: Callable[[Row], Item],
    position: Callable[[Row], Sequence[Any]],
) -> Page[Item]:
    """Return one page; the caller asked the store for one row more than the page holds, to know whether more follow."""
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(items=[item(row) for row in shown], next=marks.make(position(shown[-1])) if more else None)


def _tag(key: bytes, place: bytes) -> bytes:
    return hmac.digest(key, place, sha256)[:_TAG_BYTES]
