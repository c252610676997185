"""How a sender proves itself: schemes as data, and the one place that checks them.

A platform says in a few words which header carries what, over which bytes and with which hash; the checking is the same
for all. Every cause of refusal looks alike to the sender: missing, repeated, over-long, not ASCII, too old, wrong.

    Mac      a keyed hash over the bytes as they came, with a time where the platform sends one
    Shared   the secret itself, repeated in a header; for a platform that can do no more

All live secrets are tried, all digests are computed, and they are compared as bytes in constant time: on text,
`hmac.compare_digest` raises for what is not ASCII.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import NamedTuple

import orjson
from typing_extensions import override

from leadhub.channels.protocol import Inbound
from leadhub.domain.errors import NotAuthenticated
from leadhub.domain.signature import SECRET_PREFIX

_LONGEST_HEADER = 1_024
"""Characters; eight SHA-256 digests with their names fit."""
_MOST_DIGESTS = 8
_STAMPED = re.compile(r"t=([0-9]{1,13})((?:,[a-z0-9]{1,4}=[^,\s]{1,128})+)")
_UNDONE = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,13}")


class Part(Enum):
    """What a signature covers, besides literal bytes."""

    BODY = "body"
    TIME = "time"
    """The timestamp, exactly as its header spells it."""
    ID = "id"
    METHOD = "method"
    URL = "url"
    """The address as it was given to the platform, with its query."""


class Written(StrEnum):
    """How a digest is spelt."""

    HEX = "hex"
    BASE64 = "base64"


class Clock(StrEnum):
    """How a timestamp is spelt."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    EITHER = "either"
    """Seconds or milliseconds, as their size says."""
    ISO = "iso"


