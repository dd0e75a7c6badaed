"""Every form of image gives the same packages, and what is wrong with one is said."""

import gzip
import json
import os
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cli.scan.images import Layout, docker_archive, layers, simple

from pratique.core.errors import Invalid, NotFound, PratiqueError, Unauthenticated
from pratique.core.progress import NullReporter
from pratique.inventory.errors import UnreadableImage
from pratique.scan.child import ReaderPool
from pratique.scan.layer_files import LayerFiles, NoLayerFiles
from pratique.scan.local import read_image, read_root
from pratique.scan.sources.credentials import auth_files, credentials_for
from pratique.scan.sources.reference import Reference
from pratique.scan.sources.targets import Access, images_of, target_of

NO_ACCESS = Access()
PACKAGES = {"liblog4j", "base", "minimist"}


@pytest.fixture(scope="module")
def pool() -> Any:
    with ReaderPool(1) as readers:
        yield readers


def names(text: str, pool: ReaderPool, platform: str | None = "linux/amd64", access: Access = NO_ACCESS) -> Any:
    with images_of(target_of(text), platform, access) as images:
        found = [read_image(image, pool, NoLayerFiles(), NullReporter()) for image in images]
    assert all(inventory.assessable for inventory in found), [inventory.blockers for inventory in found]
    return [{package.name for package in inventory.package_set.packages} for inventory in found]


def test_a_layout_folder(tmp_path: Path, pool: Any) -> None:
    simple(tmp_path / "layout")
    assert names(str(tmp_path / "layout"), pool) == [PACKAGES]
    assert names(f"oci:{tmp_path}/layout:app:1", pool) == [PACKAGES]


@pytest.mark.parametrize("packed", [False, True])
def test_a_layout_in_a_tar(tmp_path: Path, pool: Any, packed: Any) -> None:
    path = simple(tmp_path / "layout").packed(tmp_path / "image.tar")
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert names(str(path), pool) == [PACKAGES]


def test_a_docker_archive(tmp_path: Path, pool: Any) -> None:
    path = docker_archive(tmp_path / "image.tar")
    assert names(str(path), pool) == [PACKAGES]
    assert names(f"docker-archive:{path}:app:1", pool) == [PACKAGES]
    with pytest.raises(UnreadableImage, match="no image other"):
        names(f"archive:{path}:other:1", pool)


def test_the_platform_is_chosen_from_an_index(tmp_path: Path, pool: Any) -> None:
    layout = Layout(tmp_path / "layout")
    members = [layout.manifest(layers(), "amd64"), layout.manifest(layers()[:1], "arm64")]
    attestation = {**layout.manifest(layers(), "unknown"), "platform": {"os": "unknown", "architecture": "unknown"}}
    layout.add(layout.index([*members, attestation]), "app:1")
    assert names(str(tmp_path / "layout"), pool) == [PACKAGES]
    assert names(str(tmp_path / "layout"), pool, "linux/arm64") == [PACKAGES - {"minimist"}]
    assert names(str(tmp_path / "layout"), pool, None) == [PACKAGES, PACKAGES - {"minimist"}]
    with pytest.raises(UnreadableImage, match="offers: linux/amd64, linux/arm64"):
        names(str(tmp_path / "layout"), pool, "linux/s390x")


def test_several_images_ask_for_a_name(tmp_path: Path, pool: Any) -> None:
    layout = simple(tmp_path / "layout")
    layout.add(layout.manifest(layers()[:1]), "app:2")
    with pytest.raises(UnreadableImage, match="holds app:1, app:2"):
        names(str(tmp_path / "layout"), pool)
    assert names(f"oci:{tmp_path}/layout:app:2", pool) == [PACKAGES - {"minimist"}]


def test_a_changed_blob_is_refused(tmp_path: Path, pool: Any) -> None:
    layout = simple(tmp_path / "layout")
    manifest = layout.folder / "blobs" / str(layout.entries[0]["digest"]).replace(":", "/")
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(UnreadableImage, match="another digest"):
        names(str(layout.folder), pool)


def test_a_changed_layer_is_not_assessed(tmp_path: Path, pool: Any) -> None:
    layout = simple(tmp_path / "layout")
    for blob in (layout.folder / "blobs/sha256").iterdir():
        if blob.read_bytes()[:2] == b"\x1f\x8b":
            blob.write_bytes(layers("11")[0])
    with images_of(target_of(str(layout.folder)), None, Access()) as (image,):
        inventory = read_image(image, pool, NoLayerFiles(), NullReporter())
    assert {problem.code for problem in inventory.blockers} >= {"wrong-digest"}


@pytest.mark.parametrize(
    "index",
    [
        "{",
        "[]",
        '{"manifests": [{"digest": "sha256:../../../etc/passwd"}]}',
        '{"manifests": 1, "manifests": 2}',
        "[" * 99999,
    ],
)
def test_a_hostile_index_is_refused(tmp_path: Path, pool: Any, index: Any) -> None:
    layout = simple(tmp_path / "layout")
    (layout.folder / "index.json").write_text(index)
    with pytest.raises(UnreadableImage):
        names(str(layout.folder), pool)


