"""Frozen values of the scanner: what is known about an image, and which facts a decision stands on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from pratique.core.findings.types import Severity

PUSHED = "pratique.registry.manifest.pushed.v1"
DELETED = "pratique.registry.manifest.deleted.v1"

IMAGES_ASSESSED = "pratique.scan.images.assessed.v1"
"""Published inside the transaction that wrote new facts: `{"images": [{digest, repository_id, repository}, …]}`."""

FINDINGS_CHANGED = "pratique.scan.findings.changed.v1"
"""Published inside the transaction that changed findings: `{domain, lineages}`."""

BASE_SEEN = "pratique.scan.base.seen.v1"
"""Published inside the transaction that placed an image: `{chain, relink}`; relink: images go on where it ends."""

FEED_UPDATED = "pratique.advisories.feed.updated.v1"
"""Published when advisory data changed: `{"feeds": […], "names": [[ecosystem, name], …] | null, "revision": …}`."""


class ImageState(StrEnum):
    """How far the facts of an image go.

    *reading* has none yet; *failing* could not be read so far, for a reason that may pass, and is tried again;
    *unassessable* never will be, without a change to the image.
    """

    READING = "reading"
    FAILING = "failing"
    ASSESSED = "assessed"
    UNASSESSABLE = "unassessable"


@dataclass(frozen=True, slots=True)
class Place:
    """One image in one repository: what a gate, a finding's lineage and a decision hang on."""

    digest: str
    repository_id: str
    repository: str

    @property
    def lineage(self) -> str:
        return lineage_of(self.repository)

    def as_json(self) -> dict[str, str]:
        return {"digest": self.digest, "repository_id": self.repository_id, "repository": self.repository}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Place":
        return cls(str(value["digest"]), str(value["repository_id"]), str(value["repository"]))


def lineage_of(repository: str) -> str:
    """The lineage of every finding of a repository's images: never a digest, so that a rebuild keeps its history."""
    return f"registry/{repository}"


class LayerTold(NamedTuple):
    """A layer as its image's configuration tells of it."""

    diff_id: str
    created_by: str
    """The build step, redacted; '' when the history does not fit the layers."""
    packages: int
    """Packages that are there, in their present version, because of this layer."""


@dataclass(frozen=True, slots=True)
class MatchFact:
    """One affected package of an image, with what a policy may ask about it."""

    rule: str
    """Id of the alias group."""
    name: str
    """The best-known alias, as people say it: `CVE-2023-44487`."""
    aliases: tuple[str, ...]
    package: str
    version: str
    location: str
    """The purl without its version: the location of the finding."""
    severity: Severity
    severity_source: str
    exploited: bool
    likelihood: float | None
    fix: str
    """The fixed version, or '' when the vendor has none."""
    clears: str = ""
    """The smallest version without any fixable finding of the package: never below `fix`."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many packages could be judged, and why the others could not."""

    packages: int = 0
    assessed: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    """Reason -> number of packages not assessed for it."""

    @property
    def share(self) -> float:
        """Judged packages of all, from 0 to 1; an image without packages has a share of 1."""
        return self.assessed / self.packages if self.packages else 1.0


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Everything a decision needs to know about one image; carries only the matches that a policy may act on."""

    digest: str
    state: ImageState
    problem: str = ""
    """Why the image cannot be assessed, or ''."""
    remedy: str = ""
    coverage: Coverage = Coverage()
    notable: tuple[MatchFact, ...] = ()
    """Exploited, or fixable and critical, or fixable and rated by nobody; worst first."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Severity -> number of affected packages and vulnerabilities."""
    revision: str = ""
    """Revision of the advisory data that these facts stand on."""
    starter: bool = False
    """True when only the starter data was there to judge with."""
