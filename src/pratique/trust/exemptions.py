"""Exemptions: accepted by a named person, for a time, and in force on all gates before the answer is given."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.events import Event, EventBus
from pratique.core.findings.store import FindingStore
from pratique.core.findings.tables import findings, rule_names
from pratique.core.findings.types import Exemption
from pratique.core.ids import new_id
from pratique.core.jobs.queue import JobQueue
from pratique.core.permissions import Caller
from pratique.trust.service import SPREAD, TrustService
from pratique.trust.types import EXEMPTION_CHANGED

_ADDED = "trust.exemption.add"
_REVOKED = "trust.exemption.revoke"
SHORTEST_REASON = 8
"""Characters that are no spaces."""


class AuditTrail(Protocol):
    """What exemptions write to the audit log; `core.audit.Audit` is one."""

    def with_change(
        self, tx: Transaction, action: str, caller: Caller, target: str, detail: Mapping[str, Any] = ...
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class NewExemption:
    """What is asked for: which vulnerability, where, why, until when, and who agreed."""

    rule: str
    lineage: str
    """`registry/team/app`, or with '/' at the end everything below; '' everywhere."""
    reason: str
    approver: str
    expires_at: int
    location: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """An exemption, and how many images were decided about again because of it."""

    exemption: Exemption
    decided: int


class Exemptions:
    """Grants and withdraws exemptions.

    The record, its audit line and the job that guarantees its effect are one transaction; the effect itself follows in
    short ones before the call returns.
    """

    def __init__(
        self,
        database: Database,
        findings: FindingStore,
        trust: TrustService,
        *,
        audit: AuditTrail,
        events: EventBus,
        jobs: JobQueue,
    ) -> None:
        self._database = database
        self._findings = findings
        self._trust = trust
        self._audit = audit
        self._events = events
        self._jobs = jobs

    def add(self, asked: NewExemption, caller: Caller, *, force: bool = False) -> Effect:
        """Grant an exemption; raises Invalid when reason, approver or end is missing, or a reason says nothing.

        One that would cover nothing is refused unless `force` is given: mostly a name is misspelt.
        """
        _check_reason(asked.reason)
        identity, job_key = new_id(), secrets.token_hex(8)

        def body(tx: Transaction) -> Exemption:
            exemption = Exemption(
                id=identity,
                rule=asked.rule,
                lineage=asked.lineage,
                location=asked.location,
                reason=asked.reason,
                approver=asked.approver,
                created_by=caller.name,
                created_at=tx.now,
                expires_at=asked.expires_at,
            )
            if not force and not _matches(tx, exemption):
                raise _nothing(exemption)
            self._findings.add_exemption(tx, exemption)
            self._follow(tx, exemption, _ADDED, caller, job_key, lineages=_covered(tx, identity))
            return exemption

        return self._effect(self._database.write(body))

    def revoke(self, identity: str, caller: Caller) -> Effect:
        """Withdraw an exemption now; raises NotFound."""
        job_key = secrets.token_hex(8)

        def body(tx: Transaction) -> Exemption:
            covered = _covered(tx, identity)
            exemption = self._findings.revoke_exemption(tx, identity)
            self._follow(tx, exemption, _REVOKED, caller, job_key, lineages=covered)
            return exemption

        return self._effect(self._database.write(body))

    def list(self, *, before: str = "", limit: int = 100) -> Sequence[Exemption]:
        """Return exemptions, ended ones too, newest first."""
        return self._database.read(lambda tx: self._findings.list_exemptions(tx, before=before, limit=limit))

    def get(self, identity: str) -> Exemption:
        """Return one exemption; raises NotFound."""
        return self._database.read(lambda tx: self._findings.get_exemption(tx, identity))

    def _follow(
        self,
        tx: Transaction,
        exemption: Exemption,
        action: str,
        caller: Caller,
        job_key: str,
        *,
        lineages: Sequence[str],
    ) -> None:
        detail = {
            "rule": exemption.rule,
            "lineage": exemption.lineage,
            "location": exemption.location,
            "reason": exemption.reason,
            "approver": exemption.approver,
            "expires_at": exemption.expires_at,
        }
        self._audit.with_change(tx, action, caller, exemption.id, detail)
        self._jobs.enqueue(tx, SPREAD, {"lineage": exemption.lineage}, unique=f"{SPREAD}:{job_key}", priority=5)
        self._events.publish(tx, Event(EXEMPTION_CHANGED, exemption.id, {"lineages": list(lineages)}))

    def _effect(self, exemption: Exemption) -> Effect:
        return Effect(exemption, self._trust.spread(exemption.lineage))


def _check_reason(reason: str) -> None:
    if sum(not character.isspace() for character in reason) < SHORTEST_REASON:
        raise Invalid(
            "An exemption needs a reason that says something.",
            remedy=f"say in {SHORTEST_REASON} characters or more why this can be accepted",
        )


def _matches(tx: Transaction, exemption: Exemption) -> bool:
    """Whether any open finding would stand under the exemption."""
    wanted: list[sa.ColumnElement[bool]] = [findings.c.resolved_at.is_(None)]
    if exemption.rule:
        named = sa.select(rule_names.c.rule).where(rule_names.c.name == exemption.rule)
        wanted.append(sa.or_(findings.c.rule == exemption.rule, findings.c.rule.in_(named)))
    if exemption.location:
        wanted.append(findings.c.location == exemption.location)
    if exemption.lineage.endswith("/"):
        # '0' is the character after '/', so that a range on the index takes the place of LIKE.
        wanted += [findings.c.lineage >= exemption.lineage, findings.c.lineage < f"{exemption.lineage[:-1]}0"]
    elif exemption.lineage:
        wanted.append(findings.c.lineage == exemption.lineage)
    return tx.execute(sa.select(findings.c.id).where(*wanted).limit(1)).first() is not None


def _nothing(exemption: Exemption) -> Invalid:
    where = exemption.lineage.removeprefix("registry/") or "any repository"
    what = " in ".join(part for part in (exemption.rule, exemption.location) if part)
    return Invalid(
        f"{what} matches no open finding in {where}.",
        remedy="look for it with `pratique recommendations --search`, or add --force to accept it before it is found",
    )


def _covered(tx: Transaction, identity: str) -> list[str]:
    """The lineages with findings that stand under an exemption."""
    statement = sa.select(findings.c.lineage).where(findings.c.exemption_id == identity).distinct()
    return sorted(tx.execute(statement).scalars())
