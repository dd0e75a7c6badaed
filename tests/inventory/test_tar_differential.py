"""The lean walk agrees with GNU tar and Python's tarfile on every archive that it accepts, mutated ones included."""

import hashlib
import io
import os
import random
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.layers.archive import BLOCK, END, directory, file, hard_link, header, long_name, pax, summed, symlink

from pratique.inventory import tar
from pratique.inventory.errors import StopReading
from pratique.inventory.types import Limits

_LINE = re.compile(rb'^([-dlhcbpsCV])\S+ \S+ +(\S+) \S+ \S+ "((?:[^"\\]|\\.)*)"(.*)$')
_KINDS = {
    b"-": "file",
    b"C": "file",
    b"d": "directory",
    b"l": "symlink",
    b"h": "hard-link",
    b"c": "other",
    b"b": "other",
    b"p": "other",
}
_OWN = {
    tar.REGULAR: "file",
    tar.SPARSE: "file",
    tar.DIRECTORY: "directory",
    tar.SYMLINK: "symlink",
    tar.HARD_LINK: "hard-link",
}


def chunked(data: bytes, size: int = 1000) -> Any:
    return (data[at : at + size] for at in range(0, len(data), size))


def own_members(data: bytes, chunk: int = 1000) -> Any:
    """(name, kind, size) of every member, sizes only of plain files; contents as digests."""
    members, contents = [], []
    walk = tar.TarWalk(chunked(data, chunk), Limits(header_bytes=1 << 16, path_bytes=4096))
    for entry in walk:
        kind = _OWN.get(entry.kind, "other")
        plain = entry.kind == tar.REGULAR
        members.append((entry.name.rstrip(b"/"), kind, entry.size if plain else 0))
        if plain:
            contents.append(hashlib.sha256(walk.content(entry.size)).hexdigest() if entry.size < 1 << 20 else "")
    return members, contents


def python_members(data: bytes) -> Any:
    members, contents = [], []
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
        for info in archive:
            name = info.name.encode("utf-8", "surrogateescape").rstrip(b"/")
            plain = info.isreg() and not info.issparse()
            kind = (
                "file" if info.isreg() else "directory" if info.isdir() else "symlink" if info.issym()
                else "hard-link" if info.islnk() else "other"
            )  # fmt: skip
            members.append((name, kind, info.size if plain else 0))
            if plain:
                contents.append(
                    hashlib.sha256(archive.extractfile(info).read()).hexdigest() if info.size < 1 << 20 else ""
                )
    return members, contents


def gnu_members(data: bytes) -> Any:
    """None where GNU tar complains."""
    done = subprocess.run(
        ["tar", "-tvf", "-", "--quoting-style=c", "--numeric-owner"],
        input=data, capture_output=True, env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    if done.returncode:
        return None
    members = []
    for line in done.stdout.splitlines():
        match = _LINE.match(line)
        assert match, line
        name = match[3].decode("latin-1").encode("latin-1").decode("unicode_escape").encode("latin-1")
        kind = _KINDS[match[1]]
        members.append((name.rstrip(b"/"), kind, int(match[2]) if kind == "file" else 0))
    return members


def random_tree(folder: Path, seed: int) -> None:
    """Files, links and folders with the names that make archivers reach for extensions."""
    chance = random.Random(seed)
    names = [
        "a",
        "long" * 30,
        "ünïcode-ß",
        "sp ace",
        "deep/" * 30 + "x",
        "n" * 99,
        "n" * 100,
        "n" * 101,
        "d/" + "p" * 150,
    ]
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.choice([0, 1, 511, 512, 513, 5000])))
    (folder / "link").symlink_to("t" * 120)
    (folder / "short-link").symlink_to("a")
    (folder / "hard").hardlink_to(folder / ("n" * 101))
    with (folder / "sparse").open("wb") as sparse:
        for at in (0, 1 << 20, 3 << 20, 9 << 20):
            sparse.seek(at)
            sparse.write(b"data" * 200)
    os.mkfifo(folder / "fifo")


