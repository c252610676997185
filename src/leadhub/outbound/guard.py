"""Where webhooks may go: the rules for a URL and for an address.

A URL is checked when it is saved, for a friendly error, and at each attempt; every address is checked again at the
moment it is dialled (`outbound.webhook`), which is what counts: a name may resolve to something else by then.
The standard library's `is_global` calls much of `_DENIED` global, so the list is explicit.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from leadhub.domain.errors import InvalidInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2_048
PORTS = frozenset({443, 8080, 8443})
"""Ports of public receivers; a listed network may be reached on any."""

_DENIED = tuple(
    ip_network(network)
    for network in (
        # IANA special-purpose registry, multicast and reserved space.
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
        "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        # Azure's metadata and DNS service, on a public address.
        "168.63.129.16/32",
        # All that is not global unicast (2000::/3): ::1, mapped and compatible forms, NAT64, unique local, link-local,
        # site-local, multicast, what IANA has not given out; in 2000::/3 Teredo, documentation, 6to4, documentation.
        "::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")

_URL = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
"""The characters of RFC 3986 without `#`: no blank, control, quote, backslash or letter beyond ASCII."""
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(:[0-9]*)?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INSIDE = frozenset({"local", "localhost", "internal", "intranet", "lan", "home", "corp", "private", "arpa", "onion"})
"""Top-level names that never lead to the public internet."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL whose form is right."""

    url: str
    host: str
    """A name, or an address without brackets."""
    literal: Address | None
    """The address, if the host is one."""
    must_be_listed: bool
    """Only a network that the deployment lists will do: plain http, an inside name, an unusual port."""


def check_url(url: str, allowed_networks: Sequence[Network]) -> None:
    """Accept a URL that webhooks may be sent to, as far as that can be seen without resolving its name.

    Raises:
        InvalidInput: at `#/url`, with what would be right.
    """
    target = inspect(url, allowed_networks)
    if target.literal and not is_allowed(
        target.literal, allowed_networks=allowed_networks, must_be_listed=target.must_be_listed
    ):
        raise _refused("the address is private or reserved: webhooks may not go there")


def inspect(url: str, allowed_networks: Sequence[Network]) -> Target:
    """Take a URL apart.

    Raises:
        InvalidInput: at `#/url`, its form, scheme, host or port will not do whatever its name resolves to.
    """
    if len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise _refused(f"a URL has at most {LONGEST_URL} characters, all of RFC 3986, and no fragment")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("this is not a URL") from None
    if parts.scheme not in {"https", "http"}:
        raise _refused("the scheme must be https")
    if "@" in parts.netloc:
        raise _refused("a user name or password may not be part of the URL")
    if not _AUTHORITY.fullmatch(parts.netloc):
        raise _refused("this is not a host, or a host and a port")
    host, literal = _host(parts)
    must_be_listed = (
        parts.scheme == "http" or (port is not None and port not in PORTS) or (literal is None and _is_inside(host))
    )
    if must_be_listed and not allowed_networks:
        raise _refused(f"use https, a public host name, and one of the ports {', '.join(map(str, sorted(PORTS)))}")
    return Target(url=url, host=host, literal=literal, must_be_listed=must_be_listed)


def _host(parts: SplitResult) -> tuple[str, Address | None]:
    """Return the host, and the address if it is one; spellings of an address other than the usual are refused."""
    host = parts.hostname or ""
    if parts.netloc.startswith("["):
        literal = _literal(host)
        if not isinstance(literal, IPv6Address):
            raise _refused("this is not an IPv6 address")
        return host, literal
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # getaddrinfo reads 127.1, 2130706433, 0x7f000001 and 0177.0.0.1 as addresses.
        literal = _literal(host)
        if literal is None:
            raise _refused("write an IPv4 address as four decimal numbers")
        return host, literal
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("this is not a host name; write an international one in its xn-- form, without a final dot")
    return host, None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_inside(host: str) -> bool:
    labels = host.split(".")
    return len(labels) == 1 or labels[-1] in _INSIDE


def is_allowed(address: Address, *, allowed_networks: Sequence[Network], must_be_listed: bool = False) -> bool:
    """Whether webhooks may be sent to an address.

    An address that has another inside (IPv4 mapped into IPv6, NAT64, 6to4) must be allowed in every form: listing a
    NAT64 prefix opens the public internet behind it, not the private networks.

    >>> is_allowed(ip_address("9.9.9.9"), allowed_networks=[])
    True
    >>> is_allowed(ip_address("::ffff:10.0.0.1"), allowed_networks=[])
    False
    """
    return all(
        _within(form, allowed_networks) or not (must_be_listed or _within(form, _DENIED)) for form in _forms(address)
    )


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _forms(address: Address) -> Iterator[Address]:
    """Yield the address and the IPv4 address that it carries, if it does."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    elif address.sixtofour:
        yield address.sixtofour
    elif address in _NAT64 or (address in _COMPATIBLE and address.packed[-4:-1] != bytes(3)):
        # :: and ::1 lie in the compatible range too, but are no such address.
        yield IPv4Address(address.packed[-4:])


def _refused(detail: str) -> InvalidInput:
    return InvalidInput.at("#/url", detail)
