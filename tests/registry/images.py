"""Small artifacts for tests: real layers and manifests, made in memory."""

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

from pratique.core.digests import Digest
from pratique.registry.parsing import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
STATEMENT = "application/vnd.in-toto+json"


@dataclass
class Artifact:
    """A manifest with the blobs that it names."""

    manifest: bytes
    media_type: str
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return str(Digest.of(self.manifest))


def layer(content: bytes, name: str = "etc/motd") -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def descriptor(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content), **more}


def image(*contents: bytes, config: bytes | None = None, **more: Any) -> Artifact:
    layers = [layer(content) for content in contents or (b"hello\n",)]
    diff_ids = [str(Digest.of(gzip.decompress(each))) for each in layers]
    config = (
        config
        or json.dumps(
            {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        ).encode()
    )
    return artifact(config, CONFIG, [(each, LAYER) for each in layers], **more)


def artifact(config: bytes, config_type: str, layers: list[tuple[bytes, str]], **more: Any) -> Artifact:
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, config_type),
        "layers": [descriptor(content, media_type) for content, media_type in layers],
        **more,
    }
    blobs = {str(Digest.of(content)): content for content in (config, *(content for content, _ in layers))}
    return Artifact(json.dumps(body).encode(), OCI_MANIFEST, blobs)


def statement(about: str = "", *, subject: Artifact | None = None) -> Artifact:
    """An attestation as buildkit pushes it: an image's config, one in-toto layer."""
    config = json.dumps({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": []}})
    more = {"subject": descriptor(subject.manifest, subject.media_type)} if subject else {}
    content = json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "about": about}).encode()
    return artifact(config.encode(), CONFIG, [(content, STATEMENT)], **more)


def signature(subject: Artifact, artifact_type: str = "application/vnd.example.signature.v1") -> Artifact:
    """A referrer with the empty config of OCI 1.1."""
    return artifact(
        b"{}",
        "application/vnd.oci.empty.v1+json",
        [(b"signed " + subject.digest.encode(), "application/vnd.example.signature")],
        artifactType=artifact_type,
        subject=descriptor(subject.manifest, subject.media_type),
    )


def index(*members: Artifact, annotations: dict[str, dict[str, str]] | None = None, **more: Any) -> Artifact:
    entries = []
    for member in members:
        notes = (annotations or {}).get(member.digest)
        unknown = {"architecture": "unknown", "os": "unknown"} if notes else {"architecture": "amd64", "os": "linux"}
        entry = descriptor(member.manifest, member.media_type, platform=unknown)
        entries.append(entry | ({"annotations": notes} if notes else {}))
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries, **more}
    return Artifact(json.dumps(body).encode(), OCI_INDEX)
