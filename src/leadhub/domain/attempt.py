"""One attempt: what happened, its class, and why, in words for the endpoint's owner."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit


class Outcome(StrEnum):
    """The class of a result: a column, and a metric's label."""

    DELIVERED = "delivered"
    GONE = "gone"
    THROTTLED = "throttled"
    REDIRECTED = "redirected"
    REJECTED = "rejected"
    SERVER_ERROR = "server_error"
    DNS = "dns"
    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    DISK = "disk"
    BLOCKED = "blocked"
    INTERNAL = "internal"
    UNKNOWN = "unknown"
    ERASED = "erased"
    FILTERED = "filtered"
    EXPIRED = "expired"
    """Of no attempt: it was held for too long."""


class Failure(StrEnum):
    """Why there is no status.

    A refused and a filtered port are one thing on purpose: nobody scans a network through us.
    """

    DNS = "dns"
    CONNECT = "connect"
    TLS_EXPIRED = "tls_expired"
    TLS_NAME = "tls_name"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS = "tls"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    NOT_HTTP = "not_http"
    HEADERS = "headers"
    DISK = "disk"
    DISK_FULL = "disk_full"
    NO_FOLDER = "no_folder"
    BLOCKED_ADDRESS = "blocked_address"
    BLOCKED_URL = "blocked_url"
    NO_KEY = "no_key"
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, no secret
    INTERNAL = "internal"
    UNKNOWN = "unknown"
    ERASED = "erased"
    FILTERED = "filtered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the time of an attempt went, in milliseconds; None where it did not get so far.

    The first three are also None where a connection was used again.
    """

    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    first_byte_ms: int | None = None
    """From the request to the head of its answer."""


_NO_TIMINGS = Timings()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What happened: a status as soon as the headers of an answer came, or a line in a file, else a failure."""

    status: int | None = None
    failure: Failure | None = None
    is_written: bool = False
    """Whether it is in a file of this deployment, where nobody answers."""
    retry_after: str | None = None
    """The header as received."""
    location: str | None = None
    """The header as received."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer, redacted."""
    body: bytes = b""
    """Of the answer, its beginning."""
    remote_ip: str | None = None
    duration_ms: int = 0
    """Of all of it, the body too."""
    timings: Timings = _NO_TIMINGS


_THROTTLES = frozenset({429, 502, 503, 504})
_SHOWN = 200
_OUTCOME_OF_FAILURE = {
    Failure.DNS: Outcome.DNS,
    Failure.CONNECT: Outcome.CONNECTION,
    Failure.TLS_EXPIRED: Outcome.TLS,
    Failure.TLS_NAME: Outcome.TLS,
    Failure.TLS_UNTRUSTED: Outcome.TLS,
    Failure.TLS: Outcome.TLS,
    Failure.TIMEOUT: Outcome.TIMEOUT,
    Failure.CLOSED: Outcome.CONNECTION,
    Failure.NOT_HTTP: Outcome.PROTOCOL,
    Failure.HEADERS: Outcome.PROTOCOL,
    Failure.DISK: Outcome.DISK,
    Failure.DISK_FULL: Outcome.DISK,
    Failure.NO_FOLDER: Outcome.BLOCKED,
    Failure.BLOCKED_ADDRESS: Outcome.BLOCKED,
    Failure.BLOCKED_URL: Outcome.BLOCKED,
    Failure.NO_KEY: Outcome.INTERNAL,
    Failure.NO_TOKEN: Outcome.REJECTED,
    Failure.INTERNAL: Outcome.INTERNAL,
    Failure.UNKNOWN: Outcome.UNKNOWN,
    Failure.ERASED: Outcome.ERASED,
    Failure.FILTERED: Outcome.FILTERED,
}


