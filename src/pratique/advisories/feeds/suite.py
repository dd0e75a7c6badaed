"""Pending updates: a package that is older than the version in the distribution's security suite.

This needs no vulnerability data and works wherever a package mirror does. The suite also carries rebuilds that fix
nothing, so a hit reads "security update pending", not "vulnerable".
"""

import shutil
import subprocess
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from itertools import takewhile
from pathlib import Path
from typing import TextIO

from pratique.advisories.errors import FeedUnavailable
from pratique.advisories.feeds.apt import (
    AptSource,
    Release,
    check_index,
    host_sources,
    paragraph,
    parse_setting,
    read_release,
    security_sources,
)
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench
from pratique.advisories.feeds.debian import RELEASES
from pratique.advisories.store.records import Advisory, Fact, Interval, advisory_fact
from pratique.advisories.unpack import inflate, unxz
from pratique.advisories.versions import UnparsableVersionError, version_key
from pratique.core.clock import SECOND

STATUS = "update-pending"
CODENAMES = ("bullseye", "bookworm", "trixie")
MAX_INDEX = 256 << 20
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class DebianSecuritySuite:
    """The security suites of the supported releases, from the place that settings or the host's sources name."""

    spec = FeedSpec(
        name="debian-security",
        title="Debian security suite (updates pending)",
        families=("debian",),
        licence="facts",
        download_bytes=1_500_000,
    )

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        notes: list[str] = []
        dates: list[int] = []
        for source in sources_of(bench.options.get("security_index", "")):
            release = self._release(bench, source)
            if release is None or not _base(release.codename):
                continue
            dates.append(_date(release.date, bench.clock.now()))
            notes += [release.note] if release.note else []
            self._stage(bench, source, release)
        if not dates:
            raise FeedUnavailable(
                "No security suite could be read from the host's package sources or advisories.security_index.",
                remedy="Set advisories.security_index to 'URI SUITE COMPONENT', as in sources.list.",
            )
        bench.check_drift()
        yield Renewal(whole=True, data_date=max(dates), note="; ".join(sorted(set(notes))))

    def _release(self, bench: Workbench, source: AptSource) -> Release | None:
        part = f"{source.suite.replace('/', '_')}-InRelease"
        there, _ = bench.optional(part, source.address("InRelease"), keep=True, direct=True)
        return read_release(bench.kept(part), source.signed_by) if there else None

    def _stage(self, bench: Workbench, source: AptSource, release: Release) -> None:
        space = f"debian:{RELEASES[_base(release.codename)]}"
        newest: dict[str, tuple[bytes, str]] = {}
        for component in source.components:
            index = self._index(bench, source, release, component)
            if index is not None:
                with index.open(encoding="utf-8", errors="replace") as stream:
                    _collect(bench, stream, newest)
        bench.stage.add(_facts(space, newest))

    def _index(self, bench: Workbench, source: AptSource, release: Release, component: str) -> Path | None:
        for suffix, unpack in ((".xz", unxz), (".gz", inflate)):
            name = f"{component.rpartition('/')[2]}/binary-{_architecture()}/Packages{suffix}"
            if name not in release.hashes:
                continue
            part = f"{source.suite.replace('/', '_')}-{component.replace('/', '_')}-Packages{suffix}"
            bench.get(part, source.address(name), keep=True, direct=True)
            check_index(bench.kept(part), release.hashes[name])
            plain = bench.directory / "Packages"
            unpack(bench.kept(part), plain, limit=MAX_INDEX)
            return plain
        return None


def sources_of(setting: str) -> list[AptSource]:
    """The suites to ask: those of the setting, else those of the host and their siblings of other releases."""
    given = parse_setting(setting) if setting else security_sources(host_sources())
    found: dict[AptSource, None] = {}
    for source in given:
        if source.suite:
            found[source] = None
        if not source.suite or source.suite.endswith("-security"):
            for codename in CODENAMES:
                found[AptSource(source.uri, f"{codename}-security", source.components, source.signed_by)] = None
    return [source for source in found if source.uri.startswith(("http://", "https://"))]


def _collect(bench: Workbench, stream: TextIO, newest: dict[str, tuple[bytes, str]]) -> None:
    """The newest source version of each source package in a Packages index."""
    while True:
        lines = list(takewhile(str.strip, stream))
        if not lines:
            return
        fields = paragraph(line.rstrip("\n") for line in lines if line.startswith(("Package:", "Source:", "Version:")))
        source, _, version = fields.get("source", fields.get("package", "")).partition(" ")
        version = version.strip("()") or fields.get("version", "")
        try:
            key = version_key("dpkg", version)
        except UnparsableVersionError as error:
            bench.reject(source, error)
            continue
        bench.count()
        newest[source] = max(newest.get(source, (b"", "")), (key, version))


def _facts(space: str, newest: dict[str, tuple[bytes, str]]) -> Iterator[Fact]:
    yield Fact(space, "", "", b"")
    for source, (key, version) in newest.items():
        advisory = Advisory(
            f"update:{source}",
            intervals=(Interval(high=version, high_key=key),),
            status=STATUS,
        )
        yield advisory_fact(space, source, advisory)


def _base(codename: str) -> str:
    base = codename.removesuffix("-security").partition("/")[0]
    return base if base in RELEASES else ""


def _date(text: str, otherwise: int) -> int:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * SECOND
    except ValueError:
        return otherwise


def _architecture() -> str:
    """The host's Debian architecture: source versions are the same on all, but not every index is on every mirror."""
    dpkg = shutil.which("dpkg")
    if dpkg:
        done = subprocess.run([dpkg, "--print-architecture"], capture_output=True, text=True, check=False, timeout=10)
        if done.returncode == 0:
            return done.stdout.strip()
    import platform

    return _ARCHITECTURES.get(platform.machine(), "amd64")
