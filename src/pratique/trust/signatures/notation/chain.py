"""What the certificates of a Notary Project signature must be like (signature specification, certificate requirements).

Pure. Revocation is asked for elsewhere; here a chain is right or wrong by itself and at an instant.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from pratique.core.clock import SECOND
from pratique.trust.signatures.notation.algorithms import algorithm_for
from pratique.trust.signatures.types import Failing, Rejected

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_FORBIDDEN = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.TIME_STAMPING,
}  # fmt: skip


def check_chain(chain: Sequence[x509.Certificate]) -> None:
    """Return if each certificate was issued by the next and may do what it does; raises Rejected otherwise."""
    leaf, *authorities = chain
    _check_leaf(leaf)
    for depth, authority in enumerate(authorities):
        _check_authority(authority, depth)
    for issued, issuer in zip(chain, [*authorities, chain[-1]], strict=True):
        _check_issued(issued, issuer, alone=not authorities)


def valid_at(chain: Sequence[x509.Certificate], instant: int) -> bool:
    """True if each certificate is valid at an instant (microseconds)."""
    at = datetime.fromtimestamp(instant / SECOND, tz=UTC)
    return all(one.not_valid_before_utc <= at <= one.not_valid_after_utc for one in chain)


def _check_issued(issued: x509.Certificate, issuer: x509.Certificate, *, alone: bool) -> None:
    """Each is issued by the next; the last by itself. A signing certificate that stands alone is its own root."""
    if issued.issuer != issuer.subject:
        raise _wrong("the certificates are not in the order of a chain that ends with its root")
    if alone and issued.subject != issued.issuer:
        raise _wrong("the chain ends before its root")
    try:
        issued.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        raise _wrong("a certificate was not issued by the one behind it") from None


def _check_leaf(leaf: x509.Certificate) -> None:
    algorithm_for(leaf.public_key())
    usage = _extension(leaf, x509.KeyUsage)
    if usage is None or not leaf.extensions.get_extension_for_class(x509.KeyUsage).critical:
        raise _wrong("the signing certificate does not say, as critical, what its key is for")
    if not usage.digital_signature or usage.key_cert_sign or usage.crl_sign:
        raise _wrong("the signing certificate's key is not for signatures alone")
    basic = _extension(leaf, x509.BasicConstraints)
    if basic is not None and basic.ca:
        raise _wrong("the signing certificate is one of an authority")
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is None:
        return
    purposes = set(extended)
    if ExtendedKeyUsageOID.CODE_SIGNING not in purposes or purposes & _FORBIDDEN:
        raise _wrong("the signing certificate is not for code signing alone")


def _check_authority(authority: x509.Certificate, depth: int) -> None:
    algorithm_for(authority.public_key())
    basic = _extension(authority, x509.BasicConstraints)
    if basic is None or not basic.ca:
        raise _wrong("a certificate of the chain is of no authority")
    if basic.path_length is not None and basic.path_length < depth:
        raise _wrong("an authority stands above more certificates than it may")
    usage = _extension(authority, x509.KeyUsage)
    if usage is None or not usage.key_cert_sign:
        raise _wrong("an authority may not issue certificates")
    extended = _extension(authority, x509.ExtendedKeyUsage)
    if extended is not None and ExtendedKeyUsageOID.CODE_SIGNING not in set(extended):
        raise _wrong("an authority is not for code signing")


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension):
        raise _wrong("the extensions of a certificate cannot be read") from None


def _wrong(why: str) -> Rejected:
    return Rejected(Failing.CERTIFICATE, why)