class Proof:
    """What a sender must show."""

    def verify(self, inbound: Inbound, secrets: Sequence[bytes], *, url: str = "") -> None:
        """Accept a request that one of the secrets vouches for.

        Args:
            inbound: as it came.
            secrets: all that are live; the order does not matter.
            url: the source's address as its platform knows it, for schemes that sign it.

        Raises:
            NotAuthenticated: for whatever reason.
        """
        raise NotImplementedError

    def sign(self, inbound: Inbound, secret: bytes, *, url: str = "") -> dict[str, str]:
        """Return the headers by which a platform would prove this request: for tests, and to try a source out."""
        raise NotImplementedError

    def check_secret(self, secret: str) -> None:
        """Refuse a secret that can never match.

        Raises:
            ValueError: it is not spelt as the platform spells its secrets.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Mac(Proof):
    """HMAC over the raw request."""

    header: str
    """Lower-case."""
    algorithm: str = "sha256"
    signed: tuple[bytes | Part, ...] = (Part.BODY,)
    written: Written = Written.HEX
    prefix: str = ""
    """Stands in front of the digest."""
    prefix_may_lack: bool = False
    member: str = ""
    """If set, the header is `t=<time>,<member>=<digest>`, the last part once for each secret of theirs."""
    version: str = ""
    """If set, the header is a blank-separated list of `<version>,<digest>`; other versions are passed over."""
    time_header: str = ""
    id_header: str = ""
    clock: Clock = Clock.SECONDS
    window_seconds: int = 300
    """How far from now a timestamp may be, either way and inclusive."""
    or_compact: bool = False
    """The platform signs its JSON written again without blanks, whatever it then sends."""
    read_key: Callable[[bytes], bytes] | None = None
    """Turns the secret's text into the key; raises ValueError. None: the text is the key."""

    @override
    def verify(self, inbound: Inbound, secrets: Sequence[bytes], *, url: str = "") -> None:
        given = self._given(inbound)
        time = _required(inbound, self.time_header) if self.time_header else given.time
        if Part.TIME in self.signed and not self._is_now(time, inbound.received_at):
            raise NotAuthenticated
        contents = [self._content(inbound, time, url, inbound.body)]
        if self.or_compact and (compact := _compact(inbound.body)) is not None:
            contents.append(self._content(inbound, time, url, compact))
        expected = [digest for secret in secrets for content in contents if (digest := self._digest(secret, content))]
        matches = [hmac.compare_digest(one, other) for one in given.digests if one for other in expected]
        if not any(matches):
            raise NotAuthenticated

    @override
    def sign(self, inbound: Inbound, secret: bytes, *, url: str = "") -> dict[str, str]:
        time = self._stamp(inbound.received_at) if Part.TIME in self.signed else ""
        headers = {}
        if self.id_header:
            headers[self.id_header] = f"msg_{int(inbound.received_at.timestamp() * 1_000)}"
        if self.time_header:
            headers[self.time_header] = time
        known = Inbound(
            inbound.method,
            inbound.query,
            {**inbound.headers, **{name: [value] for name, value in headers.items()}},
            inbound.body,
            inbound.client_ip,
            inbound.received_at,
        )
        digest = self._digest(secret, self._content(known, time, url, inbound.body)).decode("ascii")
        if self.member:
            return headers | {self.header: f"t={time},{self.member}={digest}"}
        return headers | {self.header: f"{self.version},{digest}" if self.version else self.prefix + digest}

    @override
    def check_secret(self, secret: str) -> None:
        if self.read_key is not None:
            self.read_key(secret.encode())

    def _given(self, inbound: Inbound) -> "_Given":
        header = _required(inbound, self.header)
        if self.member:
            found = _STAMPED.fullmatch(header.replace(", ", ","))
            if found is None:
                raise NotAuthenticated
            pairs = [pair.partition("=") for pair in found[2][1:].split(",")]
            return _Given([value.encode() for name, _, value in pairs if name == self.member][:_MOST_DIGESTS], found[1])
        if self.version:
            tokens = [token.partition(",") for token in header.split()[:_MOST_DIGESTS]]
            return _Given([value.encode() for version, _, value in tokens if version == self.version], "")
        if not header.startswith(self.prefix) and not self.prefix_may_lack:
            raise NotAuthenticated
        return _Given([header.removeprefix(self.prefix).encode()], "")

    def _content(self, inbound: Inbound, time: str, url: str, body: bytes) -> bytes:
        if self.signed == (Part.BODY,):
            return body
        return b"".join(
            part if isinstance(part, bytes) else self._part(part, inbound, time, url, body) for part in self.signed
        )

    def _part(self, part: Part, inbound: Inbound, time: str, url: str, body: bytes) -> bytes:
        match part:
            case Part.BODY:
                return body
            case Part.TIME:
                return time.encode()
            case Part.ID:
                message_id = _required(inbound, self.id_header)
                if "." in message_id:  # else ("a.1", 5, "x") and ("a", 1, "5.x") would sign the same bytes
                    raise NotAuthenticated
                return message_id.encode()
            case Part.METHOD:
                return inbound.method.encode()
            case Part.URL:
                return _decoded(url + (f"?{inbound.query}" if inbound.query else "")).encode()

    def _digest(self, secret: bytes, content: bytes) -> bytes:
        """Return what the header must say; nothing for a secret that is none, which then matches nothing."""
        try:
            key = secret if self.read_key is None else self.read_key(secret)
        except ValueError:
            return b""
        if self.written is Written.HEX:
            return hmac.digest(key, content, self.algorithm).hex().encode()
        return base64.b64encode(hmac.digest(key, content, self.algorithm))

    def _is_now(self, time: str, now: datetime) -> bool:
        try:
            seconds = self._seconds(time)
        except (ValueError, OverflowError):
            return False
        return abs(now.timestamp() - seconds) <= self.window_seconds

    def _seconds(self, time: str) -> float:
        if self.clock is Clock.ISO:
            moment = datetime.fromisoformat(time)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if not _DIGITS.fullmatch(time):
            raise ValueError
        is_milliseconds = self.clock is Clock.MILLISECONDS or (self.clock is Clock.EITHER and len(time) > 11)
        return int(time) // 1_000 if is_milliseconds else int(time)

    def _stamp(self, now: datetime) -> str:
        match self.clock:
            case Clock.SECONDS:
                return str(int(now.timestamp()))
            case Clock.MILLISECONDS | Clock.EITHER:
                return str(int(now.timestamp() * 1_000))
            case Clock.ISO:
                return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared(Proof):
    """A secret that every request repeats in a header."""

    header: str = "x-leadhub-secret"
    scheme: str = ""
    """The word before the secret, as in `Authorization: Token …`; of `Basic`, user name or password is the secret."""
    is_required: bool = True
    """Whether a source without any secret refuses everybody. If not, who knows its address may send."""

    @override
    def verify(self, inbound: Inbound, secrets: Sequence[bytes], *, url: str = "") -> None:
        if not secrets and not self.is_required:
            return
        given = self._given(_required(inbound, self.header))
        matches = [hmac.compare_digest(one, secret) for one in given for secret in secrets]
        if not any(matches):
            raise NotAuthenticated

    @override
    def sign(self, inbound: Inbound, secret: bytes, *, url: str = "") -> dict[str, str]:
        text = secret.decode()
        if self.scheme == "Basic":
            text = base64.b64encode(secret + b":").decode("ascii")
        return {self.header: f"{self.scheme} {text}".strip()}

    def _given(self, header: str) -> list[bytes]:
        if not self.scheme:
            return [header.encode()]
        scheme, _, rest = header.partition(" ")
        if scheme.lower() != self.scheme.lower():
            raise NotAuthenticated
        if self.scheme != "Basic":
            return [rest.strip().encode()]
        try:
            user, _, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            raise NotAuthenticated from None
        return [user, password]


