"""RPM databases in three formats say what rpm says of them; broken ones are named and cost nothing else."""

import random
import shutil
import sqlite3
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.inventory.installed import image_of, layer_of

from pratique.inventory.readers.rpm.database import parse_database
from pratique.inventory.types import Package

OS_RELEASE = 'ID="rhel"\nVERSION_ID="8.10"\nNAME="Red Hat Enterprise Linux"\n'
SPEC = """
Name: {name}
Version: {version}
Release: {release}
{epoch}
Summary: a package
License: MIT
Vendor: Red Hat, Inc.
BuildArch: noarch
{module}
%description
text
%package libs
Summary: a part with a version of its own
Version: 9.1
%description libs
text
%install
mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/usr/lib/python3.6/site-packages/{name}-1.dist-info
echo x > %{{buildroot}}/usr/bin/{name}
printf 'Name: {name}\\nVersion: 1\\n' > %{{buildroot}}/usr/lib/python3.6/site-packages/{name}-1.dist-info/METADATA
head -c {weight} /dev/zero | tr '\\0' x > %{{buildroot}}/usr/lib/{name}.data
%files
/usr/bin/{name}
/usr/lib/{name}.data
/usr/lib/python3.6/site-packages/{name}-1.dist-info/METADATA
%files libs
%changelog
* Mon Jan 01 2024 Some One <one@example.org> - 1-1
- {changes}
"""
PACKAGES = (
    ("hello", "2.10", "3.el8", "Epoch: 1", ""),
    ("nodejs-thing", "12.1~rc1", "1.module_el8", "", "Modularitylabel: nodejs:12:8030020201124152102:229f0a1c"),
    ("zlib-ng", "2.1^git3", "0.el8_4", "", ""),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root in which rpm itself has installed what rpmbuild built."""
    if not shutil.which("rpmbuild"):
        pytest.skip("rpm is needed to install a package")
    top = tmp_path_factory.mktemp("rpm")
    built = []
    for name, version, release, epoch, module in PACKAGES:
        spec = top / f"{name}.spec"
        fields = {"name": name, "version": version, "release": release, "epoch": epoch, "module": module}
        spec.write_text(SPEC.format(**fields, weight=10, changes="long " * 3000))
        subprocess.run(["rpmbuild", "--define", f"_topdir {top}", "-bb", spec], check=True, capture_output=True)
    built = sorted((top / "RPMS").rglob("*.rpm"))
    assert len(built) == 2 * len(PACKAGES)
    root = top / "root/var/lib/rpm"
    root.mkdir(parents=True)
    subprocess.run(
        ["rpm", "--dbpath", root, "-i", "--justdb", "--nodeps", "--ignorearch", *built], check=True, capture_output=True
    )
    return root


def printed(folder: Path, *options: str) -> list[str]:
    """What rpm says is installed."""
    form = "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM} %{MODULARITYLABEL} %{VENDOR}\\n"
    done = subprocess.run(
        ["rpm", "--dbpath", folder, *options, "-qa", "--qf", form], capture_output=True, text=True, check=True
    )
    return sorted(done.stdout.replace("(none)", "").splitlines())


def found(packages: list[Package] | tuple[Package, ...]) -> list[str]:
    """The same from what was read; a source's epoch is not part of its file name."""
    return sorted(
        f"{p.name} {p.version} {p.arch} {p.source_name}-{p.source_version.rpartition(':')[2]}.src.rpm {p.module} {p.vendor}"
        for p in packages
    )


def blobs_of(folder: Path) -> list[tuple[int, bytes]]:
    with sqlite3.connect(folder / "rpmdb.sqlite") as connection:
        rows = connection.execute("SELECT hnum, blob FROM Packages").fetchall()
    connection.close()
    return [(int(number), bytes(blob)) for number, blob in rows]


def test_what_rpm_installed_is_found_in_its_sqlite_database(database: Path) -> None:
    record = parse_database("var/lib/rpm/rpmdb.sqlite", (database / "rpmdb.sqlite").read_bytes())
    assert record.problem is None
    assert found(record.packages) == printed(database)
    assert len(record.packages) == 6
    versions = {package.name: (package.version, package.source_version) for package in record.packages}
    assert versions["hello"] == ("1:2.10-3.el8", "1:2.10-3.el8")
    assert versions["hello-libs"] == ("1:9.1-3.el8", "2.10-3.el8")  # of another version: its source's epoch is unknown
    assert ("usr/bin/hello", "rpm/hello") in record.owns


def test_what_rpm_reads_from_berkeley_db_is_found(database: Path, tmp_path: Path) -> None:
    load = shutil.which("db5.3_load") or shutil.which("db_load")
    if load is None:
        pytest.skip("Berkeley DB's tools are needed to write a database")
    for order, text in (("1234", "<"), ("4321", ">")):
        folder = tmp_path / order
        folder.mkdir()
        lines = ["VERSION=3", "format=bytevalue", "type=hash", f"db_lorder={order}", "db_pagesize=4096", "HEADER=END"]
        for number, blob in [(0, struct.pack(f"{text}I", 9)), *blobs_of(database)]:
            key = number.to_bytes(4, "little" if text == "<" else "big")
            lines += [" " + key.hex(), " " + blob.hex()]
        subprocess.run([load, folder / "Packages"], input="\n".join([*lines, "DATA=END", ""]), text=True, check=True)
        if order == "1234":
            assert printed(folder, "--define", "_db_backend bdb_ro") == printed(database)
        record = parse_database("var/lib/rpm/Packages", (folder / "Packages").read_bytes())
        assert record.problem is None
        assert found(record.packages) == printed(database)


def ndb(blobs: list[tuple[int, bytes]]) -> bytes:
    """The same packages as rpm's ndb backend lays them down: a page of slots, then blobs in blocks of sixteen."""
    slots, body, block = [], b"", 4096 // 16
    for number, blob in blobs:
        data = struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob
        data += bytes(-(len(data) + 12) % 16)
        data += struct.pack("<II4s", zlib.adler32(blob), len(blob), b"BlbE")
        slots.append(struct.pack("<4sIII", b"Slot", number, block, len(data) // 16))
        body += data
        block += len(data) // 16
    head = struct.pack("<4sIIII", b"RpmP", 0, 7, 1, len(blobs) + 1) + bytes(12)
    empty = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return (head + b"".join(slots)).ljust(32 + 16 * len(slots), b"\0") + empty * (254 - len(slots)) + body


def test_the_same_packages_are_found_in_an_ndb_database(database: Path) -> None:
    record = parse_database("usr/lib/sysimage/rpm/Packages.db", ndb(blobs_of(database)))
    assert record.problem is None
    assert found(record.packages) == printed(database)


def test_an_image_with_an_rpm_database_is_judged_by_its_distribution(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "var/lib/rpm"
    shutil.copytree(database, target)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(OS_RELEASE)
    copy = tmp_path / "usr/lib/python3.6/site-packages/hello-1.dist-info/METADATA"
    copy.parent.mkdir(parents=True)
    copy.write_text("Name: hello\nVersion: 1\n")
    inventory = image_of(layer_of(tmp_path))
    assert inventory.assessable
    rpms = {one.name: one for one in inventory.package_set.packages if one.ecosystem == "rpm"}
    assert rpms["hello"].distro == "rhel:8"
    assert rpms["hello"].purl == "pkg:rpm/redhat/hello@2.10-3.el8?arch=noarch&distro=rhel-8&epoch=1"
    assert "rpmmod=nodejs:12:8030020201124152102:229f0a1c" in rpms["nodejs-thing"].purl
    assert [p.owned_by for p in inventory.package_set.packages if p.ecosystem == "pypi"] == ["rpm/hello"]


def test_changes_that_are_only_in_the_journal_leave_the_image_unassessed(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "var/lib/rpm"
    shutil.copytree(database, target)
    (target / "rpmdb.sqlite-wal").write_bytes(b"\x37\x7f\x06\x82rest")
    assert "rpm-journal" in {problem.code for problem in image_of(layer_of(tmp_path)).blockers}


FORMATS: dict[str, Callable[[Path], bytes]] = {
    "sqlite": lambda folder: (folder / "rpmdb.sqlite").read_bytes(),
    "ndb": lambda folder: ndb(blobs_of(folder)),
}


def mutations(data: bytes, seed: int) -> Iterator[bytes]:
    """The database cut, and with bytes of its structures changed."""
    rand = random.Random(seed)
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rand.randint(1, 4)):
            near = rand.choice((0, 0, 4096, 8192, rand.randrange(len(data))))
            changed[min(near + rand.randrange(128), len(data) - 1)] = rand.choice(
                (0, 1, 0x7F, 0xFF, rand.randrange(256))
            )
        yield bytes(changed[: rand.choice((len(data), len(data), rand.randrange(len(data))))])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_broken_database_is_named_or_reads_like_a_whole_one(database: Path, name: str) -> None:
    whole = FORMATS[name](database)
    refused = 0
    for data in mutations(whole, 5):
        record = parse_database("var/lib/rpm/Packages", data)
        refused += record.problem is not None
        assert len(record.packages) <= 12
    assert refused > 50


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SQLite format 3\0" + bytes(84),
        b"SQLite format 3\0" + b"\x10\x00" + bytes(5000),
        b"RpmP" + bytes(5000),
        b"RpmP" + struct.pack("<IIII", 0, 1, 0xFFFFFFFF, 1) + bytes(5000),
        bytes(12) + struct.pack("<I", 0x061561) + bytes(4) + struct.pack("<I", 4096) + bytes(5000),
        b"rubbish" * 1000,
    ],
    ids=["empty", "sqlite-head", "sqlite-zeros", "ndb-zeros", "ndb-slots", "bdb-zeros", "rubbish"],
)
def test_what_is_no_database_leaves_the_image_unassessed(data: bytes) -> None:
    record = parse_database("var/lib/rpm/Packages", data)
    assert record.packages == ()
    assert record.problem is not None
    assert record.problem.scope == "image"
