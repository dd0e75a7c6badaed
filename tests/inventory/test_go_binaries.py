"""Go executables say what `go version -m` says of them; broken build information is named."""

import json
import os
import random
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.corpus.layers.archive import END, file, header, padded, stream, symlink
from tests.inventory.installed import image_of, layer_of, packages_of

from pratique.inventory.binaries import look_into
from pratique.inventory.binaries.go import MAGIC, modules_of
from pratique.inventory.service import read_layer
from pratique.inventory.types import Limits

MODULES = {"example.invalid/left/pad": "v1.2.3", "example.invalid/Upper/v2": "v2.0.0-20200101000000-abcdefabcdef",
           "example.invalid/old": "v0.1.0", "example.invalid/new": "v0.9.0+incompatible"}  # fmt: skip
MAIN = """package main
import (
    _ "example.invalid/left/pad"
    _ "example.invalid/Upper/v2"
    _ "example.invalid/old"
    _ "example.invalid/folder"
)
func main() { println("hello") }
"""


def escaped(name: str) -> str:
    """A module's name as a proxy spells it: capitals with a sign in front."""
    return "".join("!" + c.lower() if c.isupper() else c for c in name)


def publish(proxy: Path, name: str, version: str, declared: str) -> None:
    """One module with one empty package, laid out as a module proxy serves it."""
    folder = proxy / escaped(name) / "@v"
    folder.mkdir(parents=True)
    text = f"module {declared}\n"
    (folder / f"{version}.info").write_text(json.dumps({"Version": version, "Time": "2020-01-01T00:00:00Z"}))
    (folder / f"{version}.mod").write_text(text)
    with zipfile.ZipFile(folder / f"{version}.zip", "w") as archive:
        archive.writestr(f"{name}@{version}/go.mod", text)
        archive.writestr(f"{name}@{version}/p.go", "package p\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of executables that Go built: plain, stripped, position-independent, and for other systems."""
    if not shutil.which("go"):
        pytest.skip("Go is needed to build an executable")
    top = tmp_path_factory.mktemp("go")
    for name, version in MODULES.items():
        publish(
            top / "proxy",
            name,
            version.removesuffix("+incompatible"),
            "example.invalid/old" if name.endswith("new") else name,
        )
    source, out = top / "source", top / "out"
    (source / "folder").mkdir(parents=True)
    out.mkdir()
    (source / "folder/go.mod").write_text("module example.invalid/folder\n")
    (source / "folder/p.go").write_text("package p\n")
    (source / "main.go").write_text(MAIN)
    needed = {name: version for name, version in MODULES.items() if not name.endswith("new")}
    lines = ["module example.invalid/program", "go 1.18", "require example.invalid/folder v0.0.0"]
    lines += [f"require {name} {version}" for name, version in needed.items()]
    lines += ["replace example.invalid/old => example.invalid/new v0.9.0", "replace example.invalid/folder => ./folder"]
    (source / "go.mod").write_text("\n".join(lines) + "\n")
    environment = {
        **os.environ, "GOPROXY": f"file://{top}/proxy", "GONOSUMDB": "*", "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0",
        "GOMODCACHE": str(top / "modules"), "GOTOOLCHAIN": "local",
    }  # fmt: skip
    for name, options, system in (
        ("plain", [], "linux"), ("stripped", ["-ldflags=-s -w"], "linux"), ("pie", ["-buildmode=pie"], "linux"),
        ("program.exe", [], "windows"), ("apple", [], "darwin"), ("wide", [], "linux/s390x"),
    ):  # fmt: skip
        goos, _, goarch = system.partition("/")
        settings = {**environment, "GOOS": goos, **({"GOARCH": goarch} if goarch else {})}
        command = ["go", "build", *options, "-o", out / name, "."]
        subprocess.run(command, cwd=source, env=settings, check=True, capture_output=True)
    subprocess.run(["go", "clean", "-modcache"], env=environment, check=True, capture_output=True)
    return out


def printed(path: Path) -> set[tuple[str, str]]:
    """What Go's own reader prints: the release, and modules with replacements applied."""
    done = subprocess.run(["go", "version", "-m", path], capture_output=True, text=True, check=True).stdout
    first, _, rest = done.partition("\n")
    found = set(modules_of("\n".join(line.strip() for line in rest.splitlines()).encode()))
    return found | {("stdlib", first.rpartition(": go")[2])}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["plain", "stripped", "pie", "program.exe", "apple", "wide"])
