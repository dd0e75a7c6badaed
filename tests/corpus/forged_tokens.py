"""Tokens that must be refused, each named for its fault and made from a good one."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NAMES = (
    "alg-none", "alg-None", "alg-none-with-signature", "alg-missing", "hs256-with-public-key", "other-key-same-kid",
    "other-key-own-kid", "rsa-key", "key-in-header", "key-address-in-header", "certificate-in-header", "kid-path",
    "kid-sql", "kid-empty", "kid-number", "critical-header", "changed-claims", "zero-signature", "short-signature",
    "der-signature", "two-parts", "four-parts", "empty", "huge", "not-ascii", "deep-json", "spaces",
)  # fmt: skip


def forged_tokens(good: str, jwk: Mapping[str, Any]) -> dict[str, str]:
    """Every attack by name, from a token that verifies with `jwk`."""
    header, payload, signature = good.split(".")
    made = {**_algorithms(payload, signature, jwk), **_other_keys(_decoded(payload), jwk["kid"])}
    critical = {"alg": "ES256", "typ": "JWT", "kid": jwk["kid"], "crit": ["b64"], "b64": False}
    return made | {
        "critical-header": f"{_part(critical)}.{payload}.{signature}",
        "kid-number": f"{_part({'alg': 'ES256', 'typ': 'JWT', 'kid': 7})}.{payload}.{signature}",
        "changed-claims": f"{header}.{_part({**_decoded(payload), 'sub': 'somebody-else'})}.{signature}",
        "zero-signature": f"{header}.{payload}.{_encoded(bytes(64))}",
        "short-signature": f"{header}.{payload}.{signature[:40]}",
        "der-signature": f"{header}.{payload}.{_encoded(b'0E' + bytes(70))}",
        "two-parts": f"{header}.{payload}",
        "four-parts": f"{good}.{signature}",
        "empty": "",
        "huge": "a" * 100_000,
        "not-ascii": good + "\u00e9",
        "deep-json": f"{_part('x')}.{_encoded(b'[' * 9000)}.{signature}",
        "spaces": f" {good}",
    }


def _algorithms(payload: str, signature: str, jwk: Mapping[str, Any]) -> dict[str, str]:
    kid = jwk["kid"]
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{payload}"
    tag = hmac.digest(json.dumps(dict(jwk)).encode(), signed.encode(), hashlib.sha256)
    return {
        "alg-none": f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': kid})}.{payload}.",
        "alg-None": f"{_part({'alg': 'None', 'typ': 'JWT', 'kid': kid})}.{payload}.",
        "alg-none-with-signature": f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': kid})}.{payload}.{signature}",
        "alg-missing": f"{_part({'typ': 'JWT', 'kid': kid})}.{payload}.{signature}",
        "hs256-with-public-key": f"{signed}.{_encoded(tag)}",
    }


def _other_keys(claims: dict[str, Any], kid: str) -> dict[str, str]:
    own = ec.generate_private_key(ec.SECP256R1())
    own_jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(own.public_key()))

    def signed(**headers: Any) -> str:
        return jwt.encode(claims, own, "ES256", headers={"kid": kid, **headers})

    return {
        "other-key-same-kid": signed(),
        "other-key-own-kid": signed(kid="mine"),
        "rsa-key": jwt.encode(
            claims, rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256", headers={"kid": kid}
        ),
        "key-in-header": signed(jwk=own_jwk),
        "key-address-in-header": signed(jku="https://127.0.0.1/keys"),
        "certificate-in-header": signed(x5c=["AAAA"]),
        "kid-path": signed(kid="../../../../dev/null"),
        "kid-sql": signed(kid="x' OR '1'='1"),
        "kid-empty": signed(kid=""),
    }


def _decoded(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _part(value: Any) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