def without_sparse(members: list[Any]) -> Any:
    return [member for member in members if member[0] != b"./sparse"]


@pytest.mark.parametrize(
    ("form", "sparse"),
    [(form, False) for form in ("gnu", "oldgnu", "pax", "ustar", "v7")]
    + [(form, True) for form in ("gnu", "oldgnu", "pax")],
)
def test_what_gnu_tar_writes_is_read_alike(tmp_path: Path, form: str, sparse: bool) -> None:
    random_tree(tmp_path, 7)
    arguments = ["tar", "-C", str(tmp_path), f"--format={form}", "-cf", "-", "."] + (["--sparse"] if sparse else [])
    data = subprocess.run(arguments, capture_output=True, check=False).stdout
    members, contents = own_members(data)
    theirs, their_contents = python_members(data)
    assert without_sparse(members) == without_sparse(theirs)
    assert without_sparse(gnu_members(data)) == without_sparse(members)
    assert set(contents) <= set(their_contents) | {""}
    assert {name for name, _, _ in members} >= {b"./a", b"./short-link"}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_python_writes_is_read_alike(tmp_path: Path, form: str) -> None:
    random_tree(tmp_path, 11)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for path in sorted(tmp_path.rglob("*")):
            try:
                archive.add(path, arcname=str(path.relative_to(tmp_path)), recursive=False)
            except ValueError:  # ustar cannot hold the name
                continue
    data = out.getvalue()
    assert own_members(data) == python_members(data)
    assert gnu_members(data) == own_members(data)[0]


@pytest.mark.parametrize("chunk", [1, 7, 512, 1 << 20])
def test_the_cut_of_chunks_does_not_matter(chunk: int) -> None:
    data = pax((b"path", b"x" * 300)) + file(b"f", b"abc" * 700) + directory(b"d") + symlink(b"l", b"t") + END
    assert own_members(data, chunk) == own_members(data, len(data))


def seeds() -> Any:
    return [
        file(b"etc/a", b"abc") + directory(b"etc/d") + symlink(b"l", b"etc/a") + hard_link(b"h", b"etc/a") + END,
        pax((b"path", b"p" * 120), (b"mtime", b"1.5")) + file(b"short", b"x" * 600) + file(b"z", b"1") + END,
        long_name(b"g" * 150)
        + file(b"short", b"data", magic=b"ustar  \0")
        + file(b"z", b"1", magic=b"ustar  \0")
        + END,
        file(b"name", b"y" * 512, prefix=b"some/prefix") + header(b"null", kind=b"3", device=(1, 3)) + END,
        file(b"old", b"v7", magic=b"") + file(b"olddir/", b"", magic=b"", kind=b"\0") + END,
        pax((b"comment", b"c"), kind=b"g") + file(b"f", b"1234") + bytes(BLOCK),
    ]


def mutated(data: bytes, chance: random.Random) -> Any:
    """The archive with a few bytes of one block changed, and that block's checksum mended."""
    blocks = [bytearray(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)]
    number = chance.randrange(len(blocks))
    block = blocks[number]
    for _ in range(chance.randint(1, 3)):
        start, end = chance.choice(
            [(0, 100), (124, 136), (156, 157), (157, 257), (257, 265), (345, 500), (500, 512), (0, 512)]
        )
        block[chance.randrange(start, end)] = chance.choice(b"\0 /.0123457x=\n\x80\xffLKg1256S")
    if any(block[148:156]):
        blocks[number] = bytearray(summed(block))
    return b"".join(map(bytes, blocks))


@pytest.mark.parametrize("seed", range(6))
def test_an_accepted_mutation_reads_alike_everywhere(seed: int) -> None:
    base, chance = seeds()[seed], random.Random(seed)
    accepted = 0
    for _ in range(400):
        data = mutated(base, chance)
        try:
            members, contents = own_members(data)
        except StopReading:
            continue
        accepted += 1
        assert python_members(data) == (members, contents)
        listed = gnu_members(data) if accepted % 4 == 0 else None
        assert listed is None or listed == members
    assert accepted > 20