def test_what_go_prints_of_an_executable_is_found(built: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "app").mkdir()
    shutil.copy(built / name, tmp_path / "app" / name)
    found = {(package.name, package.version) for package in packages_of(tmp_path, "golang")}
    assert found == printed(built / name)
    assert {
        ("example.invalid/left/pad", "v1.2.3"),
        ("example.invalid/new", "v0.9.0"),
        ("example.invalid/folder", "(devel)"),
    } < found


@pytest.mark.timeout(600)
def test_without_section_headers_it_is_found_where_go_looks(built: Path) -> None:
    data = bytearray((built / "plain").read_bytes())
    data[40:48] = bytes(8)  # where the section headers are
    data[60:62] = bytes(2)  # how many
    record = look_into("app/plain", data)
    assert record is not None
    assert {(package.name, package.version) for package in record.packages} == printed(built / "plain")


@pytest.mark.timeout(600)
def test_an_image_of_one_static_binary_is_assessed(built: Path, tmp_path: Path) -> None:
    shutil.copy(built / "plain", tmp_path / "server")
    inventory = image_of(layer_of(tmp_path))
    assert inventory.assessable
    assert inventory.not_assessed == ()
    assert {row.ecosystem for row in inventory.coverage if row.state == "read"} == {"golang"}


def test_lines_of_modules_are_read_with_their_replacements() -> None:
    text = b"path\ta/b\nmod\ta\t(devel)\t\ndep\tx/Y\tv1.0.0\th1:x=\ndep\tc\tv1.0.0\n=>\t../c\t\ndep\td\tv1.0.0\n=>\te\tv2.0.0\th1:\n"
    assert list(modules_of(text)) == [("a", "(devel)"), ("x/Y", "v1.0.0"), ("c", "(devel)"), ("e", "v2.0.0")]


def pointed(*, wide: bool, order: str) -> bytes:
    """An executable as Go before 1.18 lays it out: the block points at texts that lie elsewhere."""
    number = (">" if order == ">" else "<") + ("Q" if wide else "I")
    width = 8 if wide else 4
    base, table = 0x10000, "path\tp\nmod\texample.invalid/m\tv1.0.0\th1:\ndep\texample.invalid/d\tv0.2.0\th1:\n"
    release, modules = b"go1.13.8", b"0" * 16 + table.encode() + b"1" * 16
    head = (64 + 56) if wide else (52 + 32)
    texts = head
    headers = texts + len(release) + len(modules)
    block = headers + 4 * width
    block += -block % 16
    body = release + modules
    body += struct.pack(f"{order}{number[1]}{number[1]}", base + texts, len(release))
    body += struct.pack(f"{order}{number[1]}{number[1]}", base + texts + len(release), len(modules))
    body = body.ljust(block - head, b"\0")
    body += (MAGIC + bytes((width, order == ">")) + struct.pack(number, base + headers)
             + struct.pack(number, base + headers + 2 * width)).ljust(32, b"\0")  # fmt: skip
    size = head + len(body)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 2 if order == ">" else 1, 1)) + bytes(9)
    if wide:
        elf = struct.pack(f"{order}HHIQQQIHHHHHH", 2, 62, 1, base, 64, 0, 0, 64, 56, 1, 64, 0, 0)
        segment = struct.pack(f"{order}IIQQQQQQ", 1, 6, 0, base, base, size, size, 16)
    else:
        elf = struct.pack(f"{order}HHIIIIIHHHHHH", 2, 3, 1, base, 52, 0, 0, 52, 32, 1, 40, 0, 0)
        segment = struct.pack(f"{order}8I", 1, 0, base, base, size, size, 6, 16)
    return ident + elf + segment + body


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_build_information_of_old_go_is_followed_through_its_pointers(wide: bool, order: str) -> None:
    data = pointed(wide=wide, order=order)
    record = look_into("bin/old", data)
    assert record is not None
    assert {(p.name, p.version) for p in record.packages} == {
        ("stdlib", "1.13.8"), ("example.invalid/m", "v1.0.0"), ("example.invalid/d", "v0.2.0"),
    }  # fmt: skip


