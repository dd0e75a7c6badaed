"""Downloads that are kept: a file comes over the network once, and is the file that its digest names."""

import hashlib
import os
from pathlib import Path

import httpx2

from pratique.core.progress import Reporter
from pratique.demo.errors import FetchFailed, Unverified

_LIMIT = 256 * 1024 * 1024
_TIMEOUT = httpx2.Timeout(30.0, connect=10.0)


class Downloads:
    """A folder of downloaded files. A file with a known digest is taken from it without asking the network."""

    def __init__(self, folder: Path, reporter: Reporter, *, offline: bool = False) -> None:
        self._folder = folder
        self._reporter = reporter
        self.offline = offline
        folder.mkdir(parents=True, exist_ok=True)

    def pinned(self, url: str, sha256: str) -> Path:
        """Return the file with this digest, from the cache or from `url`; raises FetchFailed, Unverified."""
        path = self._folder / sha256
        if path.is_file():
            self._reporter.advance(path.stat().st_size)
            return path
        partial = self._get(url, self._folder / f"{sha256}.part")
        if _sha256(partial) != sha256:
            partial.unlink()
            raise Unverified(
                f"{url} is not the file that the signed index names",
                remedy="run the command again; if it stays so, choose another --mirror",
            )
        partial.replace(path)
        return path

    def fresh(self, url: str, name: str) -> Path:
        """Return the newest copy of a file that changes; the last one that came where the network gives none."""
        path = self._folder / name
        try:
            self._get(url, self._folder / f"{name}.part").replace(path)
        except FetchFailed:
            if not path.is_file():
                raise
        return path

    def _get(self, url: str, target: Path) -> Path:
        if self.offline:
            raise FetchFailed(f"{url} is not in the cache", remedy="run `pratique demo` once without --offline")
        try:
            with httpx2.stream("GET", url, timeout=_TIMEOUT, follow_redirects=True) as answer:
                answer.raise_for_status()
                self._save(answer, target)
        except (httpx2.HTTPError, OSError) as error:
            raise FetchFailed(
                f"cannot fetch {url}: {error}",
                remedy="the demo needs a Debian package mirror on its first run: connect, or name one with --mirror",
            ) from error
        return target

    def _save(self, answer: httpx2.Response, target: Path) -> None:
        size = 0
        with target.open("wb") as out:
            for chunk in answer.iter_bytes(1 << 18):
                size += len(chunk)
                if size > _LIMIT:
                    raise FetchFailed(f"{answer.url} is larger than {_LIMIT} bytes")
                out.write(chunk)
                self._reporter.advance(len(chunk))
            out.flush()
            os.fsync(out.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
