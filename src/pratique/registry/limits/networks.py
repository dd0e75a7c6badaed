"""Where requests may come from: rules `allow CIDR [PREFIX]` and `deny CIDR [PREFIX]`, of which deny wins."""

from collections.abc import Iterable
from dataclasses import dataclass

from pratique.core.errors import Invalid
from pratique.core.http.client_address import Address, Network, inside, parse_network
from pratique.registry.errors import AddressRefused


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """One line of the setting."""

    allows: bool
    network: Network
    prefix: str

    @classmethod
    def parse(cls, text: str) -> "NetworkRule":
        """Return the rule, or raise Invalid."""
        words = text.split()
        if len(words) not in (2, 3) or words[0] not in ("allow", "deny"):
            raise Invalid(f"{text[:80]!r} is no rule about a network", remedy="write allow 10.0.0.0/8 [team]")
        prefix = words[2].strip("/") if len(words) == 3 else ""
        return cls(words[0] == "allow", parse_network(words[1]), prefix)

    def covers(self, repository: str) -> bool:
        """True for the repository of that name, and for all below it; '' covers everything."""
        return not self.prefix or repository == self.prefix or repository.startswith(self.prefix + "/")


class NetworkRules:
    """Decides by address and repository; what names no repository is under the rules without a prefix."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._rules = tuple(NetworkRule.parse(text) for text in texts)
        self.has_prefixes = any(rule.prefix for rule in self._rules)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def check(self, address: Address | None, repository: str) -> None:
        """Return, or raise AddressRefused. An address that cannot be read is none that is allowed."""
        rules = [rule for rule in self._rules if rule.covers(repository)]
        here = [rule for rule in rules if address is not None and inside(address, [rule.network])]
        allowed = any(rule.allows for rule in here) or not any(rule.allows for rule in rules)
        if not allowed or any(not rule.allows for rule in here):
            raise AddressRefused(
                f"requests from {address or 'this connection'} are not allowed here",
                remedy="an administrator can allow the network in the setting limits.networks",
            )
