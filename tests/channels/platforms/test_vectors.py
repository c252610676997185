"""Every platform against its vectors: `vectors/{platform}.json`, invented values in recorded shapes.

A vector is a request (`json`, `form` or `multipart`) and what must become of it, field by field. What holds for all
platforms alike (bad signatures, replays) is tested on each one's first vector.
"""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.posting import HOOK, JSON, NOW, an_inbound
from tests.support.signing import SIGN
from tests.support.vectors import PLATFORM_VECTORS, a_request, secret_of

from leadhub.channels.protocol import Connection, Inbound, Receipt, SecretFrom
from leadhub.channels.registry import PLATFORMS
from leadhub.channels.signatures import InBody, Mac, OneOf, Shared
from leadhub.domain.errors import NotAuthenticated
from leadhub.domain.submission import Content

CASES = [
    pytest.param(name, vector, id=f"{name}: {vector['case']}")
    for name, all_ in PLATFORM_VECTORS.items()
    for vector in all_
]
SIGNED = sorted(name for name, platform in PLATFORMS.items() if platform.guide.secret is not SecretFrom.NOBODY)


def test_every_platform_has_its_vectors() -> None:
    assert PLATFORM_VECTORS.keys() == PLATFORMS.keys() == SIGN.keys()


@pytest.mark.parametrize(("platform", "vector"), CASES)
def test_what_a_platform_sends_becomes_what_it_means(platform: str, vector: dict[str, Any]) -> None:
    inbound, connection = a_request(platform, vector)

    capture = PLATFORMS[platform].unpack(inbound, connection)

    assert [[one.object_id, one.action] for one in capture.notices] == vector.get("announces", [])
    if PLATFORMS[platform].announced is not None and "announces" not in vector:
        capture = PLATFORMS[platform].preview(inbound, connection)  # what was fetched, not what was posted
    found = [
        json.loads(one.content.model_dump_json(exclude_defaults=True))
        | ({"key": one.dedupe_key} if one.dedupe_key else {})
        for one in capture.submissions
    ]
    assert found == vector.get("becomes", [])
    for one in capture.submissions:
        assert one.permanent_key == (one.dedupe_key is not None and not one.content.waits)
        assert Content.model_validate_json(one.content.model_dump_json()) == one.content
        assert secret_of(platform) not in one.raw


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_replay_is_the_same_submission(platform: str) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])

    keys = [
        [one.dedupe_key for one in PLATFORMS[platform].unpack(again, connection).submissions]
        for again in (inbound, inbound._replace(received_at=NOW + timedelta(seconds=60)))
    ]

    assert keys[0] == keys[1]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_is_told_that_its_lead_was_taken(platform: str) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])
    capture = PLATFORMS[platform].unpack(inbound, connection)

    reply = PLATFORMS[platform].reply(capture, [Receipt("id")], inbound, connection)

    assert reply.status == 200
    assert reply.media_type == JSON
    json.loads(reply.body)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_our_own_signing_is_the_platforms(platform: str) -> None:
    inbound, _ = a_request(platform, PLATFORM_VECTORS[platform][0], signed=False)

    made = PLATFORMS[platform].proof.sign(inbound, secret_of(platform), url=HOOK)

    assert made == SIGN[platform](inbound.body, secret_of(platform))


def refused(platform: str, inbound: Inbound, connection: Connection) -> bool:
    try:
        PLATFORMS[platform].unpack(inbound, connection)
    except NotAuthenticated:
        return True
    return False


def proving(platform: str) -> list[str]:
    """Headers without which a request of this platform proves nothing."""
    return [name for name in SIGN[platform](b"{}", secret_of(platform)) if name != "webhook-id"]


@pytest.mark.parametrize("platform", SIGNED)
def test_without_a_live_secret_nothing_is_believed(platform: str) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])

    assert refused(platform, inbound, replace(connection, secrets=(b"another secret",)))
    assert refused(platform, inbound, replace(connection, secrets=()))


@pytest.mark.parametrize("platform", [name for name in SIGNED if proving(name)])
def test_every_wrong_signature_is_refused(platform: str) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])

    for name in proving(platform):
        [right] = inbound.headers[name]
        wrong: list[list[str]] = [
            [],
            [""],
            [" "],
            [right, right],
            [right[:-1]],
            [right + "0"],
            [right[:-2] + ("aa" if right[-2:] != "aa" else "bb")],
            [right + "x" * 5_000],
            ["\xe9" + right],
            ["\u0661" + right],
            [right.partition("=")[0] + "=x"],
            ["v1,"],
            ["0" * 64],
        ]
        for values in wrong:
            headers = {**inbound.headers, name: values}
            if not values:
                del headers[name]
            assert refused(platform, inbound._replace(headers=headers), connection), (name, values)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_changed_byte_breaks_a_signature(platform: str) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])
    proof = PLATFORMS[platform].proof
    schemes = proof.proofs if isinstance(proof, OneOf) else (proof,)
    if not isinstance(schemes[0], Mac):
        pytest.skip("its secret covers no body")

    assert refused(platform, inbound._replace(body=inbound.body + b" "), connection)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("days", [-1, 1])
def test_an_old_signature_is_refused_where_it_says_when(platform: str, days: int) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])
    proof = PLATFORMS[platform].proof
    scheme = proof.proofs[0] if isinstance(proof, OneOf) else proof
    late = inbound._replace(received_at=NOW + timedelta(days=days))

    is_stamped = isinstance(scheme, Mac) and (bool(scheme.time_header) or bool(scheme.member))
    assert refused(platform, late, connection) == is_stamped


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if name not in SIGNED])
def test_who_can_show_no_secret_is_believed_by_its_address_until_it_has_one(platform: str) -> None:
    inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0], signed=False)

    assert not refused(platform, inbound, replace(connection, secrets=()))
    assert refused(platform, inbound, connection)


def test_a_secret_in_the_body_is_checked_and_not_kept() -> None:
    for platform in [name for name, each in PLATFORMS.items() if isinstance(each.proof, InBody)]:
        inbound, connection = a_request(platform, PLATFORM_VECTORS[platform][0])
        [submission] = PLATFORMS[platform].unpack(inbound, connection).submissions

        assert secret_of(platform) in inbound.body
        assert secret_of(platform) not in submission.raw


def test_a_shared_secret_is_compared_whole() -> None:
    basic = Shared(header="authorization", scheme="Basic")
    inbound = an_inbound(b"{}", JSON, basic.sign(an_inbound(b"", JSON), b"user"))

    basic.verify(inbound, [b"user"])
    for secret in (b"use", b"user:", b""):
        with pytest.raises(NotAuthenticated):
            basic.verify(an_inbound(b"{}", JSON, {"authorization": "Basic dXNlcjo"}), [secret])
