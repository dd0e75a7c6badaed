"""Notary Project signatures as JWS in flattened JSON (signature-envelope-jws). Pure."""

from datetime import datetime
from typing import Any

from cryptography import x509

from pratique.core.clock import SECOND
from pratique.trust.signatures.dsse import decoded, read_object
from pratique.trust.signatures.notation.algorithms import check
from pratique.trust.signatures.notation.types import (
    AUTHENTIC_TIME,
    EXPIRY,
    MAX_CHAIN,
    SIGNING_TIME,
    TIMESTAMP,
    Scheme,
    Signed,
    scheme_of,
)
from pratique.trust.signatures.types import Failing, Rejected


def read_jws(content: bytes) -> Signed:
    """Return the envelope if its signature fits its own certificate; raises Rejected otherwise."""
    body = read_object(content, "the envelope")
    loose = body.get("header")
    if not isinstance(loose, dict):
        raise Rejected(Failing.MALFORMED, "the envelope has no header")
    chain = _chain(loose.get("x5c"))
    protected = read_object(decoded(body.get("protected"), "the protected header"), "the protected header")
    signature = decoded(body.get("signature"), "the signature")
    signed = f"{body.get('protected')}.{body.get('payload')}".encode()
    check(chain[0].public_key(), str(protected.get("alg")), signature, signed)
    scheme = scheme_of(protected, protected.get("cty"), protected.get("crit"))
    made = protected.get(SIGNING_TIME if scheme is Scheme.X509 else AUTHENTIC_TIME)
    return Signed(
        scheme=scheme,
        payload=read_object(decoded(body.get("payload"), "the payload"), "the payload"),
        chain=chain,
        signing_time=_instant(made),
        expiry=_instant(protected[EXPIRY]) if EXPIRY in protected else None,
        signature=signature,
        timestamp=decoded(loose[TIMESTAMP], "the time stamp") if TIMESTAMP in loose else None,
    )


def _chain(value: Any) -> tuple[x509.Certificate, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CHAIN:
        raise Rejected(Failing.MALFORMED, f"the envelope does not hold between 1 and {MAX_CHAIN} certificates")
    try:
        return tuple(x509.load_der_x509_certificate(decoded(one, "a certificate")) for one in value)
    except ValueError:
        raise Rejected(Failing.CERTIFICATE, "a certificate of the envelope cannot be read") from None


def _instant(value: Any) -> int:
    """Microseconds of an RFC 3339 instant."""
    try:
        return int(datetime.fromisoformat(str(value)).timestamp()) * SECOND
    except (ValueError, OverflowError):
        raise Rejected(Failing.MALFORMED, "an instant of the envelope cannot be read") from None
