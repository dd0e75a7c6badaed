"""Stands before the registry: asks from where a request comes, and whether its principal asks too often."""

import ipaddress

from pratique.core.errors import PratiqueError
from pratique.core.http.client_address import Address, ClientAddresses
from pratique.core.http.plane import AsgiApp, HttpScope, Receive, Send, caller_of
from pratique.core.settings.content import Limits
from pratique.core.telemetry import METRICS
from pratique.registry.acr.addresses import parse_acr_address
from pratique.registry.addresses import parse_address
from pratique.registry.limits.networks import NetworkRules
from pratique.registry.limits.rates import Rates

_LISTS = frozenset({"catalog", "tags", "referrers"})
_refused = METRICS.counter(
    "pratique_registry_limited_total", "Requests refused by a limit, by which.", unit="requests", labels=("limit",)
)


class Limited:
    """An application behind limits; where none is set it is called at once."""

    def __init__(self, app: AsgiApp, limits: Limits, addresses: ClientAddresses) -> None:
        self.app = app
        self._addresses = addresses
        self._networks = NetworkRules(limits.networks)
        self._rates = {
            "read": Rates(limits.read, limits.all_read),
            "write": Rates(limits.write, limits.all_write),
            "list": Rates(limits.list, limits.all_list),
        }
        self._counts = any((
            limits.read, limits.write, limits.list, limits.all_read, limits.all_write, limits.all_list,
        ))  # fmt: skip

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        if self._networks or self._counts:
            self._check(scope)
        await self.app(scope, receive, send)

    def _check(self, scope: HttpScope) -> None:
        kind, repository = _address(scope)
        listing = kind in _LISTS or (kind == "manifests" and scope["raw_path"].startswith(b"/acr/"))
        address = self._addresses.of(scope)
        if self._networks:
            try:
                self._networks.check(address, repository)
            except PratiqueError:
                _refused.add(limit="network")
                raise
            if self._networks.has_prefixes and kind == "uploads":
                _without_mount(scope)
        if self._counts:
            limit = "list" if listing else "read" if scope["method"] in ("GET", "HEAD") else "write"
            try:
                self._rates[limit].take(_who(scope, address))
            except PratiqueError:
                _refused.add(limit=limit)
                raise


def _who(scope: HttpScope, address: Address | None) -> str:
    """The principal, whatever token it shows; strangers count by address, IPv6 by the network of one customer."""
    caller = caller_of(scope)
    if not caller.is_anonymous:
        return caller.principal_id
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _address(scope: HttpScope) -> tuple[str, str]:
    path: bytes = scope["raw_path"]
    try:
        found = parse_acr_address(path) if path.startswith(b"/acr/") else parse_address(path)
    except PratiqueError:
        return "", ""  # it is refused by whoever would serve it
    return found.kind, found.name.value if found.name else ""


def _without_mount(scope: HttpScope) -> None:
    """Let the client send the bytes: a mount would read them where its address may not ask."""
    kept = [part for part in scope["query_string"].split(b"&") if not part.startswith((b"mount=", b"from="))]
    scope["query_string"] = b"&".join(kept)
