"""A registry client that can stop in the middle of everything it does, and go on as real ones do."""

import base64
import gzip
import http.client
import json
import sqlite3
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from pratique.core.digests import Digest
from tests.corpus.layers.archive import END, file
from tests.corpus.layers.build import GOOD
from tests.e2e.conftest import Installation
from tests.registry.images import LAYER, Artifact, artifact

CONFIG = "application/vnd.oci.image.config.v1+json"
PATIENCE = 90.0
_LOST = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Heard:
    """One answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> str:
        return " ".join(str(error["message"]) for error in json.loads(self.body)["errors"])


@dataclass
class Wire:
    """One account at one server; every request has a connection of its own unless `keep` is set."""

    installation: Installation
    account: str
    keep: bool = False
    busy: int = 0
    """How often the server asked to come back later."""
    _tokens: dict[str, str] = field(default_factory=dict)
    _kept: http.client.HTTPSConnection | None = None

    def __post_init__(self) -> None:
        self._trust = ssl.create_default_context(cafile=str(self.installation.state / "tls" / "ca.pem"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.installation.port, timeout=60, context=self._trust)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Heard:
        """One request as it is, without a second try."""
        connection = self._kept or self.connect()
        try:
            connection.request(method, path, body, self.headers(path) | headers)
            answer = connection.getresponse()
            heard = Heard(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        except _LOST:
            self._leave()
            connection.close()
            raise
        if self.keep:
            self._kept = connection
        else:
            connection.close()
        return heard

    def insist(self, method: str, path: str, body: bytes = b"", **headers: str) -> Heard:
        """Ask again while the server is away or asks for it, as long as a patient client would."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                heard = self.request(method, path, body, **headers)
            except _LOST:
                wait = 0.2
            else:
                if heard.status not in {429, 502, 503}:
                    return heard
                self.busy += 1
                wait = float(heard.headers["retry-after"])
            assert time.monotonic() < end, f"{method} {path}: no answer in {PATIENCE:.0f} s"
            time.sleep(wait)

    def cut(self, method: str, path: str, body: bytes, sent: int, **headers: str) -> None:
        """Promise the whole body, send a part of it, and go away."""
        connection = self.connect()
        connection.putrequest(method, path)
        for name, value in (self.headers(path) | headers | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(body[:sent])
        time.sleep(0.2)
        connection.close()

    def begin(self, repository: str) -> str:
        heard = self.insist("POST", f"/v2/{repository}/blobs/uploads/")
        assert heard.status == 202, heard
        return heard.headers["location"]

    def push_blob(self, repository: str, content: bytes) -> None:
        """Upload a blob that is not there yet; begins anew until it is."""
        digest = str(Digest.of(content))
        heard = None
        for _ in range(20):
            if self.insist("HEAD", f"/v2/{repository}/blobs/{digest}").status == 200:
                return
            heard = self.insist("PUT", f"{self.begin(repository)}?{urlencode({'digest': digest})}", content)
            if heard.status == 201:
                return
            assert heard.status == 404, heard
        raise AssertionError(heard)

    def push(self, repository: str, image: Artifact, tag: str) -> None:
        for content in image.blobs.values():
            self.push_blob(repository, content)
        heard = self.put_manifest(repository, image, tag)
        assert heard.status == 201, heard

    def put_manifest(self, repository: str, image: Artifact, tag: str) -> Heard:
        kind = {"Content-Type": image.media_type}
        return self.insist("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, **kind)

    def headers(self, path: str) -> dict[str, str]:
        """What proves to the server who asks for this path."""
        repository = path.removeprefix("/v2/").partition("/blobs/")[0].partition("/manifests/")[0]
        if repository not in self._tokens:
            self._tokens[repository] = self._token(repository)
        return {"Authorization": f"Bearer {self._tokens[repository]}"}

    def _token(self, repository: str) -> str:
        basic = base64.b64encode(self.account.encode()).decode()
        query = urlencode({"service": self.installation.host, "scope": f"repository:{repository}:pull,push"})
        connection = self.connect()
        try:
            challenge = self._realm(connection)
            connection.request("GET", f"{challenge}?{query}", headers={"Authorization": f"Basic {basic}"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"no token: {answer.status} {body!r}")
            return str(json.loads(body)["token"])
        finally:
            connection.close()

    def _realm(self, connection: http.client.HTTPSConnection) -> str:
        connection.request("GET", "/v2/")
        answer = connection.getresponse()
        answer.read()
        header = answer.headers["www-authenticate"]
        return "/" + header.partition('realm="')[2].partition('"')[0].split("/", 3)[3]

    def _leave(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def packed(*layers: bytes, media_type: str = LAYER) -> Artifact:
    """An image of layers as they are, be they what they may."""
    diff_ids = [str(Digest.of(b"unknown"))] * len(layers)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    return artifact(json.dumps(config).encode(), CONFIG, [(each, media_type) for each in layers])


def image_of(content: bytes) -> Artifact:
    """An image with one package, which nothing is known against, and one file."""
    plain = GOOD + file(b"etc/motd", content) + END
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(plain))]}}
    return artifact(json.dumps(config).encode(), CONFIG, [(gzip.compress(plain, 1, mtime=0), LAYER)])


def segments(state: Path) -> tuple[set[str], set[str]]:
    """Segments on the disk, and those that rows name."""
    files = {path.name for path in (state / "blobs" / "segments").glob("*/*/*")}
    database = sqlite3.connect(f"file:{state}/pratique.db?mode=ro", uri=True)
    try:
        rows: list[Any] = database.execute(
            "select segments from blobs union all select segments from uploads"
        ).fetchall()
    finally:
        database.close()
    return files, {entry[0] for (text,) in rows for entry in json.loads(text)}


def children_of(pid: int, word: str) -> list[int]:
    """Processes that `pid` started and that have `word` in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and word in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def peak(pid: int) -> int:
    """The most memory that a process has held, in MB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)
