"""A first lead to try with, as a command to copy."""

import json
from collections.abc import Mapping

LEAD = {"email": "ada@example.com", "job_title": "CTO", "activities": [{"type": "demo_requested"}]}
"""Somebody whom sales should see at once."""


def curl(url: str, body: Mapping[str, object], *, token: str | None) -> str:
    r"""Return a command that posts JSON, ready to be copied into a POSIX shell.

    >>> print(curl("http://127.0.0.1:1/in/form/x", {"email": "o'b@example.com"}, token=None))
      curl http://127.0.0.1:1/in/form/x \
        -H 'Content-Type: application/json' \
        -d '{"email": "o'\''b@example.com"}'
    """
    lines = [f"  curl {url}"]
    if token is not None:
        lines.append(f"    -H 'Authorization: Bearer {token}'")
    lines.append("    -H 'Content-Type: application/json'")
    text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    lines.append(f"    -d '{text}'")
    return " \\\n".join(lines)
