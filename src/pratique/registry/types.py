"""Frozen values of the registry: names are checked once, here, and trusted behind."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pratique.core.digests import Digest
from pratique.registry.errors import NameInvalid, TagInvalid

NAME_LENGTH = 255
SUMMARY_LENGTH = 160

# OCI distribution-spec 1.1, "Pulling manifests": the grammar of <name> and of a tag.
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository name that fits the grammar of the OCI distribution specification."""

    value: str

    @classmethod
    def parse(cls, text: str) -> "RepositoryName":
        """Return the name, or raise NameInvalid for anything outside the grammar or over 255 characters."""
        if len(text) > NAME_LENGTH or _NAME.fullmatch(text) is None:
            raise NameInvalid(
                "this is no repository name",
                remedy="use lower-case letters, digits, '.', '_', '-' and '/' between parts, 255 characters at most",
            )
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Reference:
    """Either a tag or a digest: exactly one of the two is set."""

    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Return the reference, or raise TagInvalid or DigestInvalid."""
        if ":" in text:
            return cls(digest=parse_digest(text))
        if _TAG.fullmatch(text) is None:
            raise TagInvalid("this is no tag", remedy="use letters, digits, '_', '.' and '-', 128 characters at most")
        return cls(tag=text)

    def __str__(self) -> str:
        return self.tag if self.tag is not None else str(self.digest)


def parse_digest(text: str) -> Digest:
    """Return the digest, or raise DigestInvalid."""
    from pratique.core.errors import Invalid
    from pratique.registry.errors import DigestInvalid

    try:
        return Digest.parse(text)
    except Invalid as error:
        raise DigestInvalid("this is no digest", remedy="use sha256:… or sha512:… in lower-case hexadecimal") from error


class GateState(StrEnum):
    """What readers of a manifest in a repository meet: *held* waits for a verdict, *open* serves, *refused* denies."""

    HELD = "held"
    OPEN = "open"
    REFUSED = "refused"


class ArtifactKind(StrEnum):
    """What a manifest is for: an image runs, an index lists, an attached artifact speaks about another manifest."""

    IMAGE = "image"
    INDEX = "index"
    ATTACHED = "attached"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GateReason:
    """Why a gate is as it is, in words a person can act on; the summary never exceeds 160 characters."""

    summary: str
    remedy: str = ""
    link: str = ""
    findings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.summary) > SUMMARY_LENGTH:
            object.__setattr__(self, "summary", self.summary[: SUMMARY_LENGTH - 1] + "…")

    def as_json(self) -> dict[str, Any]:
        return {
            "summary": self.summary,
            "remedy": self.remedy,
            "link": self.link,
            "findings": list(self.findings),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "GateReason":
        return cls(
            summary=str(value.get("summary", "")),
            remedy=str(value.get("remedy", "")),
            link=str(value.get("link", "")),
            findings=tuple(value.get("findings", ())),
        )


@dataclass(frozen=True, slots=True)
class GateChange:
    """What the gate of one manifest in one repository is to become, and by which decision."""

    repository_id: str
    digest: str
    state: GateState
    reason: GateReason
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """The stored gate of one manifest in one repository."""

    state: GateState
    reason: GateReason
    decision_id: str | None
    since: int
    """UTC microseconds of the last change."""


@dataclass(frozen=True, slots=True)
class QuarantineMark:
    """What whoever may write quarantine has said about a manifest."""

    state: str
    """`Passed` or `Failed`, in the words of Azure Container Registry."""
    details: Any
    marked_at: int
    marked_by: str


@dataclass(frozen=True, slots=True)
class RepositoryRef:
    """A repository by its id (what other tables point to) and its name (what people see)."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class BlobSource:
    """A blob that this registry holds: stored segments in order, or none for a layer that is not stored here."""

    digest: str
    media_type: str
    size: int
    segments: tuple[tuple[Any, ...], ...]
    """(key, size, framing version) in order."""
    stored: bool = True
    """False for a non-distributable layer, whose bytes were never pushed."""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemberSource:
    """One line of an index: a child manifest that may or may not be present."""

    digest: str
    media_type: str
    platform: Mapping[str, str]
    runnable: bool
    """False for members that cannot run (platform unknown/unknown, attestations)."""
    present: bool


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Everything a reader of an artifact needs: exact manifest bytes, config and ordered layers, or index members."""

    repository: RepositoryRef
    digest: str
    media_type: str
    kind: ArtifactKind
    artifact_type: str
    subject: str
    """Digest of the manifest that this one speaks about, or ''."""
    manifest: bytes
    config: BlobSource | None
    layers: tuple[BlobSource, ...]
    members: tuple[MemberSource, ...]


@dataclass(frozen=True, slots=True)
class RepositorySummary:
    """A repository as lists show it."""

    id: str
    name: str
    created_at: int
    manifests: int
    tags: int
    pushed_at: int | None


@dataclass(frozen=True, slots=True)
class ManifestName:
    """A tag that serves a manifest, or for which it waits."""

    repository: str
    tag: str
    digest: str
    """The manifest that was asked about."""
    pointed: str
    """What the tag points to: the manifest itself, or an index that lists it."""


@dataclass(frozen=True, slots=True)
class ServedTag:
    """What readers of a tag get."""

    name: str
    digest: str
    is_index: bool
    moved_at: int


@dataclass(frozen=True, slots=True)
class TagSummary:
    """A tag: the digest that readers get, and the one that waits for its gate ('' for none)."""

    name: str
    served: str
    pending: str
    moved_at: int


@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """A manifest of a repository with its gate, without its bytes."""

    number: int
    """Orders pushes; pages go on from it."""
    repository_id: str
    digest: str
    media_type: str
    artifact_type: str
    kind: ArtifactKind
    subject: str
    size: int
    pushed_at: int
    pusher: str
    tags: tuple[str, ...]
    gate: Gate
