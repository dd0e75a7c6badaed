"""Notary Project signatures as COSE_Sign1 (signature-envelope-cose). Pure."""

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import cbor2
from cryptography import x509

from pratique.core.clock import SECOND
from pratique.trust.signatures.dsse import read_object
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

_SIGN1 = 18
_PARTS = 4
_ALG, _CRIT, _CTY, _X5CHAIN = 1, 2, 3, 33
_ALGORITHMS = {-37: "PS256", -38: "PS384", -39: "PS512", -7: "ES256", -35: "ES384", -36: "ES512"}


def read_cose(content: bytes) -> Signed:
    """Return the envelope if its signature fits its own certificate; raises Rejected otherwise."""
    head, loose, payload, signature = _parts(content)
    protected = _map(_load(head), "the protected header")
    chain = _chain(loose.get(_X5CHAIN))
    algorithm = _ALGORITHMS.get(protected.get(_ALG, 0), "unknown")
    signed = cbor2.dumps(["Signature1", head, b"", payload])
    check(chain[0].public_key(), algorithm, signature, signed)
    scheme = scheme_of(protected, protected.get(_CTY), protected.get(_CRIT))
    made = protected.get(SIGNING_TIME if scheme is Scheme.X509 else AUTHENTIC_TIME)
    stamp = loose.get(TIMESTAMP)
    return Signed(
        scheme=scheme,
        payload=read_object(payload, "the payload"),
        chain=chain,
        signing_time=_instant(made),
        expiry=_instant(protected[EXPIRY]) if EXPIRY in protected else None,
        signature=signature,
        timestamp=stamp if isinstance(stamp, bytes) else None,
    )


def _parts(content: bytes) -> tuple[bytes, Mapping[Any, Any], bytes, bytes]:
    tagged = _load(content)
    if not isinstance(tagged, cbor2.CBORTag) or tagged.tag != _SIGN1:
        raise Rejected(Failing.MALFORMED, "the envelope is no COSE_Sign1")
    value = tagged.value
    if not isinstance(value, list | tuple) or len(value) != _PARTS:
        raise Rejected(Failing.MALFORMED, "the envelope has not the four parts of a COSE_Sign1")
    head, loose, payload, signature = value
    if not all(isinstance(part, bytes) for part in (head, payload, signature)):
        raise Rejected(Failing.MALFORMED, "a part of the envelope is no byte string")
    return head, _map(loose, "the unprotected header"), payload, signature


def _load(content: bytes) -> Any:
    """One value and nothing behind it; a name that stands twice is refused."""
    try:
        stream = io.BytesIO(content)
        value = cbor2.CBORDecoder(stream, object_hook=None).decode()
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, MemoryError):
        raise Rejected(Failing.MALFORMED, "the envelope is no CBOR") from None
    if stream.read(1):
        raise Rejected(Failing.MALFORMED, "something follows the envelope")
    return value


def _map(value: Any, what: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise Rejected(Failing.MALFORMED, f"{what} is no map")
    return value


def _chain(value: Any) -> tuple[x509.Certificate, ...]:
    ders = [value] if isinstance(value, bytes) else value
    if not isinstance(ders, list | tuple) or not 1 <= len(ders) <= MAX_CHAIN:
        raise Rejected(Failing.MALFORMED, f"the envelope does not hold between 1 and {MAX_CHAIN} certificates")
    try:
        return tuple(x509.load_der_x509_certificate(one) for one in ders)
    except (ValueError, TypeError):
        raise Rejected(Failing.CERTIFICATE, "a certificate of the envelope cannot be read") from None


def _instant(value: Any) -> int:
    """Microseconds of an instant: tag 1 comes as a datetime."""
    if isinstance(value, datetime):
        return int(value.timestamp()) * SECOND
    if isinstance(value, int) and not isinstance(value, bool):
        return value * SECOND
    raise Rejected(Failing.MALFORMED, "an instant of the envelope cannot be read")
