"""Images as OCI layouts. Formats: OCI image-spec 1.1, "image layout", "manifest", "config"."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pratique.demo.layers import Layer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image: manifest, config and layers, ready to be pushed or written."""

    name: str
    title: str
    manifest: bytes
    config: bytes
    layers: tuple[Layer, ...]

    @property
    def digest(self) -> str:
        return _digest(self.manifest)

    @property
    def config_digest(self) -> str:
        return _digest(self.config)

    @property
    def size(self) -> int:
        return sum(len(layer.data) for layer in self.layers)


def architecture() -> str:
    """This machine's architecture as Debian and OCI both name it."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def make_image(name: str, title: str, layers: Sequence[Layer], seconds: int, settings: Mapping[str, Any]) -> Image:
    """Return the image of these layers; the same layers always give the same digest."""
    created = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = _json(
        {
            "created": created,
            "architecture": architecture(),
            "os": "linux",
            "config": dict(settings),
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": created, "created_by": layer.created_by} for layer in layers],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": _digest(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": item.digest, "size": len(item.data)} for item in layers],
            "annotations": {"org.opencontainers.image.title": title},
        }
    )
    return Image(name, title, manifest, config, tuple(layers))


def write_layout(folder: Path, images: Sequence[Image]) -> None:
    """Write images to one OCI layout, each under its name: `skopeo copy oci:FOLDER:NAME …` reads it."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for image in images:
        for body in (image.manifest, image.config, *(layer.data for layer in image.layers)):
            path = blobs / _digest(body).partition(":")[2]
            if not path.is_file() or path.stat().st_size != len(body):
                path.write_bytes(body)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')
    entries = [
        {
            "mediaType": MANIFEST,
            "digest": image.digest,
            "size": len(image.manifest),
            "annotations": {"org.opencontainers.image.ref.name": image.name},
        }
        for image in images
    ]
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}))


def read_layout(folder: Path) -> tuple[Image, ...]:
    """Return the images of a layout that `write_layout` wrote; raises OSError, ValueError, KeyError where it cannot."""
    index = json.loads((folder / "index.json").read_bytes())
    return tuple(_read_image(folder / "blobs" / "sha256", entry) for entry in index["manifests"])


def _read_image(blobs: Path, entry: Mapping[str, Any]) -> Image:
    def blob(digest: str) -> bytes:
        body = (blobs / digest.partition(":")[2]).read_bytes()
        if _digest(body) != digest:
            raise ValueError(f"{digest} is damaged")
        return body

    raw = blob(entry["digest"])
    manifest = json.loads(raw)
    raw_config = blob(manifest["config"]["digest"])
    config = json.loads(raw_config)
    layers = [
        Layer(item["digest"], diff_id, blob(item["digest"]), step["created_by"])
        for item, diff_id, step in zip(manifest["layers"], config["rootfs"]["diff_ids"], config["history"], strict=True)
    ]
    title = manifest["annotations"]["org.opencontainers.image.title"]
    return Image(entry["annotations"]["org.opencontainers.image.ref.name"], title, raw, raw_config, tuple(layers))


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
