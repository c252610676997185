"""Resolve names and open sockets, refusing every address that webhooks may not reach."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from leadhub.outbound.guard import Network, is_allowed

Lookup = Callable[[str], Sequence[str]]
"""Blocking: a host name → its addresses. Raises OSError."""

_LOOKUP_THREADS = 64
"""A look-up that hangs keeps its thread long after its attempt ended, so there are as many as attempts in flight."""


class AddressRefused(OSError):
    """An address that webhooks may not reach. Says no more: its text could end where a user reads it."""


def system_lookup(host: str) -> list[str]:
    """Ask the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class Dialler(AbstractResolver):
    """The only way to a socket: looks names up for aiohttp, and opens its sockets."""

    def __init__(self, *, allowed_networks: Sequence[Network], must_be_listed: bool, lookup: Lookup) -> None:
        self._allowed_networks = allowed_networks
        self._must_be_listed = must_be_listed
        self._lookup = lookup
        # Not the loop's own: others wait for that one.
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="lookup")

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return a name's addresses; none at all if one of them is refused, so that no order of answers helps."""
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._threads, self._lookup, host)
        for address in addresses:
            self._check(address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    def open_socket(self, addr_info: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        """Open a socket for the address that is dialled next: the check that counts."""
        family, kind, protocol, _, address = addr_info
        self._check(str(address[0]))
        return socket.socket(family=family, type=kind, proto=protocol)

    def _check(self, address: str) -> None:
        if not is_allowed(
            ip_address(address), allowed_networks=self._allowed_networks, must_be_listed=self._must_be_listed
        ):
            raise AddressRefused("address refused")

    @override
    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
