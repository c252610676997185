"""What browsers post: urlencoded, multipart and text bodies as names with their values.

A repeated name keeps all its values in order. Everything is text afterwards.
"""

from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from leadhub.channels.decoding.documents import decode_json_object
from leadhub.channels.decoding.media import MediaType, codec
from leadhub.channels.decoding.multipart import text_parts
from leadhub.channels.pointers import pointer
from leadhub.domain.errors import InvalidInput, UnsupportedMedia

MAX_FIELDS = 100
MAX_VALUE = 65_536
"""Characters of one value."""
MAX_NAME = 256
"""Characters of one name."""

FormFields = dict[str, list[str]]
"""Name as sent → its values, in the order of the body."""

_RawPairs = list[tuple[bytes, bytes]]


def decode_form(body: bytes, media: MediaType) -> FormFields:
    """Return the fields of a body of any kind that a form can post.

    Raises:
        InvalidInput: malformed, or over a limit.
        UnsupportedMedia: a media type or charset that forms do not use.
    """
    match media.name:
        case "application/x-www-form-urlencoded":
            return decode_urlencoded(body, charset=media.charset)
        case "multipart/form-data":
            return decode_multipart(body, media)
        case "application/json":
            refuse_charset(media)
            return flatten(decode_json_object(body))
        case "text/plain":
            return _decode_beacon(body, media)
        case _:
            raise UnsupportedMedia("Send application/x-www-form-urlencoded, multipart/form-data or application/json.")


def decode_urlencoded(body: bytes, *, charset: str | None = None) -> FormFields:
    """Return the fields of an urlencoded body; only `&` separates.

    Args:
        body: as received.
        charset: Python codec; if None, a `_charset_` field names it, else UTF-8, else windows-1252.

    >>> decode_urlencoded(b"name=Ada+L&topic=a&topic=b%26c&news=")
    {'name': ['Ada L'], 'topic': ['a', 'b&c'], 'news': ['']}

    Raises:
        InvalidInput: over a limit, or a NUL.
    """
    body = body.strip()
    if charset in {None, "utf-8"} and body.isascii() and (plain := _plain(body)) is not None:
        return plain
    pieces = [piece for piece in body.replace(b"+", b" ").split(b"&") if piece]
    _refuse_many(len(pieces))
    return _named([_unquoted(piece) for piece in pieces], charset)


def _plain(body: bytes) -> FormFields | None:
    """Read what nearly every browser sends, UTF-8 behind escapes and of ordinary size, or return None.

    The general way decodes in a second pass, once it knows the charset, and says what is wrong.
    """
    fields: FormFields = {}
    pieces = body.decode("ascii").replace("+", " ").split("&")
    if len(pieces) > MAX_FIELDS or len(body) > MAX_VALUE or b"_charset_" in body or b"%00" in body or b"\0" in body:
        return None
    for piece in pieces:
        if not piece:
            continue
        name, _, value = piece.partition("=")
        if "%" in piece:
            try:
                name, value = unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
            except UnicodeDecodeError:
                return None
        if len(name) > MAX_NAME:
            return None
        if name in fields:
            fields[name].append(value)
        else:
            fields[name] = [value]
    return fields


def decode_multipart(body: bytes, media: MediaType) -> FormFields:
    """Return the text fields of a multipart body.

    Raises:
        InvalidInput: malformed, cut off, over a limit, or with a file in it.
        UnsupportedMedia: no usable boundary.
    """
    parts = text_parts(body, media.parameters.get("boundary", ""), most=MAX_FIELDS)
    return _named(list(parts), media.charset)


def flatten(document: Mapping[str, object], *, most: int = MAX_FIELDS) -> FormFields:
    """Return a JSON object as form fields: nested names joined by dots, numbers and booleans as text, null absent.

    Args:
        document: as decoded.
        most: values accepted.

    >>> flatten({"lead": {"email": "ada@example.org", "age": 36}, "topics": ["a", "b"], "news": True, "x": None})
    {'lead.email': ['ada@example.org'], 'lead.age': ['36'], 'topics': ['a', 'b'], 'news': ['true']}

    Raises:
        InvalidInput: over a limit.
    """
    fields: FormFields = {}
    _add_leaves(fields, "", document)
    _refuse_many(sum(map(len, fields.values())), most=most)
    for name in fields:
        if len(name) > MAX_NAME:
            _refuse_long(name)
    return fields


def refuse_charset(media: MediaType) -> None:
    """JSON is UTF-8; refuse a body that says otherwise."""
    if media.charset not in {None, "utf-8"}:
        raise UnsupportedMedia("JSON is read as UTF-8 only.")


def _decode_beacon(body: bytes, media: MediaType) -> FormFields:
    """Read a beacon: JSON if it looks like an object, else urlencoded. The look decides, so that errors are clear."""
    if body.lstrip().startswith(b"{"):
        refuse_charset(media)
        return flatten(decode_json_object(body))
    return decode_urlencoded(body, charset=media.charset)


def _unquoted(piece: bytes) -> tuple[bytes, bytes]:
    name, _, value = piece.partition(b"=")
    if b"%" in piece:
        return unquote_to_bytes(name), unquote_to_bytes(value)
    return name, value


def _named(raw: _RawPairs, charset: str | None) -> FormFields:
    fields: FormFields = {}
    for name, value in _decoded(raw, charset or _stated_charset(raw)):
        _refuse_long(name)
        if len(value) > MAX_VALUE:
            raise InvalidInput.at(pointer(name), f"At most {MAX_VALUE} characters are accepted.")
        if "\0" in name or "\0" in value:
            raise InvalidInput.at(pointer(name), "The character U+0000 is not accepted.")
        fields.setdefault(name, []).append(value)
    return fields


def _stated_charset(raw: _RawPairs) -> str | None:
    """Return the codec that a `_charset_` field names: browsers fill it in.

    Source: WHATWG HTML, "Constructing the entry list".
    """
    for name, value in raw:
        if name == b"_charset_" and value:
            return codec(value.decode("latin-1"))
    return None


def _decoded(raw: _RawPairs, charset: str | None) -> list[tuple[str, str]]:
    """Decode all alike: UTF-8 if every byte is, else what an old page of the West sends."""
    if charset is None:
        try:
            return [(name.decode(), value.decode()) for name, value in raw]
        except UnicodeDecodeError:
            charset = "windows-1252"
    return [(name.decode(charset, "replace"), value.decode(charset, "replace")) for name, value in raw]


def _refuse_many(count: int, *, most: int = MAX_FIELDS) -> None:
    if count > most:
        raise InvalidInput.at("#", f"At most {most} fields are accepted.")


def _refuse_long(name: str) -> None:
    if len(name) > MAX_NAME:
        raise InvalidInput.at(pointer(name), f"A name has at most {MAX_NAME} characters.")


def _add_leaves(fields: FormFields, prefix: str, holder: Mapping[str, object]) -> None:
    """Add every leaf under its dotted name."""
    for name, member in holder.items():
        place = f"{prefix}.{name}" if prefix else name
        for value in member if isinstance(member, list) else (member,):
            _add_leaf(fields, place, value)


def _add_leaf(fields: FormFields, place: str, value: object) -> None:
    match value:
        case str():
            fields.setdefault(place, []).append(value)
        case dict():
            _add_leaves(fields, place, value)
        case list():
            for item in value:
                _add_leaf(fields, place, item)
        case bool():
            fields.setdefault(place, []).append("true" if value else "false")
        case None:
            return
        case _:
            fields.setdefault(place, []).append(str(value))
