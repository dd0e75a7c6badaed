"""Which host name serves what: roles under one domain; an unknown name is answered 421, naming the setting."""

import re
from collections.abc import Iterable

from pratique.core.errors import Misdirected

SHARED = "*"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ROLES = frozenset({"console", "registry", "login", "admission"})
_CACHED = 1024
_HEADER = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class HostRules:
    """Maps a Host header to a role, or to SHARED for hosts that serve every role by path."""

    def __init__(self, domain: str = "localhost", extra_hosts: Iterable[str] = ()) -> None:
        self._domain = domain.lower().rstrip(".")
        self._shared = _LOOPBACK | {self._domain} | {host.lower().strip("[]") for host in extra_hosts}
        self._known: dict[bytes, str] = {}

    def role(self, header: bytes) -> str:
        """Return the role of a Host header; raises Misdirected for a name that this installation does not serve."""
        role = self._known.get(header)
        if role is None:
            role = self._find(header)
            if len(self._known) < _CACHED:
                self._known[header] = role
        return role

    def _find(self, header: bytes) -> str:
        host = host_name(header) if _HEADER.fullmatch(header) else ""
        if host in self._shared:
            return SHARED
        label, dot, domain = host.partition(".")
        if dot and domain == self._domain and label in _ROLES:
            return label
        if label and domain == f"vault.{self._domain}":
            return "vault"
        raise Misdirected(
            f"this server is not known as {header[:100].decode('latin-1')!r}",
            remedy="an administrator adds the name to `server.extra_hosts`, or sets `server.domain`",
        )


def host_name(header: bytes) -> str:
    """Return the lower-case name or address of a Host header, without port and brackets."""
    text = header.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].rstrip(".")
