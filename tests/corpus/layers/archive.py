"""Tar archives written by hand, so that every field can lie."""

import gzip
import io

import zstandard

BLOCK = 512
END = bytes(2 * BLOCK)


def header(
    name: bytes,
    size: int = 0,
    kind: bytes = b"0",
    *,
    link: bytes = b"",
    mode: int = 0o644,
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    device: tuple[int, int] = (0, 0),
    size_field: bytes = b"",
    checksum: bytes = b"",
) -> bytes:
    """One header block with a right checksum, unless `checksum` gives the field."""
    block = bytearray(BLOCK)
    block[0 : len(name)] = name
    block[100:108] = b"%07o\0" % mode
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = size_field or b"%011o\0" % size
    block[136:148] = b"%011o\0" % 1_700_000_000
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257 : 257 + len(magic)] = magic
    block[329:337] = b"%07o\0" % device[0]
    block[337:345] = b"%07o\0" % device[1]
    block[345 : 345 + len(prefix)] = prefix
    return summed(block, checksum)


def summed(block: bytearray | bytes, checksum: bytes = b"") -> bytes:
    """The block with its checksum set right, or to the given field."""
    fixed = bytearray(block)
    fixed[148:156] = b" " * 8
    fixed[148:156] = checksum or b"%06o\0 " % sum(fixed)
    return bytes(fixed)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def file(name: bytes, data: bytes, **fields: object) -> bytes:
    """A header and its content."""
    return header(name, len(data), **fields) + padded(data)  # type: ignore[arg-type]


def directory(name: bytes) -> bytes:
    return header(name + b"/", kind=b"5", mode=0o755)


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, kind=b"2", link=target)


def hard_link(name: bytes, target: bytes) -> bytes:
    return header(name, kind=b"1", link=target)


def pax_record(key: bytes, value: bytes) -> bytes:
    """One `length key=value` line; its length counts itself."""
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while length != len(body) + len(str(length)):
        length = len(body) + len(str(length))
    return str(length).encode() + body


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    return file(b"PaxHeaders/0", b"".join(pax_record(key, value) for key, value in records), kind=kind)


def long_name(name: bytes, kind: bytes = b"L") -> bytes:
    return file(b"././@LongLink", name + b"\0", kind=kind, magic=b"ustar  \0")


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def zstandardised(data: bytes) -> bytes:
    return zstandard.compress(data)


def stream(data: bytes) -> io.BytesIO:
    return io.BytesIO(data)