def classify(result: AttemptResult) -> Outcome:
    """Return the class of a result.

    >>> classify(AttemptResult(status=204)), classify(AttemptResult(failure=Failure.CLOSED))
    (<Outcome.DELIVERED: 'delivered'>, <Outcome.CONNECTION: 'connection'>)
    """
    status = result.status
    if result.is_written:
        return Outcome.DELIVERED
    if status is None:
        return _OUTCOME_OF_FAILURE[result.failure or Failure.INTERNAL]
    if status == 410:
        return Outcome.GONE
    if status in _THROTTLES:
        return Outcome.THROTTLED
    by_hundred = {2: Outcome.DELIVERED, 3: Outcome.REDIRECTED, 4: Outcome.REJECTED, 5: Outcome.SERVER_ERROR}
    return by_hundred.get(status // 100, Outcome.PROTOCOL)


_BECAUSE_OF_FAILURE = {
    Failure.DNS: "the host name cannot be resolved",
    Failure.CONNECT: "no connection to the host could be made",
    Failure.TLS_EXPIRED: "the certificate expired",
    Failure.TLS_NAME: "the certificate is for another host name",
    Failure.TLS_UNTRUSTED: "the certificate is self-signed, or a certificate of its chain is missing or unknown",
    Failure.TLS: "the TLS handshake failed",
    Failure.TIMEOUT: "no answer came within the time limit",
    Failure.CLOSED: "the receiver closed the connection before it answered",
    Failure.NOT_HTTP: "what came back is not HTTP",
    Failure.HEADERS: "the headers of the answer are too large",
    Failure.DISK: "the file could not be written",
    Failure.DISK_FULL: "the disk is full: the file could not be written",
    Failure.NO_FOLDER: "this worker writes no files: set LEADHUB_SINK_DIRECTORY",
    Failure.BLOCKED_ADDRESS: "the address is private or reserved: webhooks may not go there",
    Failure.BLOCKED_URL: "the URL may not be used for webhooks: see its scheme, host and port",
    Failure.NO_TOKEN: "the authorization server gave no token: see the client's id, secret and scope",
    Failure.NO_KEY: "the signing secret could not be opened: a fault of this deployment, not counted",
    Failure.INTERNAL: "a fault of this deployment, not counted",
    Failure.UNKNOWN: "the worker stopped before it knew the outcome; the event may have arrived",
    Failure.ERASED: "the content of the event was erased before it could be sent",
    Failure.FILTERED: "the filter of the endpoint passes this event over",
}

_BECAUSE_OF_STATUS = {
    400: "it does not accept the content",
    401: "it asks for a login; let it check the signature instead",
    403: "it refuses us; a firewall or bot protection may stand before it",
    404: "the path of the URL is wrong",
    405: "the URL does not take POST",
    408: "it gave up waiting for the request",
    410: "it wants no more events; the endpoint was switched off",
    413: "the event is too large for it",
    415: "it does not take JSON",
    422: "it does not accept the content",
    429: "it asks us to slow down",
    502: "the proxy before the receiver cannot reach it",
    503: "it is not available for now",
    504: "the proxy before the receiver waited too long for it",
}

_BECAUSE_OF_OUTCOME = {
    Outcome.DELIVERED: "it has the event",
    Outcome.REDIRECTED: "webhooks follow no redirect; change the URL",
    Outcome.REJECTED: "it rejects the event",
    Outcome.SERVER_ERROR: "the receiver has a fault",
    Outcome.PROTOCOL: "that is no answer to a webhook",
}


def explain(result: AttemptResult) -> str:
    """Say in plain words what happened, and what would help. Never names an address of ours.

    >>> explain(AttemptResult(status=404))
    'the receiver answered 404: the path of the URL is wrong'
    >>> explain(AttemptResult(status=307, location="https://www.example.com/hook?token=x"))
    'the receiver answered 307 to https://www.example.com/hook: change the URL'
    """
    if result.is_written:
        return "it is in the file"
    if result.status is None:
        return _BECAUSE_OF_FAILURE[result.failure or Failure.INTERNAL]
    outcome = classify(result)
    location = shown_location(result.location)
    if outcome is Outcome.REDIRECTED and location:
        return f"the receiver answered {result.status} to {location}: change the URL"
    because = _BECAUSE_OF_STATUS.get(result.status) or _BECAUSE_OF_OUTCOME[outcome]
    return f"the receiver answered {result.status}: {because}"


def shown_location(location: str | None) -> str:
    """Return a Location as far as it helps: without user, query and fragment, which may hold secrets."""
    if not location or not location.isascii() or not location.isprintable():
        return ""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    return (f"{scheme}//{host}{parts.path}" if host else f"{scheme}{parts.path}")[:_SHOWN]
