"""A client of another registry (OCI distribution 1.1, Docker token authentication): reads, and believes nothing.

Every manifest and blob is checked against its digest by whoever takes it; tokens are kept per repository and for their
lifetime; credentials go to the registry and to the token service that it names, over TLS, through the outward client.
"""

import base64
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from pratique.core.database import Transaction
from pratique.core.digests import Digest
from pratique.core.errors import Invalid
from pratique.core.outward import Answer, Bounds, OutwardClient, OutwardRefused, OutwardUnavailable
from pratique.core.redaction import redact
from pratique.registry.errors import ManifestUnknown
from pratique.registry.parsing import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from pratique.registry.upstream.errors import UpstreamAway, UpstreamDenied, UpstreamInvalid

ACCEPT: Final = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"
SLOWEST: Final = 16 * 1024
"""Bytes per second below which a blob is given up."""
_CHALLENGE: Final = re.compile(r'([a-z_]+)="([^"]{0,2000})"', re.IGNORECASE)
_SMALL: Final = Bounds(size=64 * 1024, seconds=15.0)
_SOON: Final = 10.0
_LEAST: Final = 60.0
_LONGEST: Final = 3600.0
_BUSY: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Login:
    """What another registry knows us by."""

    user: str
    secret: str = field(repr=False)

    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest as another registry gives it; its digest is that of the bytes."""

    content: bytes = field(repr=False)
    media_type: str
    digest: str


class UpstreamRegistry:
    """One registry with one login. Thread-safe."""

    def __init__(self, client: OutwardClient, host: str, login: Login | None = None, *, manifest_limit: int) -> None:
        self.host = host
        self._client = client
        self._base = f"{client.rules.scheme_of(host)}://{host}"
        self._login = login
        self._bounds = Bounds(size=manifest_limit, seconds=30.0)
        self._lock = threading.Lock()
        self._proofs: dict[str, tuple[str, float]] = {}

    def manifest(self, repository: str, reference: str) -> Fetched:
        """Return what a tag or digest stands for; raises UpstreamInvalid for bytes of another digest."""
        with self._open("GET", repository, f"manifests/{reference}", self._bounds) as answer:
            content, media_type = answer.read(), _media_type(answer)
            claimed = answer.headers.get("docker-content-digest", "")
        wanted = reference if ":" in reference else claimed
        digest = self._digest_of(content, wanted or "sha256:")
        if wanted and digest != wanted:
            raise self._lies(f"gives {repository}:{reference} bytes whose digest is not {wanted[:100]}")
        return Fetched(content, media_type, digest)

    def head(self, repository: str, reference: str) -> str:
        """Return the digest that a tag stands for, or '' where the registry does not say it without the bytes."""
        with self._open("HEAD", repository, f"manifests/{reference}", self._bounds) as answer:
            digest = answer.headers.get("docker-content-digest", "")
        try:
            return str(Digest.parse(digest)) if digest else ""
        except Invalid as error:
            raise self._lies(f"answers {repository}:{reference} with what is no digest") from error

    @contextmanager
    def blob(self, repository: str, descriptor: Descriptor) -> Iterator[Answer]:
        """Give a blob, at most as long as its descriptor says; its digest is the caller's to check."""
        bounds = Bounds(size=descriptor.size, seconds=30.0, silence=30.0, slowest=SLOWEST)
        with self._open("GET", repository, f"blobs/{descriptor.digest}", bounds) as answer:
            yield answer

    def held(self, tx: Transaction, repository: str, digest: str) -> None:  # noqa: ARG002
        """Nothing: that another registry names a digest does not prove that it has it."""
        return

    def referrers(self, repository: str, digest: str) -> bytes | None:
        """Return the list of what speaks about a manifest; None where the registry does not know such lists."""
        try:
            with self._open("GET", repository, f"referrers/{digest}", self._bounds) as answer:
                return answer.read()
        except ManifestUnknown:
            return None

    @contextmanager
    def _open(self, method: str, repository: str, path: str, bounds: Bounds) -> Iterator[Answer]:
        url = f"{self._base}/v2/{quote(repository)}/{quote(path, safe='/:')}"
        challenge = ""
        for again in (False, True):
            with self._speaking(), self._ask(method, url, repository, bounds) as answer:
                if answer.status != 401 or again:
                    self._check(answer, repository, path)
                    yield answer
                    return
                challenge = answer.headers.get("www-authenticate", "")
            self._sign_in(repository, challenge)

    @contextmanager
    def _ask(self, method: str, url: str, repository: str, bounds: Bounds) -> Iterator[Answer]:
        with self._client.stream(
            url, method=method, headers={"accept": ACCEPT}, secrets=self._proof(repository), bounds=bounds
        ) as answer:
            yield answer

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """Name the registry in what the outward client says."""
        try:
            yield
        except OutwardRefused as error:
            raise UpstreamInvalid(f"{self.host}: {error.message}", remedy=error.remedy) from error
        except OutwardUnavailable as error:
            raise UpstreamAway(f"{self.host}: {error.message}", remedy=error.remedy) from error

    def _check(self, answer: Answer, repository: str, path: str) -> None:
        if answer.status == 200:
            return
        what = f"{repository}/{path.partition('/')[2]}"
        if answer.status == 404:
            raise ManifestUnknown(f"{self.host} has no {what}", remedy="check the name there")
        if answer.status in (401, 403):
            raise UpstreamDenied(
                f"{self.host} refuses {what} (status {answer.status})", remedy="check the credentials of the rule"
            )
        if answer.status >= 500 or answer.status in _BUSY:
            wait = _retry_after(answer.headers)
            raise UpstreamAway(f"{self.host} answers {answer.status} for {what}", retry_after=wait)
        raise self._lies(f"answers {answer.status} for {what}")

    def _proof(self, repository: str) -> Mapping[str, str]:
        with self._lock:
            proof, until = self._proofs.get(repository, ("", 0.0))
        return {"authorization": proof} if proof and time.monotonic() < until else {}

    def _sign_in(self, repository: str, challenge: str) -> None:
        """Get what answers a challenge (RFC 9110, 11; distribution, "Token Authentication Specification")."""
        scheme, _, rest = challenge.partition(" ")
        fields = {name.lower(): value for name, value in _CHALLENGE.findall(rest[:4000])}
        if scheme.lower() == "basic" and self._login is not None:
            self._keep(repository, self._login.basic(), _LONGEST)
            return
        if scheme.lower() != "bearer" or "realm" not in fields:
            raise UpstreamDenied(f"{self.host} wants a sign-in for {repository}", remedy="give the rule credentials")
        asked = {"scope": f"repository:{repository}:pull"}
        if fields.get("service"):
            asked["service"] = fields["service"]
        realm = fields["realm"]
        secrets = {"authorization": self._login.basic()} if self._login else {}
        with self._speaking():
            answer = self._client.fetch(
                f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}", secrets=secrets, bounds=_SMALL
            )
            found = answer.json() if answer.status == 200 else {}
        token = found.get("token") or found.get("access_token") if isinstance(found, dict) else None
        if answer.status in _BUSY:
            raise UpstreamAway(f"{self.host} gives no token now", retry_after=_retry_after(answer.headers))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise UpstreamDenied(
                f"{self.host} gives no token for {repository} (status {answer.status})",
                remedy="check the credentials of the rule",
            )
        life = found.get("expires_in")
        self._keep(repository, f"Bearer {token}", float(life) if isinstance(life, int) else _LEAST)

    def _keep(self, repository: str, proof: str, life: float) -> None:
        until = time.monotonic() + min(max(life, _LEAST), _LONGEST) - _SOON
        with self._lock:
            if len(self._proofs) > 1000:
                self._proofs.clear()
            self._proofs[repository] = proof, until

    def _digest_of(self, content: bytes, like: str) -> str:
        try:
            return str(Digest.of(content, "sha512" if like.startswith("sha512:") else "sha256"))
        except Invalid as error:
            raise self._lies("names an unknown digest") from error

    def _lies(self, what: str) -> UpstreamInvalid:
        return UpstreamInvalid(redact(f"{self.host} {what}", limit=300), remedy="Nothing of it was stored.")


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return min(float(text), _LONGEST) if text.isdigit() and len(text) < 9 else 0.0
