"""OpenSSL's name of a certificate in a hashed folder (`capath`), as X509_NAME_hash computes it.

The subject is brought into OpenSSL's canonical form (x_name.c: UTF8String, trimmed, runs of spaces made one, ASCII in
lower case), the outer header is left off, and the first four bytes of its SHA-1, little end first, are the name.
"""

import hashlib
import re

from cryptography import x509


def subject_hash(certificate: x509.Certificate) -> str:
    """Return eight hex digits; the file in the folder is called `HASH.0`."""
    body = b"".join(_relative_name(part) for part in certificate.subject.rdns)
    return hashlib.sha1(body, usedforsecurity=False).digest()[3::-1].hex()


def _relative_name(part: x509.RelativeDistinguishedName) -> bytes:
    entries = sorted(_der(0x30, _oid(entry.oid.dotted_string) + _der(0x0C, _canonical(entry.value))) for entry in part)
    return _der(0x31, b"".join(entries))


def _canonical(value: str | bytes) -> bytes:
    text = value if isinstance(value, str) else value.decode()
    collapsed = re.sub(r"[ \t\n\v\f\r]+", " ", text.strip(" \t\n\v\f\r"))
    return "".join(character.lower() if character.isascii() else character for character in collapsed).encode()


def _oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    return _der(0x06, b"".join(_base128(number) for number in (first * 40 + second, *rest)))


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | number & 0x7F)
    return bytes(reversed(digits))


def _der(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
