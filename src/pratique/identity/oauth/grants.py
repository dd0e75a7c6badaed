"""The grants of the token endpoint: each turns a proof into tokens for one resource."""

from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.permissions import Caller
from pratique.identity.audiences import Audiences
from pratique.identity.credential_uses import CredentialUses
from pratique.identity.errors import TokenRefused
from pratique.identity.ground import Ground
from pratique.identity.oauth.authorizations import Authorizations
from pratique.identity.oauth.devices import DeviceCodes
from pratique.identity.oauth.discovery import ADFS
from pratique.identity.oauth.errors import GrantRefused, GrantUnknown
from pratique.identity.oauth.issuing import Issuing
from pratique.identity.oauth.proofs import ClientProofs
from pratique.identity.oauth.requests import GrantRequest
from pratique.identity.oauth.resources import Wanted, wanted
from pratique.identity.oauth.sign_ins import SignIns
from pratique.identity.tables import credentials
from pratique.identity.tokens import Tokens
from pratique.identity.types import Audience

_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Grants:
    """Answers requests for tokens; raises errors in OAuth's words."""

    def __init__(
        self,
        ground: Ground,
        audiences: Audiences,
        tokens: Tokens,
        *,
        issuing: Issuing,
        proofs: ClientProofs,
        devices: DeviceCodes,
        authorizations: Authorizations,
        uses: CredentialUses,
    ) -> None:
        self._database = ground.database
        self._memory = ground.memory
        self._audiences = audiences
        self._tokens = tokens
        self._issuing = issuing
        self._proofs = proofs
        self._devices = devices
        self._authorizations = authorizations
        self._sign_ins = SignIns(ground)
        self._uses = uses

    async def answer(self, request: GrantRequest) -> dict[str, Any]:
        """Return what the token endpoint answers to a form."""
        grant = request.need("grant_type")
        if grant == "client_credentials":
            return await self._client(request)
        if grant == "refresh_token":
            return await self._refresh(request)
        if grant in (_DEVICE, "device_code"):
            return await self._device(request)
        if grant == "authorization_code":
            return await self._code(request)
        raise GrantUnknown(
            f"The grant {grant[:60]!r} is not given here.",
            remedy="Use client_credentials, authorization_code, device_code or refresh_token.",
        )

    async def _client(self, request: GrantRequest) -> dict[str, Any]:
        want = wanted(request, self._audiences)
        caller = await self._proofs.prove(request)
        await self._uses.note(caller.credential_id)
        return self._issuing.answer(caller, want, request, grant="client_credentials")

    async def _device(self, request: GrantRequest) -> dict[str, Any]:
        client_id = request.need("client_id")
        code = request.get("device_code") or request.need("code")
        approved = await self._devices.take(code, client_id)
        resource, audience = self._audiences.resource(approved.resource)
        want = Wanted(resource, audience, offline=approved.offline, openid=True)

        def begin(tx: Transaction) -> Caller:
            return self._sign_ins.begin(
                tx, approved.principal_id, client_id, address=request.address, agent=request.agent
            )

        caller = await self._database.write_async(begin)
        return await self._signed_in(caller, want, request, grant="device_code")

    async def _code(self, request: GrantRequest) -> dict[str, Any]:
        code = await self._authorizations.take(request)
        resource, audience = self._audiences.resource(code.resource)
        want = Wanted(resource, audience, offline=code.offline, openid=True)
        return await self._signed_in(code.caller, want, request, grant="authorization_code", nonce=code.nonce)

    async def _refresh(self, request: GrantRequest) -> dict[str, Any]:
        client_id = request.need("client_id")
        try:
            verified = self._tokens.verify(request.need("refresh_token"), Audience.SIGN_IN)
            caller = self._tokens.caller_of(verified)
        except TokenRefused as error:
            raise GrantRefused(error.message, remedy="Sign in again.") from None
        want = wanted(request, self._audiences)
        generation = await self._database.write_async(
            lambda tx: self._sign_ins.renew(tx, caller, client_id, verified.claims.get("gen"))
        )
        if generation is None:
            raise GrantRefused(
                "This refresh token was used before, so somebody has a copy; the sign-in was ended.",
                remedy="Sign in again.",
            )
        await self._uses.note(caller.credential_id)
        return await self._signed_in(caller, want, request, grant="refresh_token", generation=generation)

    async def _signed_in(
        self, caller: Caller, want: Wanted, request: GrantRequest, *, grant: str, generation: int = 1, nonce: str = ""
    ) -> dict[str, Any]:
        client_id = request.need("client_id")
        answer = self._issuing.answer(caller, want, request, grant=grant)
        if want.offline or grant == "refresh_token":
            ends = await self._database.read_async(lambda tx: _end_of(tx, caller.credential_id))
            answer["refresh_token"] = self._issuing.refresh_token(caller, client_id, generation, ends)
        version = "" if request.first_version or request.place.tenant == ADFS else "/v2.0"
        answer["id_token"] = self._issuing.identity_token(
            caller, client_id, request.place, version=version, nonce=nonce
        )
        if request.get("client_info"):
            answer["client_info"] = self._issuing.client_info(caller)
        return answer


def _end_of(tx: Transaction, credential_id: str) -> int:
    statement = sa.select(credentials.c.expires_at).where(credentials.c.id == credential_id)
    return int(tx.execute(statement).scalar_one_or_none() or 0)
