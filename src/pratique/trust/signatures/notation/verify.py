"""Verifies a Notary Project signature under a trust policy (signature specification, verification workflow)."""

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID

from pratique.trust.signatures.notation.chain import check_chain, valid_at
from pratique.trust.signatures.notation.cose import read_cose
from pratique.trust.signatures.notation.jws import read_jws
from pratique.trust.signatures.notation.policy import Action, Check, Level, TrustPolicy
from pratique.trust.signatures.notation.timestamps import timestamped_at
from pratique.trust.signatures.notation.types import Scheme, Signed
from pratique.trust.signatures.signers import NotarySigner, Signer
from pratique.trust.signatures.types import Envelope, Failing, Form, Image, Rejected, Verified

_READERS = {Form.JWS: read_jws, Form.COSE: read_cose}


def verify_notation(envelope: Envelope, image: Image, signers: Iterable[Signer], manifest: bytes, now: int) -> Verified:
    """Return who signed, under the first trust policy that accepts it; raises Rejected."""
    signed = _READERS[envelope.form](envelope.content)
    _check_target(signed, image, len(manifest))
    check_chain(signed.chain)
    refused: Rejected | None = None
    for signer in signers:
        if not isinstance(signer, NotarySigner) or not signer.policy.covers(image.repository):
            continue
        if signer.policy.level is Level.SKIP:
            continue
        try:
            at = _accept(signed, signer.policy, now)
        except Rejected as error:
            refused = error
            continue
        subject = signed.chain[0].subject.rfc4514_string()
        return Verified(envelope.form, signer.name, subject, signed_at=at, expires_at=signed.expiry)
    raise refused or Rejected(Failing.UNKNOWN_SIGNER, "no trust policy is for this repository")


def _check_target(signed: Signed, image: Image, size: int) -> None:
    target = signed.payload.get("targetArtifact")
    if not isinstance(target, dict) or target.get("digest") != image.digest:
        raise Rejected(Failing.WRONG_DIGEST, "the signature is about another digest than this image")
    if target.get("size") != size:
        raise Rejected(Failing.WRONG_DIGEST, "the signature is about a manifest of another size")


def _accept(signed: Signed, policy: TrustPolicy, now: int) -> int | None:
    """Return the trusted time of signing, or None; raises Rejected where a check that is enforced fails."""
    if policy.actions[Check.AUTHENTICITY] is Action.ENFORCE:
        _check_authentic(signed, policy)
    at: int | None = None
    try:
        at = _check_time(signed, policy, now)
    except Rejected:
        if policy.actions[Check.AUTHENTIC_TIMESTAMP] is Action.ENFORCE:
            raise
    if policy.actions[Check.EXPIRY] is Action.ENFORCE and signed.expiry is not None and signed.expiry <= now:
        raise Rejected(Failing.EXPIRED, "the signature has expired")
    if policy.actions[Check.REVOCATION] is Action.ENFORCE:
        _check_revocable(signed)
    return at


def _check_authentic(signed: Signed, policy: TrustPolicy) -> None:
    kind = "ca" if signed.scheme is Scheme.X509 else "signingAuthority"
    roots = policy.store.certificates(policy.store_names, kind)
    if not any(
        one.public_bytes(Encoding.DER) == root.public_bytes(Encoding.DER) for one in signed.chain for root in roots
    ):
        raise Rejected(Failing.UNKNOWN_SIGNER, "no certificate of the chain is in the trust store")
    if not policy.names(signed.chain[0].subject):
        who = signed.chain[0].subject.rfc4514_string()[:160]
        raise Rejected(Failing.UNKNOWN_SIGNER, f"signed by {who!r}, which is no trusted identity")


def _check_time(signed: Signed, policy: TrustPolicy, now: int) -> int | None:
    """Certificates must be valid when it was signed, if somebody trusted says when; else now."""
    if signed.scheme is Scheme.AUTHORITY:
        if not valid_at(signed.chain, signed.signing_time):
            raise Rejected(Failing.EXPIRED, "the certificates were not valid when the authority signed")
        return signed.signing_time
    wanted = policy.store.certificates(policy.store_names, "tsa")
    if wanted and not (policy.after_expiry_alone and valid_at(signed.chain, now)):
        return _check_stamped(signed, wanted)
    if not valid_at(signed.chain, now):
        raise Rejected(
            Failing.EXPIRED, "a certificate is not valid now, and no time stamp that is trusted says it was at signing"
        )
    return None


def _check_stamped(signed: Signed, authorities: tuple[x509.Certificate, ...]) -> int:
    if signed.timestamp is None:
        raise Rejected(Failing.NO_TIME, "the trust policy asks for a time stamp, and the signature has none")
    at = timestamped_at(signed.timestamp, signed.signature, authorities)
    if not valid_at(signed.chain, at):
        raise Rejected(Failing.EXPIRED, "the certificates were not valid when the signature was stamped")
    return at


def _check_revocable(signed: Signed) -> None:
    """A chain that names nobody who could revoke it cannot be revoked; one that does could not be looked up here."""
    for certificate in signed.chain[:-1]:
        if _names_revoker(certificate):
            raise Rejected(
                Failing.REVOCATION_UNKNOWN,
                "whether a certificate was revoked could not be asked; override revocation with log to do without",
            )


def _names_revoker(certificate: x509.Certificate) -> bool:
    try:
        certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints)
    except x509.ExtensionNotFound:
        return _names_responder(certificate)
    return True


def _names_responder(certificate: x509.Certificate) -> bool:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(one.access_method == AuthorityInformationAccessOID.OCSP for one in access)
