"""Small images written by hand in every form that `pratique scan` takes."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from tests.corpus.layers.archive import END, file, gzipped

STATUS = (
    "Package: liblog4j\nStatus: install ok installed\nVersion: 1.0-1\nArchitecture: all\n\n"
    "Package: base\nStatus: install ok installed\nVersion: 12\nArchitecture: all\n\n"
)


def layers(version: str = "12") -> list[bytes]:
    release = file(b"etc/os-release", f'ID=debian\nVERSION_ID="{version}"\n'.encode())
    return [
        gzipped(release + file(b"var/lib/dpkg/status", STATUS.encode()) + END),
        gzipped(file(b"app/node_modules/minimist/package.json", b'{"name":"minimist","version":"1.2.0"}') + END),
    ]


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def diff_id(layer: bytes) -> str:
    import gzip

    return sha256(gzip.decompress(layer))


def config(parts: list[bytes], architecture: str = "amd64") -> bytes:
    return json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            "config": {"User": "app"},
            "rootfs": {"type": "layers", "diff_ids": [diff_id(part) for part in parts]},
        }
    ).encode()


class Layout:
    """An OCI layout folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.entries: list[dict[str, object]] = []

    def blob(self, data: bytes, media_type: str, **more: object) -> dict[str, object]:
        digest = sha256(data)
        (self.folder / "blobs" / digest.replace(":", "/")).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def manifest(self, parts: list[bytes], architecture: str = "amd64") -> dict[str, object]:
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.blob(config(parts, architecture), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.blob(part, "application/vnd.oci.image.layer.v1.tar+gzip") for part in parts],
        }
        platform = {"os": "linux", "architecture": architecture}
        return self.blob(json.dumps(document).encode(), str(document["mediaType"]), platform=platform)

    def index(self, members: list[dict[str, object]]) -> dict[str, object]:
        document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": members}
        return self.blob(json.dumps(document).encode(), str(document["mediaType"]))

    def add(self, descriptor: dict[str, object], name: str) -> None:
        self.entries.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": name}})
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self.entries}))

    def packed(self, path: Path) -> Path:
        with tarfile.open(path, "w") as archive:
            archive.add(self.folder, arcname=".")
        return path


def simple(folder: Path) -> Layout:
    layout = Layout(folder)
    layout.add(layout.manifest(layers()), "app:1")
    return layout


def docker_archive(path: Path, tag: str = "app:1") -> Path:
    """As `docker save` wrote it before it wrote layouts: plain layer tars, named by folder."""
    import gzip

    parts = layers()
    text = config(parts)
    files = {f"{number}/layer.tar": gzip.decompress(part) for number, part in enumerate(parts)}
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": list(files)}]
    files |= {"config.json": text, "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
