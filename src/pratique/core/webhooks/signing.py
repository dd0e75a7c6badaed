"""Signatures of deliveries as Standard Webhooks 1.0 has them: receivers' libraries exist in every language.

`webhook-signature` holds one `v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))` for each secret in force, so that
a receiver can change its secret without losing a delivery.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence

PREFIX = "whsec_"


def new_secret() -> bytes:
    """Return 32 random bytes."""
    return secrets.token_bytes(32)


def shown(secret: bytes) -> str:
    """Return the secret as receivers configure it."""
    return PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature of a delivery."""
    message = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, message, "sha256")).decode()


def signed_headers(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Return the headers that prove who sent the body, and when."""
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, event_id, timestamp, body) for key in keys),
    }
