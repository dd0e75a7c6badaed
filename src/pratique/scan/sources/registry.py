"""Images straight from a registry over HTTPS (OCI distribution-spec v1.1), with Docker token authentication.

Reads only: manifests and blobs, each checked by digest. Credentials go to the registry and to the token service that it
names, over TLS, and to nobody else; a blob's redirect is followed without them.
"""

import base64
import contextlib
import io
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Self, cast

import httpx2

from pratique.core.errors import Denied, NotFound, Unauthenticated, Unavailable
from pratique.inventory.errors import UnreadableImage
from pratique.scan.sources.credentials import credentials_for
from pratique.scan.sources.documents import as_text, parse
from pratique.scan.sources.images import DOCUMENT_BYTES, Descriptor
from pratique.scan.sources.reference import Reference

_ACCEPT: Final = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json"
)
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
_TIMEOUT: Final = httpx2.Timeout(30.0, read=120.0)
_PIECE: Final = 1 << 20
_ATTEMPTS: Final = 3


class RegistryBlobs:
    """The blobs of one repository. Close it, or use it as a context."""

    def __init__(
        self, reference: Reference, auth_files: list[Path], *, insecure: bool = False, ca: Path | None = None
    ) -> None:
        self.reference = reference
        self._scheme = "http" if insecure else "https"
        verify = ssl.create_default_context(cafile=str(ca) if ca else None)
        self._client = httpx2.Client(verify=verify, timeout=_TIMEOUT, follow_redirects=False, trust_env=True)
        self._auth_files = auth_files
        self._authorization = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def root(self) -> Descriptor:
        """The manifest or index that the reference names."""
        return Descriptor(self.reference.digest, "manifest")

    def document(self, descriptor: Descriptor) -> bytes:
        manifest = "manifest" in descriptor.media_type or "index" in descriptor.media_type
        kind, accept = ("manifests", _ACCEPT) if manifest else ("blobs", "*/*")
        with self._get(f"{kind}/{descriptor.digest or self.reference.target}", accept) as response:
            return _bounded(response)

    def referrers(self, digest: str) -> bytes:
        """The index of what refers to a digest (OCI distribution-spec v1.1, end-12). Raises `NotFound`."""
        with self._get(f"referrers/{digest}", "application/vnd.oci.image.index.v1+json") as response:
            return _bounded(response)

    @contextmanager
    def layer(self, descriptor: Descriptor) -> Iterator[BinaryIO]:
        with self._get(f"blobs/{descriptor.digest}", "*/*") as response:
            raw = _ResponseStream(response)
            yield cast("BinaryIO", io.BufferedReader(raw, _PIECE))

    @contextmanager
    def _get(self, path: str, accept: str) -> Iterator[httpx2.Response]:
        """A successful answer; signs in once, follows redirects without credentials, tries a lost connection again."""
        url = httpx2.URL(f"{self._scheme}://{self.reference.host}/v2/{self.reference.name}/{path}")
        response = self._send(url, accept, self._authorization)
        if response.status_code == httpx2.codes.UNAUTHORIZED:
            response.close()
            self._authorization = self._sign_in(response.headers.get("www-authenticate", ""))
            response = self._send(url, accept, self._authorization)
        for _ in range(5):
            if not response.is_redirect:
                break
            response.close()
            target = url.join(response.headers["location"])
            same = target.host == url.host and target.scheme == url.scheme
            response = self._send(self._safe(target), accept, self._authorization if same else "")
        try:
            self._check(response)
            yield response
        finally:
            response.close()

    def _send(self, url: httpx2.URL, accept: str, authorization: str) -> httpx2.Response:
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "pratique"}
        if authorization:
            headers["Authorization"] = authorization
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)
            except httpx2.TransportError as error:
                if attempt == _ATTEMPTS or isinstance(error.__cause__, ssl.SSLCertVerificationError):
                    raise _unreachable(self.reference.registry, error) from None
        raise AssertionError("unreachable")

    def _safe(self, url: httpx2.URL) -> httpx2.URL:
        if url.scheme not in (self._scheme, "https"):
            raise Unavailable(f"{self.reference.registry} leads to an address without TLS ({url.host}).")
        return url

    def _sign_in(self, challenge: str) -> str:
        """The Authorization header that answers a challenge (RFC 9110 §11; Docker token authentication)."""
        held = credentials_for(self.reference.registry, self.reference.name, self._auth_files)
        scheme, _, rest = challenge.partition(" ")
        basic = "Basic " + base64.b64encode(":".join(held).encode()).decode() if held else ""
        if scheme.lower() == "basic" and basic:
            return basic
        fields = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in fields:
            raise self._not_signed_in()
        query = {"scope": f"repository:{self.reference.name}:pull"}
        if "service" in fields:
            query["service"] = fields["service"]
        response = self._send(
            self._safe(httpx2.URL(fields["realm"]).copy_merge_params(query)), "application/json", basic
        )
        with contextlib.closing(response):
            if response.status_code != httpx2.codes.OK:
                raise self._not_signed_in()
            answer = parse(_bounded(response), "the token answer")
        return "Bearer " + (as_text(answer.get("token")) or as_text(answer.get("access_token")))

    def _not_signed_in(self) -> Unauthenticated:
        return Unauthenticated(
            f"{self.reference.registry} wants a sign-in for {self.reference.name}.",
            remedy=f"Run `podman login {self.reference.registry}` (or docker, skopeo), or pass --auth-file.",
        )

    def _check(self, response: httpx2.Response) -> None:
        code = response.status_code
        if code == httpx2.codes.OK:
            return
        if code == httpx2.codes.UNAUTHORIZED:
            raise self._not_signed_in()
        said = _said(response)
        if code == httpx2.codes.FORBIDDEN:
            raise Denied(f"{self.reference.registry} refuses {self.reference.name}: {said or 'no reason given'}.")
        if code == httpx2.codes.NOT_FOUND:
            raise NotFound(f"{self.reference} is not there{f': {said}' if said else ''}.")
        raise Unavailable(f"{self.reference.registry} answered {code}{f': {said}' if said else ''}.")


def _unreachable(registry: str, error: Exception) -> Unavailable:
    certificate = "certificate" in str(error).lower()
    remedy = "Pass --ca FILE with its authority's certificate." if certificate else "Check the name and the network."
    return Unavailable(f"{registry} cannot be reached: {error}.", remedy=remedy)


def _bounded(response: httpx2.Response) -> bytes:
    data = bytearray()
    for piece in response.iter_raw(_PIECE):
        data += piece
        if len(data) > DOCUMENT_BYTES:
            raise UnreadableImage(f"the registry's answer is larger than {DOCUMENT_BYTES} bytes.")
    return bytes(data)


def _said(response: httpx2.Response) -> str:
    """The first message of an error answer, cut and without control characters."""
    try:
        errors = parse(_bounded(response), "the error answer").get("errors")
        message = str(errors[0]["message"]) if isinstance(errors, list) else ""
    except (UnreadableImage, LookupError, TypeError, httpx2.HTTPError):
        return ""
    return "".join(character for character in message[:300] if character.isprintable())


class _ResponseStream(io.RawIOBase):
    """A response's body as a stream."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        self._pieces = response.iter_raw(_PIECE)
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        if not self._held:
            try:
                self._held = next(self._pieces, b"")
            except httpx2.TransportError as error:
                raise OSError(f"the registry broke off: {error}") from None
        piece = self._held[: len(buffer)]
        buffer[: len(piece)] = piece
        self._held = self._held[len(piece) :]
        return len(piece)