def test_an_index_that_holds_itself_ends(tmp_path: Path, pool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path / "layout")
    inner = layout.manifest(layers())
    for _ in range(6):
        inner = layout.index([inner])
    layout.add(inner, "app:1")
    with pytest.raises(UnreadableImage, match="nests"):
        names(str(layout.folder), pool)


def test_a_layer_is_read_once(tmp_path: Path, pool: Any) -> None:
    layout = simple(tmp_path / "layout")
    kept = LayerFiles(tmp_path / "kept")
    with images_of(target_of(str(layout.folder)), None, Access()) as (image,):
        first = read_image(image, pool, kept, NullReporter())
        pool_closed = ReaderPool(1)
        pool_closed.close()
        assert read_image(image, pool_closed, kept, NullReporter()) == first
    for path in (tmp_path / "kept").rglob("*.report"):
        path.write_bytes(path.read_bytes()[:-3])
    with images_of(target_of(str(layout.folder)), None, Access()) as (image,):
        assert read_image(image, pool, kept, NullReporter()) == first


def test_a_claimed_diff_id_does_not_stand_for_a_layer(tmp_path: Path, pool: Any) -> None:
    kept = LayerFiles(tmp_path / "kept")
    clean = simple(tmp_path / "clean")
    with images_of(target_of(str(clean.folder)), None, Access()) as (image,):
        read_image(image, pool, kept, NullReporter())
    forged = Layout(tmp_path / "forged")
    parts = layers("11")
    document = {
        "config": forged.blob(
            (clean.folder / "blobs" / _config_of(clean)).read_bytes(), "application/vnd.oci.image.config.v1+json"
        ),
        "layers": [forged.blob(part, "application/vnd.oci.image.layer.v1.tar+gzip") for part in parts],
    }
    forged.add(forged.blob(json.dumps(document).encode(), "application/vnd.oci.image.manifest.v1+json"), "x")
    with images_of(target_of(str(forged.folder)), None, Access()) as (image,):
        inventory = read_image(image, pool, kept, NullReporter())
    assert "wrong-digest" in {problem.code for problem in inventory.blockers}


def _config_of(layout: Any) -> Any:
    manifest = json.loads((layout.folder / "blobs" / layout.entries[0]["digest"].replace(":", "/")).read_text())
    return manifest["config"]["digest"].replace(":", "/")


