"""Who a client is: by secret, by an assertion that it signed itself, or by a token of an issuer trusted for it."""

import time

from pratique.core.errors import PratiqueError, TooManyRequests, Unauthenticated
from pratique.core.permissions import Caller
from pratique.identity.federation import assertions
from pratique.identity.federation.service import FederationService
from pratique.identity.ground import Ground
from pratique.identity.oauth.client_assertions import ClientAssertions
from pratique.identity.oauth.errors import ClientRefused, RequestUnclear
from pratique.identity.oauth.requests import GrantRequest
from pratique.identity.secrets import EvenRefusals, SecretProofs, canonical_name

_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_CLIENT = 128


class ClientProofs:
    """Proves clients; refusals say the same, after the same time, whether or not there is such a client."""

    def __init__(
        self, ground: Ground, secrets: SecretProofs, own: ClientAssertions, federation: FederationService
    ) -> None:
        self._memory = ground.memory
        self._clock = ground.clock
        self._secrets = secrets
        self._own = own
        self._federation = federation
        self._even = EvenRefusals()

    async def prove(self, request: GrantRequest) -> Caller:
        """Return the client as caller, or raise ClientRefused, RequestUnclear or LockedOut."""
        began = time.monotonic()
        try:
            return await self._prove(request)
        except PratiqueError:
            await self._even.wait(began)
            raise

    async def _prove(self, request: GrantRequest) -> Caller:
        client = request.need("client_id")[:_MAX_CLIENT]
        secret, assertion = request.get("client_secret"), request.get("client_assertion")
        if bool(secret) == bool(assertion):
            raise RequestUnclear("A client proves itself once.", remedy="Send client_secret or client_assertion.")
        if secret:
            return self._by_secret(client, secret, request.address)
        if request.get("client_assertion_type") != _BEARER:
            raise RequestUnclear("The type of the assertion is not known.", remedy=f"Send {_BEARER}.")
        return await self._by_assertion(client, assertion, request)

    def _by_secret(self, client: str, secret: str, address: str) -> Caller:
        try:
            return self._secrets.prove(client, secret, address)
        except TooManyRequests:
            raise
        except Unauthenticated as error:
            raise ClientRefused(error.message, remedy=error.remedy) from None

    async def _by_assertion(self, client: str, text: str, request: GrantRequest) -> Caller:
        name = canonical_name(client)
        rights = self._memory.named(name)
        principal_id = rights.principal_id if rights and rights.active else None
        try:
            assertion = assertions.opened(text)
            if assertion.text("iss") == client:
                if assertion.text("sub") != client:
                    raise assertions.refused("The assertion speaks for another than the client.")
                credential_id = await self._own.prove(principal_id, assertion, request.place)
            else:
                credential_id = await self._federation.prove(principal_id, assertion)
        except ClientRefused:
            self._raise_when_locked(name, request.address)
            raise
        # Asked again: proving may have waited for an issuer, and what holds may have changed meanwhile.
        rights = self._memory.named(name)
        if rights is None or not rights.active or not rights.holds_credential(credential_id, self._clock.now()):
            raise assertions.refused("The credential has ended.")
        return Caller(rights.principal_id, rights.name, rights.kind, credential_id)

    def _raise_when_locked(self, name: str, address: str) -> None:
        error = self._secrets.refused(name, address)
        if isinstance(error, TooManyRequests):
            raise error from None
