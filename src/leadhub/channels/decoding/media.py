"""What a request says its body is: media type and charset, from short lists."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from leadhub.channels.protocol import Inbound
from leadhub.domain.errors import UnsupportedMedia

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PARAMETER = rf'({_NAME})=(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"\\]++))'
_HEADER = re.compile(rf"\s*+({_NAME}/{_NAME})((?:\s*+;\s*+(?:{_PARAMETER})?+)*+)\s*+", re.ASCII)
"""Possessive throughout, so that no header makes it go back. Source: RFC 9110 §8.3.1."""
_PARAMETERS = re.compile(rf";\s*+{_PARAMETER}", re.ASCII)
_LONGEST = 300
"""Characters of a Content-Type header; a boundary takes up to 70."""

CHARSETS = MappingProxyType(
    {
        "utf-8": "utf-8",
        "utf8": "utf-8",
        "us-ascii": "windows-1252",
        "iso-8859-1": "windows-1252",
        "latin1": "windows-1252",
        "windows-1252": "windows-1252",
        "cp1252": "windows-1252",
        "iso-8859-15": "iso-8859-15",
        "iso-8859-2": "iso-8859-2",
        "windows-1250": "windows-1250",
        "windows-1251": "windows-1251",
        "koi8-r": "koi8-r",
        "shift_jis": "cp932",
        "euc-jp": "euc-jp",
        "gbk": "gbk",
        "gb18030": "gb18030",
        "big5": "big5",
        "euc-kr": "cp949",
    }
)
"""Charset label → Python codec: what browsers still send forms in. UTF-7 and UTF-16 are not among them: they hide
ASCII from whoever filters it.

Source: WHATWG Encoding, names and labels (which reads latin1 and ASCII as windows-1252).
"""


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type, its name in lower case."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def charset(self) -> str | None:
        """The Python codec of the stated charset, or None if none is stated.

        Raises:
            UnsupportedMedia: a charset that is not read.
        """
        label = self.parameters.get("charset")
        return None if label is None else codec(label)


def codec(label: str) -> str:
    """Return the Python codec of a charset label.

    >>> codec("ISO-8859-1")
    'windows-1252'

    Raises:
        UnsupportedMedia: a charset that is not read.
    """
    found = CHARSETS.get(label.strip().lower())
    if found is None:
        raise UnsupportedMedia("This charset is not read here; send UTF-8.")
    return found


def media_type(inbound: Inbound) -> MediaType:
    """Return what the body claims to be.

    Raises:
        UnsupportedMedia: no Content-Type, several, a malformed one, or a compressed body.
    """
    encodings = inbound.headers.get("content-encoding", ())
    if any(value.strip().lower() not in {"", "identity"} for value in encodings):
        raise UnsupportedMedia("A compressed body is not read here; send it without Content-Encoding.")
    values = inbound.headers.get("content-type", ())
    if len(values) != 1:
        raise UnsupportedMedia("Exactly one Content-Type header is needed.")
    return parse_media_type(values[0])


@lru_cache(maxsize=64)
def parse_media_type(header: str) -> MediaType:
    """Read a Content-Type header's value.

    >>> parse_media_type('Text/HTML; Charset="utf-8"')
    MediaType(name='text/html', parameters={'charset': 'utf-8'})
    """
    found = _HEADER.fullmatch(header) if len(header) <= _LONGEST else None
    if found is None:
        raise UnsupportedMedia("The Content-Type header is malformed.")
    pairs = _PARAMETERS.findall(found[2])
    parameters = {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or token for name, quoted, token in pairs}
    if len(parameters) != len(pairs):
        raise UnsupportedMedia("The Content-Type header states a parameter twice.")
    return MediaType(found[1].lower(), parameters)
