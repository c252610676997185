"""multipart/form-data of text fields, read whole.

The body is in memory, so parts are found by splitting at the delimiter; a callback parser that copes with chunks would
cost more and accept more. Whatever is not exactly what browsers and clients write is refused.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from leadhub.channels.pointers import pointer
from leadhub.domain.errors import InvalidInput, UnsupportedMedia

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
"""Source: RFC 2046 §5.1.1."""
_DISPOSITION = re.compile(rb'\s*form-data((?:\s*;\s*[A-Za-z*]+=(?:"(?:[^"\\\r\n]|\\.)*"|[^\s;"]+))+)\s*', re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*([A-Za-z*]+)=(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))')
_TEXT = re.compile(rb"text/plain\s*(?:;|$)", re.IGNORECASE)
_MAX_HEAD = 2_048
"""Bytes of one part's header lines."""
_ESCAPES = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"))
"""How browsers write these in a name. Source: WHATWG HTML, "Multipart form data"."""


def text_parts(body: bytes, boundary: str, *, most: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield each text part's name and content; an unselected file input is left out.

    Raises:
        InvalidInput: malformed, cut off, too many parts, or a file among them.
        UnsupportedMedia: no boundary of 1 to 70 characters.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise UnsupportedMedia("multipart/form-data needs a boundary of 1 to 70 characters.")
    delimiter = b"\r\n--" + boundary.encode("ascii")
    opening, *parts = (b"\r\n" + body).split(delimiter, most + 2)
    if opening.strip(b"\r\n") or not parts:
        raise InvalidInput.at("#", "The body does not begin with its multipart boundary.")
    if len(parts) > most + 1:
        raise InvalidInput.at("#", f"At most {most} fields are accepted.")
    if parts[-1].rstrip(b"\r\n \t") != b"--":
        raise InvalidInput.at("#", "The multipart body was cut off: its closing boundary is missing.")
    for part in parts[:-1]:
        field = _field(part)
        if field is not None:
            yield field


def _field(part: bytes) -> tuple[bytes, bytes] | None:
    """Return a part's name and content, or None for a file input that was left empty."""
    head, blank, content = part.partition(b"\r\n\r\n")
    if not blank or len(head) > _MAX_HEAD:
        raise InvalidInput.at("#", "A part of the multipart body is malformed.")
    name, file_name = _read_head(head)
    if file_name is None:
        return name, content
    if file_name or content:
        raise InvalidInput.at(_at(name), "Files are not accepted.")
    return None


@lru_cache(maxsize=512)
def _read_head(head: bytes) -> tuple[bytes, bytes | None]:
    """Return a text part's name, and its file name if it has one; remembered, as a form's heads are always the same."""
    if not head.lstrip(b" \t").startswith(b"\r\n"):
        raise InvalidInput.at("#", "A part of the multipart body is malformed.")
    headers = _headers(head.strip())
    parameters = _disposition(headers.get(b"content-disposition", b""))
    name = parameters[b"name"]
    if b"filename" in parameters or b"filename*" in parameters:
        return name, parameters.get(b"filename") or parameters.get(b"filename*", b"")
    if not _TEXT.match(headers.get(b"content-type", b"text/plain")):
        raise InvalidInput.at(_at(name), "Only text is accepted.")
    if headers.get(b"content-transfer-encoding", b"8bit").lower() not in {b"7bit", b"8bit", b"binary"}:
        raise InvalidInput.at(_at(name), "An encoded part is not accepted.")
    return name, None


def _headers(head: bytes) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not name or name in headers or line[:1] in b" \t":
            raise InvalidInput.at("#", "A part of the multipart body is malformed.")
        headers[name] = value.strip()
    return headers


def _disposition(value: bytes) -> dict[bytes, bytes]:
    """Return the parameters of a Content-Disposition, `name` among them."""
    found = _DISPOSITION.fullmatch(value)
    pairs = _PARAMETER.findall(found[1]) if found else []
    parameters = {name.lower(): _unescaped(quoted or token) for name, quoted, token in pairs}
    if len(parameters) != len(pairs) or not parameters.get(b"name"):
        raise InvalidInput.at("#", "A part of the multipart body has no single name.")
    return parameters


def _unescaped(value: bytes) -> bytes:
    for escape, plain in _ESCAPES:
        value = value.replace(escape, plain)
    return re.sub(rb"\\([\"\\])", rb"\1", value)


def _at(name: bytes) -> str:
    return pointer(name.decode("utf-8", "replace"))
