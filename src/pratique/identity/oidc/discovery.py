"""Where a provider answers: read from its own configuration, remembered for an hour, never followed elsewhere."""

import threading
from collections.abc import Mapping
from typing import Any

from pratique.core.clock import HOUR, SECOND, Clock
from pratique.core.outward import Bounds, OutwardClient, OutwardRefused, OutwardUnavailable
from pratique.identity.oidc.types import Endpoints

BOUNDS = Bounds(size=256 * 1024, seconds=8.0, connect=4.0, silence=4.0)
_AGAIN = 15 * SECOND
"""After a failure nobody is asked again before this is over: strangers may press the button as often as they like."""


class Discovery:
    """Gives the endpoints of an issuer; blocks, so it is called in a thread."""

    def __init__(self, outward: OutwardClient, clock: Clock) -> None:
        self._outward = outward
        self._clock = clock
        self._known: dict[str, tuple[int, Endpoints]] = {}
        self._failed: dict[str, tuple[int, str]] = {}
        self._lock = threading.Lock()

    def endpoints(self, issuer: str) -> Endpoints:
        """Return them, or raise OutwardRefused or OutwardUnavailable saying what is wrong."""
        now = self._clock.now()
        known = self._known.get(issuer)
        if known is not None and now - known[0] < HOUR:
            return known[1]
        with self._lock:
            failed = self._failed.get(issuer)
            if failed is not None and now - failed[0] < _AGAIN:
                if known is not None:
                    return known[1]
                raise OutwardUnavailable(failed[1], remedy="Try again in a quarter of a minute.")
            try:
                found = self._read(issuer)
            except (OutwardRefused, OutwardUnavailable) as error:
                self._failed[issuer] = (now, error.message)
                if known is not None:
                    return known[1]
                raise
            self._known[issuer] = (now, found)
            return found

    def _read(self, issuer: str) -> Endpoints:
        address = issuer.rstrip("/") + "/.well-known/openid-configuration"
        document = self._outward.fetch(address, headers={"accept": "application/json"}, bounds=BOUNDS)
        configuration = document.json() if document.status == 200 else None
        if not isinstance(configuration, dict):
            raise OutwardUnavailable(f"The provider answers {document.status}.", remedy="Check the issuer.")
        if configuration.get("issuer") != issuer:
            raise OutwardRefused(
                "The configuration names another issuer than the one that was asked.",
                remedy="Write the issuer exactly as the provider writes it, with or without a slash at the end.",
            )
        return Endpoints(
            authorization=self._address(configuration, "authorization_endpoint", needed=True),
            token=self._address(configuration, "token_endpoint", needed=True),
            userinfo=self._address(configuration, "userinfo_endpoint"),
            end_session=self._address(configuration, "end_session_endpoint"),
            names_itself=configuration.get("authorization_response_iss_parameter_supported") is True,
            secret_in_body=_body_only(configuration.get("token_endpoint_auth_methods_supported")),
        )

    def _address(self, configuration: Mapping[str, Any], name: str, *, needed: bool = False) -> str:
        value = configuration.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str):
            raise OutwardRefused(f"The configuration has no {name}.", remedy="Is that an OpenID Connect provider?")
        self._outward.rules.check_url(value)
        return value


def _body_only(methods: Any) -> bool:
    """Whether basic authentication is not among the methods (without a list it is the default: RFC 8414, section 2)."""
    return isinstance(methods, list) and "client_secret_basic" not in methods and "client_secret_post" in methods
