"""Certificates of clients: only the public part comes here; the client signs assertions with the private one.

A certificate is a carrier of a public key that was written down by an administrator. No chain is built and no issuer
is trusted: who may sign is decided by the thumbprint. It counts from its first to its last day.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pratique.core.clock import SECOND
from pratique.core.database import Transaction
from pratique.core.errors import Conflict, Invalid
from pratique.core.ids import new_id
from pratique.core.permissions import Caller
from pratique.identity.federation.keysets import VerificationKey, algorithms_of
from pratique.identity.oauth.tables import certificates
from pratique.identity.principals import PrincipalService, credential_of
from pratique.identity.tables import credentials
from pratique.identity.types import Credential, Principal

MAX_PEM = 32 * 1024


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A certificate whose key proves a principal."""

    credential: Credential
    thumbprint: str
    """SHA-256, hexadecimal."""
    thumbprint_sha1: str
    certificate: bytes

    @property
    def x509(self) -> x509.Certificate:
        return x509.load_der_x509_certificate(self.certificate)

    @property
    def subject(self) -> str:
        return self.x509.subject.rfc4514_string()[:300]

    @property
    def key(self) -> VerificationKey:
        key = self.x509.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)  # noqa: S101  as it was when it was added
        return key

    def is_named(self, thumbprint: bytes) -> bool:
        """True when a thumbprint (SHA-256, or SHA-1 as older clients send it) is that of this certificate."""
        known = self.thumbprint if len(thumbprint) == 32 else self.thumbprint_sha1
        return hmac.compare_digest(known, thumbprint.hex())


class CertificateService:
    """Use cases on certificates of clients."""

    def __init__(self, principals: PrincipalService) -> None:
        self._principals = principals

    def add(
        self, tx: Transaction, caller: Caller, principal: Principal, pem: str, *, label: str = ""
    ) -> ClientCertificate:
        """Write a certificate down; raises Invalid for one that is no use, Conflict for one that is there."""
        if principal.kind != "service":
            raise Invalid("Certificates are for service principals.", remedy="People sign in with a passkey.")
        parsed = _parsed(pem)
        ends = int(parsed.not_valid_after_utc.timestamp()) * SECOND
        if ends <= tx.now:
            raise Invalid("The certificate has ended.", remedy="Make a new one.")
        der = parsed.public_bytes(Encoding.DER)
        thumbprint = hashlib.sha256(der).hexdigest()
        if any(one.thumbprint == thumbprint for one in self.list(tx, principal)):
            raise Conflict("The principal has this certificate already.", remedy="Remove it first.")
        credential = Credential(new_id(), principal.id, "certificate", label[:100], tx.now, ends, None)
        self._principals.add_credential(tx, caller, principal, credential, detail={"thumbprint": thumbprint})
        sha1 = hashlib.sha1(der, usedforsecurity=False).hexdigest()
        row = {"credential_id": credential.id, "certificate": der, "thumbprint": thumbprint, "thumbprint_sha1": sha1}
        tx.execute(sa.insert(certificates).values(**row))
        return ClientCertificate(credential, thumbprint, sha1, der)

    def list(self, tx: Transaction, principal: Principal) -> Sequence[ClientCertificate]:
        """Return the certificates of a principal, the oldest first."""
        return held_certificates(tx, principal.id)


def held_certificates(tx: Transaction, principal_id: str) -> list[ClientCertificate]:
    """Return the certificates of whoever has this id."""
    rows = tx.execute(
        sa.select(credentials, certificates)
        .join(certificates, certificates.c.credential_id == credentials.c.id)
        .where(credentials.c.principal_id == principal_id)
        .order_by(credentials.c.id)
    ).all()
    return [_certificate_of(row) for row in rows]


def _certificate_of(row: Any) -> ClientCertificate:
    return ClientCertificate(credential_of(row), row.thumbprint, row.thumbprint_sha1, bytes(row.certificate))


def _parsed(pem: str) -> x509.Certificate:
    if "PRIVATE KEY" in pem:
        raise Invalid(
            "The file holds a private key.", remedy="Give the certificate alone; the key stays with the client."
        )
    try:
        found = x509.load_pem_x509_certificates(pem.encode()) if len(pem) <= MAX_PEM else []
    except ValueError:
        found = []
    if not found:
        raise Invalid("That is no certificate.", remedy="Give it in PEM: -----BEGIN CERTIFICATE-----")
    key = found[0].public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) or not algorithms_of(key):
        raise Invalid(
            "The certificate's key cannot sign assertions.",
            remedy="Take RSA of 2048 to 8192 bits, or P-256, P-384, P-521.",
        )
    return found[0]
