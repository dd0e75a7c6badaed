"""Images of packages are images that dpkg itself can read, and the same bytes each time."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from pratique.core.progress import NullReporter
from pratique.demo.debs import Deb
from pratique.demo.download import Downloads
from pratique.demo.errors import BadArchive
from pratique.demo.layers import Layer, LayerFiles
from pratique.demo.layout import make_image, read_layout, write_layout
from pratique.demo.repository import read_release, read_suite
from pratique.demo.system import System
from tests.demo.conftest import Mirror

PACKAGES = {
    "base-files": ("12", "Multi-Arch: foreign\n"),
    "libx": ("1:2.0-3", "Multi-Arch: same\nSource: xsrc (2.0-3)\n"),
}


@pytest.fixture
def debs(mirror: Mirror, tmp_path: Path) -> list[Deb]:
    mirror.publish("debian", "bookworm", PACKAGES)
    downloads = Downloads(tmp_path / "cache", NullReporter())
    found = read_suite(read_release(mirror.archives().main, "amd64", downloads), downloads)
    wanted = [item for name in PACKAGES if (item := found.get(name)) is not None]
    return [Deb.read(downloads.pinned(item.url, item.sha256)) for item in wanted]


def unpacked(layers: list[Layer], folder: Path) -> Path:
    import gzip

    folder.mkdir()
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.data))) as archive:
            archive.extractall(folder, filter="tar")
    return folder


def test_dpkg_reads_back_what_was_installed(debs: list[Deb], tmp_path: Path) -> None:
    system = System(1_783_764_997)
    layers = [system.install(debs[:1], "base"), system.install(debs[1:], "more")]
    root = unpacked(layers, tmp_path / "root")
    shown = subprocess.run(
        [
            "dpkg-query",
            f"--admindir={root}/var/lib/dpkg",
            "-W",
            "-f",
            "${binary:Package} ${Version} ${source:Package}\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == ["base-files 12 base-files", "libx:amd64 1:2.0-3 xsrc"]
    assert shown.stderr == ""
    listed = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-L", "libx:amd64"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "/lib/libx.so" in listed.stdout


def test_files_of_lib_lie_below_usr_behind_a_link(debs: list[Deb], tmp_path: Path) -> None:
    root = unpacked([System(1).install(debs, "all")], tmp_path / "root")
    assert (root / "lib").is_symlink()
    assert (root / "usr" / "lib" / "libx.so").read_text() == "libx 1:2.0-3"


def test_the_same_packages_give_the_same_bytes(debs: list[Deb]) -> None:
    first, second = System(1).install(debs, "x"), System(1).install(list(reversed(debs)), "x")
    assert first == second
    images = [make_image("x", "x", (layer,), 1, {}) for layer in (first, second)]
    assert images[0].digest == images[1].digest


def test_every_file_belongs_to_root_and_none_is_younger_than_the_release(debs: list[Deb]) -> None:
    import gzip

    layer = System(1_000_000).install(debs, "x")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.data))) as archive:
        members = archive.getmembers()
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert max(member.mtime for member in members) <= 1_000_000


def test_a_layout_is_one_that_its_digests_describe(debs: list[Deb], tmp_path: Path) -> None:
    import hashlib

    image = make_image("x", "x", (System(1).install(debs, "x"),), 1, {})
    write_layout(tmp_path / "layout", [image])
    blobs = list((tmp_path / "layout" / "blobs" / "sha256").iterdir())
    assert len(blobs) == 3
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in blobs)
    assert read_layout(tmp_path / "layout") == (image,)


def test_a_damaged_layout_is_not_taken_for_whole(debs: list[Deb], tmp_path: Path) -> None:
    image = make_image("x", "x", (System(1).install(debs, "x"),), 1, {})
    write_layout(tmp_path / "layout", [image])
    path = tmp_path / "layout" / "blobs" / "sha256" / image.layers[0].digest.partition(":")[2]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="damaged"):
        read_layout(tmp_path / "layout")


@pytest.mark.parametrize("body", [b"", b"!<arch>\n", b"no archive at all"])
def test_what_is_no_package_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(body)
    with pytest.raises(BadArchive):
        Deb.read(path)


def test_a_later_file_takes_the_place_of_an_earlier_one() -> None:
    files = LayerFiles(1).file("a", b"old").file("a", b"new")
    assert files.body("a") == b"new"
