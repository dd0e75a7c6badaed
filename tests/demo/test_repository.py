"""Package lists are believed only as far as digests and signatures reach."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pratique.core.progress import NullReporter
from pratique.demo.download import Downloads
from pratique.demo.errors import FetchFailed, Unverified
from pratique.demo.repository import Candidate, Suite, closure, newest, read_release, read_suite
from pratique.demo.sources import Archive
from tests.demo.conftest import Mirror

NGINX = {
    "base-files": ("12", ""),
    "libc6": ("2.36-9", ""),
    "mawk": ("1.3", "Provides: awk\n"),
    "nginx": ("1.22-9", "Depends: libc6 (>= 2.34), iproute2 | net-tools, awk, nginx-common (= 1.22-9)\n"),
    "nginx-common": ("1.22-9", "Pre-Depends: base-files\n"),
    "net-tools": ("2", ""),
    "unrelated": ("1", ""),
}


def downloads(tmp_path: Path, *, offline: bool = False) -> Downloads:
    return Downloads(tmp_path / "cache", NullReporter(), offline=offline)


def suite(mirror: Mirror, tmp_path: Path) -> Suite:
    mirror.publish("debian", "bookworm", NGINX)
    return suite_of(mirror.archives().main, tmp_path)


def suite_of(archive: Archive, tmp_path: Path) -> Suite:
    return read_suite(read_release(archive, "amd64", downloads(tmp_path)), downloads(tmp_path))


def package(found: Suite, name: str) -> Candidate:
    held = found.get(name)
    assert held is not None
    return held


def test_a_package_list_names_packages_by_digest(mirror: Mirror, tmp_path: Path) -> None:
    found = suite(mirror, tmp_path)
    assert package(found, "nginx").version == "1.22-9"
    assert len(package(found, "nginx").sha256) == 64
    assert found.get("absent") is None
    release = read_release(mirror.archives().main, "amd64", downloads(tmp_path))
    assert not release.verified
    assert release.published == 1_783_764_997


def test_dependencies_are_followed_through_alternatives_and_provides(mirror: Mirror, tmp_path: Path) -> None:
    found = suite(mirror, tmp_path)
    assert closure(found, ("nginx", "mawk")) == ("base-files", "libc6", "mawk", "net-tools", "nginx", "nginx-common")


def test_a_second_run_needs_no_network(mirror: Mirror, tmp_path: Path) -> None:
    first = suite(mirror, tmp_path)
    asked = len(mirror.asked)
    away = Archive("http://127.0.0.1:9/debian", "bookworm", None)
    again = suite_of(away, tmp_path)
    assert package(again, "nginx").sha256 == package(first, "nginx").sha256
    assert len(mirror.asked) == asked


def test_without_cache_and_network_it_says_what_to_do(tmp_path: Path) -> None:
    away = Archive("http://127.0.0.1:9/debian", "bookworm", None)
    with pytest.raises(FetchFailed) as caught:
        read_release(away, "amd64", downloads(tmp_path))
    assert "--mirror" in caught.value.remedy


def test_a_package_that_is_not_what_the_list_names_is_thrown_away(mirror: Mirror, tmp_path: Path) -> None:
    found = suite(mirror, tmp_path)
    item = package(found, "nginx")
    pool = mirror.folder / "debian" / "pool" / "nginx_1.22-9.deb"
    pool.write_bytes(pool.read_bytes()[:-1] + b"x")
    with pytest.raises(Unverified):
        downloads(tmp_path).pinned(item.url, item.sha256)
    assert not (tmp_path / "cache" / item.sha256).exists()


def test_a_list_that_nobody_signed_is_refused_where_that_can_be_checked(mirror: Mirror, tmp_path: Path) -> None:
    if shutil.which("gpgv") is None:
        pytest.skip("gpgv is not installed")
    keyring = tmp_path / "keyring.gpg"
    keyring.write_bytes(b"")
    mirror.publish("debian", "bookworm", NGINX)
    with pytest.raises(Unverified):
        read_release(mirror.archives(keyring).main, "amd64", downloads(tmp_path))


def test_a_list_that_the_distribution_signed_is_taken(mirror: Mirror, tmp_path: Path) -> None:
    if shutil.which("gpg") is None or shutil.which("gpgv") is None:
        pytest.skip("gpg is not installed")
    mirror.publish("debian", "bookworm", NGINX)
    release = mirror.folder / "debian" / "dists" / "bookworm" / "InRelease"
    keyring = _sign(release, tmp_path / "gnupg")
    assert read_release(mirror.archives(keyring).main, "amd64", downloads(tmp_path)).verified


def test_of_two_archives_the_newer_version_is_taken(mirror: Mirror, tmp_path: Path) -> None:
    found = suite(mirror, tmp_path)
    mirror.publish("debian-security", "bookworm-security", {"nginx": ("1.22-9+deb12u1", ""), "libc6": ("2.36-8", "")})
    security = suite_of(mirror.archives().security, tmp_path)
    newer = {name: newest(package(found, name), security.get(name)).version for name in ("nginx", "libc6")}
    assert newer == {"nginx": "1.22-9+deb12u1", "libc6": "2.36-9"}


def _sign(release: Path, home: Path) -> Path:
    home.mkdir(mode=0o700)
    base = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    keyring = home / "keyring.gpg"
    plain = release.with_suffix(".plain")
    release.rename(plain)
    try:
        subprocess.run([*base, "--passphrase", "", "--quick-generate-key", "test"], check=True, capture_output=True)
        subprocess.run([*base, "--output", str(release), "--clearsign", str(plain)], check=True, capture_output=True)
        subprocess.run([*base, "--output", str(keyring), "--export"], check=True, capture_output=True)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    return keyring
