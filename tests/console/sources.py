"""Stand-ins for what the console asks of registry, advisories, trust and jobs; they keep what was asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tests.recommendations.seeding import digest

from pratique.console.sources import (
    BaseView,
    ExemptionView,
    FeedView,
    Freshness,
    GapView,
    GateName,
    ImageView,
    JobView,
    LayerView,
    ManifestView,
    NewExemption,
    RepositoryView,
    TagView,
)
from pratique.core.clock import DAY, HOUR, Clock
from pratique.core.permissions import Caller, Extent, Scope


def image(repository: str, number: int, gate: GateName, now: int, **changes: object) -> ImageView:
    view = ImageView(
        repository=repository, digest=digest(number), kind="image",
        media_type="application/vnd.oci.image.manifest.v1+json", size=48_300_000, gate=gate, summary="", remedy="",
        decided=now - HOUR, decision_id="0192f0c0-0000-7000-8000-000000000001", valid_until=now + 7 * DAY,
        pushed=now - 2 * HOUR, pusher="ci", tags=(TagView("latest", digest(number), ""),), distribution="Debian 12",
        packages=142, assessed_packages=142, data="",
        layers=(
            LayerView(digest(77), 31_000_000, "application/vnd.oci.image.layer.v1.tar+gzip", "debootstrap bookworm", 88, ""),
            LayerView(digest(78), 17_300_000, "application/vnd.oci.image.layer.v1.tar+gzip", "/bin/sh -c apt-get install -y nginx", 54, ""),
        ),
        base=BaseView(
            layers=1, of=2, from_base=14, own=3, settled=11, name="platform/base:1.0", named=False,
            href=f"/r/platform/base/-/{digest(77)}", target="platform/base:1.1",
            target_href=f"/r/platform/base/-/{digest(76)}", replaced=(("etc/os-release", "replaced", 2),),
        ),
    )  # fmt: skip
    return replace(view, **changes)  # type: ignore[arg-type]


@dataclass
class StubImages:
    clock: Clock
    reading: int = 0
    known: dict[tuple[str, str], ImageView] = field(default_factory=dict)

    def add(self, view: ImageView) -> None:
        self.known[view.repository, view.digest] = view

    def repositories(self, extent: Extent, search: str, after: str, limit: int) -> Sequence[RepositoryView]:
        names = sorted({name for name, _ in self.known if search in name and name > after})
        return [self._repository(name) for name in names if extent.covers(Scope.for_repository(name))][:limit]

    def _repository(self, name: str) -> RepositoryView:
        own = [view for (repository, _), view in self.known.items() if repository == name]
        gates: dict[GateName, int] = {}
        for view in own:
            gates[view.gate] = gates.get(view.gate, 0) + 1
        return RepositoryView(name, sum(len(view.tags) for view in own), len(own), gates, own[0].pushed)

    def manifests(self, extent: Extent, repository: str, after: str, limit: int) -> Sequence[ManifestView]:
        own = [view for (name, _), view in self.known.items() if name == repository]
        return [
            ManifestView(v.digest, v.kind, tuple(t.name for t in v.tags), v.gate, v.summary, v.pushed)
            for v in own
            if extent.covers(Scope.for_repository(repository))
        ][:limit]

    def image(self, extent: Extent, repository: str, digest: str) -> ImageView | None:
        return self.known.get((repository, digest)) if extent.covers(Scope.for_repository(repository)) else None

    def gate(self, extent: Extent, repository: str, digest: str) -> GateName | None:
        found = self.image(extent, repository, digest)
        return found.gate if found else None

    def resolve(self, extent: Extent, repository: str, tag: str) -> str | None:
        for (name, digest_), view in self.known.items():
            if name == repository and any(one.name == tag for one in view.tags):
                return digest_
        return None

    def scanning(self, extent: Extent) -> int:
        return self.reading


@dataclass
class StubFeeds:
    feeds: list[FeedView] = field(default_factory=list)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def all(self) -> Sequence[FeedView]:
        return self.feeds

    def fetch(self, caller: Caller, feeds: Sequence[str]) -> None:
        self.asked.append((caller.name, tuple(feeds)))
        self.feeds = [
            replace(feed, fetching=True, done=3_000_000, total=feed.size) if feed.id in feeds else feed
            for feed in self.feeds
        ]


def feeds(now: int) -> list[FeedView]:
    return [
        FeedView("debian-tracker", "Debian security tracker", "Debian 11 to 13", Freshness.FRESH, now - HOUR, 48_211, 11_200_000, "for packages of debian:12"),
        FeedView("kev", "CISA KEV", "what is known to be exploited", Freshness.FRESH, now - 3 * HOUR, 1_412, 1_300_000, "for packages of debian:12"),
        FeedView("epss", "EPSS", "how likely exploitation is", Freshness.STALE, now - 9 * DAY, 274_000, 2_400_000, "for packages of debian:12"),
        FeedView("osv-pypi", "OSV: PyPI", "Python packages", Freshness.STARTER, now - 40 * DAY, 61, 16_800_000, "for packages of debian:12"),
        FeedView("osv-npm", "OSV: npm", "npm packages", Freshness.MISSING, None, None, 140_000_000, "for packages of npm",
                 error="The address could not be reached: no route to host."),
        FeedView("alpine", "Alpine secdb", "Alpine 3.17 to 3.22", Freshness.MISSING, None, None, 5_100_000, ""),
    ]  # fmt: skip


@dataclass
class StubExemptions:
    clock: Clock
    rows: list[ExemptionView] = field(default_factory=list)

    def all(self, extent: Extent, limit: int) -> Sequence[ExemptionView]:
        return self.rows[:limit]

    def add(self, caller: Caller, wanted: NewExemption) -> str:
        number = f"exemption-{len(self.rows) + 1}"
        now = self.clock.now()
        self.rows.append(
            ExemptionView(
                number,
                wanted.rule,
                wanted.lineage,
                wanted.location,
                wanted.reason,
                caller.name,
                now,
                wanted.expires,
                "active",
            )
        )
        return number

    def withdraw(self, caller: Caller, exemption_id: str) -> None:
        self.rows = [replace(row, state="withdrawn") if row.id == exemption_id else row for row in self.rows]


@dataclass
class StubJobs:
    clock: Clock

    def recent(self, state: str, limit: int) -> Sequence[JobView]:
        now = self.clock.now()
        rows = [
            JobView("1", "scan.read-layer", "running", 1, now - HOUR, now, 41, 120, "layer sha256:4d…", ""),
            JobView(
                "2", "advisories.sync", "dead", 8, now - DAY, now, 0, None, "osv-npm", "FetchFailed: no route to host"
            ),
            JobView(
                "4",
                "recommendations.refresh/registry.repository.manifest.deleted.v1",
                "done",
                1,
                now,
                now,
                0,
                None,
                "",
                "",
            ),
            JobView("3", "recommendations.refresh", "done", 1, now - HOUR, now, 0, None, "", ""),
        ]
        return [row for row in rows if not state or row.state == state]


GAPS = (
    GapView("usr/local/bin/tool", "a Go program without build information", "Build it with module information."),
    GapView("leftpad 1.0.0", "no advisory data for npm", "Fetch the feed OSV: npm."),
)


def populate(images: StubImages) -> None:
    """The images of the seeded fleet, with their gates."""
    now = images.clock.now()
    refused = "CVE-2023-44487 in nginx 1.22.1-9 is known to be exploited: update to 1.22.1-9+deb12u1"
    images.add(image("team/web", 1, "refused", now, summary=refused, remedy="Update nginx and push again.",
                     tags=(TagView("latest", digest(2), digest(1)),)))  # fmt: skip
    images.add(image("team/web", 2, "open", now, tags=(TagView("stable", digest(2), ""),)))
    images.add(image("team/shop", 3, "held", now, summary="CVE-2026-10007 in libexpat1: nobody has rated it", gaps=GAPS,
                     assessed_packages=140))  # fmt: skip
    images.add(image("team/api", 4, "open", now))
    images.add(image("legacy/mailer", 5, "held", now, summary="Debian 9 has no advisories any more", distribution="Debian 9",
                     packages=97, assessed_packages=0, gaps=(GapView("Debian 9", "its support ended on 2022-06-30"),)))  # fmt: skip
    images.add(image("team/clean", 9, "open", now))
