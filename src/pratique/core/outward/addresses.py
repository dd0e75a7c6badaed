"""Which addresses may be asked at all: checked as text when they are stored, and as numbers at every connection.

A name says nothing about where it leads, today or in a minute, so a check of the name protects nobody. What counts is
the number that the socket connects to: names are resolved here, every number is checked, and the checked one is used.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx2

from pratique.core.outward.errors import OutwardRefused, OutwardUnavailable

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host as text; raises OSError."""
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LENGTH = 2048
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*")
# What the system's resolver takes for a number though it does not look like one: 2130706433, 0x7f.1, 0177.0.0.1
_NUMBERS = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Answers questions about the machine itself from a public number (Azure's wire server).
_PLATFORM = frozenset({ipaddress.IPv4Address("168.63.129.16")})


def system_resolver(host: str, port: int) -> list[str]:
    """Return what the machine's resolver says, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True, slots=True)
class OutwardRules:
    """What is allowed beyond https to public addresses; nothing by default."""

    private_hosts: frozenset[str] = frozenset()
    """Hosts (`registry.corp.example`, `10.1.2.3`) that may lead to private or loopback addresses."""
    plain_hosts: frozenset[str] = frozenset()
    """`HOST` or `HOST:PORT` that may be asked without TLS."""

    @classmethod
    def of(cls, private_hosts: Sequence[str] = (), plain_hosts: Sequence[str] = ()) -> "OutwardRules":
        return cls(frozenset(map(_normal, private_hosts)), frozenset(map(_normal, plain_hosts)))

    def check_url(self, text: str) -> httpx2.URL:
        """Return the address: https, a host, no user, nothing that can be read in two ways; else raise OutwardRefused.

        For use when an address is stored, and again at each use. What the host leads to is checked at the connection.
        """
        url = _parsed(text)
        host = url.raw_host.decode("ascii").strip("[]").lower()
        if url.scheme != "https" and not (url.scheme == "http" and self._is_plain(host, url.port)):
            raise OutwardRefused("Only https addresses are asked.", remedy="Use https, or name it in outward.plain.")
        literal = _literal(host)
        if literal is not None:
            self.check_number(host, literal)
        elif _NUMBERS.fullmatch(host) or not _HOST.fullmatch(host) or len(host) > 253:
            raise OutwardRefused("The host of the address is none.", remedy="Write a name, or an address in full.")
        return url

    def addresses(self, host: str, port: int, resolver: Resolver) -> list[str]:
        """Return the numbers to connect to, each checked; raises OutwardRefused if one of them is not allowed."""
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolver(host, port)]
        except OSError as error:
            raise OutwardUnavailable(f"{host} has no address.", remedy="Check the name and the resolver.") from error
        if not found:
            raise OutwardUnavailable(f"{host} has no address.", remedy="Check the name and the resolver.")
        for address in found:
            self.check_number(host, address)
        return [str(address) for address in found]

    def check_number(self, host: str, address: _Address) -> None:
        """Raise OutwardRefused for an address that this host may not lead to."""
        meant = innermost(address)
        if is_platform(meant):
            raise OutwardRefused(
                f"{host} leads to an address that belongs to the machine or its platform.",
                remedy="No setting allows that: it would hand out the machine's own credentials.",
            )
        if not meant.is_global and _normal(host) not in self.private_hosts:
            raise OutwardRefused(
                f"{host} leads to a private address.",
                remedy=f"If that is meant, add {host} to the setting outward.private.",
            )

    def scheme_of(self, host: str) -> str:
        """Return how `HOST` or `HOST:PORT` is asked: https, unless a setting names it."""
        name, _, port = _normal(host).partition(":") if host.count(":") == 1 else (_normal(host), "", "")
        return "http" if self._is_plain(name, int(port) if port.isdigit() else None) else "https"

    def _is_plain(self, host: str, port: int | None) -> bool:
        return bool({host, f"{host}:{port or 80}"} & self.plain_hosts)


def innermost(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 one carries (mapped, compatible, 6to4, Teredo, NAT64), else itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_platform(address: _Address) -> bool:
    """Whether nobody may be sent there, whatever is set: metadata services, multicast, unspecified, reserved."""
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (isinstance(address, ipaddress.IPv4Address) and address.is_reserved)
        or address in _PLATFORM
        or address in _METADATA
    )


_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})


def origin(url: httpx2.URL) -> tuple[str, str, int]:
    """Return what credentials are bound to: scheme, host and port."""
    return url.scheme, url.host.lower(), url.port or (443 if url.scheme == "https" else 80)


def _parsed(text: str) -> httpx2.URL:
    if len(text) > _LENGTH or any(character <= " " or character in "\\\x7f" for character in text):
        raise OutwardRefused("The address holds characters that no address has.", remedy="Write it plainly.")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise OutwardRefused("The address cannot be read.", remedy="Write https://HOST/PATH.") from error
    if not url.host or not 0 < (url.port or 443) < 65536:
        raise OutwardRefused("The address names no host and port.", remedy="Write https://HOST/PATH.")
    if url.userinfo:
        raise OutwardRefused(
            "The address holds a user or password.", remedy="Give credentials in their own field: addresses are logged."
        )
    if url.fragment:
        raise OutwardRefused("The address holds a fragment.", remedy="Leave out what stands behind '#'.")
    return url


def _literal(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _normal(host: str) -> str:
    return host.strip().strip("[]").rstrip(".").lower()
