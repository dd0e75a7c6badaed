"""Whose address counts: that of the connection, unless a proxy that is trusted says for whom it asks."""

import ipaddress
from collections.abc import Iterable, Sequence

from pratique.core.errors import Invalid
from pratique.core.http.plane import HttpScope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MOST = 32
"""Entries of X-Forwarded-For that are looked at, from the last."""


class ClientAddresses:
    """Tells the address of a client; a header counts only as far as trusted proxies wrote it."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._trusted = tuple(parse_network(text) for text in trusted)

    def of(self, scope: HttpScope) -> Address | None:
        """Return the address, None where the connection has none that can be read."""
        client = scope.get("client")
        address = parse_address(client[0]) if client else None
        if address is None or not self._is_trusted(address):
            return address
        forwarded = scope["pratique.headers"].get(b"x-forwarded-for", b"").decode("latin-1")
        for text in reversed(forwarded.split(",")[-_MOST:]):
            named = parse_address(text.strip())
            if named is None:
                return address
            address = named
            if not self._is_trusted(address):
                return address
        return address

    def _is_trusted(self, address: Address) -> bool:
        return inside(address, self._trusted)


def inside(address: Address, networks: Sequence[Network]) -> bool:
    """True when the address lies in one of the networks."""
    return any(address.version == network.version and address in network for network in networks)


def parse_address(text: str) -> Address | None:
    """Return the address; one of IPv4 that is written as IPv6 counts as what it is."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_network(text: str) -> Network:
    """Return the network, or raise Invalid."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise Invalid(f"{text[:80]!r} is no network", remedy="write it as 10.0.0.0/8 or 2001:db8::/32") from error
