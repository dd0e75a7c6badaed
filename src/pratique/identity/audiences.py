"""What a token may be for: the names that clients use for resources, and which of our planes takes such a token.

Tokens that clients of the registry or of the console get carry one of our own words as `aud`. Tokens of the
Entra-shaped endpoints carry the resource that was asked for, as Azure's clients expect; this table says what such a
name means here. A name that is not in the table gets no token and is good for nothing.
"""

import re
from collections.abc import Mapping

from pratique.core.errors import Invalid
from pratique.identity.types import Audience

API = "api://pratique"
"""The management API by a name that knows no host."""

_FIXED: Mapping[str, Audience] = {
    API: Audience.MANAGEMENT,
    "https://containerregistry.azure.net": Audience.EXCHANGE,
    "https://management.azure.com": Audience.EXCHANGE,
    "https://management.core.windows.net": Audience.EXCHANGE,
    "https://vault.azure.net": Audience.VAULT,
}
_ROLES: Mapping[str, Audience] = {
    "console": Audience.MANAGEMENT,
    "registry": Audience.EXCHANGE,
    "vault": Audience.VAULT,
}
_URL = re.compile(r"https://([a-z0-9.-]{1,253})(?::[0-9]{1,5})?")


class Audiences:
    """The table of one installation: names that never change, and the hosts under its domain, with any port."""

    def __init__(self, domain: str = "localhost") -> None:
        self._hosts = {f"{role}.{domain}": audience for role, audience in _ROLES.items()}
        self._hosts[domain] = Audience.MANAGEMENT

    def resource(self, text: str) -> tuple[str, Audience]:
        """Return the canonical name of a resource that a client asks for, and what it is; or raise Invalid."""
        name = text.lower().rstrip("/") if text.isascii() and len(text) <= 300 else ""
        audience = self.of(name)
        if audience is None or name in _OWN:
            raise Invalid(
                f"There is no resource {text[:80]!r} here.",
                remedy=f"Ask for one of: {', '.join(sorted(_FIXED))}, with /.default where a scope is meant.",
            )
        return name, audience

    def of(self, aud: str) -> Audience | None:
        """What a token's `aud` is good for, or None."""
        known = _OWN.get(aud) or _FIXED.get(aud)
        if known is not None:
            return known
        match = _URL.fullmatch(aud)
        return self._hosts.get(match[1]) if match else None


_OWN: Mapping[str, Audience] = {audience.value: audience for audience in Audience}
