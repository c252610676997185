"""Every channel shows six cases, or says why it has no such case: one that is added without them fails here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from tests.support.posting import NOW, a_connection
from tests.support.vectors import VECTORS, a_request, vector_of

from leadhub.channels.files.channel import names_of, read_row
from leadhub.channels.protocol import Capture, Unpacked
from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.domain.errors import NotAuthenticated

OWN = [name for name in CHANNELS if name not in PLATFORMS]
FILE = "import"
IMPORTED_AS = "import:1:1"
_BY_KEY: Final = "an API key proves the sender, at the door: tests/api/test_intake.py"
_ONLY_A_SAY: Final = "says something of a lead, and whether that one is a test is the lead's"
NOT_THERE: Final[Mapping[tuple[str, str], str]] = {
    ("api", "bad signature"): _BY_KEY,
    ("activities", "bad signature"): _BY_KEY,
    ("activities", "test lead"): _ONLY_A_SAY,
    ("feedback", "test lead"): _ONLY_A_SAY,
    ("form", "bad signature"): "a form in a page can keep no secret; what it must prove: tests/api/test_proofs.py",
    ("import", "bad signature"): "no request brings a file's rows",
    ("chatbase", "test lead"): "it tells an address, a name and a number, none of which can be a mark",
    ("messenger", "test lead"): "it tells what somebody wrote, and nothing that its owner could add",
    ("contact-form-7", "replay"): "it tells no id of what was sent: each post is one more activity of one lead",
    ("elementor", "replay"): "it tells no id of what was sent: each post is one more activity of one lead",
}


def unpacked(channel: str, vector: Mapping[str, Any]) -> Capture:
    """What a channel makes of a vector; of an announcement, what it makes of the lead that is then fetched."""
    if channel == FILE:
        connection = a_connection(FILE, vector.get("options"))
        names = names_of(connection, vector.get("mapping", {}))
        row = read_row(vector["row"], names, connection, key=IMPORTED_AS)
        assert row.unpacked is not None, row.reasons
        return Capture((row.unpacked,))
    inbound, connection = a_request(channel, vector)
    is_announced = channel in PLATFORMS and PLATFORMS[channel].announced is not None
    return (CHANNELS[channel].preview if is_announced else CHANNELS[channel].unpack)(inbound, connection)


def shown(one: Unpacked) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(one.content.model_dump_json(exclude_defaults=True))
    return content | ({"key": one.dedupe_key} if one.dedupe_key else {})


def keys(capture: Capture) -> list[str | None]:
    return [*(one.dedupe_key for one in capture.submissions), *(one.dedupe_key for one in capture.feedback)]


def has_vector(case: str) -> Callable[[str], bool]:
    return lambda channel: case in {vector["case"] for vector in VECTORS[channel]}


def refuses_a_bad_signature(channel: str) -> bool:
    if channel == FILE:
        return False
    inbound, connection = a_request(channel, vector_of(channel, "success"))
    try:
        CHANNELS[channel].unpack(inbound, replace(connection, secrets=(b"another secret",)))
    except NotAuthenticated:
        return True
    return False


def knows_a_replay(channel: str) -> bool:
    vector = vector_of(channel, "success")
    first = keys(unpacked(channel, vector))
    if channel == FILE:
        return first == [IMPORTED_AS]
    inbound, connection = a_request(channel, vector)
    again = CHANNELS[channel].preview(inbound._replace(received_at=NOW + timedelta(seconds=60)), connection)
    return None not in first and keys(again) == first


CASES: Final[Mapping[str, Callable[[str], bool]]] = {
    "success": has_vector("success"),
    "bad signature": refuses_a_bad_signature,
    "replay": knows_a_replay,
    "test lead": has_vector("test lead"),
    "missing fields": has_vector("missing fields"),
    "unicode": has_vector("unicode"),
}


def test_every_channel_has_its_vectors_and_nothing_else_has() -> None:
    assert VECTORS.keys() == CHANNELS.keys()
    assert {channel for channel, _ in NOT_THERE} <= CHANNELS.keys()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_channel_shows_a_case_or_says_why_it_cannot(channel: str, case: str) -> None:
    reason = NOT_THERE.get((channel, case))

    assert CASES[case](channel) is (reason is None), reason or f"{channel} shows no {case}: add a vector, or a reason"


@pytest.mark.parametrize(
    ("channel", "vector"),
    [pytest.param(name, vector, id=f"{name}: {vector['case']}") for name in OWN for vector in VECTORS[name]],
)
def test_what_a_channel_of_our_own_is_sent_becomes_what_it_means(channel: str, vector: dict[str, Any]) -> None:
    capture = unpacked(channel, vector)

    words = [
        {"named": dict(one.named), "said": one.said.model_dump(mode="json", exclude_none=True), "key": one.dedupe_key}
        for one in capture.feedback
    ]
    assert [shown(one) for one in capture.submissions] + words == vector["becomes"]


@pytest.mark.parametrize("channel", [name for name in CHANNELS if (name, "test lead") not in NOT_THERE])
def test_a_test_lead_is_marked_as_one(channel: str) -> None:
    assert [one.content.is_test for one in unpacked(channel, vector_of(channel, "test lead")).submissions] == [True]
    assert not any(one.content.is_test for one in unpacked(channel, vector_of(channel, "success")).submissions)
