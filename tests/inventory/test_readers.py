"""Each format counts as read because what its own tool installed is found with the names and versions it prints."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pratique.inventory.readers import apk, dpkg, npm, os_release, python
from pratique.inventory.service import merge, read_layer


def layer_of(folder: Path) -> Any:
    """The folder as a layer, made by GNU tar."""
    done = subprocess.run(["tar", "-C", str(folder), "-cf", "-", "."], capture_output=True, check=True)
    return read_layer(io.BytesIO(done.stdout))


def inventory_of(folder: Path) -> Any:
    report = layer_of(folder)
    assert report.problems == ()
    return merge([report], {"rootfs": {"diff_ids": [report.diff_id]}})


def deb(folder: Path, fields: str) -> Path:
    """A package built by dpkg-deb from control fields."""
    root = folder / "build"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(fields)
    library = root / "usr/lib/python3/dist-packages/six-1.16.0.dist-info"
    library.mkdir(parents=True)
    (library / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\nlong text\nName: not this\n"
    )
    out = folder / "package.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, out], check=True, capture_output=True)
    return out


@pytest.fixture
def dpkg_root(tmp_path: Path) -> Path:
    """A root into which dpkg itself installed one package and removed the configuration of none."""
    if not shutil.which("dpkg-deb") or os.geteuid() != 0:
        pytest.skip("dpkg and root are needed to install a package")
    package = deb(
        tmp_path,
        "Package: python3-six\nVersion: 2:1.16.0-4+deb12u1\nArchitecture: all\nSource: six (2:1.16.0-4)\n"
        "Maintainer: Some One <one@example.org>\nDescription: text\n Version: 9.9 in a continuation\n",
    )
    root = tmp_path / "root"
    for path in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
        (root / path).mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text("")
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
    subprocess.run(["dpkg", f"--root={root}", "--force-all", "-i", package], check=True, capture_output=True)
    return root


def test_what_dpkg_installed_is_found(dpkg_root: Path) -> None:
    printed = subprocess.run(
        ["dpkg-query", f"--admindir={dpkg_root}/var/lib/dpkg", "-W",
         "-f", "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    inventory = inventory_of(dpkg_root)
    debs = [package for package in inventory.package_set.packages if package.ecosystem == "deb"]
    found = [f"{p.name} {p.version} {p.arch} {p.source_name} {p.source_version}" for p in debs]
    assert found == printed.splitlines() == ["python3-six 2:1.16.0-4+deb12u1 all six 2:1.16.0-4"]
    assert debs[0].distro == "debian:12"
    assert debs[0].vendor == "Some One <one@example.org>"
    assert debs[0].purl == (
        "pkg:deb/debian/python3-six@2:1.16.0-4%2Bdeb12u1?arch=all&distro=debian-12&upstream=six%402:1.16.0-4"
    )
    (copy,) = [package for package in inventory.package_set.packages if package.ecosystem == "pypi"]
    assert (copy.name, copy.version, copy.owned_by) == ("six", "1.16.0", "deb/python3-six")


def test_a_removed_package_is_not_present() -> None:
    text = (
        b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        b"Package: never\nStatus: unknown ok not-installed\n\n"
        b"Package: half\nStatus: install reinstreq half-installed\nVersion: 2\nArchitecture: amd64\n"
    )
    record = dpkg.parse_status("var/lib/dpkg/status", text)
    assert [package.name for package in record.packages] == ["half"]
    assert record.problem is None


def test_distroless_status_files_are_read() -> None:
    record = dpkg.parse_status(
        "var/lib/dpkg/status.d/base", b"Package: base-files\nVersion: 12.4\nSource: base\nArchitecture: amd64"
    )
    (package,) = record.packages
    assert (package.source_name, package.source_version) == ("base", "12.4")
    sums = dpkg.parse_md5sums(
        "var/lib/dpkg/status.d/base.md5sums", b"0" * 32 + b"  usr/lib/python3/dist-packages/a-1.dist-info/METADATA\n"
    )
    assert sums.owns == (("usr/lib/python3/dist-packages/a-1.dist-info/METADATA", "deb/base"),)


def test_an_entry_without_version_is_a_problem() -> None:
    record = dpkg.parse_status("var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\n\nrubbish\n")
    assert record.problem is not None
    assert record.problem.scope == "image"


def wheel(folder: Path, name: str, version: str) -> Path:
    """A wheel written by hand, for pip to install."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name.lower().replace('-', '_').replace('.', '_')}.py", "")
        archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


def test_what_pip_installed_is_found(tmp_path: Path) -> None:
    site = tmp_path / "root/usr/local/lib/python3.11/site-packages"
    wheels = [wheel(tmp_path, "Ruamel.Thing-X", "1.0.post1"), wheel(tmp_path, "plain", "2!3.0")]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", site, *wheels], check=True
    )
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--path", site, "--format", "json"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    printed = {(python.normalised(item["name"]), item["version"]) for item in json.loads(listed)}
    inventory = inventory_of(tmp_path / "root")
    assert {(p.name, p.version) for p in inventory.package_set.packages} == printed == {
        ("ruamel-thing-x", "1.0.post1"), ("plain", "2!3.0"),
    }  # fmt: skip


def test_eggs_are_found() -> None:
    for path in ("a/b.egg-info", "a/b.egg-info/PKG-INFO", "a/b-1.egg/EGG-INFO/PKG-INFO"):
        record = python.parse_metadata(path, b"Metadata-Version: 1.0\r\nName: b\r\nVersion: 1\r\n\r\nVersion: 2\r\n")
        assert [(package.name, package.version) for package in record.packages] == [("b", "1")]


