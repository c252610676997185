from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.posting import URLENCODED

from leadhub.channels.decoding import FormFields, decode_form, flatten
from leadhub.channels.decoding.forms import _named, _plain, _unquoted
from leadhub.channels.decoding.media import parse_media_type
from leadhub.domain.errors import InvalidInput, UnsupportedMedia


def decoded(body: bytes, content_type: str = URLENCODED) -> FormFields:
    return decode_form(body, parse_media_type(content_type))


def pointer_of(body: bytes, content_type: str = URLENCODED) -> str:
    with pytest.raises(InvalidInput) as caught:
        decoded(body, content_type)
    return caught.value.errors[0].pointer


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        (b"a=1+2&b=%2B", {"a": ["1 2"], "b": ["+"]}),
        (b"a&b=&=c", {"a": [""], "b": [""], "": ["c"]}),
        (b"a=1;b=2", {"a": ["1;b=2"]}),
        (b"a=b=c", {"a": ["b=c"]}),
        (b"a=%zz%4", {"a": ["%zz%4"]}),
        (b"&&a=1&&", {"a": ["1"]}),
        (b"a%5B%5D=1&a%5Bx%5D=2", {"a[]": ["1"], "a[x]": ["2"]}),
        (b"a=1\r\n", {"a": ["1"]}),
        (b"n=%C5%81%C3%B3d%C5%BA", {"n": ["Łódź"]}),
        ("n=Łódź".encode(), {"n": ["Łódź"]}),
        (b"n=M%FCller", {"n": ["Müller"]}),
        (b"n=M\xfcller&e=%80", {"n": ["Müller"], "e": ["€"]}),
        (b"_charset_=iso-8859-2&n=%A3%F3d%BC", {"_charset_": ["iso-8859-2"], "n": ["Łódź"]}),
        (b"_charset_=UTF-8&n=%C3%BC", {"_charset_": ["UTF-8"], "n": ["ü"]}),
    ],
)
def test_urlencoded(body: bytes, fields: FormFields) -> None:
    assert decoded(body) == fields


def test_a_stated_charset_is_used() -> None:
    assert decoded(b"n=%CC%FC", f"{URLENCODED}; charset=windows-1251") == {"n": ["Мь"]}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param(b"email=a%00b", "#/email", id="NUL"),
        pytest.param(b"email=a\0b", "#/email", id="raw NUL"),
        pytest.param(b"em%00ail=a", "#/email", id="NUL in a name"),
        pytest.param(b"&".join(b"f=1" for _ in range(101)), "#", id="101 fields"),
        pytest.param(b"message=" + b"x" * 65_537, "#/message", id="long value"),
        pytest.param(b"message=" + b"%FC" * 65_537, "#/message", id="long value in windows-1252"),
        pytest.param(b"x" * 257 + b"=1", "#/" + "x" * 63 + "%E2%80%A6", id="long name"),
    ],
)
def test_urlencoded_is_refused_at(body: bytes, pointer: str) -> None:
    assert pointer_of(body) == pointer


def test_a_hundred_fields_are_taken() -> None:
    assert len(decoded(b"&".join(b"f%d=1" % number for number in range(100)))) == 100


@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml",
        "text/html",
        "application/x-www-form-urlencoded; charset=utf-7",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset=rot13",
        "application/json; charset=iso-8859-1",
        "text/plain; charset=utf-16",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
        "multipart/form-data; boundary=a\u00e4",
        'multipart/form-data; boundary="a\\"b"',
        "multipart/mixed; boundary=x",
    ],
)
def test_other_media_are_not_read(content_type: str) -> None:
    with pytest.raises(UnsupportedMedia):
        decoded(b'{"a": "b"}', content_type)


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "zip", "x" * 100, "\0"])
def test_a_charset_field_names_no_other_codec(charset: str) -> None:
    with pytest.raises(UnsupportedMedia):
        decoded(urlencode({"_charset_": charset, "a": "+ADw-"}).encode())


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"email": "ada@example.org"}', {"email": ["ada@example.org"]}),
        (b' {"a": {"b": 1}} ', {"a.b": ["1"]}),
        (b"email=ada%40example.org", {"email": ["ada@example.org"]}),
        (b"[1]", {"[1]": [""]}),
    ],
)
def test_a_beacon_is_json_or_urlencoded(body: bytes, fields: FormFields) -> None:
    assert decoded(body, "text/plain;charset=UTF-8") == fields


def test_a_beacon_that_looks_like_json_must_be_json() -> None:
    assert pointer_of(b'{"a": 1, "a": 2}', "text/plain") == "#"


def test_json_is_flattened_within_limits() -> None:
    assert flatten({"a": [{"b": 1}, {"b": 2.5}], "c": [], "d": False}) == {"a.b": ["1", "2.5"], "d": ["false"]}
    with pytest.raises(InvalidInput):
        flatten({"a": list(range(101))})
    with pytest.raises(InvalidInput):
        flatten({"x" * 200: {"y" * 200: 1}})


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(TEXTS.map("x".__add__), TEXTS), max_size=20))
def test_what_was_encoded_is_decoded(pairs: list[tuple[str, str]]) -> None:
    body = urlencode(pairs).encode()
    fields: FormFields = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)

    assert decoded(body) == fields


@given(st.text(alphabet="a%=&+é4F0\0 ", max_size=40).map(str.encode) | st.binary(max_size=40))
def test_the_fast_way_and_the_general_way_agree(body: bytes) -> None:
    if not body.isascii() or (fast := _plain(body)) is None:
        return

    raw = [_unquoted(piece) for piece in body.replace(b"+", b" ").split(b"&") if piece]

    assert _named(raw, None) == fast
