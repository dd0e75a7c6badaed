"""A plain HTTP client that speaks the distribution protocol for tests."""

from typing import Any, Self

import httpx2
from tests.registry.images import Artifact

from pratique.core.digests import Digest


class Client:
    """One caller of one registry."""

    def __init__(self, url: str, name: str = "", *, verify: Any = True, http2: bool = False) -> None:
        headers = {"authorization": f"Bearer {name}"} if name else {}
        self.http = httpx2.Client(base_url=url, headers=headers, verify=verify, timeout=30, http2=http2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def push_blob(self, name: str, content: bytes, digest: str | None = None) -> httpx2.Response:
        begun = self.http.post(f"/v2/{name}/blobs/uploads/")
        if begun.status_code != 202:
            return begun
        return self.http.put(
            begun.headers["location"], params={"digest": digest or str(Digest.of(content))}, content=content
        )

    def put_manifest(self, name: str, artifact: Artifact, reference: str | None = None) -> httpx2.Response:
        path = f"/v2/{name}/manifests/{reference or artifact.digest}"
        return self.http.put(path, content=artifact.manifest, headers={"content-type": artifact.media_type})

    def push(self, name: str, artifact: Artifact, reference: str | None = None) -> httpx2.Response:
        for content in artifact.blobs.values():
            assert self.push_blob(name, content).status_code == 201
        answer = self.put_manifest(name, artifact, reference)
        assert answer.status_code == 201, answer.text
        return answer

    def manifest(self, name: str, reference: str) -> httpx2.Response:
        return self.http.get(f"/v2/{name}/manifests/{reference}")

    def blob(self, name: str, digest: str, **headers: str) -> httpx2.Response:
        return self.http.get(f"/v2/{name}/blobs/{digest}", headers=headers)


def error_of(answer: httpx2.Response) -> tuple[int, str, str]:
    entry = answer.json()["errors"][0]
    return answer.status_code, entry["code"], entry["message"]
