"""Requests to servers that people or other servers name, safe by construction.

- https only; the number that is connected to was checked for this very connection (`addresses`), so neither a name
  that changes its mind nor a redirect nor a number in disguise leads inside.
- At most five redirects, of GET and HEAD alone, each checked like the first; whatever is secret goes to the origin it
  was given for and nowhere else.
- Every answer has limits of bytes, seconds and least speed; nothing is decompressed; no cookie is kept, no environment
  variable is read, no proxy is asked.
"""

import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpcore2
import httpx2
import msgspec

from pratique import __version__
from pratique.core.outward.addresses import OutwardRules, Resolver, origin, system_resolver
from pratique.core.outward.errors import OutwardRefused, OutwardUnavailable
from pratique.core.outward.network import CheckedBackend, Deadline

_REDIRECTS: Final = 5
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_GRACE: Final = 20.0
"""Seconds before the least speed counts."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one exchange may cost us."""

    size: int = 4 << 20
    """Most bytes of the answer's body."""
    seconds: float = 30.0
    """Most seconds until the answer's head, and for the whole of it where `slowest` is 0."""
    connect: float = 10.0
    silence: float = 20.0
    """Most seconds between two pieces of the body."""
    slowest: int = 0
    """For long transfers: least bytes per second on average, in place of a limit of time for the body."""


DOCUMENT: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole small answer."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of repeated ones the values joined by commas."""
    body: bytes
    url: str

    def json(self) -> Any:
        """Return the body as JSON; raises OutwardUnavailable for anything else."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise OutwardUnavailable("The answer is not JSON.", remedy="Check the address.") from error


@dataclass(slots=True)
class Answer:
    """An answer whose body is still on its way; to be read inside `OutwardClient.stream`."""

    status: int
    headers: Mapping[str, str]
    url: str
    bounds: Bounds
    _body: Iterator[bytes] = field(repr=False)
    _begun: float = field(default_factory=time.monotonic)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes; raises OutwardRefused past the size, OutwardUnavailable when it is too slow."""
        size = 0
        try:
            for piece in self._body:
                size += len(piece)
                self._check(size)
                yield piece
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
            raise OutwardUnavailable(f"The answer broke off: {_said(error)}.", remedy="Try again later.") from error

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.pieces())

    def _check(self, size: int) -> None:
        if size > self.bounds.size:
            raise OutwardRefused(f"The answer is larger than {self.bounds.size} bytes.", remedy="It was not used.")
        passed = time.monotonic() - self._begun
        slow = passed > _GRACE and size < (passed - _GRACE) * self.bounds.slowest
        if slow or (not self.bounds.slowest and passed > self.bounds.seconds):
            raise OutwardUnavailable("The answer comes too slowly.", remedy="Try again later.")


