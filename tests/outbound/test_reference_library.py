"""What is sent, checked by the reference library of another language than ours: npm's `standardwebhooks`.

The library is found as node finds any module: where NODE_PATH leads, for example. PyPI's checks deliveries elsewhere.
"""

import json
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

import pytest
from tests.support.receivers import Received, answering, status

from leadhub.domain.signature import format_secret
from leadhub.outbound.webhook import Outgoing, WebhookSender

KEY, OLD_KEY, OTHER_KEY = (bytes(range(first, first + 32)) for first in (0, 32, 64))
BODY = '{"type":"lead.routed","data":{"company":"Zoë"}}'.encode()
_VERIFY = """
const { Webhook } = require("standardwebhooks");
const cases = JSON.parse(require("node:fs").readFileSync(0));
console.log(JSON.stringify(cases.map((one) => {
  try { new Webhook(one.secret).verify(one.body, one.headers); return true; } catch { return false; }
})));
"""


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on this machine")
    if subprocess.run([node, "-e", 'require("standardwebhooks")'], capture_output=True, check=False).returncode:
        pytest.skip("npm's standardwebhooks is not on this machine")
    return node


def _says(node: str, cases: Sequence[tuple[Received, bytes]]) -> list[bool]:
    asked = [{"secret": format_secret(key), "headers": one.headers, "body": one.body.decode()} for one, key in cases]
    ran = subprocess.run([node, "-e", _VERIFY], input=json.dumps(asked).encode(), capture_output=True, check=True)
    answers: list[bool] = json.loads(ran.stdout)
    return answers


async def test_first_tries_repeats_and_rotated_ones_are_believed_and_no_others() -> None:
    node = _node()

    async def ok(_: Received) -> bytes:
        return status(200)

    first = Outgoing(url="", message_id="evt_1", at=datetime.now(UTC), body=BODY, keys=[KEY], attempt=1, sequence=7)
    async with (
        answering(ok) as receiver,
        WebhookSender(
            allowed_networks=[IPv4Network("127.0.0.0/8")],
            connect_seconds=3,
            total_seconds=3,
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        ) as sender,
    ):
        for outgoing in (first, replace(first, attempt=2, at=datetime.now(UTC)), replace(first, keys=[KEY, OLD_KEY])):
            await sender.send(replace(outgoing, url=receiver.url))
    new, repeat, rotated = receiver.requests
    forged = replace(new, body=BODY + b" ")

    cases = [(new, KEY), (repeat, KEY), (rotated, KEY), (rotated, OLD_KEY), (new, OTHER_KEY), (forged, KEY)]
    assert _says(node, cases) == [True, True, True, True, False, False]
