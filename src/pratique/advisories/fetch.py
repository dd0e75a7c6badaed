"""The one HTTP client set-up of the feeds: conditional, resumable, bounded requests, through a mirror if one is set.

A download goes to a partial file with a note of its validators beside it. An interrupted one is resumed with Range and
If-Range only where the answer is provably the same bytes: a strong ETag, the same content coding, the right offset.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import urlsplit

import httpx2
import msgspec

from pratique import __version__
from pratique.advisories.errors import Cancelled, FeedRefused, FeedUnavailable
from pratique.advisories.unpack import inflate

CHUNK = 1 << 18
_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one download; a source that passes one of them is refused, the old data stays."""

    max_bytes: int = 1 << 30
    unpacked_bytes: int = 2 << 30
    connect_seconds: float = 20.0
    read_seconds: float = 60.0
    total_seconds: float = 3600.0
    attempts: int = 4
    longest_pause: float = 30.0


DEFAULT_LIMITS = FetchLimits()


@dataclass(frozen=True, slots=True)
class Validators:
    """What the source said about the bytes that we have; empty where it said nothing."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Download:
    """A complete answer: content (transfer coding removed) in a file of its own."""

    path: Path
    validators: Validators
    sha256: str
    size: int
    transferred: int


class _Partial(msgspec.Struct, kw_only=True):
    """What lies in a partial file."""

    url: str
    etag: str = ""
    last_modified: str = ""
    coding: str = ""


Progress = Callable[[int, int | None], None]
"""Called with the bytes that came in and the expected total of this request, where the source tells it."""


def no_progress(_amount: int, _total: int | None) -> None:
    """Say nothing."""


def never() -> bool:
    return False


class FeedClient:
    """Fetches `https://HOST/PATH`, or `MIRROR/HOST/PATH` when a mirror is set; asks only when told to."""

    def __init__(
        self, *, mirror: str = "", limits: FetchLimits = DEFAULT_LIMITS, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.mirror = mirror.rstrip("/")
        self.limits = limits
        self._sleep = sleep
        self._client: httpx2.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def address(self, url: str) -> str:
        """Where `url` is really asked for."""
        if not self.mirror:
            return url
        parts = urlsplit(url)
        return f"{self.mirror}/{parts.netloc}{parts.path}{'?' + parts.query if parts.query else ''}"

    def fetch(
        self,
        url: str,
        directory: Path,
        *,
        known: Validators = Validators(),
        direct: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
    ) -> Download | None:
        """The content of `url`, or None when the source says that what we know is still true; `direct` asks no mirror.

        Raises `FeedUnavailable` after the last attempt, `FeedRefused` past a limit, `Cancelled` when asked to stop;
        what came in until then is resumed next time.
        """
        directory.mkdir(parents=True, exist_ok=True)
        address = url if direct else self.address(url)
        limits = self.limits
        transfer = _Transfer(self._open(), address, directory, limits=limits, progress=progress, cancelled=cancelled)
        for attempt in range(limits.attempts):
            try:
                return transfer.run(known)
            except _RetryError as failure:
                if attempt + 1 == limits.attempts:
                    raise FeedUnavailable(
                        f"{transfer.host} did not deliver {urlsplit(url).path}: {failure.reason}.",
                        remedy="Try again later, or set advisories.mirror; the data that is there stays in use.",
                    ) from failure
                self._sleep(min(failure.pause or 2.0**attempt, limits.longest_pause))
        raise AssertionError("unreachable")

    def _open(self) -> httpx2.Client:
        if self._client is None:
            limits = self.limits
            self._client = httpx2.Client(
                timeout=httpx2.Timeout(limits.read_seconds, connect=limits.connect_seconds),
                follow_redirects=True,
                max_redirects=5,
                headers={"user-agent": f"pratique/{__version__}", "accept": "*/*"},
            )
        return self._client


class _RetryError(Exception):
    """This attempt failed in a way that the next one may not."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause = pause


