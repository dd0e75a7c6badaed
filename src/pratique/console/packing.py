"""Pages in gzip, in a way that their length gives nothing away.

What a page repeats of its address could be used to guess at what else is in it, by the length of the whole (BREACH).
Three things stand against that: the token of a form is masked anew in each answer, pages of the sign-in (keys, tickets)
are never packed, and each packed answer is longer by a random number of bytes in its header.
"""

import secrets
import struct
import zlib

from starlette.requests import Request
from starlette.responses import Response

LEAST = 1_000
"""Bytes from which packing pays."""

LEVEL = 4
PADDING = 256
PLAIN = ("/sign-", "/account")
"""Where pages hold keys, tickets and sessions."""


def pack(request: Request, answer: Response) -> None:
    """Pack a page that is ready, if its reader can unpack it."""
    if not _accepts(request) or len(answer.body) < LEAST or request.url.path.startswith(PLAIN):
        return
    answer.body = packed(bytes(answer.body))
    answer.headers["content-encoding"] = "gzip"
    answer.headers["content-length"] = str(len(answer.body))


def packed(data: bytes) -> bytes:
    """Return data in gzip; a name of random length in the header hides the exact length."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    name = b"p" * (1 + secrets.randbelow(PADDING)) + b"\0"
    header = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + name
    tail = struct.pack("<LL", zlib.crc32(data), len(data) & 0xFFFFFFFF)
    return header + packer.compress(data) + packer.flush() + tail


def _accepts(request: Request) -> bool:
    for offered in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = offered.strip().partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
