"""The facts that a decision stands on, read back from the tables for one image or for many."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.advisories.service import LANGUAGES
from pratique.core.database import Transaction
from pratique.core.database.prepared import one_of
from pratique.core.findings.types import Severity
from pratique.inventory.types import Package
from pratique.scan.matches import notable as notable_of
from pratique.scan.matches import stored_revision
from pratique.scan.packages import chunks
from pratique.scan.tables import images, matches, package_keys, package_sets, packages, set_members
from pratique.scan.types import Coverage, ImageFacts, ImageState, MatchFact


def facts_of(tx: Transaction, digests: Iterable[str]) -> dict[str, ImageFacts]:
    """Return the facts of images, in a bounded number of statements; unknown digests are READING."""
    wanted = sorted(set(digests))
    revision, starter = stored_revision(tx)
    rows = [row for part in chunks(wanted) for row in _image_rows(tx, part)]
    notable = _notable(tx, {row.set_id for row in rows if row.set_id is not None})
    found = {digest: ImageFacts(digest, ImageState.READING, revision=revision, starter=starter) for digest in wanted}
    for row in rows:
        found[row.digest] = ImageFacts(
            digest=row.digest,
            state=ImageState(row.state),
            problem=row.problem,
            remedy=row.remedy,
            coverage=_coverage(row),
            notable=notable.get(row.set_id, ()),
            revision=revision,
            starter=starter,
        )
    return found


def severity_counts(tx: Transaction, digest: str) -> dict[str, int]:
    """Return how many pairs of package and vulnerability an image has, by severity."""
    statement = (
        sa.select(matches.c.severity, sa.func.count().label("n"))
        .join(set_members, set_members.c.package_id == matches.c.package_id)
        .join(images, images.c.set_id == set_members.c.set_id)
        .where(images.c.digest == digest)
        .group_by(matches.c.severity)
    )
    counts = {row.severity: row.n for row in tx.execute(statement)}
    return {severity.value: counts[severity.value] for severity in Severity if severity.value in counts}


def ecosystems_of(tx: Transaction, digest: str) -> set[str]:
    """Return what the packages of an image need feeds for: `debian:12`, `alpine:3.19`, `pypi` and so on."""
    statement = (
        sa.select(packages.c.record)
        .join(set_members, set_members.c.package_id == packages.c.id)
        .join(images, images.c.set_id == set_members.c.set_id)
        .where(images.c.digest == digest)
    )
    records = [msgspec.convert(record, Package) for record in tx.execute(statement).scalars()]
    return {package.distro or package.ecosystem for package in records}


def _image_rows(tx: Transaction, digests: Collection[str]) -> Sequence[Any]:
    return tx.execute(_IMAGES, {"digests": list(digests)}).all()


_IMAGES = (
    sa.select(
        images.c.digest,
        images.c.state,
        images.c.problem,
        images.c.remedy,
        images.c.set_id,
        package_sets.c.size,
        package_sets.c.unassessed,
    )
    .outerjoin(package_sets, package_sets.c.id == images.c.set_id)
    .where(one_of(images.c.digest, "digests"))
)


def _coverage(row: Any) -> Coverage:
    reasons: Mapping[str, int] = row.unassessed or {}
    size = row.size or 0
    return Coverage(packages=size, assessed=size - sum(reasons.values()), reasons=reasons)


def _notable(tx: Transaction, sets: Collection[int]) -> dict[int | None, tuple[MatchFact, ...]]:
    facts: dict[tuple[int, str], MatchFact] = {}
    found: dict[int | None, list[MatchFact]] = {}
    for set_id, package_id, group, known in notable_of(tx, sets):
        fact = facts.get((package_id, group))
        if fact is None:
            fact = facts[package_id, group] = _match_fact(group, known.record, known.package)
        found.setdefault(set_id, []).append(fact)
    return {identity: tuple(sorted(facts, key=_worst_first)) for identity, facts in found.items()}


def _match_fact(group: str, record: Mapping[str, Any], package: Package) -> MatchFact:
    return MatchFact(
        rule=group,
        name=str(record["name"]),
        aliases=tuple(record["aliases"]),
        package=package.name,
        version=package.version,
        location=package.purl_base,
        severity=Severity(record["severity"]),
        severity_source=str(record["severity_source"]),
        exploited=bool(record["exploited"]),
        likelihood=record["epss"],
        fix=str(record["fix"]),
        clears=str(record["clears"]),
    )


def _worst_first(fact: MatchFact) -> tuple[Any, ...]:
    return (
        not fact.exploited,
        fact.severity is not Severity.CRITICAL,
        not fact.fix,
        -(fact.likelihood or 0.0),
        fact.name,
        fact.package,
        fact.version,
    )


def seen_ecosystems(tx: Transaction) -> set[str]:
    """What has been seen in images: `debian:12`, `alpine:3.19`, `pypi`, `npm`."""
    releases = set(tx.execute(sa.select(package_sets.c.distro).distinct()).scalars()) - {""}
    spoken = sa.select(package_keys.c.ecosystem).where(package_keys.c.ecosystem.in_(tuple(LANGUAGES))).distinct()
    return releases | set(tx.execute(spoken).scalars())
