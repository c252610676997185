"""The form script: one small file that every form's page loads, from here and not from somebody else's network.

Its address carries its version: what a page may write on its form stays as it is under `v1`. It is looked for again
once an hour, and then costs nothing if it is the same.
"""

import re
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

PATH: Final = "/embed/v1.js"
_STRINGS: Final = re.compile(r'("[^"\n]*")')
_BLANKS: Final = re.compile(r"\s*([=+<>!?:;,(){}|&\[\]]+)\s*")

router = APIRouter()


def _small(source: str) -> str:
    """Return a script without comment lines and needless blanks; its own rules are at the top of `embed.js`."""
    lines = [line.strip() for line in source.splitlines()]
    code = "\n".join(line for line in lines if line and not line.startswith("//"))
    parts = _STRINGS.split(code)
    parts[::2] = [_BLANKS.sub(r"\1", part).replace("const ", "let ") for part in parts[::2]]
    return "".join(parts).replace(";}", "}")


SCRIPT: Final = _small((files("leadhub.api") / "embed.js").read_text(encoding="utf-8")).encode()
_ETAG: Final = f'"{sha256(SCRIPT).hexdigest()[:32]}"'
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "ETag": _ETAG,
}


@router.api_route(PATH, methods=["GET", "HEAD"], include_in_schema=False)
async def script(request: Request) -> Response:
    """Return the script, or that the caller's copy is still good (RFC 9110 §13.1.2)."""
    if _is_known(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=_HEADERS)
    return Response(SCRIPT, headers=_HEADERS, media_type="text/javascript")


def _is_known(header: str) -> bool:
    known = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return "*" in known or _ETAG in known
