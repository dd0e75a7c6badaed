"""Hostile layers, each named for its fault: `python -m tests.corpus.layers.build FOLDER` writes them all.

Nothing is kept in the repository but this script: some of them are hundreds of megabytes. Each attack carries a package
that a careful reader still finds (`innocent`), where the fault leaves the rest readable.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard
from tests.corpus.layers.archive import (
    END,
    directory,
    file,
    gzipped,
    hard_link,
    header,
    long_name,
    pax,
    summed,
    symlink,
    zstandardised,
)

INNOCENT = b"Package: innocent\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: all\n\n"
STATUS = b"var/lib/dpkg/status"
OS_RELEASE = file(b"etc/os-release", b'ID=debian\nVERSION_ID="12"\n')
GOOD = OS_RELEASE + file(STATUS, INNOCENT)


@dataclass(frozen=True)
class Attack:
    """What a layer does, the code under which it must be named, and whether the innocent package is still found."""

    code: str
    build: Callable[[], bytes]
    innocent: bool = True


def _with(*members: bytes) -> bytes:
    return gzipped(GOOD + b"".join(members) + END)


def _bomb() -> bytes:
    """2 GiB of zeros behind a small Zstandard frame."""
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    size = 2 << 30
    pieces = [compressor.compress(GOOD + header(b"zeros", size))]
    pieces += [compressor.compress(bytes(16 << 20)) for _ in range(size // (16 << 20))]
    return b"".join([*pieces, compressor.compress(END), compressor.flush()])


def _members(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield header(b"many/%08d" % number)


def _count() -> bytes:
    return _with(*_members(20_000))


def _big_manifest() -> bytes:
    body = b'{"name":"big","version":"1.0.0","x":"' + b"a" * (100 << 20) + b'"}'
    return _with(file(b"app/node_modules/big/package.json", body))


def _negative_size() -> bytes:
    return _with(header(b"f", size_field=b"\xff" * 12), bytes(512))


def _lone_zero_block() -> bytes:
    return gzipped(GOOD + bytes(512) + file(b"hidden", b"x") + END)


ATTACKS: dict[str, Attack] = {
    "traversal": Attack("path-outside", lambda: _with(file(b"../../etc/cron.d/x", b"x"))),
    "traversal-in-the-middle": Attack("path-outside", lambda: _with(file(b"usr/../../etc/x", b"x"))),
    "hard-link-outwards": Attack("path-outside", lambda: _with(hard_link(b"a", b"../../../etc/shadow"))),
    "record-behind-hard-link": Attack("hard-link", lambda: _with(hard_link(b"usr/lib/os-release", b"secret"))),
    "ratio-bomb": Attack("limit-ratio", _bomb),
    "count-bomb": Attack("limit-entries", _count),
    "overlay-whiteout-device": Attack(
        "overlay-whiteout", lambda: _with(header(b"etc/passwd", kind=b"3", device=(0, 0)))
    ),
    "overlay-opaque-attribute": Attack(
        "overlay-attribute",
        lambda: _with(pax((b"SCHILY.xattr.trusted.overlay.opaque", b"y")), directory(b"etc")),
    ),
    "truncated-stream": Attack("damaged", lambda: _with(file(b"f", bytes(range(256)) * 400))[:-30]),
    "truncated-header": Attack("damaged", lambda: gzipped(GOOD + header(b"f")[:300])),
    "truncated-content": Attack("damaged", lambda: gzipped(GOOD + header(b"f", 10_000) + bytes(512))),
    "truncated-zstandard": Attack(
        "damaged", lambda: zstandardised(GOOD + file(b"f", b"x" * 5000) + END)[:-3], innocent=False
    ),
    "broken-checksum-of-gzip": Attack("damaged", lambda: _flipped(_with(), -6), innocent=False),
    "bytes-behind-gzip": Attack("trailing-data", lambda: _with() + b"and more"),
    "bytes-behind-zstandard": Attack("trailing-data", lambda: zstandardised(GOOD + END) + b"and more"),
    "not-a-tar": Attack("damaged", lambda: gzipped(b"hello " * 1000), innocent=False),
    "another-compression": Attack("compression-unknown", lambda: b"\xfd7zXZ\x00" + bytes(100), innocent=False),
    "wrong-header-checksum": Attack("damaged", lambda: _with(header(b"f", checksum=b"000000\0 "))),
    "checksum-with-a-sign": Attack("damaged", lambda: _with(header(b"f", checksum=b"+" + b"%06o" % _sum(b"f") + b" "))),
    "data-behind-the-end": Attack("data-after-end", lambda: gzipped(GOOD + END + file(b"hidden", b"x") + END)),
    "lone-zero-block": Attack("tar-ambiguous", _lone_zero_block),
    "size-in-pax-and-header": Attack("tar-ambiguous", lambda: _with(pax((b"size", b"512")), file(b"f", bytes(1024)))),
    "size-in-pax-only": Attack("tar-ambiguous", lambda: _with(pax((b"size", b"512")), file(b"f", b""), bytes(512))),
    "pax-key-twice": Attack(
        "tar-ambiguous", lambda: _with(pax((b"path", b"one"), (b"path", b"two")), file(b"f", b"x"))
    ),
    "pax-path-with-nul": Attack("tar-ambiguous", lambda: _with(pax((b"path", b"one\0two")), file(b"f", b"x"))),
    "pax-path-empty": Attack("tar-ambiguous", lambda: _with(pax((b"path", b"")), file(b"f", b"x"))),
    "pax-length-lies": Attack("tar-ambiguous", lambda: _with(file(b"p", b"99 path=x\n", kind=b"x"), file(b"f", b""))),
    "pax-renames-all": Attack("tar-ambiguous", lambda: _with(pax((b"path", b"all"), kind=b"g"), file(b"f", b"x"))),
    "pax-and-long-name": Attack(
        "tar-ambiguous", lambda: _with(pax((b"path", b"one")), long_name(b"two"), file(b"f", b"x"))
    ),
    "two-long-names": Attack("tar-ambiguous", lambda: _with(long_name(b"one"), long_name(b"two"), file(b"f", b"x"))),
    "long-name-behind-nul": Attack("tar-ambiguous", lambda: _with(long_name(b"one\0two"), file(b"f", b"x"))),
    "endless-long-name": Attack("limit-header", lambda: _with(long_name(b"n" * (2 << 20)), file(b"f", b"x"))),
    "endless-path": Attack("limit-path", lambda: _with(pax((b"path", b"n/" * 3000)), header(b"f"))),
    "prefix-in-gnu-header": Attack(
        "tar-ambiguous", lambda: _with(file(b"f", b"x", magic=b"ustar  \0", prefix=b"hidden"))
    ),
    "negative-size": Attack("tar-ambiguous", _negative_size),
    "size-with-junk": Attack("tar-ambiguous", lambda: _with(header(b"f", size_field=b"0000001_0\0\0\0"), bytes(512))),
    "lying-size": Attack("damaged", lambda: gzipped(GOOD + header(b"f", 8 << 30) + bytes(1024))),
    "contents-in-a-directory": Attack("tar-ambiguous", lambda: _with(file(b"d/", b"x" * 512, kind=b"5"))),
    "contents-in-a-link": Attack("tar-ambiguous", lambda: _with(file(b"l", b"x" * 512, kind=b"2", link=b"t"))),
    "file-with-a-slash": Attack("tar-ambiguous", lambda: _with(file(b"d/", b"x"))),
    "unknown-type": Attack("tar-ambiguous", lambda: _with(file(b"f", b"x", kind=b"Z"))),
    "solaris-header": Attack("tar-ambiguous", lambda: _with(file(b"f", b"9 path=x\n", kind=b"X"), file(b"f", b""))),
    "header-without-entry": Attack("damaged", lambda: gzipped(GOOD + pax((b"path", b"x")))),
    "record-twice": Attack(
        "duplicate-record", lambda: _with(file(STATUS, INNOCENT.replace(b"1.0-1", b"2.0-1"))), innocent=False
    ),
    "record-then-link": Attack("duplicate-record", lambda: _with(symlink(STATUS, b"/elsewhere")), innocent=False),
    "deleted-behind-writing": Attack("whiteout-conflict", lambda: _with(header(b"var/lib/dpkg/.wh.status"))),
    "deletion-of-nothing": Attack("whiteout-outside", lambda: _with(header(b"etc/.wh..."), header(b"etc/.wh.."))),
    "record-is-a-device": Attack("not-a-file", lambda: _with(header(b"usr/lib/os-release", kind=b"3", device=(1, 3)))),
    "large-package-json": Attack("limit-record", _big_manifest),
    "package-json-key-twice": Attack(
        "npm-ambiguous",
        lambda: _with(file(b"node_modules/a/package.json", b'{"name":"a","version":"2","version":"1"}')),
    ),
    "package-json-nested-deep": Attack(
        "npm-json",
        lambda: _with(file(b"node_modules/a/package.json", b'{"name":"a","version":"1","name2":' + b"[" * 200_000)),
    ),
    "metadata-name-twice": Attack(
        "python-metadata", lambda: _with(file(b"a-1.dist-info/METADATA", b"Name: a\nName: b\nVersion: 1\n\n"))
    ),
    "status-version-twice": Attack(
        "dpkg-entry",
        lambda: gzipped(OS_RELEASE + file(STATUS, INNOCENT + b"Package: a\nVersion: 1\nVersion: 2\n") + END),
    ),
    "forged-os-release": Attack(
        "os-release-ambiguous", lambda: _with(file(b"usr/lib/os-release", b"ID=debian\nID=alpine\n"))
    ),
}


def _flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0xFF
    return bytes(changed)


def _sum(name: bytes) -> int:
    block = bytearray(header(name))
    block[148:156] = b" " * 8
    return sum(block)


def tiny_files(path: Path, count: int) -> None:
    """A layer of so many one-byte files, and the innocent package at its end."""
    compressor = zstandard.ZstdCompressor(level=1)
    with path.open("wb") as raw, compressor.stream_writer(raw) as out:
        block = bytearray(header(b"t/00000000", 1))
        base = sum(block) - sum(block[148:156]) + 8 * 32 - sum(b"00000000")
        for number in range(count):
            digits = b"%08d" % number
            block[2:10] = digits
            block[148:156] = b"%06o\0 " % (base + sum(digits))
            out.write(bytes(block) + b"x" + bytes(511))
        out.write(GOOD + END)


def main(folder: Path) -> None:
    """Writes every attack as `NAME.layer`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, attack in ATTACKS.items():
        (folder / f"{name}.layer").write_bytes(attack.build())
    tiny_files(folder / "million-tiny-files.layer", 1_000_000)
    print(f"{len(ATTACKS) + 1} layers in {folder}")


__all__ = ["ATTACKS", "GOOD", "INNOCENT", "Attack", "summed", "tiny_files"]

if __name__ == "__main__":
    main(Path(sys.argv[1]))
