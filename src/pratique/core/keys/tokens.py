"""The compact form of signed tokens (RFC 7515), assembled where the key is not at hand."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pratique.core.clock import DAY
from pratique.core.keys.ring import base64url
from pratique.core.keys.types import Signature

OPERATOR_LIFE = 300
MAX_LIFE = 90 * DAY
"""The longest life that settings allow any token; so long a key that was replaced must go on verifying."""


def issuer_of(installation: str) -> str:
    """The `iss` of every token of an installation: no address, so it survives a change of names."""
    return f"urn:pratique:installation:{installation}"


def compact(key_id: str, claims: Mapping[str, Any], sign: Callable[[bytes], Signature], *, typ: str = "JWT") -> str:
    """Return the signed token; its header names the algorithm, the type and the key, and nothing more."""
    header = {"alg": "ES256", "typ": typ, "kid": key_id}
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{base64url(sign(signed.encode()).value)}"


def _part(value: Mapping[str, Any]) -> str:
    return base64url(json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode())
