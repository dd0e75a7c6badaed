"""Foreign text made safe to carry: decoded, without control characters, bounded."""

import re
from typing import Final

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
NAME_LENGTH: Final = 512


def readable(data: bytes) -> str:
    """The text, undecodable bytes shown as escapes."""
    return data.decode("utf-8", "backslashreplace")


def field(data: bytes, length: int = NAME_LENGTH) -> str:
    """One value of a record, stripped; control and direction characters are shown as `?`, the end cut."""
    return _CONTROL.sub("?", readable(data).strip())[:length]


def path_text(path: bytes) -> str:
    """A path as text, undecodable bytes and control characters shown as escapes, so that two paths stay two."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", readable(path))


def plain(text: str) -> bool:
    """Whether text can be a name or version: short, and free of control characters and spaces."""
    return bool(text) and len(text) < NAME_LENGTH and not _CONTROL.search(text) and " " not in text
