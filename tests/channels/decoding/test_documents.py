import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhub.channels.decoding import decode_json, decode_json_object
from leadhub.domain.errors import InvalidInput


def refusal(body: bytes) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as caught:
        decode_json(body)
    (error,) = caught.value.errors
    return error.pointer, error.detail


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param(b"", "#", id="empty"),
        pytest.param(b" \n ", "#", id="blank"),
        pytest.param(b" " * 900_000, "#", id="nothing but blanks"),
        pytest.param(b"{", "#", id="cut off"),
        pytest.param(b'{"a": 1} {"b": 2}', "#", id="two documents"),
        pytest.param(b"{'a': 1}", "#", id="not JSON"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', "#", id="byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-16"), "#", id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-be"), "#", id="UTF-16 without mark"),
        pytest.param('{"a": 1}'.encode("utf-32"), "#", id="UTF-32"),
        pytest.param(b'{"a": "\xff"}', "#", id="not UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', "#", id="surrogate as UTF-8"),
        pytest.param(b'{"a": "\\ud800"}', "#", id="lone surrogate"),
        pytest.param(b'{"\\udc00": 1}', "#", id="lone surrogate in a name"),
        pytest.param(b'{"a": NaN}', "#", id="NaN"),
        pytest.param(b'{"a": Infinity}', "#", id="Infinity"),
        pytest.param(b'{"a": -Infinity}', "#", id="-Infinity"),
        pytest.param(b'{"a": 1e400}', "#", id="1e400"),
        pytest.param(b'{"a": "\n"}', "#", id="raw control character"),
        pytest.param(b'{"a": "x\\u0000"}', "#/a", id="NUL"),
        pytest.param(b'{"a": {"b\\u0000": 1}}', "#/a/b", id="NUL in a name"),
        pytest.param(b'{"a": [1, 9223372036854775808]}', "#/a/1", id="2^63"),
        pytest.param(b'{"a": -9223372036854775809}', "#/a", id="-2^63-1"),
        pytest.param(b'{"a": 18446744073709551616}', "#/a", id="2^64"),
        pytest.param(b'{"a": 1' + b"0" * 300 + b"}", "#/a", id="301 digits"),
        pytest.param(b'{"a": 1' + b"0" * 5_000 + b"}", "#", id="5,001 digits"),
        pytest.param(b'{"a": {"b": [{"c": "' + b"x" * 65_537 + b'"}]}}', "#/a/b/0/c", id="long text"),
        pytest.param(b'{"' + b"x" * 257 + b'": 1}', "#/" + "x" * 63 + "%E2%80%A6", id="long name"),
        pytest.param(b"[" * 33 + b"]" * 33, "#" + "/0" * 32, id="33 deep"),
        pytest.param(b"[" * 2_000 + b"]" * 2_000, "#", id="2,000 deep"),
        pytest.param(b'{"a":' * 500_000, "#", id="bottomless"),
        pytest.param(b"[" + b"0," * 100_001 + b"0]", "#", id="many items"),
        pytest.param(json.dumps({str(n): n for n in range(50_001)}).encode(), "#", id="many names"),
    ],
)
def test_it_refuses_and_points_at(body: bytes, pointer: str) -> None:
    assert refusal(body)[0] == pointer


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "a": 1}',
        b'{"a" : 1, "b":2, "b":3}',
        b'{"x": {"a": ":", "a": "::"}}',
        b'[{"a": 1}, {"a": 2, "a": 3}]',
        b'{"a": "\\u003a", "a": 1}',
        b'{"a": "\\u003A\\u003a", "b": 1, "a": 1}',
        b'{"\\u0061": 1, "a": 2}',
        b'{"a": {"b": {"c": {}}}, "a": {}}',
    ],
)
def test_it_refuses_a_repeated_name(body: bytes) -> None:
    assert "stands twice" in refusal(body)[1]


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": 9223372036854775807, "b": -9223372036854775808}', {"a": 2**63 - 1, "b": -(2**63)}),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b'{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        (b'{"a": "\\u003a", "b": "::"}', {"a": ":", "b": "::"}),
        (b'{"a" : 1 , "b"\n:\t2}', {"a": 1, "b": 2}),
        ('{"a": "Łódź \U0001f600"}'.encode(), {"a": "Łódź \U0001f600"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'"text"', "text"),
    ],
)
def test_it_takes(body: bytes, document: object) -> None:
    assert decode_json(body) == document
    assert decode_json(body, numbers_are_judged=True) == document


def test_a_refusal_never_shows_a_value() -> None:
    for body in (b'{"email": "ada@example.org\\u0000"}', b'{"email": "ada@example.org", "email": "b"}', b'{"a": ada@'):
        assert "ada@" not in "".join(refusal(body))


def test_an_object_is_no_array() -> None:
    with pytest.raises(InvalidInput, match="object is expected"):
        decode_json_object(b"[]")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@given(document=JSON_VALUES, ensure_ascii=st.booleans())
def test_it_reads_what_json_writes(document: object, *, ensure_ascii: bool) -> None:
    body = json.dumps(document, ensure_ascii=ensure_ascii).encode()

    assert decode_json(body) == document


NAMES = st.sampled_from(["a", "b", ":", '"', "\\", "é"])


VALUES = st.sampled_from(['":"', "1", '{"a":1}', '"\\u003a"', '"\\\\u003a"'])


@given(pairs=st.lists(st.tuples(NAMES, VALUES)), ensure_ascii=st.booleans())
def test_repeated_names_are_found_however_they_are_written(pairs: list[tuple[str, str]], *, ensure_ascii: bool) -> None:
    written = (f"{json.dumps(name, ensure_ascii=ensure_ascii)} : {value}" for name, value in pairs)
    body = ("{" + ",".join(written) + "}").encode()

    if len({name for name, _ in pairs}) == len(pairs):
        decode_json(body)
    else:
        assert "stands twice" in refusal(body)[1]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        decode_json(body)
    except InvalidInput:
        return