class OutwardClient:
    """Asks other servers under the rules above. Thread-safe; close it, or use it as a context.

    `keep` is how many idle connections are kept: 0 makes every request resolve and check anew.
    """

    def __init__(
        self,
        rules: OutwardRules = OutwardRules(),  # noqa: B008  frozen, and empty is the strictest
        *,
        ca: Path | None = None,
        resolver: Resolver = system_resolver,
        keep: int = 4,
        connections: int = 32,
    ) -> None:
        self.rules = rules
        self._deadline = Deadline()
        context = ssl.create_default_context()
        if ca is not None:
            context.load_verify_locations(cafile=ca)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=keep,
            keepalive_expiry=30.0,
            network_backend=CheckedBackend(rules, resolver, self._deadline),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] = b"",
        bounds: Bounds = DOCUMENT,
    ) -> Document:
        """Return a whole answer of any status; see `stream`."""
        with self.stream(
            url, method=method, headers=headers, secrets=secrets, content=content, bounds=bounds
        ) as answer:
            return Document(answer.status, answer.headers, answer.read(), answer.url)

    @contextmanager
    def stream(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        content: bytes | Iterable[bytes] = b"",
        bounds: Bounds = DOCUMENT,
    ) -> Iterator[Answer]:
        """Give the answer, of any status, whose body is still to be read.

        `secrets` are headers that go to the origin of `url` alone, never along a redirect to another. GET and HEAD
        follow redirects. Raises OutwardRefused or OutwardUnavailable; neither repeats anything that was sent.
        """
        target = self.rules.check_url(url)
        plain = _checked_headers(headers or {})
        first = origin(target)
        for _ in range(_REDIRECTS + 1):
            sent = {**plain, **(secrets or {})} if origin(target) == first else plain
            with self._exchange(method, target, sent, content, bounds) as answer:
                if answer.status not in _MOVED or method not in ("GET", "HEAD"):
                    yield answer
                    return
                target = self._next(target, answer.headers.get("location", ""))
        raise OutwardRefused(f"{target.host} redirects more than {_REDIRECTS} times.", remedy="Check the address.")

    def _next(self, here: httpx2.URL, location: str) -> httpx2.URL:
        try:
            there = here.join(location)
        except (httpx2.InvalidURL, ValueError) as error:
            raise OutwardRefused(f"{here.host} redirects to what is no address.") from error
        return self.rules.check_url(str(there))

    @contextmanager
    def _exchange(
        self,
        method: str,
        target: httpx2.URL,
        headers: Mapping[str, str],
        content: bytes | Iterable[bytes],
        bounds: Bounds,
    ) -> Iterator[Answer]:
        self._deadline.at = time.monotonic() + bounds.seconds
        request = httpcore2.Request(
            method,
            httpcore2.URL(
                scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path or b"/"
            ),
            headers=_lines(target, headers, method, content),
            content=content,
            extensions={
                "timeout": {
                    "connect": bounds.connect,
                    "read": bounds.silence,
                    "write": bounds.silence,
                    "pool": bounds.connect,
                }
            },
        )
        try:
            response = self._send(request, target.host)
        finally:
            self._deadline.at = float("inf")
        try:
            yield self._answer(response, method, target, bounds)
        finally:
            response.close()

    def _send(self, request: httpcore2.Request, host: str) -> httpcore2.Response:
        try:
            return self._pool.handle_request(request)
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.TimeoutException,
            httpcore2.UnsupportedProtocol,
            ssl.SSLError,
        ) as error:
            raise OutwardUnavailable(
                f"{host} cannot be reached: {_said(error)}.", remedy="Check its name, its certificate and the network."
            ) from error

    def _answer(self, response: httpcore2.Response, method: str, target: httpx2.URL, bounds: Bounds) -> Answer:
        headers: dict[str, str] = {}
        for name, value in response.headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            raise OutwardRefused(f"{target.host} answers in a coding that nobody asked for.", remedy="It was not used.")
        length = "" if method == "HEAD" else headers.get("content-length", "")
        if length.isdigit() and int(length) > bounds.size and response.status not in _MOVED:
            raise OutwardRefused(
                f"{target.host} announces {length[:20]} bytes; {bounds.size} are taken here.", remedy="It was not used."
            )
        return Answer(response.status, headers, str(target), bounds, response.iter_stream())


def _lines(
    target: httpx2.URL, headers: Mapping[str, str], method: str, content: bytes | Iterable[bytes]
) -> list[tuple[bytes, bytes]]:
    given = {
        "accept": "*/*", "accept-encoding": "identity", "user-agent": f"pratique/{__version__}",
        **{name.lower(): value for name, value in headers.items()}, "host": target.netloc.decode("ascii"),
    }  # fmt: skip
    if isinstance(content, bytes):
        if content or method not in ("GET", "HEAD", "DELETE"):
            given["content-length"] = str(len(content))
    elif "content-length" not in given:
        given["transfer-encoding"] = "chunked"
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in given.items()]


def _checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    for name in headers:
        if name.lower() in _CREDENTIALS:
            raise ValueError(f"{name} is given as a secret, so that no redirect carries it elsewhere")
    return headers


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
