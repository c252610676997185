"""The one strict decoder: bytes from strangers become plain values here, or a refusal that names the place.

What libraries let through and PostgreSQL, pydantic or a person would stumble over ends at this door: NUL, lone
surrogates, NaN, numbers beyond 64 bits, repeated names, other encodings than UTF-8, bottomless nesting, file parts,
bodies that were cut off. A refusal never shows a value.
"""

from leadhub.channels.decoding.documents import decode_json, decode_json_object
from leadhub.channels.decoding.forms import (
    FormFields,
    decode_form,
    decode_multipart,
    decode_urlencoded,
    flatten,
    refuse_charset,
)
from leadhub.channels.decoding.media import MediaType, media_type

__all__ = [
    "FormFields",
    "MediaType",
    "decode_form",
    "decode_json",
    "decode_json_object",
    "decode_multipart",
    "decode_urlencoded",
    "flatten",
    "media_type",
    "refuse_charset",
]
