"""What is sent, checked by the reference libraries: PyPI's `standardwebhooks`, and npm's where it is at hand.

npm's is found as node finds any module: where NODE_PATH leads, for example.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.support.delivering import delivering, until
from tests.support.outbox import NOW, Outbox
from tests.support.receivers import Received, answering, status

from leadhub.pipeline.endpoints import create_endpoint, rotate_secret
from leadhub.resources import Resources

BODY = '{"type":"lead.routed","data":{"company":"Zoë"}}'.encode()
OTHER = "whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1"
Case = tuple[Received, str]
"""A request, and the secret that its receiver has."""

_VERIFY = """
const { Webhook } = require("standardwebhooks");
const cases = JSON.parse(require("node:fs").readFileSync(0));
console.log(JSON.stringify(cases.map((one) => {
  try { new Webhook(one.secret).verify(one.body, one.headers); return true; } catch { return false; }
})));
"""


def _pypi(cases: Sequence[Case]) -> list[bool]:
    return [_is_believed(*case) for case in cases]


def _is_believed(request: Received, secret: str) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers)
    except WebhookVerificationError:
        return False
    return True


def _npm(cases: Sequence[Case]) -> list[bool]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on this machine")
    if subprocess.run([node, "-e", 'require("standardwebhooks")'], capture_output=True, check=False).returncode:
        pytest.skip("npm's standardwebhooks is not on this machine")
    asked = [{"secret": secret, "headers": one.headers, "body": one.body.decode()} for one, secret in cases]
    ran = subprocess.run([node, "-e", _VERIFY], input=json.dumps(asked).encode(), capture_output=True, check=True)
    answers: list[bool] = json.loads(ran.stdout)
    return answers


async def _deliver(resources: Resources) -> list[Case]:
    """Have the engine send a first try, a repeat and one after a rotation; return them and forgeries."""
    answers = iter([status(500)])

    async def answer(_: Received) -> bytes:
        return next(answers, status(200))

    outbox = Outbox(resources.engine, resources.vault)
    async with answering(answer) as receiver, delivering(resources) as deliverer:
        made = await create_endpoint(
            resources.sessions,
            resources.vault,
            url=receiver.url,
            lane_cap=1,
            allowed_networks=resources.settings.outbound_networks,
            now=NOW,
            entropy=os.urandom,
        )
        await outbox.events(body=BODY)
        await until(lambda: len(receiver.requests) == 1)
        deliverer.advance(6.1)
        await until(lambda: len(receiver.requests) == 2)
        rotated = await rotate_secret(
            resources.sessions, resources.vault, made.endpoint.id, now=NOW, entropy=os.urandom
        )
        await outbox.events(body=BODY)
        await until(lambda: len(receiver.requests) == 3)
    first, repeat, after = receiver.requests
    assert (first.headers["webhook-id"], repeat.headers["leadhub-attempt"]) == (repeat.headers["webhook-id"], "2")
    forged = replace(first, body=BODY + b" ")
    return [
        (first, made.secret), (repeat, made.secret), (after, made.secret), (after, rotated.secret),
        (first, rotated.secret), (first, OTHER), (forged, made.secret),
    ]  # fmt: skip


@pytest.mark.parametrize("believed_by", [_pypi, _npm])
async def test_first_tries_repeats_and_rotated_ones_are_believed_and_no_others(
    resources: Resources, believed_by: Callable[[Sequence[Case]], list[bool]]
) -> None:
    assert believed_by(await _deliver(resources)) == [True, True, True, True, False, False, False]
