"""Time-based codes (RFC 6238): six digits, thirty seconds, each used once.

The code is read as a number before anything else, so that spaces or other digits make no second code of it.
"""

import base64
import hmac
import secrets
from urllib.parse import quote

import pyotp

from pratique.core.clock import SECOND

STEP = 30
_DIGITS = 6
_SKEW = 1


def new_code_secret() -> str:
    """A fresh secret of 160 bits in Base32, as authenticator applications take it."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def provisioning_uri(secret: str, name: str, installation: str) -> str:
    """The address that authenticator applications read from a QR code."""
    label = quote(f"Pratique {installation[:8]}:{name}")
    return f"otpauth://totp/{label}?secret={secret}&issuer={quote('Pratique')}&algorithm=SHA1&digits=6&period=30"


def step_of(secret: str, code: str, now: int) -> int | None:
    """The time step whose code this is, among the present one and its neighbours, or None; equal work either way."""
    wanted = _digits(code)
    generator = pyotp.HOTP(secret, digits=_DIGITS)
    present = now // SECOND // STEP
    found = None
    for step in range(present - _SKEW, present + _SKEW + 1):
        if hmac.compare_digest(generator.at(step), wanted):
            found = step
    return found


def _digits(code: str) -> str:
    text = code.replace(" ", "")
    return text if text.isascii() and text.isdigit() and len(text) == _DIGITS else "x" * _DIGITS
