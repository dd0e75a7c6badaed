"""A Debian package repository: a signed Release names an index, the index names packages, each by its digest.

Formats: Debian repository format (wiki), deb-control(5).
"""

import lzma
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from pratique.advisories.service import older
from pratique.demo.download import Downloads
from pratique.demo.errors import Unverified
from pratique.demo.sources import Archive

_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_INDEX_LINE = re.compile(r"^ ([0-9a-f]{64})\s+\d+\s+(\S+)$", re.MULTILINE)


Control = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One package that an archive offers."""

    name: str
    version: str
    url: str
    sha256: str
    size: int
    control: Control


@dataclass(frozen=True, slots=True)
class Release:
    """What a signed Release says of one architecture: which list of packages, and since when."""

    archive: Archive
    list_url: str
    list_digest: str
    published: int
    """Seconds since 1970."""
    verified: bool
    """False where gpgv or the keyring is missing: digests hold, nobody vouched for the index."""


class Suite:
    """What one suite offers. Of tens of thousands of packages only those that are asked for are taken apart."""

    def __init__(self, url: str, text: str) -> None:
        self._url = url
        self._paragraphs = dict(_named(text))
        self._provides = _provided(self._paragraphs)

    def __contains__(self, name: str) -> bool:
        return name in self._paragraphs

    def get(self, name: str) -> Candidate | None:
        """Return the package of this name."""
        paragraph = self._paragraphs.get(name)
        return None if paragraph is None else _candidate(paragraph, self._url)

    def offers(self, name: str) -> tuple[str, ...]:
        """Return the packages that satisfy a dependency on `name`: itself first, then what provides it."""
        return ((name,) if name in self else ()) + self._provides.get(name, ())


def read_release(archive: Archive, architecture: str, downloads: Downloads) -> Release:
    """Fetch and check the signed Release of a suite; raises FetchFailed, Unverified."""
    base = f"{archive.url}/dists/{archive.suite}"
    release = downloads.fresh(f"{base}/InRelease", f"{archive.suite}.InRelease")
    verified = verify(release, archive.keyring)
    text = release.read_text(encoding="utf-8")
    wanted = f"main/binary-{architecture}/Packages.xz"
    digests = {name: digest for digest, name in _INDEX_LINE.findall(text)}
    if wanted not in digests:
        raise Unverified(f"{base}/InRelease names no {wanted}", remedy="choose another --mirror")
    published = re.search(r"^Date: (.*)$", text, re.MULTILINE)
    return Release(
        archive=archive,
        list_url=f"{base}/main/binary-{architecture}/by-hash/SHA256/{digests[wanted]}",
        list_digest=digests[wanted],
        published=int(parsedate_to_datetime(published[1]).timestamp()) if published else 0,
        verified=verified,
    )


def read_suite(release: Release, downloads: Downloads) -> Suite:
    """Fetch the list of packages that a Release names; raises FetchFailed, Unverified."""
    index = downloads.pinned(release.list_url, release.list_digest)
    return Suite(release.archive.url, lzma.decompress(index.read_bytes()).decode())


def verify(release: Path, keyring: Path | None) -> bool:
    """True when the distribution's keys signed the file; False where that cannot be checked here; else Unverified."""
    gpgv = shutil.which("gpgv")
    if gpgv is None or keyring is None:
        return False
    done = subprocess.run([gpgv, "--keyring", str(keyring), str(release)], capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        release.unlink()
        raise Unverified(
            f"{release.name} is not signed by the keys of {keyring}",
            remedy="choose another --mirror; this one serves an index that the distribution did not sign",
        )
    return True


def parse_control(paragraph: str) -> dict[str, str]:
    """Return the fields of one paragraph, continuation lines kept."""
    return dict(_FIELD.findall(paragraph))


def _named(index: str) -> Iterator[tuple[str, str]]:
    for paragraph in index.split("\n\n"):
        if paragraph.startswith("Package: "):
            yield paragraph[9 : paragraph.index("\n")], paragraph


def _candidate(paragraph: str, url: str) -> Candidate:
    control = parse_control(paragraph)
    return Candidate(
        name=control["Package"],
        version=control["Version"],
        url=f"{url}/{control['Filename']}",
        sha256=control["SHA256"],
        size=int(control["Size"]),
        control=control,
    )


def _provided(paragraphs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for name, paragraph in paragraphs.items():
        start = paragraph.find("\nProvides: ")
        if start < 0:
            continue
        line = paragraph[start + 11 :].partition("\n")[0]
        for word in line.split(","):
            if word.strip():
                found.setdefault(word.split()[0], set()).add(name)
    return {virtual: tuple(sorted(names)) for virtual, names in found.items()}


def closure(suite: Suite, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named packages and all that they depend on, by name.

    Of alternatives the first that is there already is taken, else the first that the suite offers.
    """
    chosen: set[str] = set()
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        found = suite.get(name)
        if name in chosen or found is None:
            continue
        chosen.add(name)
        for field in ("Pre-Depends", "Depends"):
            waiting.extend(_needed(suite, found.control.get(field, ""), chosen | set(names)))
    return tuple(sorted(chosen))


def _needed(suite: Suite, field: str, present: set[str]) -> Iterator[str]:
    for group in field.split(","):
        options = [re.split(r"[ (:\[]", option.strip(), maxsplit=1)[0] for option in group.split("|")]
        offered = [real for option in options if option for real in suite.offers(option)]
        if offered and not present.intersection(offered):
            yield offered[0]


def newest(main: Candidate, security: Candidate | None) -> Candidate:
    """The newer of two candidates, by dpkg's order: the security suite keeps old versions after a point release."""
    if security is None:
        return main
    return security if older("dpkg", main.version, security.version) else main
