"""Frozen values of Notary Project signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography import x509

from pratique.trust.signatures.types import Failing, Rejected

PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
ARTIFACT_TYPE = "application/vnd.cncf.notary.signature"
JWS_TYPE = "application/jose+json"
COSE_TYPE = "application/cose"

SCHEME = "io.cncf.notary.signingScheme"
SIGNING_TIME = "io.cncf.notary.signingTime"
AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime"
EXPIRY = "io.cncf.notary.expiry"
TIMESTAMP = "io.cncf.notary.timestampSignature"
AGENT = "io.cncf.notary.signingAgent"


MAX_CHAIN = 16
"""Certificates in one envelope."""


class Scheme(StrEnum):
    """Who says when a signature was made."""

    X509 = "notary.x509"
    AUTHORITY = "notary.x509.signingAuthority"


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature envelope whose signature is right for its own certificate; nothing is trusted yet."""

    scheme: Scheme
    payload: Mapping[str, Any]
    chain: tuple[x509.Certificate, ...]
    """From the signing certificate to the root."""
    signing_time: int
    """Microseconds. For notary.x509 the signer's own word."""
    expiry: int | None
    signature: bytes
    timestamp: bytes | None
    """A time stamp token over the signature, or None."""


def scheme_of(protected: Mapping[Any, Any], content_type: Any, critical: Any) -> Scheme:
    """Return the signing scheme, after each critical header is known to be understood; raises Rejected.

    Sources: RFC 7515, 4.1.11; RFC 9052, 3.1; signature specification, signed attributes.
    """
    try:
        scheme = Scheme(str(protected.get(SCHEME)))
    except ValueError:
        raise Rejected(Failing.MALFORMED, "the signing scheme is not known") from None
    if content_type != PAYLOAD_TYPE:
        raise Rejected(Failing.MALFORMED, "the payload is of another type than a Notary Project payload")
    required = {SCHEME} | ({EXPIRY} & protected.keys()) | ({AUTHENTIC_TIME} if scheme is Scheme.AUTHORITY else set())
    if not isinstance(critical, list | tuple) or {str(one) for one in critical} != required:
        raise Rejected(Failing.MALFORMED, "the critical headers are not those that the scheme asks for")
    return scheme
