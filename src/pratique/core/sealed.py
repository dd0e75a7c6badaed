"""Authenticated encryption for what the product itself must keep: bound to its place, committed to its key.

A sealed value is `version | salt | commitment | ciphertext+tag`. Each value has its own key, derived by HKDF from
the data key and a fresh salt, so no nonce is ever used twice; the second half of the derivation is a commitment to
that key, compared first (AES-GCM alone commits to none). The context (installation, table, row, column) is the
associated data: a value moved to another row, column, table or installation does not open.
"""

import hmac
import os
from collections.abc import Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pratique.core.keys.errors import SealBroken

_VERSION = b"\x01"
_SALT = 32
_COMMITMENT = 32
_HEAD = 1 + _SALT + _COMMITMENT
_NONCE = bytes(12)  # each key encrypts one message
_INFO = b"pratique sealed value 1"


def seal(key: bytes, context: Sequence[str], value: bytes) -> bytes:
    """Return the value encrypted under `key` for exactly this context."""
    salt = os.urandom(_SALT)
    encryption_key, commitment = _derive(key, salt)
    return _VERSION + salt + commitment + AESGCM(encryption_key).encrypt(_NONCE, value, associated_data(context))


def unseal(key: bytes, context: Sequence[str], sealed: bytes) -> bytes:
    """Return what was sealed with this key and context, or raise SealBroken, which says nothing of either."""
    if len(sealed) < _HEAD or sealed[:1] != _VERSION:
        raise _broken()
    encryption_key, commitment = _derive(key, sealed[1 : 1 + _SALT])
    if not hmac.compare_digest(commitment, sealed[1 + _SALT : _HEAD]):
        raise _broken()
    try:
        return AESGCM(encryption_key).decrypt(_NONCE, sealed[_HEAD:], associated_data(context))
    except InvalidTag:
        raise _broken() from None


def associated_data(parts: Sequence[str]) -> bytes:
    """Join parts so that no two different lists give the same bytes: each is preceded by its length."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _derive(key: bytes, salt: bytes) -> tuple[bytes, bytes]:
    both = HKDF(SHA256(), 64, salt=salt, info=_INFO).derive(key)
    return both[:32], both[32:]


def _broken() -> SealBroken:
    return SealBroken(
        "A sealed value does not open.",
        remedy="It was changed or moved, or is of another installation: restore records and keys from one snapshot.",
    )


class _Keys(Protocol):
    def installation(self) -> str: ...
    def unwrap(self, name: str) -> bytes: ...


class SealedColumns:
    """Seals and opens values of database columns under the data key `records`."""

    def __init__(self, keys: _Keys) -> None:
        self._installation = keys.installation()
        self._key = keys.unwrap("records")

    def seal(self, table: str, row_id: str, column: str, value: bytes) -> bytes:
        """Return the bytes to store in that column of that row; they open nowhere else."""
        return seal(self._key, (self._installation, table, row_id, column), value)

    def open(self, table: str, row_id: str, column: str, sealed: bytes) -> bytes:
        """Return what was sealed for exactly that place, or raise SealBroken."""
        return unseal(self._key, (self._installation, table, row_id, column), sealed)

    def __repr__(self) -> str:
        return "SealedColumns()"
