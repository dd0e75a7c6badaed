"""From the judged packages of an image to the findings of a repository."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import one_of
from pratique.core.findings.types import Finding, Occurrence, Severity
from pratique.inventory.types import Package
from pratique.scan.bases.advice import Advice, advice_for
from pratique.scan.image_checks import ImageCheck
from pratique.scan.image_facts import checks_of
from pratique.scan.image_layers import stored_layers
from pratique.scan.matches import matched
from pratique.scan.packages import chunks
from pratique.scan.remedies import action_of, on_newer_base, remediation_of, slug, unassessed_action, unassessed_remedy
from pratique.scan.tables import images, packages, set_members
from pratique.scan.types import LayerTold, Place

DOMAIN = "scan"
_DECODER = json.JSONDecoder()
_SOUGHT = 20
"""Packages that are looked for one by one in an image's attribution."""
_NAMED = 100
"""Packages that evidence names one by one."""


@dataclass(frozen=True, slots=True)
class _Hit:
    """One package of an image with one of its matches."""

    package_id: int
    package: Package
    group: str
    record: Mapping[str, Any]


def occurrences(
    tx: Transaction, places: Sequence[Place], rules: Collection[str] | None = None
) -> dict[Place, list[Occurrence]]:
    """Return what the images show, for each place; only these alias groups where `rules` is given."""
    stored = _images(tx, {place.digest for place in places})
    advice = advice_for(tx, stored)
    sets = {row.set_id for row in stored.values() if row.set_id is not None}
    hits = _hits(tx, sets, rules)
    gaps = _gaps(tx, sets) if rules is None else {}
    checks = _checks(tx, stored) if rules is None else {}
    found: dict[Place, list[Occurrence]] = {}
    for place in places:
        image = stored.get(place.digest)
        found[place] = (
            []
            if image is None
            else [
                *_affected(place, hits.get(image.set_id, ()), image, advice.get(place.digest)),
                *_unassessed(place, gaps.get(image.set_id, ())),
                *(_checked(place, check) for check in checks.get(place.digest, ())),
                *(_problem(place, image) if rules is None else ()),
            ]
        )
    return found


def _images(tx: Transaction, digests: Collection[str]) -> dict[str, Any]:
    return {row.digest: row for part in chunks(digests) for row in tx.execute(_IMAGES, {"digests": part}).all()}


_IMAGES = sa.select(
    *(images.c[name] for name in ("digest", "set_id", "attribution", "layers", "problem", "remedy"))
).where(one_of(images.c.digest, "digests"))


def _hits(tx: Transaction, sets: Collection[int], rules: Collection[str] | None) -> dict[int | None, list[_Hit]]:
    found: dict[int | None, list[_Hit]] = {}
    for set_id, package_id, group, known in matched(tx, sets, rules):
        found.setdefault(set_id, []).append(_Hit(package_id, known.package, group, known.record))
    return found


def _affected(place: Place, hits: Sequence[_Hit], image: Any, base: Advice | None) -> Iterator[Occurrence]:
    """One occurrence per alias group, location and version; copies in several places share it."""
    if not hits:
        return
    spots = _spots(image.attribution, {hit.package_id for hit in hits})
    layers = stored_layers(image.layers)
    grouped: dict[tuple[str, str, str], list[_Hit]] = {}
    for hit in hits:
        grouped.setdefault((hit.group, hit.package.purl_base, hit.package.version), []).append(hit)
    for (_, location, _), copies in sorted(grouped.items()):
        yield _occurrence(place, location, copies, spots, layers, base)


def _spots(attribution: str, wanted: Collection[int]) -> dict[int, Sequence[Any]]:
    """Return where these packages lie; of hundreds a change concerns one or two, and the others are not decoded."""
    if len(wanted) <= _SOUGHT:
        found = {each: _spot(attribution, each) for each in wanted}
        if None not in found.values():
            return {each: spots for each, spots in found.items() if spots is not None}
    held = msgspec.json.decode(attribution, type=dict[str, msgspec.Raw])
    return {each: msgspec.json.decode(held[str(each)]) for each in wanted if str(each) in held}


def _spot(attribution: str, package_id: int) -> Sequence[Any] | None:
    """Return where one package lies; None when it is not there in the words in which the indexer writes it."""
    # Keys are numbers and nothing else is followed by a colon outside of strings, where quotes are escaped.
    key = f'"{package_id}":['
    start = attribution.find(key)
    return None if start < 0 else _DECODER.raw_decode(attribution, start + len(key) - 1)[0]


def _occurrence(  # noqa: PLR0917  what one finding is made of
    place: Place,
    location: str,
    copies: Sequence[_Hit],
    spots: Mapping[int, Sequence[Any]],
    layers: Sequence[LayerTold],
    base: Advice | None,
) -> Occurrence:
    first = copies[0]
    record, package = first.record, first.package
    fix = next((str(hit.record["fix"]) for hit in copies if hit.record["fix"]), "")
    where = [spot for hit in copies for spot in spots.get(hit.package_id, ())]
    newer = base is not None and base.settles(first.group, where)
    finding = Finding(
        domain=DOMAIN,
        rule=first.group,
        lineage=place.lineage,
        location=location,
        title=f"{record['name']} in {package.name}" + (f": {record['title']}" if record["title"] else ""),
        severity=Severity(record["severity"]),
        severity_source=str(record["severity_source"]),
        state="affected",
        exploited=bool(record["exploited"]),
        likelihood=record["epss"],
        fix=fix,
        action=base.action if base is not None and newer else action_of(package),
        aliases=tuple(record["aliases"]),
    )
    return Occurrence(
        finding=finding,
        subject=place.digest,
        version=package.version,
        evidence=_evidence(package, record, where, layers) | _from_base(base, where),
        remediation=on_newer_base(package) if newer else remediation_of(package, record),
    )


