"""What a newer build of a base settles, from what is stored of both: nothing is guessed, and nothing is read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.findings.types import Severity
from pratique.registry.types import ManifestName, ServedTag
from pratique.scan.bases.names import Candidate, best_name, candidates
from pratique.scan.packages import chunks
from pratique.scan.tables import image_chains, images, matches, places, served_names, set_members
from pratique.scan.types import ImageState

MOST_IMAGES = 50
"""Images of one chain that are looked at: builds that differ in their configuration alone."""
_RANKED = tuple(Severity)


class Names(Protocol):
    """What the registry knows of tags; `registry.service.RegistryService` does."""

    def names_of(self, tx: Transaction, digests: Sequence[str]) -> list[ManifestName]: ...

    def indexes_of(self, tx: Transaction, digests: Sequence[str]) -> dict[str, str]: ...

    def served_tags(self, tx: Transaction, repository: str) -> list[ServedTag]: ...

    def runnable_members(self, tx: Transaction, repository: str, digest: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Compared:
    """Vulnerabilities of a base and of a newer build, each an alias group, by what becomes of them."""

    before: Mapping[str, int] = field(default_factory=dict)
    """Severity -> how many the base has."""
    cleared: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    """Of those of the base, those that the newer build has as well."""
    brought: Mapping[str, int] = field(default_factory=dict)
    """Those that only the newer build has."""


@dataclass(frozen=True, slots=True)
class BaseFacts:
    """A base with its name, and the newer build that is best."""

    digest: str
    repository: str
    tag: str
    named: bool
    distro: str
    target: str = ""
    target_tag: str = ""
    compared: Compared = Compared()
    cleared: tuple[str, ...] = ()
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class _Image:
    digest: str
    set_id: int | None
    facts: Mapping[str, Any]
    chain: str
    assessed: bool

    @property
    def platform(self) -> tuple[Any, ...]:
        return tuple(self.facts.get(name) or "" for name in ("os", "architecture", "variant", "distro"))


_Groups = Mapping[str, tuple[Severity, bool]]


def look(tx: Transaction, names: Names, chain: str, former: ManifestName | None) -> BaseFacts | None:
    """Return what is known of a base now; `former` is the name that was stored of it. None: no such image is known."""
    alike = _images(tx, image_chains.c.chain == chain, MOST_IMAGES)
    if not alike:
        return None
    chosen, name, named = _named(tx, names, list(alike), former)
    image = alike[chosen]
    base = BaseFacts(chosen, name.repository, name.tag, named, str(image.facts.get("distro") or ""))
    if not name.tag:
        return _without(base, "no tag is known for it, so that a newer build of it cannot be told")
    return _best(tx, names, base, image)


def _images(tx: Transaction, where: sa.ColumnElement[bool], limit: int) -> dict[str, _Image]:
    columns = (images.c.digest, images.c.set_id, images.c.facts, images.c.state, image_chains.c.chain)
    query = sa.select(*columns).join(image_chains, image_chains.c.digest == images.c.digest).where(where)
    rows = tx.execute(query.order_by(images.c.assessed_at.desc()).limit(limit))
    return {
        row.digest: _Image(row.digest, row.set_id, row.facts, row.chain, row.state == ImageState.ASSESSED.value)
        for row in rows
    }


def _named(
    tx: Transaction, names: Names, digests: Sequence[str], former: ManifestName | None
) -> tuple[str, ManifestName, bool]:
    """Choose the image of a chain: one that a tag names, else one that a tag named, else the one pushed last."""
    current = best_name(names.names_of(tx, digests))
    if current is not None:
        return current.digest, current, True
    through = {**names.indexes_of(tx, digests), **{digest: digest for digest in digests}}
    rows = tx.execute(
        sa.select(served_names)
        .where(served_names.c.digest.in_(sorted(through)))
        .order_by(served_names.c.at.desc())
        .limit(100)
    )
    before = best_name([ManifestName(row.repository, row.tag, through[row.digest], row.digest) for row in rows])
    if before is None and former is not None and former.tag and former.digest in digests:
        before = former
    if before is not None:
        return before.digest, before, False
    query = sa.select(places.c.digest, places.c.repository).where(places.c.digest.in_(list(digests)))
    last = tx.execute(query.order_by(places.c.pushed_at.desc(), places.c.digest).limit(1)).one_or_none()
    chosen = last.digest if last else digests[0]
    return chosen, ManifestName(last.repository if last else "", "", chosen, chosen), False


def _without(base: BaseFacts, why: str, before: Mapping[str, int] | None = None) -> BaseFacts:
    return BaseFacts(
        base.digest,
        base.repository,
        base.tag,
        base.named,
        base.distro,
        compared=Compared(before=before or {}, left=before or {}),
        why_not=why,
    )


def _best(tx: Transaction, names: Names, base: BaseFacts, image: _Image) -> BaseFacts:
    own = _groups(tx, image.set_id)
    served = names.served_tags(tx, base.repository)
    found = candidates(base.tag, {base.digest, *names.indexes_of(tx, [base.digest])}, served)
    builds = [(each, build) for each in found if (build := _build(tx, names, base, each, image)) is not None]
    if not builds:
        return _without(base, f"no newer build of it is open in {base.repository}", _counts(own.values()))
    ranked = [(_weight(groups := _groups(tx, build.set_id)), each.step, each, build, groups) for each, build in builds]
    weight, _, each, build, groups = min(ranked, key=lambda item: item[:2])
    cleared = sorted(own.keys() - groups.keys())
    if not cleared or weight >= _weight(own):
        tags = ", ".join(candidate.tag for candidate, _ in builds[:3])
        return _without(base, f"what is newer there ({tags}) has no fewer vulnerabilities", _counts(own.values()))
    compared = Compared(
        before=_counts(own.values()),
        cleared=_counts(own[group] for group in cleared),
        left=_counts(own[group] for group in own.keys() & groups.keys()),
        brought=_counts(groups[group] for group in groups.keys() - own.keys()),
    )
    return BaseFacts(
        base.digest,
        base.repository,
        base.tag,
        base.named,
        base.distro,
        build.digest,
        each.tag,
        compared,
        tuple(cleared),
    )


def _build(tx: Transaction, names: Names, base: BaseFacts, candidate: Candidate, image: _Image) -> _Image | None:
    """Return the assessed image behind a tag for the platform and release of the base, if there is one."""
    digests = [candidate.digest]
    if candidate.is_index:
        digests = names.runnable_members(tx, base.repository, candidate.digest)
    for part in chunks(digests):
        for each in _images(tx, images.c.digest.in_(part), len(part)).values():
            if each.assessed and each.platform == image.platform and each.chain != image.chain:
                return each
    return None


def _groups(tx: Transaction, set_id: int | None) -> _Groups:
    """Return the vulnerabilities of a set of packages, each with its worst severity."""
    if set_id is None:
        return {}
    query = (
        sa.select(matches.c.group_id, matches.c.severity, matches.c.exploited)
        .join(set_members, set_members.c.package_id == matches.c.package_id)
        .where(set_members.c.set_id == set_id)
        .distinct()
    )
    found: dict[str, tuple[Severity, bool]] = {}
    for row in tx.execute(query):
        severity, exploited = Severity(row.severity), bool(row.exploited)
        known = found.get(row.group_id, (Severity.UNKNOWN, False))
        found[row.group_id] = max(known[0], severity, key=lambda each: each.rank), known[1] or exploited
    return found


def _counts(found: Any) -> dict[str, int]:
    counts = dict.fromkeys((severity.value for severity in _RANKED), 0)
    for severity, _ in found:
        counts[severity.value] += 1
    return {name: count for name, count in counts.items() if count}


def _weight(groups: _Groups) -> tuple[int, ...]:
    """What a build is compared by: exploited ones first, then critical, high and so on; less is better."""
    counts = _counts(groups.values())
    return (sum(exploited for _, exploited in groups.values()), *(counts.get(each.value, 0) for each in _RANKED))
