"""What pages need to know beyond recommendations, as narrow protocols; `app.py` of the product binds them to domains.

Values here are views: already limited to what a page prints. Every text in them is foreign and is escaped when shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from pratique.core.permissions import Caller, Extent

GateName = Literal["held", "open", "refused"]


@dataclass(frozen=True, slots=True)
class RepositoryView:
    """One line of the list of repositories."""

    name: str
    tags: int
    manifests: int
    gates: Mapping[GateName, int]
    pushed: int | None
    """Microseconds of the last push."""


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag with what readers get and what waits."""

    name: str
    served: str
    pending: str


@dataclass(frozen=True, slots=True)
class ManifestView:
    """One line of the list of images of a repository."""

    digest: str
    kind: str
    tags: tuple[str, ...]
    gate: GateName
    summary: str
    pushed: int | None
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class LayerView:
    """A layer, in order, and what was done with it."""

    digest: str
    size: int
    media_type: str
    created_by: str
    packages: int | None
    problem: str
    """Why it could not be read, or ''."""


@dataclass(frozen=True, slots=True)
class GapView:
    """Something of an image that was not assessed, and why."""

    what: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class BaseView:
    """What an image was built on; names are '' where the caller may not see the base's repository."""

    layers: int
    of: int
    from_base: int
    own: int
    settled: int
    name: str = ""
    href: str = ""
    named: bool = True
    target: str = ""
    target_href: str = ""
    why_not: str = ""
    replaced: tuple[tuple[str, str, int], ...] = ()
    """Path, `deleted` or `replaced`, and the number of the layer that did it, from 1."""


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image with its gate and what is known of it."""

    repository: str
    digest: str
    kind: str
    media_type: str
    size: int
    gate: GateName
    summary: str
    remedy: str
    decided: int | None
    decision_id: str
    valid_until: int | None
    pushed: int | None
    pusher: str
    tags: tuple[TagView, ...] = ()
    distribution: str = ""
    packages: int | None = None
    assessed_packages: int | None = None
    data: str = ""
    """What the answer stands on, where that limits it: the starter data."""
    scanning: bool = False
    layers: tuple[LayerView, ...] = ()
    gaps: tuple[GapView, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    """Digests of the members of an index."""
    base: BaseView | None = None


class Freshness(StrEnum):
    """How far data can be trusted; *starter* is the small set that ships with the product."""

    MISSING = "missing"
    STARTER = "starter"
    STALE = "stale"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class FeedView:
    """One advisory feed: how old it is, and whether something that was seen needs it."""

    id: str
    name: str
    note: str
    freshness: Freshness
    data_date: int | None
    records: int | None
    size: int | None
    """Bytes to fetch, where known."""
    needed: str
    """What was seen that it would say more about, or ''."""
    error: str = ""
    fetching: bool = False
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ExemptionView:
    """A decision to live with findings for a time."""

    id: str
    rule: str
    lineage: str
    location: str
    reason: str
    approver: str
    created: int
    expires: int
    state: Literal["active", "expired", "withdrawn"]
    findings: int = 0


@dataclass(frozen=True, slots=True)
class NewExemption:
    """What the form asks for."""

    rule: str
    lineage: str
    location: str
    reason: str
    expires: int


@dataclass(frozen=True, slots=True)
class JobView:
    """One piece of background work."""

    id: str
    kind: str
    state: str
    attempt: int
    created: int
    updated: int
    done: int
    total: int | None
    note: str
    error: str


class Images(Protocol):
    """Repositories and images, limited to what the caller may see; calls may block and run in a thread.

    Lists begin after the cursor `after`, which they made themselves.
    """

    def repositories(self, extent: Extent, search: str, after: str, limit: int) -> Sequence[RepositoryView]: ...

    def manifests(self, extent: Extent, repository: str, after: str, limit: int) -> Sequence[ManifestView]: ...

    def image(self, extent: Extent, repository: str, digest: str) -> ImageView | None: ...

    def gate(self, extent: Extent, repository: str, digest: str) -> GateName | None: ...

    def resolve(self, extent: Extent, repository: str, tag: str) -> str | None: ...

    def scanning(self, extent: Extent) -> int: ...


class Feeds(Protocol):
    """Advisory feeds."""

    def all(self) -> Sequence[FeedView]: ...

    def fetch(self, caller: Caller, feeds: Sequence[str]) -> None: ...


class Exemptions(Protocol):
    """Exemptions; `add` raises Invalid or Denied with a remedy."""

    def all(self, extent: Extent, limit: int) -> Sequence[ExemptionView]: ...

    def add(self, caller: Caller, wanted: NewExemption) -> str: ...

    def withdraw(self, caller: Caller, exemption_id: str) -> None: ...


class Jobs(Protocol):
    """Background work."""

    def recent(self, state: str, limit: int) -> Sequence[JobView]: ...
