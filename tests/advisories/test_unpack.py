"""Foreign archives are read within their limits."""

import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.advisories.errors import FeedRefused
from pratique.advisories.unpack import inflate, unxz, zip_members

LIMITS = {"members": 10, "member_bytes": 1000, "total_bytes": 5000}


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


def test_gzip_of_several_members(tmp_path: Path) -> None:
    source = tmp_path / "a.gz"
    source.write_bytes(gzip.compress(b"one") + gzip.compress(b"two" * 1_000_000))
    inflate(source, tmp_path / "a", limit=10 << 20)
    assert (tmp_path / "a").read_bytes() == b"one" + b"two" * 1_000_000


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-9],
        lambda _data: b"",
        lambda _data: b"no gzip",
        lambda data: data[:20] + b"\xff" * 20 + data[40:],
    ],
)
def test_damaged_gzip_is_refused(tmp_path: Path, damage: object) -> None:
    source = tmp_path / "a.gz"
    source.write_bytes(damage(gzip.compress(bytes(range(256)) * 99)))  # type: ignore[operator]
    with pytest.raises(FeedRefused):
        inflate(source, tmp_path / "a", limit=10 << 20)


def test_gzip_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.gz"
    source.write_bytes(gzip.compress(bytes(4 << 20)))
    with pytest.raises(FeedRefused, match="more than 1 MiB"):
        inflate(source, tmp_path / "a", limit=1 << 20)
    assert (tmp_path / "a").stat().st_size <= 2 << 20


def test_xz_and_its_limits(tmp_path: Path) -> None:
    source = tmp_path / "a.xz"
    source.write_bytes(lzma.compress(b"content" * 100_000))
    unxz(source, tmp_path / "a", limit=1 << 20)
    assert (tmp_path / "a").read_bytes() == b"content" * 100_000
    with pytest.raises(FeedRefused):
        unxz(source, tmp_path / "a", limit=1000)
    source.write_bytes(lzma.compress(b"content" * 100_000)[:-20])
    with pytest.raises(FeedRefused):
        unxz(source, tmp_path / "a", limit=1 << 20)


def test_zip_members_come_one_by_one(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": b"1", "b.json": b"2"})
    assert list(zip_members(path, **LIMITS)) == [("a.json", b"1"), ("b.json", b"2")]


def test_a_huge_member_is_empty_and_the_others_are_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"huge.json": bytes(2000), "b.json": b"2"})
    assert list(zip_members(path, **LIMITS)) == [("huge.json", b""), ("b.json", b"2")]


def test_too_many_members_and_too_much_in_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedRefused, match="members"):
        list(zip_members(zipped(tmp_path / "a.zip", {str(n): b"" for n in range(11)}), **LIMITS))
    with pytest.raises(FeedRefused, match="unpacks"):
        list(zip_members(zipped(tmp_path / "b.zip", {str(n): bytes(900) for n in range(9)}), **LIMITS))


def test_a_member_that_lies_about_its_size_is_bounded(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.json": bytes(100_000)})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(signature)
        data[at + offset : at + offset + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    try:
        contents = [content for _, content in zip_members(path, **LIMITS)]
    except FeedRefused:
        return
    assert all(len(content) <= 1000 for content in contents)


READERS: list[Callable[[Path, Path], object]] = [
    lambda source, _target: list(zip_members(source, **LIMITS)),
    lambda source, target: inflate(source, target, limit=1 << 20),
    lambda source, target: unxz(source, target, limit=1 << 20),
]


@pytest.mark.parametrize("read", READERS, ids=["zip", "gzip", "xz"])
@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(
    read: Callable[[Path, Path], object], data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    base = io.BytesIO()
    with zipfile.ZipFile(base, "w") as out:
        out.writestr("a.json", b"{}")
    for content in (data, base.getvalue()[:40] + data, data + base.getvalue(), gzip.compress(b"x") + data):
        (folder / "source").write_bytes(content)
        try:
            read(folder / "source", folder / "target")
        except FeedRefused:
            continue
