"""Dead Simple Signing Envelope, protocol v1. Pure."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pratique.core import strict_json
from pratique.core.errors import Invalid
from pratique.trust.signatures.types import Failing, Rejected

IN_TOTO = "application/vnd.in-toto+json"


@dataclass(frozen=True, slots=True)
class Dsse:
    """An envelope as it is stored."""

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    @property
    def signed(self) -> bytes:
        """The bytes that are signed: pre-authentication encoding (DSSE protocol, signature definition)."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)


def read_dsse(value: Mapping[str, Any]) -> Dsse:
    """Return the envelope; raises Rejected for what is none."""
    signatures = value.get("signatures")
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= 16:
        raise Rejected(Failing.MALFORMED, "the envelope does not hold between one and sixteen signatures")
    kind = value.get("payloadType")
    if not isinstance(kind, str):
        raise Rejected(Failing.MALFORMED, "the envelope does not name the type of its payload")
    found = tuple(decoded(one.get("sig") if isinstance(one, dict) else None, "a signature") for one in signatures)
    return Dsse(kind, decoded(value.get("payload"), "the payload"), found)


def read_object(content: bytes, what: str) -> Mapping[str, Any]:
    """Return a JSON object; raises Rejected for what readers could take differently."""
    try:
        return strict_json.parse_object(content, what=what)
    except Invalid as error:
        raise Rejected(Failing.MALFORMED, error.message) from None


def decoded(value: Any, what: str) -> bytes:
    """Return the bytes behind base64, with the standard or the URL alphabet; raises Rejected."""
    if not isinstance(value, str):
        raise Rejected(Failing.MALFORMED, f"{what} is missing")
    try:
        plain = value.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Rejected(Failing.MALFORMED, f"{what} is no base64") from None
