"""How an image stands in a repository: gate, decision, facts and what is missing, in one read."""

from dataclasses import asdict, dataclass
from typing import Any

from pratique.advisories.types import NeededFeed
from pratique.core.database import Transaction
from pratique.registry.types import ArtifactKind, GateState, ManifestSummary
from pratique.scan.types import ImageFacts, ImageState, Place
from pratique.trust.errors import NoSuchImage
from pratique.trust.policy import notes
from pratique.trust.service import TrustService
from pratique.trust.types import Decision


@dataclass(frozen=True, slots=True)
class Standing:
    """One image in one repository, as people and CI ask about it."""

    place: Place
    reference: str
    manifest: ManifestSummary
    decision: Decision | None
    facts: ImageFacts
    needed: tuple[NeededFeed, ...]
    settled: bool
    """False while an answer is still being worked out: waiting for it makes sense."""

    def as_json(self) -> dict[str, Any]:
        gate, decision = self.manifest.gate, self.decision
        return {
            "repository": self.place.repository,
            "digest": self.place.digest,
            "reference": self.reference,
            "kind": self.manifest.kind.value,
            "tags": list(self.manifest.tags),
            "state": gate.state.value,
            "since": gate.since,
            "class": decision.verdict.kind.value if decision else "",
            "summary": gate.reason.summary,
            "remedy": gate.reason.remedy,
            "link": gate.reason.link,
            "settled": self.settled,
            "reasons": [reason.as_json() for reason in decision.verdict.reasons] if decision else [],
            "notes": list(notes(self.facts)),
            "severities": dict(self.facts.counts),
            "coverage": {
                "packages": self.facts.coverage.packages,
                "assessed": self.facts.coverage.assessed,
                "reasons": dict(self.facts.coverage.reasons),
            },
            "policy": decision.policy if decision else "",
            "policy_revision": decision.policy_revision if decision else "",
            "decided_at": decision.decided_at if decision else None,
            "valid_until": decision.verdict.valid_until if decision else None,
            "data": {
                "revision": self.facts.revision,
                "starter": self.facts.starter,
                "needed": [asdict(feed) for feed in self.needed],
            },
        }


class Standings:
    """Looks up how images stand; raises NoSuchImage for what is not there."""

    def __init__(self, trust: TrustService) -> None:
        self._registry = trust.registry
        self._scan = trust.scan
        self._trust = trust

    def find(self, tx: Transaction, repository: str, reference: str) -> Standing:
        """Return how a tag (what waits before what is served) or a digest stands."""
        manifest = self._registry.resolve(tx, repository, reference)
        if manifest is None:
            raise NoSuchImage(
                f"there is no {repository}{'@' if ':' in reference else ':'}{reference}",
                remedy="`pratique registry list` shows what is there",
            )
        place = Place(manifest.digest, manifest.repository_id, repository)
        facts = self._scan.facts(tx, place.digest)
        return Standing(
            place=place,
            reference=reference,
            manifest=manifest,
            decision=self._trust.decision(tx, place.repository_id, place.digest),
            facts=facts,
            needed=self._scan.needed(tx, place.digest),
            settled=self._settled(tx, place, manifest, facts),
        )

    def _settled(self, tx: Transaction, place: Place, manifest: ManifestSummary, facts: ImageFacts) -> bool:
        if manifest.gate.state is not GateState.HELD:
            return True
        if manifest.kind is ArtifactKind.IMAGE:
            return facts.state is not ImageState.READING
        if manifest.kind is ArtifactKind.INDEX:
            source = self._registry.image_source(tx, place.repository_id, place.digest)
            present = [member.digest for member in source.members if member.present and member.runnable]
            states = self._scan.facts_of(tx, present)
            return bool(present) and all(found.state is not ImageState.READING for found in states.values())
        return False
