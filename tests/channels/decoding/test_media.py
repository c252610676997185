import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.posting import NOW, an_inbound

from leadhub.channels.decoding.media import media_type, parse_media_type
from leadhub.channels.protocol import Inbound
from leadhub.domain.errors import UnsupportedMedia


@pytest.mark.parametrize(
    ("header", "name", "parameters"),
    [
        ("application/json", "application/json", {}),
        (" Application/JSON ; charset=UTF-8", "application/json", {"charset": "UTF-8"}),
        ('multipart/form-data; boundary="a b"', "multipart/form-data", {"boundary": "a b"}),
        ('text/plain; a="x\\"y"; b=z;', "text/plain", {"a": 'x"y', "b": "z"}),
    ],
)
def test_it_reads(header: str, name: str, parameters: dict[str, str]) -> None:
    media = parse_media_type(header)

    assert (media.name, dict(media.parameters)) == (name, parameters)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "json",
        "application/json, text/plain",
        "text/plain; charset",
        "text/plain; charset=utf-8; charset=utf-16",
        "text/plain; charset=utf-8 x",
        'text/plain; charset="utf-8',
        "text/plain; a=" + "b" * 400,
        "tëxt/plain",
    ],
)
def test_it_refuses(header: str) -> None:
    with pytest.raises(UnsupportedMedia):
        parse_media_type(header)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ["application/json", "text/plain"]},
        {"content-type": ["application/json"], "content-encoding": ["gzip"]},
        {"content-type": ["application/json"], "content-encoding": ["identity", "br"]},
    ],
)
def test_a_request_states_one_type_and_no_compression(headers: dict[str, list[str]]) -> None:
    with pytest.raises(UnsupportedMedia):
        media_type(Inbound("POST", "", headers, b"{}", None, NOW))


def test_identity_is_no_compression() -> None:
    assert media_type(an_inbound(b"", "text/plain", {"content-encoding": "identity"})).name == "text/plain"


@given(st.text(max_size=60))
def test_any_header_is_read_or_refused(header: str) -> None:
    try:
        parse_media_type(f"text/plain;{header}")
    except UnsupportedMedia:
        return
