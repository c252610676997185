import base64
import hashlib
from datetime import UTC, datetime

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.errors import InvalidInput, NotAuthenticated
from leadhub.domain.signature import (
    format_private_key,
    format_public_key,
    format_secret,
    parse_secret,
    parse_signing_key,
    sign,
    verify,
)

A = "whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1"
B = "whsec_qBm64pGNXNzNOm+j9vYLAM/RRRwy4moy"
C = "whsec_1jzo5H16fZCRoNj9bPu8YJcC/yXcEuJNuhIGuUl0ATc="
SVIX = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")
"""Of its documentation; with 18 bytes shorter than the specification allows."""
ID = "msg_2tG7Yw0000000000000000000001"
TIME = 1768469400
NOW = datetime.fromtimestamp(TIME, UTC)
B1 = (
    b'{"type":"lead.routed","timestamp":"2026-01-15T09:30:00.123456Z",'
    b'"data":{"lead_id":"ld_01","score":87,"owner":"crm-emea"}}'
)
RAW = '{"type":"lead.routed","data":{"company":"Zoë & Søn ☎","city":"東京"}}'.encode()
ESCAPED = rb'{"type":"lead.routed","data":{"company":"Zo\u00eb & S\u00f8n \u260e",' rb'"city":"\u6771\u4eac"}}'
VECTORS = {
    "V1": (A, ID, TIME, B1, "v1,Zy4lE0qTujZCNrQsa1x7XeQBtG5O9NkgTp3ZsFCt11A="),
    "V2": (A, ID, TIME + 1, B1, "v1,ASjOkRCF0anJQhfrVLtcsxqIknW23Vf8ItXi7n4vD3c="),
    "V3": (A, ID[:-1] + "2", TIME, B1, "v1,T+g31yEf5l/GOHs0POGGiClm9rbbtRTaC6VQHXxzFF4="),
    "V4": (C, ID, TIME, RAW, "v1,R+uxkGBK9KHcmZUlcN8433Jx/d84Gn7DqY2dYdXi4hk="),
    "V5": (C, ID, TIME, ESCAPED, "v1,zwkgrxEvhPs/n41WHCtGVoPKiJJffC/DRozn+a/udPo="),
    "V7": (A, ID, TIME, b"", "v1,WmvURY+N/VBc17l10696zjnnBK/3EdET6WZAb6FEi6s="),
}


def _verify(  # noqa: PLR0917 - a shorthand: every part of a message has its good default
    signatures: str,
    body: bytes = B1,
    timestamp: str = str(TIME),
    secrets: tuple[str, ...] = (A,),
    message_id: str = ID,
    now: datetime = NOW,
) -> None:
    keys = [parse_secret(secret) for secret in secrets]
    verify(message_id=message_id, timestamp=timestamp, signatures=signatures, body=body, keys=keys, now=now)


def test_the_bodies_are_those_of_the_vectors() -> None:
    assert (len(B1), len(RAW), len(ESCAPED)) == (121, 75, 92)
    assert hashlib.sha256(RAW).hexdigest().startswith("93a04715")
    assert hashlib.sha256(ESCAPED).hexdigest().endswith("ccf94")


@pytest.mark.parametrize(("secret", "message_id", "timestamp", "body", "expected"), VECTORS.values(), ids=VECTORS)
def test_signing_gives_the_vector(secret: str, message_id: str, timestamp: int, body: bytes, expected: str) -> None:
    keys = [parse_secret(secret)]

    signed = sign(message_id=message_id, timestamp=timestamp, body=body, keys=keys)

    assert signed == expected
    at = datetime.fromtimestamp(timestamp, UTC)
    verify(message_id=message_id, timestamp=str(timestamp), signatures=signed, body=body, keys=keys, now=at)
    reference = standardwebhooks.Webhook(secret).sign(message_id, at.replace(tzinfo=UTC), body.decode())
    assert reference == expected


def test_signing_gives_the_example_of_svix() -> None:
    signed = sign(
        message_id="msg_loFOjxBNrRLzqYUf",
        timestamp=1731705121,
        body=b'{"event_type":"ping","data":{"success":true}}',
        keys=[SVIX],
    )

    assert signed == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_the_reference_library_verifies_what_we_sign_now() -> None:
    now = int(datetime.now(UTC).timestamp())
    signed = sign(message_id=ID, timestamp=now, body=B1, keys=[parse_secret(B), parse_secret(A)])
    headers = {"webhook-id": ID, "webhook-timestamp": str(now), "webhook-signature": signed}

    for secret in (A, B):
        standardwebhooks.Webhook(secret).verify(B1, headers)


def test_any_key_of_a_rotation_verifies() -> None:
    both = sign(message_id=ID, timestamp=TIME, body=B1, keys=[parse_secret(B), parse_secret(A)])

    _verify(both, secrets=(A,))
    _verify(both, secrets=(B,))
    _verify(both.split()[1], secrets=(C, A))


@pytest.mark.parametrize("signatures", ["  {}  ", "v1a,AAAA  {}", "v2,x\t{} v1,", "v1,ünï {}", ",, {}"])
def test_other_tokens_and_blanks_do_not_disturb(signatures: str) -> None:
    _verify(signatures.format(VECTORS["V1"][4]))


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_either_way_pass(seconds: int) -> None:
    _verify(VECTORS["V1"][4], now=datetime.fromtimestamp(TIME + seconds, UTC))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_second_more_fails(seconds: int) -> None:
    with pytest.raises(NotAuthenticated):
        _verify(VECTORS["V1"][4], now=datetime.fromtimestamp(TIME + seconds, UTC))


