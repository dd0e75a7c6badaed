"""Short names of paths, for lists that only ever ask whether a path is in them."""

from hashlib import blake2b
from typing import Final

LENGTH: Final = 8


def mark(path: bytes) -> bytes:
    """Eight bytes that stand for a path; no second path with the same can be found by trying."""
    return blake2b(path, digest_size=LENGTH).digest()


def marks_of(joined: bytes) -> frozenset[bytes]:
    """The marks of a joined list."""
    return frozenset(joined[at : at + LENGTH] for at in range(0, len(joined), LENGTH))
