"""A small Debian archive made by Debian's own tools, served on the loopback address."""

import hashlib
import http.server
import lzma
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pratique.demo.sources import Archive, Archives


@dataclass
class Mirror:
    """A folder of archives and the address that serves it."""

    folder: Path
    address: str
    asked: list[str] = field(default_factory=list)

    def publish(self, archive: str, suite: str, packages: dict[str, tuple[str, str]]) -> None:
        """Publish packages: name -> (version, further control fields)."""
        root = self.folder / archive
        index = "\n".join(self._package(root, name, *what) for name, what in sorted(packages.items()))
        packed = lzma.compress(index.encode())
        digest = hashlib.sha256(packed).hexdigest()
        base = root / "dists" / suite
        place = base / "main" / "binary-amd64" / "by-hash" / "SHA256" / digest
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(packed)
        (base / "InRelease").write_text(
            f"Suite: {suite}\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nSHA256:\n"
            f" {digest} {len(packed)} main/binary-amd64/Packages.xz\n"
        )

    def _package(self, root: Path, name: str, version: str, fields: str) -> str:
        built = self.folder / "build" / f"{name}-{version}"
        (built / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (built / "usr" / "share" / name).mkdir(parents=True, exist_ok=True)
        (built / "lib").mkdir(exist_ok=True)
        (built / "lib" / f"{name}.so").write_text(f"{name} {version}")
        (built / "usr" / "share" / name / "text").write_text(f"{name} {version}")
        control = (
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: A <a@debian.org>\n{fields}"
            f"Description: test\n"
        )
        (built / "DEBIAN" / "control").write_text(control)
        pool = root / "pool" / f"{name}_{version}.deb"
        pool.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", built, pool], check=True, capture_output=True)
        body = pool.read_bytes()
        digest = hashlib.sha256(body).hexdigest()
        return f"{control}Filename: pool/{pool.name}\nSize: {len(body)}\nSHA256: {digest}\n"

    def archives(self, keyring: Path | None = None) -> Archives:
        main = Archive(f"{self.address}/debian", "bookworm", keyring)
        return Archives(main, Archive(f"{self.address}/debian-security", "bookworm-security", keyring))


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg is not installed")
    folder = tmp_path / "mirror"
    folder.mkdir()
    made = Mirror(folder, "")

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            made.asked.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
