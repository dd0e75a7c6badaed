"""A release as it was published, and the same after its security suite, against what Debian's tracker says.

The expectation is worked out here, by dpkg itself: for each installed package every vulnerability of its source whose
fixed version is newer than the installed one, no more and no less. Making the root file systems needs root and a
mirror; they are kept.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pratique.demo.errors import NoMirror
from pratique.demo.sources import archives
from tests.e2e.conftest import CACHE, Installation, free_port, start

SHARED = Path(os.environ.get("PRATIQUE_SHARED") or Path(__file__).parents[3] / "shared") / "vulndata"
TRACKER = SHARED / "mirror/security-tracker.debian.org/tracker/data/json.__gz__"
KEPT = CACHE.parent / "bullseye"

pytestmark = [pytest.mark.usefixtures("skopeo"), pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def mirror() -> Iterator[str]:
    """The shared mirror of advisory feeds."""
    if not TRACKER.is_file():
        pytest.skip("the shared feed mirror is absent")
    port = free_port()
    command = [sys.executable, str(SHARED / "serve.py"), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def informed(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A server that has fetched Debian's tracker."""
    made = start(tmp_path_factory.mktemp("bullseye"), PRATIQUE_ADVISORIES__MIRROR=mirror)
    made.ok("advisories", "sync", "debian", "kev", "--fetch", timeout=600)
    yield made
    made.run("down")


def test_a_release_shows_its_known_vulnerabilities_and_after_the_upgrade_none_of_them(
    informed: Installation, tmp_path: Path
) -> None:
    account = informed.account("pusher", "AcrPush", "/registry/team/")
    shown, known = {}, {}
    for name in ("main", "upgraded"):
        tar = _root_file_system(name)
        layout = _layout(tmp_path / name, tar)
        target = f"docker://{informed.host}/team/bullseye:{name}"
        done = informed.skopeo("copy", "--dest-creds", account, f"oci:{layout}:x", target)
        assert done.returncode == 0, done.stderr
        shown[name] = _found(informed, f"team/bullseye:{name}")
        known[name] = _known(_installed(tar, tmp_path / f"{name}-root"))
    assert {"libssl1.1", "libc6", "perl-base"} <= {package for package, _ in known["main"]}
    assert shown["main"] == known["main"]
    assert known["upgraded"] == set()
    assert shown["upgraded"] == set()


def _found(informed: Installation, image: str) -> set[tuple[str, str]]:
    """Packages and vulnerabilities that the image shows, whether there is a fix or none."""
    found = informed.status(image)
    assert found["settled"]
    assert found["coverage"]["assessed"] == found["coverage"]["packages"] > 90
    rows = json.loads(informed.run("status", image, "--findings", "--output", "json").stdout)["findings"]
    return {(row["location"].rpartition("/")[2], alias) for row in rows for alias in row["aliases"]}


def _installed(tar: Path, folder: Path) -> list[list[str]]:
    """Package, source and version of the source, as dpkg reads them."""
    folder.mkdir()
    subprocess.run(["tar", "-xf", tar, "-C", folder, "./var/lib/dpkg"], check=True)
    listed = subprocess.run(
        [
            "dpkg-query",
            f"--admindir={folder}/var/lib/dpkg",
            "-W",
            "-f",
            "${Package} ${source:Package} ${source:Version}\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.split() for line in listed.stdout.splitlines()]


def _known(installed: list[list[str]]) -> set[tuple[str, str]]:
    tracker = json.loads(gzip.decompress(TRACKER.read_bytes()))
    found = set()
    for package, source, version in installed:
        for cve, record in tracker.get(source, {}).items():
            release = record["releases"].get("bullseye", {"fixed_version": "0"})
            fixed = release.get("fixed_version", "")
            # 5.2.5-2.1~deb11u1 is 5.2.5-2.1 brought to this release, and has what that fixed.
            backported = version.startswith(f"{fixed}~deb")
            if fixed != "0" and not backported and (not fixed or _older(version, fixed)):
                found.add((package, cve))
    return {(package, cve) for package, cve in found if cve.startswith("CVE-")}


def _older(left: str, right: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", left, "lt", right], check=False).returncode == 0


def _root_file_system(name: str) -> Path:
    path = KEPT / f"{name}.tar"
    if not path.is_file():
        _make_root_file_systems()
    return path


def _make_root_file_systems() -> None:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed, or not for this user")
    try:
        found = archives("bullseye")
    except NoMirror:
        pytest.skip("no Debian mirror is known on this machine")
    KEPT.mkdir(parents=True, exist_ok=True)
    root = KEPT / "root"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bullseye", root, found.main.url], check=True)
    _pack(root, KEPT / "main.tar")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    with (root / "etc" / "apt" / "sources.list").open("a") as sources:
        sources.write(f"deb {found.security.url} bullseye-security main\n")
    upgrade = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get -y -qq upgrade"
    subprocess.run(["chroot", root, "sh", "-c", upgrade], check=True)
    _pack(root, KEPT / "upgraded.tar")
    shutil.rmtree(root)


def _pack(root: Path, target: Path) -> None:
    part = target.with_suffix(".part")
    subprocess.run(["tar", "-C", root, "--one-file-system", "--exclude=./var/cache/apt", "-cf", part, "."], check=True)
    part.replace(target)


def _layout(folder: Path, tar: Path) -> Path:
    """The root file system as an image of one uncompressed layer."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    with tar.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    (blobs / digest).symlink_to(tar)

    def put(value: object, media_type: str) -> dict[str, object]:
        body = json.dumps(value).encode()
        name = hashlib.sha256(body).hexdigest()
        (blobs / name).write_bytes(body)
        return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{name}", "size": len(body)}

    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar",
        "digest": f"sha256:{digest}",
        "size": tar.stat().st_size,
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(config, "config.v1+json"),
        "layers": [layer],
    }
    entry = put(manifest, "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "x"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder
