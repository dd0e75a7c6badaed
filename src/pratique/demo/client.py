"""A small registry client: token, push, pull. What the demo sends is what any client sends.

Protocols: OCI distribution-spec 1.1, Docker token authentication.
"""

import re
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx2

from pratique.core.progress import Reporter
from pratique.demo.errors import StepFailed
from pratique.demo.layout import MANIFEST, Image

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class Account:
    """Who pushes and pulls."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pull came to."""

    status: int
    message: str
    digest: str


class RegistryClient:
    """Pushes and pulls images as one account."""

    def __init__(self, address: str, trust: ssl.SSLContext, account: Account) -> None:
        self._address = address.rstrip("/")
        self._account = account
        self._http = httpx2.Client(verify=trust, timeout=_TIMEOUT)
        self._tokens: dict[str, str] = {}

    def close(self) -> None:
        self._http.close()

    def push(self, image: Image, repository: str, tag: str, reporter: Reporter) -> int:
        """Push what is not there yet; returns how many layers were there already."""
        known = 0
        reporter.start(f"push {repository}:{tag}", image.size, "bytes")
        for layer in image.layers:
            known += not self._blob(repository, layer.digest, layer.data)
            reporter.advance(len(layer.data))
        self._blob(repository, image.config_digest, image.config)
        reporter.finish()
        answer = self._send(
            "PUT",
            repository,
            f"/v2/{repository}/manifests/{tag}",
            content=image.manifest,
            headers={"content-type": MANIFEST},
        )
        self._expect(answer, 201, f"push {repository}:{tag}")
        return known

    def pull(self, repository: str, reference: str) -> Answer:
        """Ask for a manifest and, when it is served, for its last layer."""
        answer = self._send("GET", repository, f"/v2/{repository}/manifests/{reference}", headers={"accept": MANIFEST})
        if answer.status_code != httpx2.codes.OK:
            return Answer(answer.status_code, _message(answer), "")
        digest = answer.json()["layers"][-1]["digest"]
        blob = self._send("GET", repository, f"/v2/{repository}/blobs/{digest}")
        self._expect(blob, 200, f"pull a layer of {repository}")
        return Answer(200, "", answer.headers["docker-content-digest"])

    def delete(self, repository: str, digest: str) -> bool:
        """Delete a manifest; False when it was not there."""
        answer = self._send("DELETE", repository, f"/v2/{repository}/manifests/{digest}")
        if answer.status_code != httpx2.codes.NOT_FOUND:
            self._expect(answer, 202, f"delete an image of {repository}")
        return answer.status_code != httpx2.codes.NOT_FOUND

    def _blob(self, repository: str, digest: str, data: bytes) -> bool:
        """Upload a blob; False when it was there."""
        if self._send("HEAD", repository, f"/v2/{repository}/blobs/{digest}").status_code == httpx2.codes.OK:
            return False
        begun = self._send("POST", repository, f"/v2/{repository}/blobs/uploads/")
        self._expect(begun, 202, f"begin an upload to {repository}")
        place = urljoin(f"{self._address}/", begun.headers["location"])
        joint = "&" if "?" in place else "?"
        done = self._send(
            "PUT",
            repository,
            f"{place}{joint}digest={digest}",
            content=data,
            headers={"content-type": "application/octet-stream"},
        )
        self._expect(done, 201, f"upload to {repository}")
        return True

    def _send(
        self, method: str, repository: str, path: str, content: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        url = path if path.startswith("http") else f"{self._address}{path}"
        sent = dict(headers or {})
        if repository in self._tokens:
            sent["authorization"] = f"Bearer {self._tokens[repository]}"
        answer = self._http.request(method, url, content=content, headers=sent)
        if answer.status_code == httpx2.codes.UNAUTHORIZED and repository not in self._tokens:
            self._tokens[repository] = self._token(answer, repository)
            return self._send(method, repository, path, content, headers)
        return answer

    def _token(self, answer: httpx2.Response, repository: str) -> str:
        challenge = dict(_CHALLENGE.findall(answer.headers.get("www-authenticate", "")))
        if "realm" not in challenge:
            raise StepFailed("the registry asks for no token", remedy="is this a Pratique server?")
        wanted = {"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull,push,delete"}
        given = self._http.get(challenge["realm"], params=wanted, auth=(self._account.name, self._account.secret))
        self._expect(given, 200, "sign in")
        body = given.json()
        return str(body.get("token") or body["access_token"])

    def _expect(self, answer: httpx2.Response, status: int, what: str) -> None:
        if answer.status_code != status:
            raise StepFailed(f"{what}: the registry answered {answer.status_code}: {_message(answer)}")


def _message(answer: httpx2.Response) -> str:
    try:
        errors = answer.json()["errors"]
        return " ".join(str(error.get("message", "")) for error in errors)
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
