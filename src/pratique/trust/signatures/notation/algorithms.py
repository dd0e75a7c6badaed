"""Which key signs with which algorithm (signature specification, algorithm selection). Pure."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pratique.trust.signatures.types import Failing, Rejected

_HASH: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_BY_RSA_BITS = {2048: "PS256", 3072: "PS384", 4096: "PS512"}
_BY_CURVE = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def algorithm_for(key: PublicKeyTypes) -> str:
    """Return the one algorithm that a key of this kind signs with, named as in JOSE; raises Rejected."""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _BY_RSA_BITS:
        return _BY_RSA_BITS[key.key_size]
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _BY_CURVE:
        return _BY_CURVE[key.curve.name]
    raise Rejected(
        Failing.WRONG_ALGORITHM, "the signing key is neither RSA of 2048, 3072 or 4096 bits nor ECDSA on a NIST curve"
    )


def check(key: PublicKeyTypes, algorithm: str, signature: bytes, signed: bytes) -> None:
    """Return if the signature is right and of the algorithm that the key must use; raises Rejected otherwise."""
    if algorithm != algorithm_for(key):
        raise Rejected(Failing.WRONG_ALGORITHM, f"a key of this kind does not sign with {algorithm[:20]!r}")
    strength = _HASH[algorithm[2:]]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PSS(padding.MGF1(strength), strength.digest_size), strength)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(_der(signature, key), signed, ec.ECDSA(strength))
    except InvalidSignature:
        raise Rejected(Failing.BAD_SIGNATURE, "the signature was not made by its own certificate's key") from None


def _der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    size = (key.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise Rejected(Failing.BAD_SIGNATURE, "the signature has not the length that its curve gives")
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))
