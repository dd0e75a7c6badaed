"""Who vouches for a bundle: ES256 over its description, by the installation's key or by one kept offline."""

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from pratique.advisories.bundle.archive import BundleSignature, Opened
from pratique.advisories.errors import BundleRefused

Sign = Callable[[bytes], BundleSignature]


def thumbprint(jwk: dict[str, str]) -> str:
    """RFC 7638, of a P-256 key."""
    members = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def offline_signer(path: Path) -> Sign:
    """Signs with a P-256 private key in a PEM file."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise BundleRefused(f"{path} holds no readable private key: {error}.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BundleRefused(
            f"{path} is no P-256 key.", remedy="openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"
        )
    private = key
    jwk = _jwk(private.public_key())

    def sign(message: bytes) -> BundleSignature:
        r, s = utils.decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
        return BundleSignature(key_id=thumbprint(jwk), jwk=jwk, value=r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    return sign


def remote_signer(sign: Callable[[str, bytes], bytes], jwk: Mapping[str, str]) -> Sign:
    """Signs with a key that stays elsewhere: `sign(key_id, message)` answers r||s."""
    public = {name: jwk[name] for name in ("crv", "kty", "x", "y")}
    key_id = thumbprint(public)

    def signed(message: bytes) -> BundleSignature:
        return BundleSignature(key_id=key_id, jwk=public, value=sign(key_id, message))

    return signed


def trusted_key(path: Path) -> str:
    """The thumbprint of a public key in a file (PEM or JWK)."""
    data = path.read_bytes()
    try:
        if data.lstrip().startswith(b"{"):
            return thumbprint(json.loads(data))
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, KeyError) as error:
        raise BundleRefused(f"{path} holds no readable public key: {error}.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BundleRefused(f"{path} is no P-256 key.")
    return thumbprint(_jwk(key))


def verify(opened: Opened, trusted: Collection[str], *, allow_unsigned: bool = False) -> str:
    """The id of the trusted key that signed; '' for an unsigned bundle that was explicitly allowed."""
    signature = opened.signature
    if signature is None:
        if allow_unsigned:
            return ""
        raise BundleRefused(
            f"{opened.path.name} is not signed.",
            remedy="Export it with --key or from a running installation, or import it with --allow-unsigned.",
        )
    if signature.algorithm != "ES256" or not _valid(signature, opened.described):
        raise BundleRefused(f"The signature of {opened.path.name} is not valid: its content was altered.")
    if signature.key_id not in trusted:
        raise BundleRefused(
            f"{opened.path.name} is signed by {signature.key_id}, a key that is not trusted here.",
            remedy="If that is the exporter's key, import it with --trust and this id.",
        )
    return signature.key_id


def _valid(signature: BundleSignature, message: bytes) -> bool:
    try:
        if thumbprint(signature.jwk) != signature.key_id or len(signature.value) != 64:
            return False
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(_unbase64url(signature.jwk["x"]), "big"),
            int.from_bytes(_unbase64url(signature.jwk["y"]), "big"),
            ec.SECP256R1(),
        )
        half = signature.value
        der = utils.encode_dss_signature(int.from_bytes(half[:32], "big"), int.from_bytes(half[32:], "big"))
        numbers.public_key().verify(der, message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def _jwk(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32, "big")),
        "y": _base64url(numbers.y.to_bytes(32, "big")),
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unbase64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
