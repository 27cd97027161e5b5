"""The address at which other processes reach the web server of this one."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

#: An address of nobody, in each family (RFC 5737 and 3849): the way to it begins at our own address in the network.
_ANYWHERE: Final = {socket.AF_INET: ("192.0.2.1", 9), socket.AF_INET6: ("2001:db8::1", 9)}


async def own_url(host: str, port: int, servers: Sequence[str]) -> str:
    """Return the URL of what is bound to host and port, as others on the network write it.

    Where every address of the machine is bound, it is the one from which it reaches Kafka: workers that share a network
    with Kafka share it with each other. Nothing is sent to find out.

    Args:
        host: address that is bound; `0.0.0.0` and `::` are all of the machine's, of one family.
        port: that is bound.
        servers: Kafka's, each `host:port`.
    """
    if (family := _family_of_all(host)) is not None:
        host = await _source_address(family, servers) or socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _family_of_all(host: str) -> "socket.AddressFamily | None":
    """Return the family of which a host is every address; None if it is one address."""
    try:
        address = ipaddress.ip_address(host or "0.0.0.0")  # noqa: S104  compared, not bound
    except ValueError:
        return None
    if not address.is_unspecified:
        return None
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


async def _source_address(family: socket.AddressFamily, servers: Sequence[str]) -> str | None:
    """Return our address on the way to the first server that has an address of the family; None if there is no way."""
    loop = asyncio.get_running_loop()
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            found = await loop.getaddrinfo(host.strip("[]"), int(port), family=family, type=socket.SOCK_DGRAM)
        except OSError:
            continue
        if (address := _toward(family, found[0][4])) is not None:
            return address
    return _toward(family, _ANYWHERE[family])


def _toward(family: socket.AddressFamily, address: tuple[object, ...]) -> str | None:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)  # sends nothing: it chooses a route
        except OSError:
            return None
        return str(probe.getsockname()[0])