class _Transfer:
    """One address on its way to a file, over several attempts."""

    def __init__(
        self,
        client: httpx2.Client,
        url: str,
        directory: Path,
        *,
        limits: FetchLimits,
        progress: Progress,
        cancelled: Callable[[], bool],
    ) -> None:
        self._client = client
        self._url = url
        self.host = urlsplit(url).netloc
        self._limits = limits
        self._progress = progress
        self._cancelled = cancelled
        name = hashlib.sha256(url.encode()).hexdigest()[:24]
        self._path = directory / f"{name}.part"
        self._note = directory / f"{name}.json"
        self._content = directory / f"{name}.content"
        self._deadline = time.monotonic() + limits.total_seconds
        self._transferred = 0

    def run(self, known: Validators) -> Download | None:
        partial = self._read_partial()
        headers = {"accept-encoding": "gzip"}
        if partial is not None:
            headers |= {"range": f"bytes={self._path.stat().st_size}-", "if-range": partial.etag}
        elif known.etag:
            headers["if-none-match"] = known.etag
        elif known.last_modified:
            headers["if-modified-since"] = known.last_modified
        try:
            with self._client.stream("GET", self._url, headers=headers) as response:
                if response.status_code == 304 and partial is None and (known.etag or known.last_modified):
                    return None
                self._receive(response, partial)
                answered = response.headers
        except httpx2.TransportError as error:
            raise _RetryError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        except (httpx2.TooManyRedirects, httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise FeedUnavailable(f"{self.host} redirects in a way that is not followed: {error}.") from error
        return self._complete(answered)

    def _receive(self, response: httpx2.Response, partial: _Partial | None) -> None:
        if response.url.scheme != "https" and self._url.startswith("https:"):
            raise FeedUnavailable(f"{self.host} redirects from https to {response.url.scheme}, which is not followed.")
        status = response.status_code
        if status == 206 and partial is not None and self._continues(response, partial):
            self._append(response, "ab")
        elif status == 200:
            note = _Partial(
                url=self._url,
                etag=response.headers.get("etag", ""),
                last_modified=response.headers.get("last-modified", ""),
                coding=response.headers.get("content-encoding", ""),
            )
            self._note.write_bytes(msgspec.json.encode(note))
            self._append(response, "wb")
        elif partial is not None:
            self.discard()
            raise _RetryError(f"the download could not be resumed (status {status})", 0.01)
        elif status in _RETRIED:
            raise _RetryError(f"status {status}", _retry_after(response.headers))
        else:
            raise FeedUnavailable(
                f"{self.host} answers {status} for {urlsplit(self._url).path}.",
                remedy="Check advisories.mirror, or whether the feed has moved.",
                http_status=status,
            )

    def _continues(self, response: httpx2.Response, partial: _Partial) -> bool:
        offset = f"bytes {self._path.stat().st_size}-"
        return (
            response.headers.get("content-range", "").startswith(offset)
            and response.headers.get("content-encoding", "") == partial.coding
            and response.headers.get("etag", partial.etag) == partial.etag
        )

    def _append(self, response: httpx2.Response, mode: str) -> None:
        length = response.headers.get("content-length", "")
        total = int(length) if length.isdigit() else None
        if total is not None and total > self._limits.max_bytes:
            raise self._too_large()
        with self._path.open(mode) as stream:
            for chunk in response.iter_raw(CHUNK):
                self._write(stream, chunk)
                self._progress(len(chunk), total)

    def _write(self, stream: IO[bytes], chunk: bytes) -> None:
        if self._cancelled():
            raise Cancelled("The fetch was cancelled.", remedy="Run it again: it goes on where it stopped.")
        if time.monotonic() > self._deadline:
            raise FeedUnavailable(
                f"{self.host} took longer than {self._limits.total_seconds:.0f} s.",
                remedy="Run it again: it goes on where it stopped.",
            )
        stream.write(chunk)
        self._transferred += len(chunk)
        if stream.tell() > self._limits.max_bytes:
            stream.close()
            self.discard()
            raise self._too_large()

    def _too_large(self) -> FeedRefused:
        return FeedRefused(
            f"{self.host} sends more than {self._limits.max_bytes >> 20} MiB for {urlsplit(self._url).path}.",
            remedy="This is no feed as it should be; the data that is there stays in use.",
        )

    def _complete(self, headers: Mapping[str, str]) -> Download:
        coding = headers.get("content-encoding", "")
        try:
            if coding in ("gzip", "x-gzip"):
                inflate(self._path, self._content, limit=self._limits.unpacked_bytes)
            elif coding in ("", "identity"):
                self._path.replace(self._content)
            else:
                raise FeedUnavailable(f"{self.host} answers in the coding {coding!r}, which nobody asked for.")
        finally:
            self.discard()
        with self._content.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Download(
            path=self._content,
            validators=Validators(headers.get("etag", ""), headers.get("last-modified", "")),
            sha256=digest,
            size=self._content.stat().st_size,
            transferred=self._transferred,
        )

    def _read_partial(self) -> _Partial | None:
        """The note of a partial file that may be resumed; anything else is thrown away."""
        try:
            note = msgspec.json.decode(self._note.read_bytes(), type=_Partial)
        except (FileNotFoundError, msgspec.MsgspecError):
            note = None
        strong = note is not None and note.etag.startswith('"') and note.url == self._url
        if note is not None and strong and self._path.exists() and self._path.stat().st_size > 0:
            return note
        self.discard()
        return None

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    return float(text) if text.isdigit() else 0.0
