"""Debian's security tracker: one document, source package -> vulnerability -> release.

Statuses are carried as the tracker gives them (no-dsa, postponed, ignored, end-of-life, unimportant, undetermined);
"not affected" is the tracker's fixed version 0.
"""

import mmap
from collections.abc import Iterator
from typing import Final

import msgspec

from pratique.advisories.errors import FeedRefused
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench, dated
from pratique.advisories.store.records import Advisory, Fact, Interval, StoredRating, advisory_fact
from pratique.advisories.unpack import Document
from pratique.advisories.versions import UnparsableVersionError, version_key

URL = "https://security-tracker.debian.org/tracker/data/json"
RELEASES: Final = {
    "wheezy": "7", "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12",
    "trixie": "13", "forky": "14", "duke": "15", "sid": "sid",
}  # fmt: skip
MAX_DOCUMENT = 1 << 30
_RATED = {"high": "high", "medium": "medium", "low": "low", "unimportant": "negligible"}


class _Release(msgspec.Struct):
    status: str
    repositories: dict[str, str] = {}
    fixed_version: str = ""
    urgency: str = ""
    nodsa: str = ""
    nodsa_reason: str | None = None


class _Vulnerability(msgspec.Struct):
    releases: dict[str, _Release]
    description: str = ""


class DebianTracker:
    """All releases that the tracker speaks of."""

    spec = FeedSpec(
        name="debian",
        title="Debian security tracker",
        families=("debian",),
        licence="facts",
        download_bytes=9_000_000,
    )

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        download = bench.get("tracker", URL)
        if download is None:
            return
        with Document(download.path, limit=MAX_DOCUMENT) as buffer:
            bench.stage.add(self._facts(bench, buffer))
        bench.check_drift()
        yield Renewal(whole=True, data_date=dated(download, bench.clock.now()))

    def _facts(self, bench: Workbench, buffer: mmap.mmap) -> Iterator[Fact]:
        sources = _documents(buffer)
        decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
        each = msgspec.json.Decoder(_Vulnerability)
        for source, raw in sources.items():
            try:
                vulnerabilities = decoder.decode(raw)
            except msgspec.MsgspecError as error:
                bench.reject(source, error)
                continue
            for name, record in vulnerabilities.items():
                try:
                    yield from facts_of(source, name, each.decode(record))
                except msgspec.MsgspecError as error:
                    bench.reject(f"{source} {name}", error)
                else:
                    bench.count()


def _documents(buffer: mmap.mmap) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(buffer, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise FeedRefused(f"The document is no JSON object: {error}.", remedy="Run the sync again.") from error


def facts_of(source: str, name: str, vulnerability: _Vulnerability) -> Iterator[Fact]:
    for codename, release in vulnerability.releases.items():
        number = RELEASES.get(codename)
        if number is not None:
            advisory = _advisory(name, release, vulnerability.description)
            yield advisory_fact(f"debian:{number}", source, advisory)


def _advisory(name: str, release: _Release, title: str) -> Advisory:
    urgency = release.urgency.rstrip("*")
    ratings = (StoredRating("debian", _RATED[urgency]),) if urgency in _RATED else ()
    fixed = _brought_here(release)
    if release.status == "undetermined":
        return Advisory(name, status="undetermined", ratings=ratings, title=title[:120])
    if fixed == "0":
        return Advisory(name, status="not-affected")
    interval, unusable = _until(fixed)
    return Advisory(
        name,
        intervals=(interval,),
        status=_status(release, urgency),
        ratings=ratings,
        title=title[:120],
        note=release.nodsa,
        unusable=unusable,
        available=not fixed or _available(interval, release.repositories),
    )


def _brought_here(release: _Release) -> str:
    """The fixed version as this release has it: 1.2-1~deb13u1 is 1.2-1 built for it, and sorts before what it holds."""
    fixed = release.fixed_version
    builds = [version for version in release.repositories.values() if version.startswith(f"{fixed}~deb")]
    if release.status != "resolved" or not builds:
        return fixed
    try:
        return min(builds, key=lambda version: version_key("dpkg", version))
    except UnparsableVersionError:
        return fixed


def _status(release: _Release, urgency: str) -> str:
    if urgency in ("end-of-life", "unimportant"):
        return urgency
    if release.nodsa_reason:
        return release.nodsa_reason
    return "no-dsa" if release.nodsa else ""


def _until(fixed: str) -> tuple[Interval, str]:
    """All versions before the fix; all versions at all where there is none."""
    if not fixed:
        return Interval(), ""
    try:
        return Interval(high=fixed, high_key=version_key("dpkg", fixed)), ""
    except UnparsableVersionError as error:
        return Interval(high=fixed), f"the fixed version {fixed!r} cannot be compared: {error}"


def _available(interval: Interval, repositories: dict[str, str]) -> bool:
    """Whether some suite of the release has the fix: the tracker names fixes before the archive has them."""
    keys = []
    for version in repositories.values():
        try:
            keys.append(version_key("dpkg", version))
        except UnparsableVersionError:
            return True
    return not keys or max(keys) >= interval.high_key
