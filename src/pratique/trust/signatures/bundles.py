"""Sigstore bundles: one file with signature, what was signed, and what proves who signed (bundle 0.1 to 0.3)."""

from collections.abc import Iterable, Mapping
from typing import Any

from pratique.trust.signatures.dsse import Dsse, decoded, read_dsse, read_object
from pratique.trust.signatures.keyless import certificate_of, check_bundle, identity_of
from pratique.trust.signatures.public_keys import check
from pratique.trust.signatures.signers import KeylessSigner, KeySigner, Signer
from pratique.trust.signatures.statements import COSIGN_SIGN, read_statement
from pratique.trust.signatures.types import Failing, Form, Image, Rejected, Statement, Verified

MEDIA_TYPES = frozenset({
    "application/vnd.dev.sigstore.bundle+json;version=0.1", "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3", "application/vnd.dev.sigstore.bundle.v0.3+json",
})  # fmt: skip


def verify_bundle(content: bytes, image: Image, signers: Iterable[Signer], manifest: bytes) -> Verified:
    """Return who signed; raises Rejected. `manifest` is the image's own, which a plain signature is made over."""
    body = read_object(content, "the bundle")
    if body.get("mediaType") not in MEDIA_TYPES:
        raise Rejected(Failing.MALFORMED, f"this form of bundle is not known: {str(body.get('mediaType'))[:80]}")
    material = body.get("verificationMaterial")
    if not isinstance(material, dict):
        raise Rejected(Failing.MALFORMED, "the bundle has no verification material")
    if "publicKey" in material:
        return _by_key(body, image, [one for one in signers if isinstance(one, KeySigner)], manifest)
    return _by_identity(content, body, image, [one for one in signers if isinstance(one, KeylessSigner)], manifest)


def _by_key(body: Mapping[str, Any], image: Image, signers: list[KeySigner], manifest: bytes) -> Verified:
    envelope = _envelope(body)
    if envelope is not None:
        signed, signatures = envelope.signed, envelope.signatures
    else:
        signed, signatures = manifest, (_message_signature(body),)
    signer = first_key(signers, signatures, signed)
    return Verified(
        Form.BUNDLE, signer.name, signer.fingerprint, statement=_says(envelope, image) if envelope is not None else None
    )


def first_key(signers: Iterable[KeySigner], signatures: Iterable[bytes], signed: bytes) -> KeySigner:
    """Return the signer whose key made one of the signatures; raises Rejected where none did."""
    signatures = tuple(signatures)
    for signer in signers:
        for signature in signatures:
            try:
                check(signer.key, signature, signed)
            except Rejected:
                continue
            return signer
    raise Rejected(Failing.UNKNOWN_SIGNER, "the signature was made by none of the keys that are trusted here")


def _by_identity(
    content: bytes, body: Mapping[str, Any], image: Image, signers: list[KeylessSigner], manifest: bytes
) -> Verified:
    """Ask each root for which a signer has this identity; a certificate says whom to ask before it is believed."""
    envelope = _envelope(body)
    named = identity_of(certificate_of(content))
    candidates = [one for one in signers if one.matches(named.issuer, named.name)]
    if not candidates:
        raise Rejected(
            Failing.UNKNOWN_SIGNER,
            f"signed by {named.name[:120]!r}, for whom {named.issuer[:120]!r} vouches: no trusted signer is that",
        )
    signer, at = _first_root(content, candidates, None if envelope is not None else manifest)
    statement = _says(envelope, image) if envelope is not None else None
    return Verified(Form.BUNDLE, signer.name, named.name, named.issuer, signed_at=at, statement=statement)


def _first_root(
    content: bytes, candidates: list[KeylessSigner], artifact: bytes | None
) -> tuple[KeylessSigner, int | None]:
    """Return the first signer whose root proves the bundle, and when it was made; raises what the last one said."""
    refused = Rejected(Failing.UNKNOWN_SIGNER, "no trusted signer has this identity")
    for signer in candidates:
        try:
            return signer, check_bundle(signer.root, content, artifact)
        except Rejected as error:
            refused = error
    raise refused


def _says(envelope: Dsse, image: Image) -> Statement | None:
    """The statement, or None for one that says no more than that the image was signed."""
    statement = read_statement(envelope, image)
    return None if statement.predicate_type == COSIGN_SIGN else statement


def _envelope(body: Mapping[str, Any]) -> Dsse | None:
    value, plain = body.get("dsseEnvelope"), body.get("messageSignature")
    if (value is None) == (plain is None):
        raise Rejected(Failing.MALFORMED, "the bundle holds an envelope and a plain signature, or neither")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Rejected(Failing.MALFORMED, "the envelope of the bundle is no object")
    return read_dsse(value)


def _message_signature(body: Mapping[str, Any]) -> bytes:
    value = body.get("messageSignature")
    return decoded(value.get("signature") if isinstance(value, dict) else None, "the signature")