def test_what_npm_installed_is_found(tmp_path: Path) -> None:
    if not shutil.which("npm"):
        pytest.skip("npm is needed to install a package")
    packages = {"@scope/inner": "1.2.3-rc.1", "outer": "4.0.0"}
    folders = []
    for name, version in packages.items():
        folder = tmp_path / name.replace("/", "-")
        (folder / "dist").mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))
        (folder / "dist/package.json").write_text('{"type": "module"}')
        folders.append(folder)
    app = tmp_path / "app"
    app.mkdir()
    (app / "package.json").write_text('{"name": "app", "version": "9.9.9"}')
    command = ["npm", "install", "--offline", "--no-audit", "--install-links", "--prefix", app, *folders]
    subprocess.run(command, check=True, capture_output=True, cwd=app)
    listed = json.loads(
        subprocess.run(["npm", "ls", "--json", "--all"], cwd=app, capture_output=True, text=True, check=False).stdout
    )
    printed = {(name, value["version"]) for name, value in listed["dependencies"].items()}
    inventory = inventory_of(app)
    assert {(p.name, p.version) for p in inventory.package_set.packages} == printed == set(packages.items())


def test_a_package_json_without_version_is_said_not_to_be_judged() -> None:
    record = npm.parse_package_json("node_modules/a/package.json", b'{"name": "a"}')
    assert record.problem is not None
    assert record.problem.code == "npm-no-version"


@pytest.mark.parametrize(
    "text",
    [b'{"name":"a","version":"1","na\\u006de":"b"}', b'{"version":"1","name":"a","version":"1"}'],
)
def test_a_repeated_key_is_ambiguous(text: bytes) -> None:
    record = npm.parse_package_json("node_modules/a/package.json", text)
    assert record.problem is not None
    assert record.problem.code == "npm-ambiguous"


APK_INSTALLED = """\
C:Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=
P:libcrypto3
V:3.1.4-r5
A:x86_64
S:1
I:2
T:Crypto library
o:openssl
m:Natanael Copa <ncopa@alpinelinux.org>
F:lib
R:libcrypto.so.3
Z:Q1bbbbbbbbbbbbbbbbbbbbbbbbbbb=

P:py3-six
V:1.16.0-r8
A:x86_64
F:usr/lib/python3.11/site-packages/six-1.16.0-py3.11.egg-info
R:PKG-INFO

"""


def apk_layer(repositories: str) -> Any:
    out = io.BytesIO()
    files = {
        "lib/apk/db/installed": APK_INSTALLED,
        "etc/apk/repositories": repositories,
        "etc/os-release": "ID=alpine\nVERSION_ID=3.19.1\n",
        "usr/lib/python3.11/site-packages/six-1.16.0-py3.11.egg-info/PKG-INFO": "Name: six\nVersion: 1.16.0\n",
    }
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    report = read_layer(io.BytesIO(out.getvalue()))
    return merge([report], {"rootfs": {"diff_ids": [report.diff_id]}})


def test_an_apk_database_is_read() -> None:
    inventory = apk_layer("https://dl-cdn.alpinelinux.org/alpine/v3.19/main\n@edge https://x/alpine/edge/main\n")
    crypto, six, copy = inventory.package_set.packages
    assert (crypto.name, crypto.version, crypto.source_name) == ("libcrypto3", "3.1.4-r5", "openssl")
    assert (crypto.distro, crypto.repository) == ("alpine:3.19", "v3.19")
    assert six.source_name == "py3-six"
    assert (copy.ecosystem, copy.owned_by) == ("pypi", "apk/py3-six")
    assert inventory.assessable


def test_mixed_apk_releases_are_said() -> None:
    inventory = apk_layer("https://x/alpine/v3.19/main\nhttps://x/alpine/edge/testing\n")
    assert inventory.package_set.packages[0].repository == "v3.19"
    assert [problem.code for problem in inventory.not_assessed] == ["apk-mixed-repositories"]


def test_a_broken_apk_entry_is_a_problem() -> None:
    record = apk.parse_installed("lib/apk/db/installed", b"P:a\nV:1\n\nP:b\nV:1\nV:2\n\n")
    assert [package.name for package in record.packages] == ["a"]
    assert record.problem is not None
    assert record.problem.scope == "package"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('ID=debian\nVERSION_ID="12"', "debian:12"),
        ("ID=debian\nVERSION_CODENAME=forky", "debian:forky"),
        ("ID='alpine'\nVERSION_ID=3.19.1", "alpine:3.19"),
        ("ID=alpine\nVERSION_ID=3.21_alpha20240807", "alpine:edge"),
        ('ID="ubuntu"\nVERSION_ID="22.04"', "ubuntu:22.04"),
    ],
)
def test_a_release_is_named_as_its_feed_names_it(text: str, key: str) -> None:
    distro = os_release.distro_of(os_release.parse_os_release("etc/os-release", text.encode()))
    assert distro is not None
    assert distro.key == key


def test_the_running_systems_release_is_read_as_python_reads_it() -> None:
    import platform

    record = os_release.parse_os_release("etc/os-release", Path("/etc/os-release").read_bytes())
    told = platform.freedesktop_os_release()
    assert all(told[key] == value for key, value in record.values)
