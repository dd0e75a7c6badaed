"""Federated credentials: write down, list; and prove a principal by a token of its issuer."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from pratique.core.clock import Clock
from pratique.core.database import Database, Transaction
from pratique.core.errors import Conflict, Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.identity.federation import assertions
from pratique.identity.federation.issuers import Issuers
from pratique.identity.federation.keysets import VerificationKey, jwks_of, key_set
from pratique.identity.federation.subjects import Matching, check_subject, subject_matches
from pratique.identity.federation.tables import federated_credentials
from pratique.identity.federation.types import AUDIENCE, FederatedCredential
from pratique.identity.principals import PrincipalService, credential_of
from pratique.identity.tables import credentials
from pratique.identity.types import Credential, Principal

_MAX_AUDIENCE = 300


class FederationService:
    """Tokens of other issuers that stand for principals: exactly the issuer, subject and audience that were written."""

    def __init__(self, database: Database, principals: PrincipalService, issuers: Issuers, clock: Clock) -> None:
        self._database = database
        self._principals = principals
        self._clock = clock
        self.issuers = issuers

    def add(
        self,
        tx: Transaction,
        caller: Caller,
        principal: Principal,
        *,
        issuer: str,
        subject: str,
        audience: str = AUDIENCE,
        matching: Matching = "exact",
        keys: Any = None,
        label: str = "",
    ) -> FederatedCredential:
        """Let tokens of an issuer prove a principal, at once; raises Invalid or OutwardRefused for what is unclear."""
        if principal.kind not in ("service", "managed"):
            raise Invalid("Federated credentials are for service principals.", remedy="People sign in by themselves.")
        check_subject(subject, matching)
        if not audience.isascii() or not 1 <= len(audience) <= _MAX_AUDIENCE or "*" in audience:
            raise Invalid("The audience cannot be read.", remedy=f"Write it as it stands in `aud`, such as {AUDIENCE}.")
        given = None if keys is None else jwks_of(keys)
        self._check_issuer(issuer, by_hand=given is not None)
        held = self.list(tx, principal)
        if any((one.issuer, one.subject, one.audience) == (issuer, subject, audience) for one in held):
            raise Conflict("The principal has this federated credential already.", remedy="Remove it first.")
        credential = Credential(new_id(), principal.id, "federated", label[:100], tx.now, None, None)
        detail = {"issuer": issuer, "subject": subject, "audience": audience, "matching": matching}
        self._principals.add_credential(tx, caller, principal, credential, detail=detail)
        tx.execute(sa.insert(federated_credentials).values(credential_id=credential.id, keys=given, **detail))
        return FederatedCredential(credential, issuer, subject, audience, matching, given)

    def _check_issuer(self, issuer: str, *, by_hand: bool) -> None:
        if not issuer.isascii() or not issuer.startswith("https://") or len(issuer) > 500:
            raise Invalid("An issuer is an https address.", remedy="Copy it from `iss` of a token.")
        if not by_hand:
            self.issuers.check(issuer)

    def list(self, tx: Transaction, principal: Principal) -> Sequence[FederatedCredential]:
        """Return the federated credentials of a principal, the oldest first."""
        return _held(tx, principal.id)

    async def prove(self, principal_id: str | None, assertion: assertions.Unverified) -> str:
        """Return the id of the credential that the assertion proves, or raise ClientRefused naming what it says."""
        held = await self._database.read_async(lambda tx: _held(tx, principal_id or ""))
        issuer, subject = assertion.text("iss"), assertion.text("sub")
        for one in held:
            if (
                one.issuer == issuer
                and one.audience in assertion.audiences
                and len(assertion.audiences) == 1
                and subject_matches(one.subject, one.matching, subject)
            ):
                assertions.verify(assertion, await self._keys(one, assertion), self._clock.now())
                return one.credential.id
        raise assertions.refused(
            f"There is no such client, or none of its federated credentials has the issuer {issuer[:200]!r}, "
            f"the subject {subject[:200]!r} and the audience {', '.join(assertion.audiences)[:200]!r}.",
            "An administrator adds one with: pratique principal federation add NAME",
        )

    async def _keys(self, one: FederatedCredential, assertion: assertions.Unverified) -> Sequence[VerificationKey]:
        if one.keys is not None:
            return key_set(one.keys).candidates(assertion.key_id)
        return await self.issuers.keys(one.issuer, assertion.key_id)


def _held(tx: Transaction, principal_id: str) -> list[FederatedCredential]:
    rows = tx.execute(
        sa.select(credentials, federated_credentials)
        .join(federated_credentials, federated_credentials.c.credential_id == credentials.c.id)
        .where(credentials.c.principal_id == principal_id)
        .order_by(credentials.c.id)
    ).all()
    return [
        FederatedCredential(credential_of(row), row.issuer, row.subject, row.audience, row.matching, row.keys)
        for row in rows
    ]
