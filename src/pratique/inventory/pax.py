"""Extended headers of a tar: PAX records (POSIX.1-2017 pax, Extended Header) and GNU long names.

What readers honour differently is refused: see `pratique.inventory.tar`.
"""

from pratique.inventory.errors import Ambiguous

_NAMES = (b"path", b"linkpath", b"size")
_BINDING = (*_NAMES, b"hdrcharset", b"GNU.sparse.name")


def pax_records(payload: bytes) -> dict[bytes, bytes]:
    """The records of one extended header. Raises `Ambiguous` for what two readers could take differently."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(payload):
        if not payload[at:].strip(b"\0"):
            raise Ambiguous("a PAX header is padded with NUL")
        at, key, value = _record(payload, at)
        if records.get(key, value) != value and not key.startswith(b"GNU.sparse.") and key != b"comment":
            raise Ambiguous(f"a PAX header gives {_shown(key)} twice")
        records[key] = value
    _check_names(records)
    return records


def _record(payload: bytes, at: int) -> tuple[int, bytes, bytes]:
    space = payload.find(b" ", at, at + 20)
    digits = payload[at:space]
    if space < 0 or not digits.isdigit() or digits.startswith(b"0"):
        raise Ambiguous("a PAX record has no valid length")
    end = at + int(digits)
    if end > len(payload) or end <= space + 2 or payload[end - 1 : end] != b"\n":
        raise Ambiguous("a PAX record does not end where its length says")
    key, equals, value = payload[space + 1 : end - 1].partition(b"=")
    if not key or not equals or b"\0" in key:
        raise Ambiguous("a PAX record has no valid key")
    return end, key, value


def _check_names(records: dict[bytes, bytes]) -> None:
    for key in _NAMES:
        value = records.get(key)
        if value is not None and (not value or b"\0" in value):
            raise Ambiguous(f"a PAX {_shown(key)} is empty or holds NUL")
    if b"\0" in records.get(b"GNU.sparse.name", b""):
        raise Ambiguous("a PAX sparse name holds NUL")
    size = records.get(b"size")
    if size is not None and not (size.isdigit() and len(size) < 20):
        raise Ambiguous("a PAX size is not a number")
    if b"size" in records and str(int(records[b"size"])).encode() != records[b"size"]:
        raise Ambiguous("a PAX size has leading zeros")


def check_global(records: dict[bytes, bytes]) -> None:
    """Refuses a global header that would rename or resize entries: Go ignores it, GNU tar and Python obey."""
    for key in records:
        if key in _BINDING or key.startswith((b"GNU.sparse.", b"SCHILY.")):
            raise Ambiguous(f"a global PAX header sets {_shown(key)}")


def long_name(payload: bytes) -> bytes:
    """The name in a GNU long-name entry: up to its NUL, which must be there and be the end of it."""
    name, end, rest = payload.partition(b"\0")
    if not name or not end or rest.strip(b"\0"):
        raise Ambiguous("a GNU long name is empty, or does not end at its NUL")
    return name


def _shown(key: bytes) -> str:
    return key[:40].decode("utf-8", "backslashreplace")
