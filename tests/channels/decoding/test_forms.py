from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header
from tests.support.posting import BOUNDARY, MULTIPART, URLENCODED, multipart

from leadhub.channels.decoding import FormFields, decode_form, flatten
from leadhub.channels.decoding.forms import _named, _plain, _unquoted
from leadhub.channels.decoding.media import parse_media_type
from leadhub.domain.errors import InvalidInput, LeadHubError, UnsupportedMedia


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


# --- multipart ---


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (multipart(('name="a"', "1"), ('name="a"', "2")), {"a": ["1", "2"]}),
        (multipart(('name="a"', "x\r\ny\r\n")), {"a": ["x\r\ny\r\n"]}),
        (multipart(("name=a", "1")), {"a": ["1"]}),
        (multipart(('name="a%22%0D%0Ab"', "1")), {'a"\r\nb': ["1"]}),
        (multipart(('name="a\\"b"', "1")), {'a"b': ["1"]}),
        (multipart(('NAME="a"', "1")), {"a": ["1"]}),
        (multipart(('name="a"\r\nContent-Type: text/plain; charset=UTF-8', "ü")), {"a": ["ü"]}),
        (
            multipart(('name="cv"; filename=""\r\nContent-Type: application/octet-stream', ""), ('name="a"', "1")),
            {"a": ["1"]},
        ),
        (multipart(('name="a"', "1"), closing=b"--"), {"a": ["1"]}),
        (b"\r\n" + multipart(('name="a"', "1")), {"a": ["1"]}),
        (f"--{BOUNDARY}--\r\n".encode(), {}),
        (multipart(('name="n"', "Müller")).replace("ü".encode(), b"\xfc"), {"n": ["Müller"]}),
        (
            multipart(('name="_charset_"', "windows-1252"), ('name="n"', "M")),
            {"_charset_": ["windows-1252"], "n": ["M"]},
        ),
    ],
)
def test_multipart(body: bytes, fields: FormFields) -> None:
    assert decoded(body, MULTIPART) == fields


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param(b"", "#", id="empty"),
        pytest.param(multipart(('name="a"', "1"), closing=b""), "#", id="closing boundary cut"),
        pytest.param(multipart(('name="a"', "1"), closing=b"\r\n"), "#", id="closing boundary missing"),
        pytest.param(multipart(('name="a"', "1"))[:-60], "#", id="cut off"),
        pytest.param(multipart(('name="a"', "1"), closing=b"--\r\nmore"), "#", id="something after the end"),
        pytest.param(b"x\r\n" + multipart(('name="a"', "1")), "#", id="something before the start"),
        pytest.param(multipart(('name="a"', "1")).replace(b"\r\n", b"\n"), "#", id="bare line feeds"),
        pytest.param(multipart(('name="email"; filename="x.txt"', "a@b")), "#/email", id="a file part named email"),
        pytest.param(multipart(('name="email"; filename=""', "a@b")), "#/email", id="a file without a name"),
        pytest.param(multipart(("name=\"email\"; filename*=UTF-8''x", "a@b")), "#/email", id="an extended file name"),
        pytest.param(
            multipart(('name="a"\r\nContent-Type: application/json', "1")), "#/a", id="a part of another type"
        ),
        pytest.param(multipart(('name="a"\r\nContent-Type: text/plainer', "1")), "#/a", id="nearly text"),
        pytest.param(multipart(('name="a"\r\nContent-Transfer-Encoding: base64', "MQ==")), "#/a", id="base64"),
        pytest.param(multipart(('filename="a"', "1")), "#", id="no name"),
        pytest.param(multipart(('name=""', "1")), "#", id="empty name"),
        pytest.param(multipart(('name="a"; name="b"', "1")), "#", id="two names"),
        pytest.param(
            multipart(('name="a"\r\nContent-Disposition: form-data; name="b"', "1")), "#", id="two dispositions"
        ),
        pytest.param(multipart(('name="a"\r\n folded: x', "1")), "#", id="folded header"),
        pytest.param(multipart(('name="a"\r\nX: ' + "y" * 3_000, "1")), "#", id="long head"),
        pytest.param(multipart(*[('name="a"', "1")] * 101), "#", id="101 parts"),
        pytest.param(multipart(('name="a"', "x" * 65_537)), "#/a", id="long value"),
        pytest.param(multipart(('name="a"', "x\0")), "#/a", id="NUL"),
        pytest.param(multipart(('name="a"', f"1\r\n--{BOUNDARY}x")), "#", id="a delimiter that goes on"),
    ],
)
def test_multipart_is_refused_at(body: bytes, pointer: str) -> None:
    assert pointer_of(body, MULTIPART) == pointer


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [f"--{BOUNDARY}".encode(), b"\r\n", b"--", b'Content-Disposition: form-data; name="a"', b"x", b";"]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_any_multipart_body_is_read_or_refused(body: bytes) -> None:
    try:
        decoded(body, MULTIPART)
    except LeadHubError:
        return


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ü", "x y", "a[]"]), st.text(max_size=50)), max_size=8))
def test_multipart_is_read_as_the_usual_parser_reads_it(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name, value.encode("utf-8", "ignore").decode().replace("\0", "")) for name, value in pairs]
    body = multipart(*((f'name="{name}"', value) for name, value in pairs))

    ours = decoded(body, MULTIPART)

    assert [(name, value) for name, values in ours.items() for value in values] == sorted(
        _by_the_usual_parser(body), key=lambda pair: list(ours).index(pair[0])
    )


def _by_the_usual_parser(body: bytes) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    state = {"header": b"", "content": b""}

    def part_begin() -> None:
        state.update(header=b"", content=b"")

    def header_value(data: bytes, start: int, end: int) -> None:
        state["header"] += data[start:end]

    def part_data(data: bytes, start: int, end: int) -> None:
        state["content"] += data[start:end]

    def part_end() -> None:
        _, parameters = parse_options_header(state["header"])
        found.append((parameters[b"name"].decode(), state["content"].decode()))

    parser = MultipartParser(
        BOUNDARY.encode(),
        {
            "on_part_begin": part_begin,
            "on_header_value": header_value,
            "on_part_data": part_data,
            "on_part_end": part_end,
        },
    )
    parser.write(body)
    parser.finalize()
    return found
