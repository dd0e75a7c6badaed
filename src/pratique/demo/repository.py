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
class Suite:
    """What one suite offers, and when it was published."""

    packages: Mapping[str, Candidate]
    provides: Mapping[str, tuple[str, ...]]
    published: int
    """Seconds since 1970, as the signed Release says."""
    verified: bool
    """False where gpgv or the keyring is missing: digests hold, nobody vouched for the index."""


def read_suite(archive: Archive, architecture: str, downloads: Downloads) -> Suite:
    """Fetch and check the index of a suite; raises FetchFailed, Unverified."""
    base = f"{archive.url}/dists/{archive.suite}"
    release = downloads.fresh(f"{base}/InRelease", f"{archive.suite}.InRelease")
    verified = verify(release, archive.keyring)
    text = release.read_text(encoding="utf-8")
    wanted = f"main/binary-{architecture}/Packages.xz"
    digests = {name: digest for digest, name in _INDEX_LINE.findall(text)}
    if wanted not in digests:
        raise Unverified(f"{base}/InRelease names no {wanted}", remedy="choose another --mirror")
    index = downloads.pinned(f"{base}/main/binary-{architecture}/by-hash/SHA256/{digests[wanted]}", digests[wanted])
    packages = {item.name: item for item in _candidates(lzma.decompress(index.read_bytes()).decode(), archive.url)}
    published = re.search(r"^Date: (.*)$", text, re.MULTILINE)
    return Suite(
        packages=packages,
        provides=_provides(packages),
        published=int(parsedate_to_datetime(published[1]).timestamp()) if published else 0,
        verified=verified,
    )


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


def _candidates(index: str, url: str) -> Iterator[Candidate]:
    for paragraph in index.split("\n\n"):
        control = parse_control(paragraph)
        if "Package" in control:
            yield Candidate(
                name=control["Package"],
                version=control["Version"],
                url=f"{url}/{control['Filename']}",
                sha256=control["SHA256"],
                size=int(control["Size"]),
                control=control,
            )


def _provides(packages: Mapping[str, Candidate]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for item in packages.values():
        for word in item.control.get("Provides", "").split(","):
            if word.strip():
                found.setdefault(word.split()[0], []).append(item.name)
    return {name: tuple(sorted(names)) for name, names in found.items()}


def closure(suite: Suite, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named packages and all that they depend on, by name.

    Of alternatives the first that is there already is taken, else the first that the suite offers.
    """
    chosen: set[str] = set()
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        if name in chosen or name not in suite.packages:
            continue
        chosen.add(name)
        for field in ("Pre-Depends", "Depends"):
            waiting.extend(_needed(suite, suite.packages[name].control.get(field, ""), chosen | set(names)))
    return tuple(sorted(chosen))


def _needed(suite: Suite, field: str, present: set[str]) -> Iterator[str]:
    for group in field.split(","):
        options = [re.split(r"[ (:\[]", option.strip(), maxsplit=1)[0] for option in group.split("|")]
        offered = [real for option in options if option for real in _offers(suite, option)]
        if offered and not present.intersection(offered):
            yield offered[0]


def _offers(suite: Suite, name: str) -> tuple[str, ...]:
    return ((name,) if name in suite.packages else ()) + suite.provides.get(name, ())


def newest(main: Candidate, security: Candidate | None) -> Candidate:
    """The newer of two candidates, by dpkg's order: the security suite keeps old versions after a point release."""
    if security is None:
        return main
    from pratique.demo.order import older

    return security if older(main.version, security.version) else main
