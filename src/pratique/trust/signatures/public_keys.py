"""Public keys that signers are trusted by, and what a signature by one of them must be like. Pure."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from pratique.core.errors import Invalid
from pratique.trust.signatures.types import Failing, Rejected

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | Ed25519PublicKey

MIN_RSA_BITS = 2048
_SHA256 = hashes.SHA256()
_OWN_HASH: dict[int, hashes.HashAlgorithm] = {256: _SHA256, 384: hashes.SHA384(), 521: hashes.SHA512()}


def load_public_key(pem: bytes) -> PublicKey:
    """Return the key; raises Invalid for anything but ECDSA on a NIST curve, RSA of 2048 bits or more, or Ed25519."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(
            "This is no public key in PEM.", remedy="Give the file that begins with -----BEGIN PUBLIC KEY-----."
        ) from None
    return accepted(key)


def accepted(key: PublicKeyTypes) -> PublicKey:
    """Return the key if signatures by its kind can count; raises Invalid otherwise."""
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
        return key
    raise Invalid(
        "Signatures by this kind of key cannot count.",
        remedy="Use ECDSA on P-256, P-384 or P-521, RSA of at least 2048 bits, or Ed25519.",
    )


def fingerprint(key: PublicKey) -> str:
    """Return SHA-256 of the SubjectPublicKeyInfo in hex: the same for every spelling of the key."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def check(key: PublicKey, signature: bytes, message: bytes) -> None:
    """Return if one of the ways in which cosign signs with such a key verifies; raises Rejected otherwise.

    ECDSA: DER over the hash of the curve's own strength, or SHA-256 (cosign before 3). RSA: PKCS #1 v1.5 or PSS over
    SHA-256. Ed25519: over the message itself.
    """
    if not any(_holds(way, signature, message) for way in _ways(key)):
        raise Rejected(Failing.BAD_SIGNATURE, "the signature was not made by this key over this content")


def _ways(key: PublicKey) -> Iterator[Callable[[bytes, bytes], None]]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        for strength in (_OWN_HASH[key.curve.key_size], _SHA256):
            yield partial(key.verify, signature_algorithm=ec.ECDSA(strength))
    elif isinstance(key, rsa.RSAPublicKey):
        for pad in (padding.PKCS1v15(), padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)):
            yield partial(key.verify, padding=pad, algorithm=hashes.SHA256())
    else:
        yield key.verify


def _holds(verify: Callable[[bytes, bytes], None], signature: bytes, message: bytes) -> bool:
    try:
        verify(signature, message)
    except InvalidSignature:
        return False
    return True
