"""Writes test artifacts as OCI layouts, for clients that copy from disk."""

import json
from pathlib import Path

from tests.registry.images import Artifact

from pratique.core.digests import Digest


def write_layout(folder: Path, top: Artifact, *others: Artifact) -> Path:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for artifact in (top, *others):
        (blobs / artifact.digest.partition(":")[2]).write_bytes(artifact.manifest)
        for digest, content in artifact.blobs.items():
            assert str(Digest.of(content)) == digest
            (blobs / digest.partition(":")[2]).write_bytes(content)
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    entry = {"mediaType": top.media_type, "digest": top.digest, "size": len(top.manifest)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return folder
