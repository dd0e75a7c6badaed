"""Public keys of issuers as they come: a JWKS, read with limits, kept by key id and by what each may verify."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.exceptions import PyJWTError

from pratique.core.errors import Invalid

MAX_KEYS = 32
_MINIMUM_RSA = 2048
_MAXIMUM_RSA = 8192
_PRIVATE = frozenset({"d", "k", "p", "q", "dp", "dq", "qi"})

VerificationKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_CURVES: Mapping[str, tuple[str, ...]] = {"secp256r1": ("ES256",), "secp384r1": ("ES384",), "secp521r1": ("ES512",)}
_RSA = ("RS256", "PS256", "RS384", "PS384", "RS512", "PS512")
ALGORITHMS = frozenset({*_RSA, *(name for names in _CURVES.values() for name in names)})
"""All of them asymmetric: a public key can never be taken for the key of a keyed hash."""


def algorithms_of(key: VerificationKey) -> tuple[str, ...]:
    """The algorithms that a key of this kind verifies; the key decides, never the token."""
    if isinstance(key, rsa.RSAPublicKey):
        return _RSA if _MINIMUM_RSA <= key.key_size <= _MAXIMUM_RSA else ()
    return _CURVES.get(key.curve.name, ())


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys of one issuer."""

    keys: tuple[tuple[str, VerificationKey], ...]

    def candidates(self, key_id: str | None) -> tuple[VerificationKey, ...]:
        """The keys with this id; without an id, the only key there is."""
        if key_id is None:
            return (self.keys[0][1],) if len(self.keys) == 1 else ()
        return tuple(key for known, key in self.keys if known == key_id)


def key_set(jwks: Iterable[Mapping[str, Any]]) -> KeySet:
    """Return the keys that verify something here; others in the set are passed over."""
    found = []
    for jwk in list(jwks)[:MAX_KEYS]:
        key = _key(jwk)
        if key is not None:
            found.append((str(jwk.get("kid", ""))[:200], key))
    return KeySet(tuple(found))


def jwks_of(document: Any) -> list[dict[str, Any]]:
    """Return the public keys of a JWKS document as they will be stored, or raise Invalid when it has none to use."""
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise Invalid("That is no JWKS.", remedy='Give a document like {"keys": [{"kty": "RSA", …}]}.')
    if len(keys) > MAX_KEYS:
        raise Invalid(f"The JWKS holds more than {MAX_KEYS} keys.")
    if any(_PRIVATE & key.keys() for key in keys):
        raise Invalid("The JWKS holds a private key.", remedy="Give the public keys alone, and replace that key.")
    if not key_set(keys).keys:
        raise Invalid(
            "The JWKS holds no key that verifies tokens.", remedy="RSA of 2048 bits or more, or P-256/384/521."
        )
    return [{name: value for name, value in key.items() if isinstance(value, str)} for key in keys]


def _key(jwk: Mapping[str, Any]) -> VerificationKey | None:
    if jwk.get("kty") not in ("RSA", "EC") or jwk.get("use", "sig") != "sig" or _PRIVATE & jwk.keys():
        return None
    try:
        # The algorithm is that of the key's kind; what the set says of it is not needed to load it.
        plain = {name: value for name, value in jwk.items() if name not in ("alg", "key_ops")}
        algorithm = "RS256" if jwk["kty"] == "RSA" else _EC.get(str(jwk.get("crv")), "ES256")
        key = jwt.PyJWK(plain, algorithm=algorithm).key
    except (PyJWTError, ValueError, TypeError):
        return None
    usable = isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and algorithms_of(key)
    return key if usable else None


_EC: Mapping[str, str] = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