@dataclass(frozen=True, slots=True, kw_only=True)
class InBody(Proof):
    """A secret that every request repeats in its JSON; checked once that is read, and never stored."""

    name: str

    @override
    def verify(self, inbound: Inbound, secrets: Sequence[bytes], *, url: str = "") -> None:
        try:
            document = orjson.loads(inbound.body)
        except orjson.JSONDecodeError:
            raise NotAuthenticated from None
        given = document.get(self.name) if isinstance(document, dict) else None
        if not isinstance(given, str) or not given or len(given) > _LONGEST_HEADER:
            raise NotAuthenticated
        matches = [hmac.compare_digest(given.encode(), secret) for secret in secrets]
        if not any(matches):
            raise NotAuthenticated

    @override
    def sign(self, inbound: Inbound, secret: bytes, *, url: str = "") -> dict[str, str]:
        return {}


@dataclass(frozen=True, slots=True)
class OneOf(Proof):
    """Either of several proofs, for a platform that has changed its ways: the first whose header is there."""

    proofs: tuple[Mac | Shared, ...]

    @override
    def verify(self, inbound: Inbound, secrets: Sequence[bytes], *, url: str = "") -> None:
        shown = [proof for proof in self.proofs if proof.header in inbound.headers]
        (shown or self.proofs[-1:])[0].verify(inbound, secrets, url=url)

    @override
    def sign(self, inbound: Inbound, secret: bytes, *, url: str = "") -> dict[str, str]:
        return self.proofs[0].sign(inbound, secret, url=url)


class _Given(NamedTuple):
    digests: list[bytes]
    time: str


def standard_key(secret: bytes) -> bytes:
    """Return the key of a Standard Webhooks secret; its padding may be missing.

    >>> len(standard_key(b"whsec_xhAWvFp730cxUVZde/wDslyHrHmUOZ+1"))
    24

    Raises:
        ValueError: it is not base64 of 24 to 64 bytes.
    """
    encoded = secret.removeprefix(SECRET_PREFIX.encode())
    try:
        key = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("A secret of Standard Webhooks is `whsec_` and 24 to 64 bytes in base64.")
    return key


def _decoded(url: str) -> str:
    """Undo the escapes that HubSpot undoes before it signs, and no others.

    Source: developers.hubspot.com, "Validating requests", version 3.
    """
    return _UNDONE.sub(lambda found: chr(int(found[1], 16)), url)


def _required(inbound: Inbound, name: str) -> str:
    """Return a header that must be there once, short and in ASCII."""
    values = inbound.headers.get(name, ())
    text = values[0].strip() if len(values) == 1 else ""
    if not 0 < len(text) <= _LONGEST_HEADER or not text.isascii():
        raise NotAuthenticated
    return text


def _compact(body: bytes) -> bytes | None:
    try:
        return orjson.dumps(orjson.loads(body))
    except orjson.JSONDecodeError:
        return None