def test_broken_build_information_is_named_and_never_a_crash() -> None:
    whole = pointed(wide=True, order="<")
    rand = random.Random(7)
    codes = set()
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(rand.randint(1, 3)):
            data[rand.randrange(len(data))] = rand.choice((0, 1, 0x7F, 0x80, 0xFF))
        record = look_into("bin/old", data[: rand.choice((len(data), rand.randrange(len(data))))])
        codes.add(record.problem.code if record and record.problem else "")
    assert codes == {"", "build-info"}


def executable(name: bytes, data: bytes) -> bytes:
    return header(name, len(data), mode=0o755) + padded(data)


def test_a_binary_is_replaced_by_another_and_by_a_script() -> None:
    old = executable(b"usr/local/bin/tool", pointed(wide=True, order="<"))
    lower = read_layer(stream(old + executable(b"opt/x", pointed(wide=False, order="<")) + END))
    assert {p.name for p in image_of(lower).package_set.packages} >= {"stdlib"}
    for upper in (executable(b"usr/local/bin/tool", b"#!/bin/sh\n"), header(b"usr/local/bin/.wh.tool")):
        report = read_layer(stream(upper + END))
        places = {package.location for package in image_of(lower, report).package_set.packages}
        assert places == {"opt/x"}
    newer = read_layer(stream(executable(b"usr/local/bin/tool", pointed(wide=True, order=">")) + END))
    inventory = image_of(lower, newer)
    assert {origin.layer_index for package, origin in inventory.placed() if package.location == "opt/x"} == {0}
    assert {p.location for p in inventory.package_set.packages} == {"opt/x", "usr/local/bin/tool"}


def test_a_binary_that_its_layer_writes_twice_is_ambiguous() -> None:
    old = executable(b"bin/tool", pointed(wide=True, order="<"))
    report = read_layer(stream(old + executable(b"bin/tool", b"#!/bin/sh\n") + END))
    assert "duplicate-record" in {problem.code for problem in report.problems}


def test_a_packed_and_an_overlong_binary_are_named() -> None:
    packed = b"\x7fELF\x02\x01\x01" + bytes(57) + bytes(100) + b"UPX!" + bytes(400)
    report = read_layer(stream(executable(b"bin/packed", packed) + END))
    assert [record.problem.code for record in report.records if record.problem] == ["packed-binary"]
    report = read_layer(stream(executable(b"bin/long", packed) + END), limits=Limits(binary_bytes=100))
    assert [record.problem.code for record in report.records if record.problem] == ["limit-binary"]


def test_files_of_a_distribution_know_their_owner() -> None:
    base = file(b"etc/os-release", b"ID=debian\nVERSION_ID=12\n") + symlink(b"bin", b"usr/bin")
    base += file(b"var/lib/dpkg/status", b"Package: tool\nStatus: install ok installed\nVersion: 1\n\n")
    base += file(b"var/lib/dpkg/info/tool.list", b"/.\n/bin\n/bin/tool\n/usr\n")
    report = read_layer(stream(base + executable(b"usr/bin/tool", pointed(wide=True, order="<")) + END))
    owners = {p.owned_by for p in image_of(report).package_set.packages if p.ecosystem == "golang"}
    assert owners == {"deb/tool"}
