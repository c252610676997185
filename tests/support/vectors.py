"""Recorded shapes with invented values: what each channel is sent, and what must become of it.

A vector is a request (`json`, `form`, `multipart`, or a file's `row`) with its `headers` and its source's `options`.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.posting import JSON, MULTIPART, URLENCODED, a_connection, an_inbound, multipart
from tests.support.signing import SECRET, SIGN, STANDARD_SECRET

from leadhub.channels.protocol import Connection, Inbound
from leadhub.channels.registry import PLATFORMS

_CHANNELS = Path(__file__).parents[1] / "channels"


def _read(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


PLATFORM_VECTORS = _read(_CHANNELS / "platforms" / "vectors")
VECTORS = PLATFORM_VECTORS | _read(_CHANNELS / "vectors")
"""Channel → its vectors, `success` first."""
_STANDARD = ("standard-webhooks", "feedback")


def secret_of(channel: str) -> bytes:
    return (STANDARD_SECRET if channel in _STANDARD else SECRET).encode()


def vector_of(channel: str, case: str) -> dict[str, Any]:
    return next(vector for vector in VECTORS[channel] if vector["case"] == case)


def body_of(vector: Mapping[str, Any]) -> tuple[bytes, str]:
    if "form" in vector:
        return urlencode(vector["form"], doseq=True).encode(), URLENCODED
    if "multipart" in vector:
        return multipart(*((f'name="{name}"', value) for name, value in vector["multipart"].items())), MULTIPART
    return json.dumps(vector["json"], ensure_ascii=vector.get("escaped", False)).encode(), vector.get("type", JSON)


def proof_of(channel: str, body: bytes, secret: bytes | None = None) -> dict[str, str]:
    """The headers by which a sender proves a body; none where it shows none."""
    named = "standard-webhooks" if channel in _STANDARD else channel
    return dict(SIGN[named](body, secret or secret_of(channel))) if named in SIGN else {}


def a_request(channel: str, vector: Mapping[str, Any], *, signed: bool = True) -> tuple[Inbound, Connection]:
    body, media = body_of(vector)
    headers = dict(vector.get("headers", {}))
    if signed:
        headers |= proof_of(channel, body)
    connection = a_connection(channel, vector.get("options"))
    if channel in PLATFORMS or channel in _STANDARD:
        connection = replace(connection, secrets=(b"another secret", secret_of(channel)))
    return an_inbound(body, media, headers), connection
