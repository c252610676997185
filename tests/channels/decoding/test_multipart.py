import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header
from tests.support.posting import BOUNDARY, MULTIPART, multipart

from leadhub.channels.decoding import FormFields, decode_form
from leadhub.channels.decoding.media import parse_media_type
from leadhub.domain.errors import InvalidInput, LeadHubError


def decoded(body: bytes) -> FormFields:
    return decode_form(body, parse_media_type(MULTIPART))


def pointer_of(body: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        decoded(body)
    return caught.value.errors[0].pointer


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
    assert decoded(body) == fields


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
    assert pointer_of(body) == pointer


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
        decoded(body)
    except LeadHubError:
        return


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ü", "x y", "a[]"]), st.text(max_size=50)), max_size=8))
def test_multipart_is_read_as_the_usual_parser_reads_it(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name, value.encode("utf-8", "ignore").decode().replace("\0", "")) for name, value in pairs]
    body = multipart(*((f'name="{name}"', value) for name, value in pairs))

    ours = decoded(body)

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
