"""Values out of documents whose shape is somebody else's promise: what is missing or of another type is empty."""

from collections.abc import Iterator
from datetime import UTC, datetime

_FIRST, _LAST = 0, 7_258_118_400
"""Unix seconds of 1970 and 2200: what a submission can state."""
_MILLISECONDS = 100_000_000_000
"""Numbers from here on are milliseconds: as seconds they would lie beyond the year 5000."""


def dig(value: object, *path: str | int) -> object:
    """Return what lies at a path, or None.

    >>> dig({"a": [{"b": 1}]}, "a", 0, "b"), dig({"a": 7}, "a", "b")
    (1, None)
    """
    for step in path:
        if type(value) is dict:  # JSON knows no subclass
            value = value.get(step)
        else:
            value = value[step] if type(value) is list and type(step) is int and len(value) > step else None
    return value


def text(value: object, *path: str | int) -> str:
    """Return a scalar as text, ids with all their digits; nothing for anything else.

    >>> text({"id": 9007199254740993}, "id"), text({"id": None}, "id"), text(True)
    ('9007199254740993', '', 'true')
    """
    for step in path:
        value = value.get(step) if type(value) is dict else dig(value, step)
    if type(value) is str:
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else ""


def texts(value: object, *path: str | int) -> list[str]:
    """Return the texts of a scalar or of a list of them, blanks left out."""
    for step in path:
        value = value.get(step) if type(value) is dict else dig(value, step)
    if type(value) is str:
        return [found] if (found := value.strip()) else []
    return [found for each in (value if isinstance(value, list) else [value]) if (found := text(each))]


def members(value: object, *path: str | int) -> dict[str, object]:
    """Return an object, empty if it is none."""
    for step in path:
        value = value.get(step) if type(value) is dict else dig(value, step)
    return value if isinstance(value, dict) else {}


def each(value: object, *path: str | int) -> Iterator[dict[str, object]]:
    """Yield the objects of a list; a lone object is a list of one."""
    value = dig(value, *path) if path else value
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item


def moment(value: object, *path: str | int) -> datetime | None:
    """Return a time, from ISO 8601 or from seconds or milliseconds since 1970; without an offset it is UTC.

    >>> moment("2026-01-15T10:30:00+0100") == moment(1768469400123) == datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    True
    """
    value = dig(value, *path) if path else value
    if isinstance(value, bool) or value is None:
        return None
    seconds = _seconds(value)
    if seconds is None or not _FIRST <= seconds < _LAST:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _seconds(value: object) -> float | None:
    if isinstance(value, str) and not value.strip().isdigit():
        try:
            found = datetime.fromisoformat(value.strip())
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            return None
    if not isinstance(value, (str, int, float)) or (isinstance(value, str) and len(value.strip()) > 16):
        return None
    try:
        number = float(value)
    except ValueError:  # digits of another script
        return None
    return number / 1_000 if number >= _MILLISECONDS else number
