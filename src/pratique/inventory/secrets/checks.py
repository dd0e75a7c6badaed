"""What tells a secret from text of its shape: checksums, structure, variety, and examples from documentation."""

import base64
import binascii
import math
import zlib
from collections import Counter
from typing import Any, Final

import msgspec

_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PLACEHOLDERS: Final = (
    b"example", b"changeme", b"change_me", b"placeholder", b"your", b"xxxx", b"redacted", b"dummy", b"sample",
    b"password", b"passwd", b"secret", b"<", b">", b"${", b"{{", b"%s", b"%(", b"$(", b"****", b"....",
)  # fmt: skip
_LOCAL_WORDS: Final = frozenset((b"user", b"pass", b"pwd", b"test", b"root", b"admin", b"guest", b"postgres", b"mysql"))


def entropy(value: bytes) -> float:
    """Bits a byte: random base64 of forty characters has more than four, words have less."""
    counts, length = Counter(value), len(value)
    return -sum(count / length * math.log2(count / length) for count in counts.values()) if length else 0.0


def is_varied(value: bytes, least: float = 3.2) -> bool:
    """Whether it looks random, and says nowhere that it stands for something else."""
    return entropy(value) >= least and not is_example(value)


def is_example(value: bytes) -> bool:
    """Whether documentation writes such a value: AWS's EXAMPLE keys, placeholders, one character over and over."""
    lowered = value.lower()
    return any(word in lowered for word in _PLACEHOLDERS) or len(set(value)) < 5


def is_password(value: bytes) -> bool:
    """Whether a password of a connection string is one: neither a placeholder nor a word that everybody tries first."""
    return len(value) >= 6 and value.lower() not in _LOCAL_WORDS and not is_example(value)


def is_github(value: bytes) -> bool:
    """Whether the last six characters are the CRC-32 of the thirty before, as base 62 (GitHub and npm write it so)."""
    _, _, rest = value.partition(b"_")
    number = 0
    for digit in rest[-6:]:
        at = _BASE62.find(digit)
        if at < 0:
            return False
        number = number * 62 + at
    return number == zlib.crc32(rest[:-6])


def is_aws_key_id(value: bytes) -> bool:
    """Whether it is a key id and not a word: base 32 of a number that holds an account of at most twelve digits."""
    if is_example(value):
        return False
    try:
        raw = base64.b32decode(value[4:])
    except (binascii.Error, ValueError):
        return False
    account = (int.from_bytes(raw[:6], "big") & 0x7FFFFFFFFF80) >> 7
    return account <= 999_999_999_999 and entropy(value[4:]) >= 2.5


def is_jwt(value: bytes) -> bool:
    """Whether header and claims are JSON objects and the header names an algorithm that signs."""
    header, claims, _ = value.split(b".")
    head, body = _json(header), _json(claims)
    algorithm = head.get("alg") if isinstance(head, dict) else None
    return isinstance(algorithm, str) and algorithm.lower() != "none" and isinstance(body, dict)


def is_key_block(value: bytes) -> bool:
    """Whether a PEM block has the body of a key: base64 of some length, not three dots of a manual."""
    body = bytes(byte for byte in value.replace(b"\\n", b"").replace(b"\\r", b"") if byte not in b" \t\r\n\"'+,")
    return len(body) >= 64 and entropy(body[:2000]) >= 3.5 and not is_example(body[:40])


def is_azure_key(value: bytes) -> bool:
    """Whether it is base64 of 64 bytes, and not the key that everybody's storage emulator has."""
    if value.startswith(b"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"):
        return False
    try:
        return len(base64.b64decode(value, validate=True)) == 64 and entropy(value) >= 4.5
    except (binascii.Error, ValueError):
        return False


def is_basic_auth(value: bytes) -> bool:
    """Whether it is base64 of `user:password`, as container engines keep their credentials."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    return bool(user and colon) and is_password(password)


def _json(part: bytes) -> Any:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        return None
