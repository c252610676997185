import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.posting import JSON, MULTIPART, URLENCODED, a_connection, an_inbound, api
from tests.support.signing import SIGN, STANDARD_SECRET

from leadhub.channels.registry import CHANNELS, PLATFORMS
from leadhub.channels.stated import SubmissionIn
from leadhub.domain.errors import LeadHubError, NotAuthenticated, TooLarge
from leadhub.domain.submission import Content

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(SubmissionIn.model_fields)) | st.text(max_size=8)


@given(st.dictionaries(NAMES, VALUES, max_size=6).map(lambda known: {"email": "ada@example.org"} | known))
def test_any_document_is_taken_or_refused_and_what_is_taken_comes_back(document: dict[str, object]) -> None:
    try:
        submissions = api(document).unpack().submissions
    except LeadHubError:
        return

    for each in submissions:
        stored = each.content.stored()
        assert Content.model_validate_json(stored) == each.content
        assert "\\u0000" not in stored.replace("\\\\", "")


@pytest.mark.parametrize("channel", CHANNELS)
@settings(max_examples=30)
@given(st.binary(max_size=200), st.text(max_size=40))
def test_any_bytes_of_any_type_are_taken_or_refused(channel: str, body: bytes, content_type: str) -> None:
    for stated in (content_type, JSON, URLENCODED, MULTIPART):
        for take in (CHANNELS[channel].unpack, CHANNELS[channel].preview):
            try:
                take(an_inbound(body, stated), a_connection(channel))
            except LeadHubError:
                continue


FOLDER = Path(__file__).parent / "platforms" / "vectors"
SAMPLES = {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")) for name in PLATFORMS}


def broken(document: object, path: list[int], replacement: object) -> object:
    """The document with another value somewhere in it, which path says where."""
    if not path or not isinstance(document, (dict, list)) or not document:
        return replacement
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = keys[path[0] % len(keys)]
    copy = document.copy()
    copy[key] = broken(document[key], path[1:], replacement)
    return copy


@pytest.mark.parametrize("platform", PLATFORMS)
@settings(max_examples=40)
@given(st.data())
def test_a_sample_with_anything_in_it_is_taken_or_refused(platform: str, data: st.DataObject) -> None:
    vector = data.draw(st.sampled_from(SAMPLES[platform]))
    document = vector.get("json") or vector.get("form") or vector.get("multipart")
    changed = broken(document, data.draw(st.lists(st.integers(0, 9), max_size=7)), data.draw(VALUES))
    try:
        body = json.dumps(changed).encode()
        capture = PLATFORMS[platform].preview(
            an_inbound(body, vector.get("type", JSON), vector.get("headers")),
            a_connection(platform, vector.get("options")),
        )
    except LeadHubError:
        return

    for each in capture.submissions:
        assert Content.model_validate_json(each.content.model_dump_json()) == each.content
        handles = each.content.external_id or each.content.visitor_id
        assert handles or {"email", "phone"} & each.content.fields.keys()


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if name in SIGN])
@settings(max_examples=25)
@given(st.data())
def test_a_proven_senders_nonsense_is_kept_or_taken_and_never_a_fault(platform: str, data: st.DataObject) -> None:
    vector = data.draw(st.sampled_from(SAMPLES[platform]))
    document = vector.get("json") or vector.get("form") or vector.get("multipart")
    changed = broken(document, data.draw(st.lists(st.integers(0, 9), max_size=7)), data.draw(VALUES))
    body = json.dumps(changed).encode()[: data.draw(st.sampled_from([None, 1, 20]))]
    secret = STANDARD_SECRET.encode()
    headers = vector.get("headers", {}) | SIGN[platform](body, secret)
    connection = replace(a_connection(platform, vector.get("options")), secrets=(secret,))
    try:
        capture = PLATFORMS[platform].unpack(an_inbound(body, vector.get("type", JSON), headers), connection)
    except NotAuthenticated:
        assert platform == "google-ads"  # whose key is in the body that was broken
        return
    except TooLarge:
        return

    assert capture.quarantined is None or secret not in capture.quarantined.body
    for notice in capture.notices:
        assert notice.object_id.isascii()
        assert "/" not in notice.object_id