V1 = VECTORS["V1"][4]


@pytest.mark.parametrize(
    ("signatures", "body", "timestamp", "message_id"),
    [
        (V1, B1 + b" ", str(TIME), ID),
        (V1, B1, str(TIME + 1), ID),
        (V1, B1, str(TIME), ID + "x"),
        (V1.replace("v1,", "v2,"), B1, str(TIME), ID),
        (V1.replace("v1,", "v1a,"), B1, str(TIME), ID),
        (V1.removeprefix("v1,"), B1, str(TIME), ID),
        ("v1," + base64.b64decode(V1[3:]).hex(), B1, str(TIME), ID),
        ("", B1, str(TIME), ID),
        ("v1,", B1, str(TIME), ID),
        ("v1," + "\udcff" * 44, B1, str(TIME), ID),
        (V1, B1, f"{TIME}.0", ID),
        (V1, B1, f"+{TIME}", ID),
        (V1, B1, "", ID),
        (V1, B1, "٣" * 10, ID),
        (V1, B1, str(TIME), ""),
    ],
)
def test_a_message_that_differs_fails(signatures: str, body: bytes, timestamp: str, message_id: str) -> None:
    with pytest.raises(NotAuthenticated):
        _verify(signatures, body, timestamp, message_id=message_id)


def test_no_key_verifies_nothing() -> None:
    with pytest.raises(NotAuthenticated):
        _verify(V1, secrets=())


def test_an_id_with_a_dot_is_neither_signed_nor_verified() -> None:
    ambiguous = "v1,JIW8TRUY9AkI/8HW/B4i5JwNca0gzL9SaMZgeDpZwMs="
    keys = [parse_secret(A)]

    assert sign(message_id="msg_a", timestamp=TIME, body=b"5.x", keys=keys) == ambiguous
    with pytest.raises(NotAuthenticated, match="dot"):
        _verify(ambiguous, b"x", "5", message_id=f"msg_a.{TIME}", now=datetime.fromtimestamp(5, UTC))
    with pytest.raises(ValueError, match="message id"):
        sign(message_id=f"msg_a.{TIME}", timestamp=5, body=b"x", keys=keys)


def test_nothing_is_signed_without_a_key() -> None:
    with pytest.raises(ValueError, match="sign with"):
        sign(message_id=ID, timestamp=TIME, body=b"", keys=[])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "xhAWvFp730cxUVZde/wDslyHrHmUOZ+1",
        "whsec_",
        "whsk_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1",
        "whsec_xhAWvFp730cxUVZde_wDslyHrHmUOZ-1",
        "whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1\n",
        "whsec_ xhAWvFp730cxUVZde/wDslyHrHmUOZ+1",
        "whsec_1jzo5H16fZCRoNj9bPu8YJcC/yXcEuJNuhIGuUl0ATc",
        "whsec_1jzo5H16fZCRoNj9bPu8YJcC/yXcEuJNuhIGuUl0ATd=",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsec_ünïcödéünïcödéünïcödéünïcödé",
    ],
)
def test_a_secret_that_is_not_exactly_one_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_secret(text)


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_reads_back(key: bytes) -> None:
    assert parse_secret(format_secret(key)) == key


@given(st.binary(max_size=200), st.binary(min_size=24, max_size=64), st.integers(0, 199))
def test_a_changed_byte_does_not_verify(body: bytes, key: bytes, position: int) -> None:
    signed = sign(message_id=ID, timestamp=TIME, body=body, keys=[key])
    changed = bytearray(body or b"\0")
    changed[position % len(changed)] ^= 1

    verify(message_id=ID, timestamp=str(TIME), signatures=signed, body=body, keys=[key], now=NOW)
    with pytest.raises(NotAuthenticated):
        verify(message_id=ID, timestamp=str(TIME), signatures=signed, body=bytes(changed), keys=[key], now=NOW)


_PAIR = "whsk_D80kmvybaXVEkK4E5lTDCtvDYBim1zif6anNwd9OmRzkNTXM9f0N2esT1DIEN7ZioOSmJBjvnpih5c5XK4qo2w=="
_PUBLIC = "whpk_5DU1zPX9DdnrE9QyBDe2YqDkpiQY756YoeXOVyuKqNs="


def test_a_key_pair_gives_the_vector() -> None:
    key = parse_signing_key(_PAIR)
    body = (
        b'{"type":"lead.routed","timestamp":"2026-01-15T09:30:00.123456Z",'
        b'"data":{"lead_id":"ld_01","score":87,"owner":"crm-emea"}}'
    )

    signed = sign(message_id="msg_2tG7Yw0000000000000000000001", timestamp=1768469400, body=body, keys=[key])

    assert signed == ("v1a,eVrK/HiZX6/N1LkYJ95InH6c51p/NwX7UipAdSPL7f8eoR3qGa6n7TPBYbt6Eq+rzx2fPm/sJKKYBKcO+ya8AQ==")
    assert isinstance(key, Ed25519PrivateKey)
    assert (format_private_key(key), format_public_key(key)) == (_PAIR, _PUBLIC)


def test_a_pair_and_a_secret_sign_beside_each_other() -> None:
    header = sign(message_id="m", timestamp=1, body=b"", keys=[parse_signing_key(_PAIR), bytes(32)])

    assert [token.partition(",")[0] for token in header.split()] == ["v1a", "v1"]


@pytest.mark.parametrize("text", ["whsk_", "whsk_AAAA", "whsk_!!!!", _PAIR[:-4] + "AAAA", _PAIR.replace("D80", "E80")])
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_signing_key(text)
