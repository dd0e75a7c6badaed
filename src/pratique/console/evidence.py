"""One finding as a page shows it: the proof in words, and only addresses that lead to the web."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pratique.console import addresses
from pratique.console.wording import utc
from pratique.recommendations.risk import Risk
from pratique.recommendations.types import Evidence

_LONGEST = 2000
_FACTS = (
    ("record", "Record"),
    ("feed", "Feed"),
    ("range", "Affected range"),
    ("comparison", "Comparison"),
    ("data_date", "Date of the data"),
    ("status", "Status upstream"),
    ("reason", "Not assessed because"),
    ("source_package", "Source package"),
    ("path", "Path"),
    ("layer", "Layer"),
    ("layer_index", "Layer number"),
    ("created_by", "Layer made by"),
)


_SHARED = ("rule", "severity", "assessed", "exempted", "repository", "subject", "version", "fix")


@dataclass(frozen=True, slots=True)
class RatingRow:
    """What one source says of the severity."""

    source: str
    severity: str
    score: str | None
    vector: str


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A finding in one image, ready to be printed."""

    rule: str
    aliases: tuple[str, ...]
    title: str
    severity: str
    assessed: bool
    exempted: bool
    exploited: bool
    likelihood: float | None
    risk: Risk
    fix: str
    package: str
    version: str
    repository: str
    subject: str
    href: str
    url: str
    facts: tuple[tuple[str, str], ...]
    ratings: tuple[RatingRow, ...]
    remediation: str
    first_seen: int

    @classmethod
    def rows(cls, found: Iterable[Evidence]) -> "list[EvidenceRow]":
        """Return rows; packages of one source that show the same thing in the same image stand in one row."""
        rows: list[EvidenceRow] = []
        for each in found:
            row = cls.of(each)
            if rows and rows[-1].is_same(row):
                rows[-1] = rows[-1].joined(row)
            else:
                rows.append(row)
        return rows

    def is_same(self, other: "EvidenceRow") -> bool:
        """Whether both say the same of two packages in one image."""
        return all(getattr(self, name) == getattr(other, name) for name in _SHARED)

    def joined(self, other: "EvidenceRow") -> "EvidenceRow":
        """Return one row for the packages of both."""
        places = ", ".join(dict(row.facts)["Package address"] for row in (self, other))
        facts = tuple((name, places if name == "Package address" else value) for name, value in self.facts)
        return replace(self, package=f"{self.package}, {other.package}", facts=facts)

    @classmethod
    def of(cls, found: Evidence) -> "EvidenceRow":
        """Read the proof tolerantly: producers may say less or more than is known here."""
        repository = found.lineage.removeprefix("registry/")
        return cls(
            rule=found.rule,
            aliases=_by_renown(found.aliases),
            title=found.title,
            severity=found.severity.value,
            assessed=found.assessed,
            exempted=found.exempted,
            exploited=found.exploited,
            likelihood=found.likelihood,
            risk=found.risk,
            fix=found.fix,
            package=str(found.proof.get("package") or _name(found.location)),
            version=found.version,
            repository=repository,
            subject=found.subject,
            href=addresses.image(repository, found.subject),
            url=_web(found.proof.get("url")),
            facts=_facts(found),
            ratings=_ratings(found.proof.get("ratings")),
            remediation=found.remediation,
            first_seen=found.first_seen,
        )


def _by_renown(aliases: tuple[str, ...]) -> tuple[str, ...]:
    """CVE ids first: that is the name people search for."""
    return tuple(sorted(aliases, key=lambda name: (not name.startswith("CVE-"), name)))


def _name(location: str) -> str:
    if not location.startswith("pkg:"):
        return location
    return location.partition("?")[0].removeprefix("pkg:").partition("/")[2].partition("@")[0]


def _facts(found: Evidence) -> tuple[tuple[str, str], ...]:
    facts = [
        (label, _worded(key, found.proof[key])) for key, label in _FACTS if found.proof.get(key) not in (None, "", [])
    ]
    facts.append(("Package address", found.location))
    if len(found.aliases) > 1:
        facts.append(("Also known as", ", ".join(found.aliases)))
    if isinstance(found.proof.get("from_base"), bool):
        facts.append(("Came with", "the base image" if found.proof["from_base"] else "this image's own layers"))
    if found.assessed:
        facts.append(("Severity by", found.severity_source or "nobody: not rated"))
    return tuple(facts)


def _worded(key: str, value: Any) -> str:
    """Dates come as microseconds or as text, from different producers."""
    if key.endswith("_date") and isinstance(value, int):
        return utc(value)
    return _plain(value)


def _plain(value: Any) -> str:
    text = ", ".join(str(part) for part in value) if isinstance(value, list | tuple) else str(value)
    return text[:_LONGEST]


def _ratings(value: Any) -> tuple[RatingRow, ...]:
    if not isinstance(value, list | tuple):
        return ()
    return tuple(_rating(rating) for rating in value[:12] if isinstance(rating, Mapping))


def _rating(rating: Mapping[str, Any]) -> RatingRow:
    score = rating.get("score")
    return RatingRow(
        str(rating.get("source", "")),
        str(rating.get("severity", "")),
        None if score in (None, "") else str(score),
        str(rating.get("vector") or ""),
    )


def _web(value: Any) -> str:
    """Return the address only if it leads to the web: a record could say javascript: as well."""
    text = str(value or "")
    return text if text.startswith(("https://", "http://")) and len(text) < _LONGEST else ""
