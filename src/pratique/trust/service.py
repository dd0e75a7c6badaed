"""What other domains may ask of trust."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from pratique.core.database import Database, Transaction
from pratique.core.events import Event, EventBus
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Exemption
from pratique.core.jobs.queue import JobQueue
from pratique.registry.service import RegistryService
from pratique.registry.types import GateChange, GateReason
from pratique.scan.service import ScanService
from pratique.scan.types import ImageFacts, Place
from pratique.trust import decisions
from pratique.trust.decisions import Answer
from pratique.trust.policy import DefaultPolicy, failed_elsewhere, not_an_image
from pratique.trust.types import DECISION_TAKEN, Decision, Verdict

REVIEW = "trust.review"
"""Job: decide again where time alone may have changed the answer."""

SPREAD = "trust.spread"
"""Job: decide again below a lineage, because an exemption came or went."""


class Policy(Protocol):
    """A policy judges facts; it reads nothing else."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    def judge(self, facts: ImageFacts, place: Place, exemptions: Sequence[Exemption]) -> Verdict: ...


class TrustService:
    """Decides about images by policy, writes the gates of the registry, and remembers why.

    - A gate and the decision behind it are written in one transaction.
    - A decision that says nothing new writes nothing.
    - An answer that time alone can change is taken again at that instant.
    """

    def __init__(
        self,
        database: Database,
        registry: RegistryService,
        scan: ScanService,
        *,
        findings: FindingStore,
        events: EventBus,
        jobs: JobQueue,
        policy: Policy | None = None,
        console: str = "",
    ) -> None:
        self._database = database
        self.registry = registry
        self.scan = scan
        self._findings = findings
        self._events = events
        self._jobs = jobs
        self._policy: Policy = policy or DefaultPolicy()
        self._console = console.rstrip("/")

    def decide(self, tx: Transaction, place: Place) -> Decision:
        """Take the decision about one image in one repository and set its gate, in the caller's transaction."""
        return self.decide_many(tx, [place])[0]

    def decide_many(self, tx: Transaction, places: Sequence[Place]) -> list[Decision]:
        """As `decide` for each, in a bounded number of statements for all."""
        facts = self.scan.facts_of(tx, [place.digest for place in places])
        exemptions = self._findings.exemptions_active(tx)
        answers = [
            Answer(place, self._policy.judge(facts[place.digest], place, exemptions), facts[place.digest].revision)
            for place in dict.fromkeys(places)
        ]
        taken = self._settle(tx, answers)
        return [taken[place] for place in places]

    def pass_other(self, tx: Transaction, place: Place) -> Decision:
        """Open what is no image: charts, modules and the like, labelled for what they are not."""
        return self._settle(tx, [Answer(place, not_an_image(), "")])[place]

    def decision(self, tx: Transaction, repository_id: str, digest: str) -> Decision | None:
        """Return the decision that holds, or None."""
        place = Place(digest, repository_id, "")
        return decisions.current(tx, [place], self._policy.name).get(place)

    def history(self, tx: Transaction, repository_id: str, digest: str, limit: int = 50) -> list[Decision]:
        """Return the decisions about an image in a repository, newest first."""
        return decisions.history(tx, repository_id, digest, limit)

    def forget(self, tx: Transaction, place: Place) -> None:
        """The image is in this repository no longer."""
        decisions.supersede(tx, place, self._policy.name)

    def review(self, check: Callable[[], None] = lambda: None) -> int:
        """Decide again where time or a change of the policy may have changed the answer; returns how many."""
        done = 0
        while places := self._database.read(self._waiting):
            check()
            done += self.decide_in_pieces(places)
        self._database.write(self._plan_review)
        return done

    def _waiting(self, tx: Transaction) -> list[Place]:
        return decisions.due(tx, tx.now) or decisions.outdated(tx, self._policy.name, self._policy.revision)

    def decide_in_pieces(self, places: Sequence[Place]) -> int:
        """Decide about many images in short transactions."""

        def body(tx: Transaction, part: Sequence[Place]) -> None:
            self.decide_many(tx, part)

        return self._database.in_batches(places, body)

    def spread(self, lineage: str) -> int:
        """Decide again below a lineage after an exemption came or went; returns how many were looked at."""
        places = self._database.read(
            lambda tx: decisions.closed_under(tx, lineage) + decisions.exempted_under(tx, lineage)
        )
        return self.decide_in_pieces(list(dict.fromkeys(places)))

    def link(self, place: Place) -> str:
        """The page about an image in a repository."""
        return f"{self._console}/r/{place.repository}/-/{place.digest}"

    def _settle(self, tx: Transaction, answers: Sequence[Answer]) -> dict[Place, Decision]:
        """Record the answers that are new, with all that follows from them; return every decision that holds now."""
        answers = self._with_marks(tx, answers)
        held = decisions.current(tx, [answer.place for answer in answers], self._policy.name)
        new = [answer for answer in answers if not self._stands(held.get(answer.place), answer.verdict)]
        replaced = [held[answer.place] for answer in new if answer.place in held]
        taken = decisions.record_many(tx, self._policy.name, self._policy.revision, new, replaced)
        fresh = {answer.place: decision for answer, decision in zip(new, taken, strict=True)}
        self.registry.apply_gates(tx, [self._gate(place, decision) for place, decision in fresh.items()])
        if any(decision.verdict.valid_until is not None for decision in taken):
            self._plan_review(tx)
        self._events.publish_many(tx, [_taken(place, held.get(place), after) for place, after in fresh.items()])
        return held | fresh

    def _with_marks(self, tx: Transaction, answers: Sequence[Answer]) -> list[Answer]:
        """Let a mark of Failed refuse; a mark of Passed opens nothing that our own facts hold."""
        failed = self.registry.failed_marks(tx, [answer.place.digest for answer in answers])
        return [
            replace(answer, verdict=failed_elsewhere(mark.marked_by))
            if (mark := failed.get((answer.place.repository_id, answer.place.digest)))
            else answer
            for answer in answers
        ]

    def _stands(self, held: Decision | None, verdict: Verdict) -> bool:
        return held is not None and held.verdict == verdict and held.policy_revision == self._policy.revision

    def _gate(self, place: Place, decision: Decision) -> GateChange:
        verdict = decision.verdict
        names = tuple(dict.fromkeys(reason.name for reason in verdict.reasons if reason.name))
        reason = GateReason(verdict.summary, verdict.remedy, self.link(place), names)
        return GateChange(place.repository_id, place.digest, verdict.state, reason, decision.id)

    def _plan_review(self, tx: Transaction) -> None:
        instant = decisions.next_due(tx)
        if instant is not None:
            self._jobs.enqueue(tx, REVIEW, {}, unique=REVIEW, run_at=max(instant, tx.now), priority=10)


def _taken(place: Place, before: Decision | None, after: Decision) -> Event:
    data = {
        **place.as_json(),
        "decision_id": after.id,
        "state": after.verdict.state.value,
        "kind": after.verdict.kind.value,
        "summary": after.verdict.summary,
        "before": before.verdict.state.value if before else "",
    }
    return Event(DECISION_TAKEN, place.digest, data)
