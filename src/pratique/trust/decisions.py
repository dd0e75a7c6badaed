"""Stored decisions: the one that holds for each image, repository and policy, and those that held before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.database.prepared import one_of
from pratique.core.ids import new_id
from pratique.registry.types import GateState
from pratique.scan.types import Place
from pratique.trust.tables import decisions
from pratique.trust.types import Decision, DecisionClass, Reason, Verdict

_CHUNK = 400
_CURRENT = decisions.c.superseded_at.is_(None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict about a place, and the revision of the facts that it stands on."""

    place: Place
    verdict: Verdict
    facts_revision: str


def current(tx: Transaction, places: Sequence[Place], policy: str) -> dict[Place, Decision]:
    """Return the decisions that hold about these places."""
    wanted = {(place.digest, place.repository_id): place for place in places}
    digests = sorted({place.digest for place in places})
    found: dict[Place, Decision] = {}
    for start in range(0, len(digests), _CHUNK):
        values = {"digests": digests[start : start + _CHUNK], "policy": policy}
        for row in tx.execute(_HELD, values).all():
            place = wanted.get((row.digest, row.repository_id))
            if place is not None:
                found[place] = _decision(row)
    return found


_HELD = sa.select(decisions).where(
    one_of(decisions.c.digest, "digests"), decisions.c.policy == sa.bindparam("policy"), _CURRENT
)


def record_many(
    tx: Transaction, policy: str, revision: str, answers: Sequence[Answer], replaced: Sequence[Decision]
) -> list[Decision]:
    """Write decisions in the order of `answers`, and end those that held before them."""
    for start in range(0, len(replaced), _CHUNK):
        ids = [decision.id for decision in replaced[start : start + _CHUNK]]
        tx.execute(_END, {"ids": ids, "now": tx.now})
    taken = [
        Decision(
            id=new_id(),
            digest=answer.place.digest,
            repository_id=answer.place.repository_id,
            repository=answer.place.repository,
            policy=policy,
            policy_revision=revision,
            verdict=answer.verdict,
            facts_revision=answer.facts_revision,
            decided_at=tx.now,
        )
        for answer in answers
    ]
    if taken:
        tx.execute(_INSERT, [_values(decision) for decision in taken])
    return taken


_END = sa.update(decisions).where(one_of(decisions.c.id, "ids")).values(superseded_at=sa.bindparam("now"))
_INSERT = sa.insert(decisions)


def supersede(tx: Transaction, place: Place, policy: str) -> None:
    """The decision about this place holds no longer."""
    tx.execute(
        sa.update(decisions)
        .where(
            decisions.c.digest == place.digest,
            decisions.c.repository_id == place.repository_id,
            decisions.c.policy == policy,
            _CURRENT,
        )
        .values(superseded_at=tx.now)
    )


def history(tx: Transaction, repository_id: str, digest: str, limit: int) -> list[Decision]:
    """Return decisions about one image in one repository, newest first."""
    statement = (
        sa.select(decisions)
        .where(decisions.c.digest == digest, decisions.c.repository_id == repository_id)
        .order_by(decisions.c.decided_at.desc(), decisions.c.id.desc())
        .limit(limit)
    )
    return [_decision(row) for row in tx.execute(statement)]


def due(tx: Transaction, now: int, limit: int = 500) -> list[Place]:
    """Return places whose decision may have changed by time alone."""
    statement = sa.select(decisions).where(decisions.c.valid_until <= now, _CURRENT).limit(limit)
    return [_place(row) for row in tx.execute(statement)]


def outdated(tx: Transaction, policy: str, revision: str, limit: int = 500) -> list[Place]:
    """Return places that were decided about by another revision of the policy than the present one."""
    statement = (
        sa.select(decisions)
        .where(decisions.c.policy == policy, decisions.c.policy_revision != revision, _CURRENT)
        .limit(limit)
    )
    return [_place(row) for row in tx.execute(statement)]


def next_due(tx: Transaction) -> int | None:
    """Return the next instant at which a decision can change by time alone."""
    return tx.execute(_NEXT).scalar()


_NEXT = sa.select(sa.func.min(decisions.c.valid_until)).where(_CURRENT)


def closed_under(tx: Transaction, lineage: str) -> list[Place]:
    """Return places below a lineage whose gate is not open: those that an exemption may open."""
    return _select(tx, lineage, decisions.c.state != GateState.OPEN.value)


def exempted_under(tx: Transaction, lineage: str) -> list[Place]:
    """Return places below a lineage whose decision stands on an exemption: those that a revocation may close."""
    return _select(tx, lineage, decisions.c.valid_until.is_not(None))


def _select(tx: Transaction, lineage: str, where: sa.ColumnElement[bool]) -> list[Place]:
    statement = sa.select(decisions).where(_CURRENT, where, *_under(lineage)).order_by(decisions.c.id)
    return [_place(row) for row in tx.execute(statement)]


def _under(lineage: str) -> Iterable[sa.ColumnElement[bool]]:
    repository = lineage.removeprefix("registry/")
    if not lineage or not repository:
        return
    if repository.endswith("/"):
        yield decisions.c.repository >= repository
        yield decisions.c.repository < repository[:-1] + "0"  # the character after '/'
    else:
        yield decisions.c.repository == repository


def _place(row: Any) -> Place:
    return Place(row.digest, row.repository_id, row.repository)


def _values(decision: Decision) -> dict[str, Any]:
    verdict = decision.verdict
    return {
        "id": decision.id,
        "digest": decision.digest,
        "repository_id": decision.repository_id,
        "repository": decision.repository,
        "policy": decision.policy,
        "policy_revision": decision.policy_revision,
        "state": verdict.state.value,
        "kind": verdict.kind.value,
        "summary": verdict.summary,
        "remedy": verdict.remedy,
        "reasons": [reason.as_json() for reason in verdict.reasons],
        "facts_revision": decision.facts_revision,
        "valid_until": verdict.valid_until,
        "decided_at": decision.decided_at,
        "superseded_at": None,
    }


def _decision(row: Any) -> Decision:
    verdict = Verdict(
        state=GateState(row.state),
        kind=DecisionClass(row.kind),
        summary=row.summary,
        remedy=row.remedy,
        reasons=tuple(Reason.from_json(reason) for reason in row.reasons),
        valid_until=row.valid_until,
    )
    return Decision(
        id=row.id,
        digest=row.digest,
        repository_id=row.repository_id,
        repository=row.repository,
        policy=row.policy,
        policy_revision=row.policy_revision,
        verdict=verdict,
        facts_revision=row.facts_revision,
        decided_at=row.decided_at,
        superseded_at=row.superseded_at,
    )