def _from_base(base: Advice | None, where: Sequence[Any]) -> dict[str, Any]:
    """Say whether a finding came with the base image; nothing where no base is known."""
    return {} if base is None else {"base_layers": base.layers, "from_base": base.covers(where)}


def _evidence(
    package: Package, record: Mapping[str, Any], where: Sequence[Any], layers: Sequence[LayerTold]
) -> dict[str, Any]:
    said = record["evidence"]
    lead = dict(said[0]) if said else {}
    index, layer, path = where[0] if where else (-1, "", "")
    return {
        **lead,
        "package": package.name,
        "package_version": package.version,
        "source_package": package.source_name,
        "source_version": package.source_version,
        "distro": package.distro,
        "layer": layer,
        "layer_index": index,
        "created_by": layers[index].created_by if 0 <= index < len(layers) else "",
        "path": path,
        "places": [list(spot) for spot in where[:_NAMED]],
        "records": said,
        "status": record["status"],
        "reason": record["reason"],
        "ratings": record["ratings"],
        "confidence": record["confidence"],
        "exploited_since": record["exploited_since"],
        "ransomware": record["ransomware"],
    }


@dataclass(frozen=True, slots=True)
class _Gap:
    """Packages of one set that could not be judged for one reason."""

    code: str
    reason: str
    distro: str
    ecosystem: str
    names: tuple[str, ...]


def _gaps(tx: Transaction, sets: Collection[int]) -> dict[int | None, list[_Gap]]:
    grouped: dict[tuple[int, str, str, str, str], list[str]] = {}
    for part in chunks(sets):
        for row in tx.execute(_GAPS, {"sets": part}).all():
            package = msgspec.convert(row.record, Package)
            key = (row.set_id, row.not_assessed_code, row.not_assessed, package.distro, package.ecosystem)
            grouped.setdefault(key, []).append(f"{package.name} {package.version}")
    found: dict[int | None, list[_Gap]] = {}
    for (set_id, code, reason, distro, ecosystem), names in sorted(grouped.items()):
        found.setdefault(set_id, []).append(_Gap(code, reason, distro, ecosystem, tuple(sorted(names))))
    return found


_GAPS = (
    sa.select(set_members.c.set_id, packages.c.record, packages.c.not_assessed, packages.c.not_assessed_code)
    .join(packages, packages.c.id == set_members.c.package_id)
    .where(packages.c.not_assessed.is_not(None), one_of(set_members.c.set_id, "sets"))
)


def _unassessed(place: Place, gaps: Sequence[_Gap]) -> Iterator[Occurrence]:
    """One occurrence per reason: the packages are named in the evidence."""
    for gap in gaps:
        what = gap.distro or gap.ecosystem
        finding = Finding(
            domain=DOMAIN,
            rule=f"not-assessed-{slug(gap.code or gap.reason)}",
            lineage=place.lineage,
            location=f"pkg:{gap.ecosystem}" + (f"/{gap.distro.partition(':')[0]}" if gap.distro else ""),
            title=f"{len(gap.names)} packages of {what} were not assessed: {gap.reason}",
            severity=Severity.UNKNOWN,
            severity_source="",
            state="not-assessed",
            action=unassessed_action(gap.code, gap.distro, gap.ecosystem),
        )
        yield Occurrence(
            finding=finding,
            subject=place.digest,
            version="",
            evidence={"reason": gap.reason, "count": len(gap.names), "packages": list(gap.names[:_NAMED])},
            remediation=unassessed_remedy(gap.code, gap.distro, gap.ecosystem),
        )


def _checks(tx: Transaction, digests: Collection[str]) -> dict[str, list[ImageCheck]]:
    rows = (row for part in chunks(digests) for row in tx.execute(_FACTS, {"digests": part}).all())
    return {row.digest: checks_of(row.facts) for row in rows}


_FACTS = sa.select(images.c.digest, images.c.facts).where(one_of(images.c.digest, "digests"))


def _checked(place: Place, check: ImageCheck) -> Occurrence:
    """One thing that is wrong with the image besides its packages."""
    finding = Finding(
        domain=DOMAIN,
        rule=check.rule,
        lineage=place.lineage,
        location=check.location,
        title=check.title,
        severity=check.severity,
        severity_source="pratique",
        action=check.action,
    )
    return Occurrence(
        finding=finding, subject=place.digest, version="", evidence=check.evidence, remediation=check.remediation
    )


def _problem(place: Place, image: Any) -> Iterator[Occurrence]:
    """The image as a whole could not be assessed."""
    if image.problem:
        finding = Finding(
            domain=DOMAIN,
            rule="not-assessed-image",
            lineage=place.lineage,
            location="image",
            title=f"The image was not assessed: {image.problem}",
            severity=Severity.UNKNOWN,
            severity_source="",
            state="not-assessed",
            action="not-assessed|image",
        )
        yield Occurrence(
            finding=finding,
            subject=place.digest,
            version="",
            evidence={"reason": image.problem},
            remediation=image.remedy,
        )
