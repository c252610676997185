"""A mail tool's whole loop: lease due steps, send them, say so. Needs nothing but Python.

    LEADHUB_URL=http://127.0.0.1:8080 LEADHUB_KEY=lh_live_… python examples/mail_tool.py beginner

Run as many as you like: a step is given to one at a time. Kill one: what it held comes back when its lease ends, with
`redelivered`, and `send` decides whether the first mail went out.
"""

import json
import os
import sys
import urllib.request
from typing import Any


def call(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """POST to LeadHub."""
    headers = {"Authorization": f"Bearer {os.environ['LEADHUB_KEY']}", "Content-Type": "application/json"}
    request = urllib.request.Request(os.environ["LEADHUB_URL"] + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def send(step: dict[str, Any]) -> None:
    """Send one mail. Give your provider `step["id"]` as its idempotency key, and a repeat is sent once."""
    again = " (perhaps again)" if step["redelivered"] else ""
    print(f"{step['content']} to {step['contact']['email']}{again}", flush=True)


def main(track: str) -> None:
    """Send what is due, for ever."""
    while True:
        for step in call(f"/v1/nurture/{track}/lease", {"max": 10, "lease_seconds": 60, "wait_seconds": 20})["items"]:
            send(step)
            call(f"/v1/nurture/steps/{step['id']}/ack", {"lease": step["lease"]})


if __name__ == "__main__":
    main(sys.argv[1])
