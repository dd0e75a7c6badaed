"""Repositories and images, out of registry, scanner and trust."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from pratique.console.bindings.bases import base_view
from pratique.console.sources import (
    GapView,
    GateName,
    ImageView,
    LayerView,
    ManifestView,
    RepositoryView,
    TagView,
)
from pratique.core.database import Database, Transaction
from pratique.core.permissions import Extent, Scope
from pratique.identity.service import IdentityService
from pratique.recommendations.titles import place_name
from pratique.registry.service import RegistryService
from pratique.registry.types import Gate, ImageSource, ManifestSummary, RepositorySummary
from pratique.scan.service import ScanService
from pratique.scan.types import ImageFacts, ImageState, LayerTold
from pratique.trust.service import TrustService
from pratique.trust.types import Decision

PIECE = 500
MOST_PIECES = 40
"""A search by part of a name looks at this many pieces at most, then says that it found no more."""

TAGS = 50


class BoundImages:
    """Reads in one snapshot per call; what the caller may not see does not exist."""

    def __init__(
        self,
        database: Database,
        registry: RegistryService,
        scan: ScanService,
        trust: TrustService,
        identity: IdentityService,
    ) -> None:
        self._database = database
        self._registry = registry
        self._scan = scan
        self._trust = trust
        self._identity = identity

    def repositories(self, extent: Extent, search: str, after: str, limit: int) -> Sequence[RepositoryView]:
        def body(tx: Transaction) -> list[RepositoryView]:
            found = self._search(tx, extent, search.lower(), after, limit)
            gates = self._registry.gate_counts(tx, [summary.id for summary in found])
            return [_repository(summary, gates.get(summary.id, {})) for summary in found]

        return self._database.read(body)

    def manifests(self, extent: Extent, repository: str, after: str, limit: int) -> Sequence[ManifestView]:
        def body(tx: Transaction) -> list[ManifestView]:
            held = self._registry.repository(tx, repository) if _visible(extent, repository) else None
            if held is None:
                return []
            before = int(after) if after.isascii() and after.isdigit() else None
            return [_manifest(one) for one in self._registry.list_manifests(tx, held.id, limit=limit, before=before)]

        return self._database.read(body)

    def image(self, extent: Extent, repository: str, digest: str) -> ImageView | None:
        if not _visible(extent, repository):
            return None

        def body(tx: Transaction) -> ImageView | None:
            view = self._image(tx, repository, digest)
            return view and replace(view, base=base_view(tx, self._scan, self._registry, view, extent))

        return self._database.read(body)

    def gate(self, extent: Extent, repository: str, digest: str) -> GateName | None:
        if not _visible(extent, repository):
            return None
        found = self._database.read(lambda tx: self._registry.resolve(tx, repository, digest))
        return found.gate.state.value if found else None

    def resolve(self, extent: Extent, repository: str, tag: str) -> str | None:
        if not _visible(extent, repository):
            return None
        found = self._database.read(lambda tx: self._registry.resolve(tx, repository, tag))
        return found.digest if found else None

    def scanning(self, extent: Extent) -> int:
        places = self._database.read(self._scan.reading)
        return sum(_visible(extent, place.repository) for place in places)

    def _search(self, tx: Transaction, extent: Extent, search: str, after: str, limit: int) -> list[RepositorySummary]:
        if not search:
            return self._registry.list_repositories(tx, [extent], limit=limit, after=after)
        found: list[RepositorySummary] = []
        for _ in range(MOST_PIECES):
            piece = self._registry.list_repositories(tx, [extent], limit=PIECE, after=after)
            found += [summary for summary in piece if search in summary.name]
            if len(piece) < PIECE or len(found) >= limit:
                break
            after = piece[-1].name
        return found[:limit]

    def _image(self, tx: Transaction, repository: str, digest: str) -> ImageView | None:
        manifest = self._registry.resolve(tx, repository, digest)
        if manifest is None:
            return None
        source = self._registry.image_source(tx, manifest.repository_id, digest)
        facts, details = self._scan.facts(tx, digest), self._scan.details(tx, digest)
        told = self._scan.layers(tx, digest)
        decision = self._trust.decision(tx, manifest.repository_id, digest)
        pusher = self._identity.memory.of(manifest.pusher)
        return _image(
            manifest, source, facts, details, told, decision, self._tags(tx, manifest), pusher.name if pusher else ""
        )

    def _tags(self, tx: Transaction, manifest: ManifestSummary) -> tuple[TagView, ...]:
        wanted = set(manifest.tags[:TAGS])
        tags = []
        for name in sorted(wanted):
            # The tag just before the wanted one in order is what a page of one begins after.
            found = self._registry.list_tags(tx, manifest.repository_id, limit=1, after=_before(name))
            tags += [TagView(tag.name, tag.served, tag.pending) for tag in found if tag.name == name]
        return tuple(tags)


def _before(name: str) -> str:
    """Return a text that sorts right before a tag name: no tag holds a character under the hyphen."""
    return name[:-1] + chr(ord(name[-1]) - 1) + "\x7f" if name else ""


def _visible(extent: Extent, repository: str) -> bool:
    return extent.covers(Scope.for_repository(repository))


def _repository(summary: RepositorySummary, gates: Mapping[Any, int]) -> RepositoryView:
    named: dict[GateName, int] = {state.value: count for state, count in gates.items()}
    return RepositoryView(summary.name, summary.tags, summary.manifests, named, summary.pushed_at)


def _manifest(summary: ManifestSummary) -> ManifestView:
    return ManifestView(
        digest=summary.digest,
        kind=summary.kind.value,
        tags=summary.tags,
        gate=summary.gate.state.value,
        summary=_said(summary.gate),
        pushed=summary.pushed_at,
        cursor=str(summary.number),
    )


def _image(  # noqa: PLR0917  one view of eight sources
    manifest: ManifestSummary,
    source: ImageSource,
    facts: ImageFacts,
    details: Mapping[str, Any],
    told: Sequence[LayerTold],
    decision: Decision | None,
    tags: tuple[TagView, ...],
    pusher: str,
) -> ImageView:
    known = facts.state is not ImageState.READING
    return ImageView(
        repository=source.repository.name,
        digest=manifest.digest,
        kind=manifest.kind.value,
        media_type=manifest.media_type,
        size=sum(layer.size for layer in source.layers) or manifest.size,
        gate=manifest.gate.state.value,
        summary=_said(manifest.gate),
        remedy=manifest.gate.reason.remedy,
        decided=decision.decided_at if decision else None,
        decision_id=decision.id if decision else "",
        valid_until=decision.verdict.valid_until if decision else None,
        pushed=manifest.pushed_at,
        pusher=pusher,
        tags=tags,
        distribution=place_name(str(details.get("distro") or "")),
        packages=facts.coverage.packages if known else None,
        assessed_packages=facts.coverage.assessed if known else None,
        data="the starter data only" if known and facts.starter else "",
        scanning=not known and manifest.kind.value == "image",
        layers=_layers(source, details, told),
        gaps=_gaps(facts, details),
        members=tuple(member.digest for member in source.members if member.present),
    )


def _said(gate: Gate) -> str:
    """Return the reason without the state in front, which the page shows in its own way."""
    return gate.reason.summary.removeprefix(f"{gate.state.value}: ")


def _layers(source: ImageSource, details: Mapping[str, Any], told: Sequence[LayerTold]) -> tuple[LayerView, ...]:
    problems = {str(gap.get("what", "")): str(gap.get("reason", "")) for gap in details.get("not_assessed", ()) if gap}
    return tuple(
        LayerView(
            digest=layer.digest,
            size=layer.size,
            media_type=layer.media_type,
            created_by=said.created_by if said else "",
            packages=said.packages if said else None,
            problem=problems.get(f"layer {layer.digest}", ""),
        )
        for layer, said in zip_longest(source.layers, told[: len(source.layers)])
    )


def _gaps(facts: ImageFacts, details: Mapping[str, Any]) -> tuple[GapView, ...]:
    """Everything that was not assessed: the image itself, packages by reason, and what readers could not read."""
    whole = (GapView("the whole image", facts.problem, facts.remedy),) if facts.problem else ()
    packages = tuple(
        GapView(f"{count} package" + ("s" if count != 1 else ""), reason)
        for reason, count in facts.coverage.reasons.items()
    )
    parts = tuple(
        GapView(str(gap.get("what", "")), str(gap.get("reason", ""))) for gap in details.get("not_assessed", ()) if gap
    )
    return (*whole, *packages, *parts)
