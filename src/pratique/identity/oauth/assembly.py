"""Puts the machine side of identity together: what proves clients, and the grants that follow from it."""

from dataclasses import dataclass

from pratique.core.http.plane import HttpScope, Plane
from pratique.core.outward import OutwardClient
from pratique.identity.audiences import Audiences
from pratique.identity.certificates import CertificateService
from pratique.identity.credential_uses import CredentialUses
from pratique.identity.federation.issuers import Issuers
from pratique.identity.federation.service import FederationService
from pratique.identity.ground import Ground
from pratique.identity.managed.service import ManagedIdentities
from pratique.identity.oauth.authorizations import Authorizations
from pratique.identity.oauth.client_assertions import ClientAssertions
from pratique.identity.oauth.devices import DeviceCodes
from pratique.identity.oauth.endpoint import Endpoint, sign_in_plane
from pratique.identity.oauth.grants import Grants
from pratique.identity.oauth.issuing import Issuing
from pratique.identity.oauth.proofs import ClientProofs
from pratique.identity.oauth.sign_ins import SignIns
from pratique.identity.principals import PrincipalService
from pratique.identity.secrets import SecretProofs
from pratique.identity.token_requests import header
from pratique.identity.token_service import TokenService
from pratique.identity.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Machines:
    """Services for clients that are no browsers."""

    certificates: CertificateService
    federation: FederationService
    devices: DeviceCodes
    authorizations: Authorizations
    issuing: Issuing
    grants: Grants
    token_service: TokenService
    managed: ManagedIdentities
    sign_ins: SignIns
    plane: Plane


def create_machines(
    ground: Ground, principals: PrincipalService, audiences: Audiences, tokens: Tokens, outward: OutwardClient
) -> Machines:
    """Return them over what identity stands on."""
    secrets, uses = SecretProofs(ground), CredentialUses(ground.database, ground.clock)
    issuers = Issuers(ground.database, outward, ground.clock, away=ground.settings.issuer_away)
    federation = FederationService(ground.database, principals, issuers, ground.clock)
    own = ClientAssertions(ground.database, ground.clock)
    devices, authorizations = DeviceCodes(ground), Authorizations(ground, audiences)
    issuing = Issuing(ground, tokens)
    grants = Grants(
        ground,
        audiences,
        tokens,
        issuing=issuing,
        proofs=ClientProofs(ground, secrets, own, federation),
        devices=devices,
        authorizations=authorizations,
        uses=uses,
    )
    endpoint = Endpoint(grants, devices, audiences, ground.keys, console=console_of)
    return Machines(
        certificates=CertificateService(principals),
        federation=federation,
        devices=devices,
        authorizations=authorizations,
        issuing=issuing,
        grants=grants,
        token_service=TokenService(ground, tokens, secrets, uses),
        sign_ins=SignIns(ground),
        managed=ManagedIdentities(ground, principals, audiences, issuing),
        plane=sign_in_plane(endpoint),
    )


def login_of(scope: HttpScope) -> str:
    """The login address beside the console's host that a request names; where one host serves all, it is the same."""
    host = header(scope.get("pratique.headers", {}), b"host")
    plain = "".join(character for character in host if character.isalnum() or character in ".:-[]")
    return f"https://{plain}".replace("https://console.", "https://login.", 1)


def console_of(origin: str) -> str:
    """The console's address beside a login address; where one host serves all, it is the same."""
    return origin.replace("https://login.", "https://console.", 1)