@pytest.mark.parametrize(
    ("text", "whole", "host"),
    [
        ("nginx", "docker.io/library/nginx:latest", "registry-1.docker.io"),
        ("team/app:1", "docker.io/team/app:1", "registry-1.docker.io"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000"),
        ("r.example/a/b@sha256:" + "0" * 64, "r.example/a/b@sha256:" + "0" * 64, "r.example"),
    ],
)
def test_references(text: Any, whole: Any, host: Any) -> None:
    reference = Reference.parse(text)
    assert (str(reference), reference.host) == (whole, host)


@pytest.mark.parametrize(
    "text", ["", "UPPER/case", "a:", "a@sha256:12", "r.example/", "a b", "r.example:99999999/a", "../a"]
)
def test_what_is_no_reference_is_refused(text: Any) -> None:
    with pytest.raises(Invalid, match="no image reference"):
        Reference.parse(text)


def test_a_missing_path_is_not_taken_for_a_reference() -> None:
    for missing in ("./nothing-there", "image.tar", "parts.cdx.json"):
        with pytest.raises(NotFound):
            target_of(missing)


def test_a_root_file_system_in_place(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("Package: a\nStatus: install ok installed\nVersion: 1\n")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("ID=debian\nVERSION_ID=12\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")
    deep = tmp_path / ("app/" + "d" * 60 + "/" + "e" * 60) / "node_modules/x"
    deep.mkdir(parents=True)
    (deep / "package.json").write_text('{"name":"x","version":"3.0.0"}')
    (tmp_path / "proc/node_modules/y").mkdir(parents=True)
    (tmp_path / "proc/node_modules/y/package.json").write_text('{"name":"y","version":"1"}')
    (tmp_path / "escape").symlink_to("/")
    os.mkfifo(tmp_path / "var/lib/dpkg/status.d")
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/tool").write_bytes(b"\x7fELF" + bytes(100))
    (tmp_path / "opt/tool").chmod(0o4755)
    inventory = read_root(tmp_path, NullReporter())
    assert {package.name for package in inventory.package_set.packages} == {"a", "x"}
    assert inventory.distro is not None
    assert inventory.distro.key == "debian:12"
    assert [file.path for file in inventory.privileged] == ["opt/tool"]
    assert "unmanaged-executables" in {problem.code for problem in inventory.not_assessed}
    assert all(origin.layer_index == -1 for _, origin in inventory.placed())


def test_a_root_of_its_own_is_read_as_dpkg_prints_it() -> None:
    if not Path("/var/lib/dpkg/status").exists():
        pytest.skip("dpkg is needed to compare with")
    printed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version} ${source:Package} ${source:Version}\n"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    from pratique.inventory.readers import dpkg

    record = dpkg.parse_status("var/lib/dpkg/status", Path("/var/lib/dpkg/status").read_bytes())
    ours = sorted(f"{p.name} {p.version} {p.source_name} {p.source_version}" for p in record.packages)
    gone = ("not-installed ", "config-files ")
    theirs = sorted(line.partition(" ")[2] for line in printed.splitlines() if not line.startswith(gone))
    assert ours == theirs


class _Registry(BaseHTTPRequestHandler):
    """A registry with Docker token authentication over the blobs of a layout."""

    layout: Layout
    seen: list[str]
    needs_token = True

    def do_GET(self) -> None:
        self.seen.append(self.path)
        host = self.headers["Host"]
        if self.path.startswith("/token"):
            right = self.headers.get("Authorization", "") == "Basic dXNlcjpzZWNyZXQ="
            self._answer(200 if right else 401, json.dumps({"token": "t0ken"} if right else {}).encode())
        elif self.path.startswith("/elsewhere/"):
            assert "Authorization" not in self.headers
            self._blob(self.path.rpartition("/")[2])
        elif self.needs_token and self.headers.get("Authorization") != "Bearer t0ken":
            challenge = f'Bearer realm="http://{host}/token",service="test"'
            self._answer(401, b'{"errors":[]}', {"WWW-Authenticate": challenge})
        elif "/manifests/" in self.path:
            target = self.path.rpartition("/")[2]
            self._blob(str(self.layout.entries[0]["digest"]) if target == "1" else target)
        elif "/blobs/" in self.path:
            place = f"http://127.0.0.1:{self.server.server_port}/elsewhere/{self.path.rpartition('/')[2]}"
            self._answer(307, b"", {"Location": place})
        else:
            self._answer(404, b'{"errors":[{"code":"X","message":"no such thing"}]}')

    def _blob(self, digest: Any) -> None:
        path = self.layout.folder / "blobs" / digest.replace(":", "/")
        self._answer(200, path.read_bytes()) if path.is_file() else self._answer(404, b"{}")

    def _answer(self, code: str, body: Any, headers: Any = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def registry(layout: Any) -> Any:
    handler = type("Handler", (_Registry,), {"layout": layout, "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"localhost:{server.server_port}", handler
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def auth(tmp_path: Path) -> Any:
    def write(host: Any, user: Any = "user", password: Any = "secret") -> Any:
        import base64

        path = tmp_path / "auth.json"
        coded = base64.b64encode(f"{user}:{password}".encode()).decode()
        path.write_text(json.dumps({"auths": {host: {"auth": coded}}}))
        return path

    return write


def test_a_registry_with_token_and_redirects(tmp_path: Path, pool: Any, auth: Any) -> None:
    with registry(simple(tmp_path / "layout")) as (host, handler):
        access = Access(auth(host), None, insecure=True)
        assert names(f"{host}/team/app:1", pool, access=access) == [PACKAGES]
        assert (
            sum(
                path.startswith("/token?service=test&scope=repository%3Ateam%2Fapp%3Apull") or "/token" in path
                for path in handler.seen
            )
            == 1
        )


def test_a_refused_sign_in_says_what_to_do(tmp_path: Path, pool: Any, auth: Any) -> None:
    with registry(simple(tmp_path / "layout")) as (host, _), pytest.raises(Unauthenticated, match="podman login"):
        names(f"{host}/team/app:1", pool, access=Access(auth(host, password="wrong"), None, insecure=True))


def test_a_missing_image_is_said(tmp_path: Path, pool: Any, auth: Any) -> None:
    with registry(simple(tmp_path / "layout")) as (host, _), pytest.raises(NotFound, match="is not there"):
        names(f"{host}/team/app:absent", pool, access=Access(auth(host), None, insecure=True))


def test_a_dead_registry_is_said(pool: Any) -> None:
    with pytest.raises(PratiqueError, match="cannot be reached"):
        names("localhost:1/app:1", pool, access=Access(insecure=True))


def test_credentials_are_found_by_the_longest_key(tmp_path: Path) -> None:
    import base64

    def coded(text: Any) -> Any:
        return {"auth": base64.b64encode(text.encode()).decode()}

    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {
                "auths": {
                    "r.example": coded("a:1"),
                    "r.example/team": coded("b:2:3"),
                    "https://index.docker.io/v1/": coded("h:u"),
                }
            }
        )
    )
    files = auth_files(path)
    assert credentials_for("r.example", "team/app", files) == ("b", "2:3")
    assert credentials_for("r.example", "other", files) == ("a", "1")
    assert credentials_for("docker.io", "library/nginx", files) == ("h", "u")
    assert credentials_for("else.example", "x", files) is None
    with pytest.raises(Invalid):
        auth_files(tmp_path / "absent")
