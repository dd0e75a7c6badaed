"""Updates that wait in a security suite: found in the host's sources, verified, and not called vulnerabilities."""

import hashlib
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from pratique.advisories.errors import FeedRefused
from pratique.advisories.feeds import suite as suite_module
from pratique.advisories.feeds.apt import AptSource, host_sources, parse_setting, read_release, security_sources
from pratique.advisories.service import AdvisoryStore
from tests.advisories import samples
from tests.advisories.conftest import Renew, outcome
from tests.advisories.feed_server import FeedServer
from tests.advisories.samples import deb, debian, fixed

PACKAGES = """Package: libssl3
Source: openssl
Version: 3.0.17-1~deb12u3
Description: a library
 of several lines

Package: openssl
Version: 3.0.17-1~deb12u3

Package: linux-image-6
Source: linux (6.1.150-1)
Version: 6.1.150-1+b1

"""


def write_sources(etc: Path) -> None:
    (etc / "sources.list.d").mkdir(parents=True)
    (etc / "sources.list").write_text(
        "# deb http://old.example/debian jessie main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian-security/ bookworm-security main contrib # tail\n"
        "deb-src http://a.example/debian bookworm main\n"
    )
    (etc / "sources.list.d" / "debian.sources").write_text(
        "Types: deb deb-src\nURIs: http://b.example/debian-security\nSuites: trixie-security\n# note\nComponents: main\nSigned-By: /b.gpg\n\n"
        "Types: deb\nURIs: http://c.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://d.example/debian-security\nSuites: trixie-security\nComponents: main\n"
    )


def test_both_formats_of_sources_are_read(tmp_path: Path) -> None:
    write_sources(tmp_path)
    assert security_sources(host_sources(tmp_path)) == [
        AptSource("http://a.example/debian-security/", "bookworm-security", ("main", "contrib"), "/k.gpg"),
        AptSource("http://b.example/debian-security", "trixie-security", ("main",), "/b.gpg"),
    ]


def test_the_setting_names_suites_too() -> None:
    assert parse_setting("http://x.example/s bookworm-security main; http://y.example/t") == [
        AptSource("http://x.example/s", "bookworm-security", ("main",)),
        AptSource("http://y.example/t", "", ("main",)),
    ]


def test_siblings_of_a_suite_are_asked_too() -> None:
    suites = [source.suite for source in suite_module.sources_of("http://x.example/s bookworm-security main")]
    assert suites == ["bookworm-security", "bullseye-security", "trixie-security"]


def put_suite(server: FeedServer, text: str = PACKAGES, *, lie: bool = False) -> str:
    index = lzma.compress(text.encode())
    architecture = suite_module._architecture()
    name = f"main/binary-{architecture}/Packages.xz"
    digest = hashlib.sha256(index + (b"!" if lie else b"")).hexdigest()
    release = f"Origin: Debian\nCodename: bookworm-security\nDate: Fri, 20 Nov 2026 10:00:00 UTC\nSHA256:\n {digest} {len(index)} {name}\n"
    root = "/debian-security/dists/bookworm-security"
    server.contents[f"{root}/InRelease"] = release.encode()
    server.contents[f"{root}/{name}"] = index
    return f"{server.url}/debian-security bookworm-security main"


@pytest.fixture
def unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has no gpgv."""
    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "gpgv" else real(name, **more))


@pytest.mark.usefixtures("unsigned")
def test_an_older_package_has_an_update_pending(server: FeedServer, renew: Renew, store: AdvisoryStore) -> None:
    address = put_suite(server)
    report = renew("debian-security", options={"security_index": address})
    assert outcome(report, "debian-security").records == 2
    found = store.match(
        [
            deb("libssl3", "3.0.11-1", "openssl"),
            deb("linux-image-6", "6.1.150-1+b1", "linux", "6.1.150-1"),
            deb("bash", "5.2-1"),
        ]
    )
    assert [(match.package.name, match.status, match.fixed_version) for match in found.affected] == [
        ("libssl3", "update-pending", "3.0.17-1~deb12u3")
    ]
    match = found.affected[0]
    assert match.aliases == ()
    assert "pending" in match.title
    assert not match.unrated_with_fix
    assert all(item.assessed and item.code == "suite-only" for item in found.coverage)
    assert {item.name for item in found.needed} >= {"debian"}
    status = next(item for item in store.feeds() if item.name == "debian-security")
    assert "not verified" in status.note


@pytest.mark.usefixtures("unsigned")
def test_an_update_whose_fixes_are_named_is_not_said_twice(
    server: FeedServer, renew: Renew, store: AdvisoryStore
) -> None:
    renew("debian-security", options={"security_index": put_suite(server)})
    server.put(
        samples.DEBIAN,
        debian(
            {
                "openssl": {"CVE-2026-1": {"bookworm": fixed("3.0.17-1~deb12u3")}},
                "linux": {"CVE-2026-2": {"bookworm": fixed("6.1.140-1")}},
            }
        ),
    )
    renew("debian")
    matches = store.match([deb("libssl3", "3.0.11-1", "openssl"), deb("linux-image-6", "6.1.130-1", "linux")]).affected
    assert [(match.package.name, match.vulnerability, match.status) for match in matches if match.aliases] == [
        ("libssl3", "CVE-2026-1", ""),
        ("linux-image-6", "CVE-2026-2", ""),
    ]
    assert [match.package.name for match in matches if match.update_pending] == ["linux-image-6"]


@pytest.mark.usefixtures("unsigned")
def test_an_index_that_its_release_does_not_name_is_refused(server: FeedServer, renew: Renew) -> None:
    address = put_suite(server, lie=True)
    assert (
        "InRelease names"
        in outcome(renew("debian-security", options={"security_index": address}), "debian-security").error
    )


def test_no_suite_at_all_says_what_to_set(server: FeedServer, renew: Renew) -> None:
    result = outcome(
        renew("debian-security", options={"security_index": f"{server.url}/nothing bookworm-security main"}),
        "debian-security",
    )
    assert "advisories.security_index" in result.remedy


def sign(folder: Path, text: str) -> tuple[Path, Path]:
    """An InRelease signed by a fresh key, and the keyring that verifies it."""
    home = folder / "gpg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    subprocess.run(
        [*gpg, "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never"],
        check=True,
        capture_output=True,
    )
    keyring, release = folder / "keyring.gpg", folder / "InRelease"
    keyring.write_bytes(subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout)
    release.write_bytes(
        subprocess.run([*gpg, "--clearsign"], input=text.encode(), check=True, capture_output=True).stdout
    )
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False, capture_output=True)
    return release, keyring


@pytest.mark.skipif(not (shutil.which("gpgv") and shutil.which("gpg")), reason="gpg is not installed")
def test_a_good_signature_is_accepted_and_a_bad_one_refused(tmp_path: Path) -> None:
    text = f"Codename: bookworm-security\nDate: Fri, 20 Nov 2026 10:00:00 UTC\nSHA256:\n {'0' * 64} 12 main/binary-amd64/Packages.xz\n"
    release, keyring = sign(tmp_path, text)
    read = read_release(release, str(keyring))
    assert (read.codename, read.note) == ("bookworm-security", "")
    assert read.hashes == {"main/binary-amd64/Packages.xz": ("0" * 64, 12)}
    release.write_text(release.read_text().replace("bookworm", "bullseye"))
    with pytest.raises(FeedRefused, match="signature"):
        read_release(release, str(keyring))
