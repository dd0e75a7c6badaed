"""How the parts of a version become bytes whose order is the order of the versions.

Every scheme builds its key from these pieces, so that `key(a) < key(b)` compares two versions with one memcmp, and a
key can be stored in a file and compared by SQL.
"""

MAX_LENGTH = 1024
MAX_DIGITS = 254


class UnparsableVersionError(ValueError):
    """The text is no version of its scheme; the message says why."""


def bounded(text: str) -> str:
    """The text without surrounding blanks; empty and over-long ones raise."""
    text = text.strip()
    if not text:
        raise UnparsableVersionError("the version is empty")
    if len(text) > MAX_LENGTH:
        raise UnparsableVersionError(f"the version is longer than {MAX_LENGTH} characters")
    return text


def number(digits: str) -> bytes:
    """A decimal number of any size, leading zeros ignored: its length in one byte, then its digits."""
    digits = digits.lstrip("0")
    if len(digits) > MAX_DIGITS:
        raise UnparsableVersionError(f"a number has more than {MAX_DIGITS} digits")
    return bytes((len(digits),)) + digits.encode("ascii")
