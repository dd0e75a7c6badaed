"""Alpine's security database: one document per release and repository, origin -> fixed version -> ids.

It lists what was fixed, and under version 0 what never applied; open issues are not in it.
"""

import re
from collections.abc import Iterator

import msgspec

from pratique.advisories.errors import FeedRefused
from pratique.advisories.feeds.base import FeedSpec, Renewal, Workbench
from pratique.advisories.store.records import Advisory, Fact, Interval, advisory_fact
from pratique.advisories.versions import UnparsableVersionError, version_key

ROOT = "https://secdb.alpinelinux.org/"
REPOSITORIES = ("main", "community")
MAX_RELEASES = 100
_LINK = re.compile(rb'href="(?:[^"]*/)?(v[0-9]+\.[0-9]+|edge)/"')
_ID = re.compile(r"\A(?:CVE|GHSA|XSA|ZBX|ALPINE|RUSTSEC|GO|VSV|OSV)-[A-Za-z0-9.:-]+\Z|\ACVE_[0-9_]+\Z")


class _Package(msgspec.Struct):
    name: str
    secfixes: dict[str, list[str | None] | None] | None = None


class _Item(msgspec.Struct):
    pkg: _Package


class _Database(msgspec.Struct):
    packages: list[msgspec.Raw]


class AlpineSecdb:
    """Every release that the index lists."""

    spec = FeedSpec(
        name="alpine",
        title="Alpine security database",
        families=("alpine",),
        licence="facts",
        download_bytes=3_000_000,
    )

    def renew(self, bench: Workbench) -> Iterator[Renewal]:
        bench.get("index", ROOT, keep=True)
        releases = sorted(set(_LINK.findall(bench.kept("index").read_bytes())))
        if not releases:
            raise FeedRefused("The index of Alpine's security database lists no release.")
        changed = False
        parts: list[tuple[str, str]] = []
        for release in releases[:MAX_RELEASES]:
            for repository in REPOSITORIES:
                part = f"{release.decode()}-{repository}"
                there, download = bench.optional(part, f"{ROOT}{release.decode()}/{repository}.json", keep=True)
                changed = changed or download is not None
                if there:
                    parts.append((release.decode(), part))
        if not changed and bench.view is not None:
            return
        bench.stage.add(self._facts(bench, parts))
        bench.check_drift()
        yield Renewal(whole=True, data_date=bench.clock.now())

    def _facts(self, bench: Workbench, parts: list[tuple[str, str]]) -> Iterator[Fact]:
        each = msgspec.json.Decoder(_Item)
        for release, part in parts:
            try:
                database = msgspec.json.decode(bench.kept(part).read_bytes(), type=_Database)
            except msgspec.MsgspecError as error:
                bench.kept(part).unlink()
                raise FeedRefused(f"{part}.json cannot be read: {error}.", remedy="Run the sync again.") from error
            space = f"alpine:{release.removeprefix('v')}"
            yield Fact(space, "", "", b"")  # the release is covered, even where nothing was ever fixed
            for raw in database.packages:
                try:
                    package = each.decode(raw).pkg
                except msgspec.MsgspecError as error:
                    bench.reject(part, error)
                    continue
                bench.count()
                yield from facts_of(space, package.name, package.secfixes or {})


def facts_of(space: str, name: str, secfixes: dict[str, list[str | None] | None]) -> Iterator[Fact]:
    """One fact per vulnerability: with several fixed versions each ends a range of its own, the least one counts."""
    fixes: dict[str, list[str]] = {}
    for version, entries in secfixes.items():
        for entry in entries or ():
            for word in (entry or "").split():
                if _ID.match(word):
                    fixes.setdefault(word, []).append(version)
    for vulnerability, versions in fixes.items():
        yield advisory_fact(space, name, _advisory(vulnerability, versions))


def _advisory(vulnerability: str, versions: list[str]) -> Advisory:
    if "0" in versions:
        return Advisory(vulnerability, status="not-affected")
    keyed: list[tuple[bytes, str]] = []
    for version in versions:
        try:
            keyed.append((version_key("apk", version), version))
        except UnparsableVersionError as error:
            reason = f"the fixed version {version!r} cannot be compared: {error}"
            return Advisory(vulnerability, intervals=(Interval(high=version),), unusable=reason)
    key, version = min(keyed)
    return Advisory(vulnerability, intervals=(Interval(high=version, high_key=key),))
