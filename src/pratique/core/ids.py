"""Identifiers that sort by the time they were made."""

import os
import time
import uuid


def new_id() -> str:
    """Return a fresh UUIDv7 as text (RFC 9562, section 5.7).

    The 12 bits after the milliseconds hold the fraction of the millisecond (method 3 of section 6.2), so ids of one
    process sort in the order in which they were made to within 250 ns; 62 bits are random.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | fraction << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2
    return str(uuid.UUID(int=value))
