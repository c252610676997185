"""What an exception of the HTTP client means for the owner of an endpoint."""

import ssl

import aiohttp
from aiohttp.http_exceptions import LineTooLong

from leadhub.domain.attempt import Failure
from leadhub.outbound.dialling import AddressRefused


class HeadTooLong(aiohttp.ClientConnectionError):
    """An answer whose headers do not end."""


# OpenSSL's X509_V_ERR_*: the verification codes that an owner can act upon.
_TLS_FAILURES = {
    10: Failure.TLS_EXPIRED,
    18: Failure.TLS_UNTRUSTED,
    19: Failure.TLS_UNTRUSTED,
    20: Failure.TLS_UNTRUSTED,
    21: Failure.TLS_UNTRUSTED,
    62: Failure.TLS_NAME,
    64: Failure.TLS_NAME,
}


# The first that fits counts: most of these are also kinds of ClientOSError.
_FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (aiohttp.ClientSSLError, Failure.TLS),
    (ssl.SSLError, Failure.TLS),
    (aiohttp.ClientConnectorDNSError, Failure.DNS),
    (aiohttp.ClientConnectorError, Failure.CONNECT),
    (aiohttp.ConnectionTimeoutError, Failure.CONNECT),
    (TimeoutError, Failure.TIMEOUT),
    (aiohttp.InvalidURL, Failure.BLOCKED_URL),
    (aiohttp.ClientResponseError, Failure.NOT_HTTP),
)


def failure_of(error: Exception) -> Failure:
    """Return why no status came."""
    if isinstance(getattr(error, "os_error", error), AddressRefused):
        return Failure.BLOCKED_ADDRESS
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _TLS_FAILURES.get(getattr(error.certificate_error, "verify_code", 0), Failure.TLS)
    if isinstance(error, HeadTooLong) or isinstance(error.__cause__, LineTooLong):
        return Failure.HEADERS
    return next((failure for kind, failure in _FAILURES if isinstance(error, kind)), Failure.CLOSED)
