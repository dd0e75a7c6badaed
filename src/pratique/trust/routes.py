"""The management API of trust: how images stand, their findings and decisions, and exemptions."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.clock import SECOND
from pratique.core.database import Cursors, Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.findings.store import FindingStore
from pratique.core.findings.types import Exemption, StoredFinding, StoredOccurrence
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.permissions import Authorizer, Caller, Permission, Scope
from pratique.registry.types import RepositoryName
from pratique.scan.types import lineage_of
from pratique.trust.errors import ExemptionUnknown
from pratique.trust.exemptions import Exemptions, NewExemption
from pratique.trust.service import TrustService
from pratique.trust.standing import Standing, Standings
from pratique.trust.types import Decision

MAX_WAIT = 30.0
_LOOK = 0.2
_LONGEST = 366 * 86400.0

Limit = Annotated[int, Query(ge=1, le=500)]
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait while no answer is there yet.")]


class ExemptionBody(BaseModel):
    """Unknown fields are refused: a misspelt one must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str = Field("", max_length=200, description="CVE, any other alias, or the id of the alias group.")
    repository: str = Field("", max_length=256, description="A repository; with '/' at its end all below; '' all.")
    location: str = Field("", max_length=500, description="purl without version; '' every package.")
    reason: str = Field(min_length=1, max_length=2000)
    approver: str = Field("", max_length=200, description="Who agreed; '' is the caller.")
    force: bool = Field(default=False, description="Accept it although no open finding matches yet.")
    lifetime: float = Field(gt=0, le=_LONGEST, description="Seconds until the exemption ends.")


def router(  # noqa: PLR0917  the composition root hands each domain its collaborators in one order
    database: Database,
    trust: TrustService,
    exemptions: Exemptions,
    findings: FindingStore,
    authorizer: Authorizer,
    cursors: Cursors,
) -> APIRouter:
    """Routes below /api/v1; each asks for the right at the repository that it speaks about."""
    routes = APIRouter(tags=["trust"])
    _images(routes, _Reads(database, trust, findings, authorizer))
    _exemptions(routes, _Writes(database, exemptions, authorizer, cursors))
    return routes


def _images(routes: APIRouter, reads: "_Reads") -> None:
    base = "/images/{name:path}/manifests/{reference}"

    @routes.get(f"{base}/status")
    async def show_status(request: Request, name: str, reference: str, wait: Wait = 0.0) -> dict[str, Any]:
        """Say whether an image may be pulled and why; `wait` holds the answer until there is one."""
        return await reads.status(caller_of(request.scope), name, reference, wait)

    @routes.get(f"{base}/findings")
    async def list_findings(request: Request, name: str, reference: str) -> dict[str, Any]:
        """List what is known against an image, worst first, with evidence and remediation."""
        return await reads.findings(caller_of(request.scope), name, reference)

    @routes.get(f"{base}/decisions")
    async def list_decisions(request: Request, name: str, reference: str, limit: Limit = 50) -> dict[str, Any]:
        """List the decisions about an image in this repository, newest first."""
        return await reads.decisions(caller_of(request.scope), name, reference, limit)


def _exemptions(routes: APIRouter, writes: "_Writes") -> None:
    @routes.get("/exemptions")
    async def list_exemptions(
        request: Request, cursor: Annotated[str | None, Query(max_length=2048)] = None, limit: Limit = 100
    ) -> dict[str, Any]:
        """List exemptions that the caller may see, ended ones too, newest first."""
        return await threads_of(request.scope).run(writes.list, caller_of(request.scope), cursor, limit)

    @routes.post("/exemptions", status_code=201)
    async def create_exemption(request: Request, body: ExemptionBody) -> dict[str, Any]:
        """Accept a finding for a time; gates have moved when the answer comes."""
        return await threads_of(request.scope).run(writes.add, caller_of(request.scope), body)

    @routes.delete("/exemptions/{identity}")
    async def revoke_exemption(request: Request, identity: str) -> dict[str, Any]:
        """Withdraw an exemption; gates have moved when the answer comes."""
        return await threads_of(request.scope).run(writes.revoke, caller_of(request.scope), identity)


class _Reads:
    """The reads behind the routes of images."""

    def __init__(
        self,
        database: Database,
        trust: TrustService,
        findings: FindingStore,
        authorizer: Authorizer,
    ) -> None:
        self._database = database
        self._standings = Standings(trust)
        self._trust = trust
        self._findings = findings
        self._authorizer = authorizer

    async def status(self, caller: Caller, name: str, reference: str, wait: float) -> dict[str, Any]:
        """Poll in short reads: no thread and no transaction is held while nothing happens."""
        repository = self._seen(caller, name, Permission.TRUST_DECISIONS_READ)
        end = time.monotonic() + wait
        while True:
            found = await self._find(repository, reference)
            if found.settled or time.monotonic() >= end:
                return found.as_json()
            await asyncio.sleep(_LOOK)

    async def findings(self, caller: Caller, name: str, reference: str) -> dict[str, Any]:
        repository = self._seen(caller, name, Permission.SCAN_FINDINGS_READ)
        lineage = lineage_of(repository)

        def read(tx: Transaction) -> list[tuple[StoredFinding, StoredOccurrence]]:
            digest = self._standings.find(tx, repository, reference).place.digest
            return self._findings.of_subject(tx, digest, domain="scan", lineage=lineage)

        rows = await self._database.read_async(read)
        return {"items": [finding_json(*row) for row in rows]}

    async def decisions(self, caller: Caller, name: str, reference: str, limit: int) -> dict[str, Any]:
        repository = self._seen(caller, name, Permission.TRUST_DECISIONS_READ)

        def read(tx: Transaction) -> list[Decision]:
            place = self._standings.find(tx, repository, reference).place
            return self._trust.history(tx, place.repository_id, place.digest, limit)

        return {"items": [decision_json(item) for item in await self._database.read_async(read)]}

    async def _find(self, repository: str, reference: str) -> Standing:
        return await self._database.read_async(lambda tx: self._standings.find(tx, repository, reference))

    def _seen(self, caller: Caller, name: str, permission: Permission) -> str:
        """A pusher asks about what it pushed: the right to push shows how the image stands."""
        repository = str(RepositoryName.parse(name))
        scope = Scope.for_repository(repository)
        if not self._authorizer.allowed(caller, Permission.REGISTRY_CONTENT_WRITE, scope):
            self._authorizer.require(caller, permission, scope)
        return repository


class _Writes:
    """What the routes of exemptions do, in a thread."""

    def __init__(self, database: Database, exemptions: Exemptions, authorizer: Authorizer, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors
        self._exemptions = exemptions
        self._authorizer = authorizer

    def list(self, caller: Caller, cursor: str | None, limit: int) -> dict[str, Any]:
        before = str(self._cursors.decode("exemptions", cursor)[0]) if cursor else ""
        found = self._exemptions.list(before=before, limit=limit)
        seen = [
            exemption_json(item)
            for item in found
            if self._authorizer.allowed(caller, Permission.TRUST_EXEMPTIONS_READ, _scope(item.lineage))
        ]
        return {
            "items": seen,
            "next": self._cursors.encode("exemptions", [found[-1].id]) if len(found) == limit else None,
        }

    def add(self, caller: Caller, body: ExemptionBody) -> dict[str, Any]:
        lineage = _lineage(body.repository)
        self._authorizer.require(caller, Permission.TRUST_EXEMPTIONS_WRITE, _scope(lineage))
        asked = NewExemption(
            rule=body.rule,
            lineage=lineage,
            reason=body.reason,
            approver=body.approver or caller.name,
            location=body.location,
            expires_at=self._database.clock.now() + round(body.lifetime * SECOND),
        )
        effect = self._exemptions.add(asked, caller, force=body.force)
        return {**exemption_json(effect.exemption), "decided": effect.decided}

    def revoke(self, caller: Caller, identity: str) -> dict[str, Any]:
        found = self._exemptions.get(identity)
        if not self._authorizer.allowed(caller, Permission.TRUST_EXEMPTIONS_READ, _scope(found.lineage)):
            raise ExemptionUnknown("there is no such exemption", remedy="`pratique exempt list` shows the ids")
        self._authorizer.require(caller, Permission.TRUST_EXEMPTIONS_WRITE, _scope(found.lineage))
        effect = self._exemptions.revoke(identity, caller)
        return {**exemption_json(effect.exemption), "decided": effect.decided}


def _lineage(repository: str) -> str:
    if not repository:
        return ""
    below = repository.endswith("/")
    name = str(RepositoryName.parse(repository.removesuffix("/")))
    return lineage_of(f"{name}/" if below else name)


def _scope(lineage: str) -> Scope:
    if not lineage:
        return Scope.root()
    if not lineage.startswith("registry/"):
        raise Invalid("this exemption is not for a repository")
    return Scope.parse(f"/{lineage.removesuffix('/')}")


def exemption_json(item: Exemption) -> dict[str, Any]:
    """An exemption as the API shows it."""
    return {
        "id": item.id,
        "rule": item.rule,
        "repository": item.lineage.removeprefix("registry/"),
        "location": item.location,
        "reason": item.reason,
        "approver": item.approver,
        "created_by": item.created_by,
        "created_at": item.created_at,
        "expires_at": item.expires_at,
        "revoked_at": item.revoked_at,
    }


def finding_json(stored: StoredFinding, shown: StoredOccurrence) -> dict[str, Any]:
    """A finding of one image as the API shows it."""
    finding = stored.finding
    return {
        "key": stored.key,
        "rule": finding.rule,
        "aliases": list(finding.aliases),
        "title": finding.title,
        "state": finding.state,
        "severity": finding.severity.value,
        "severity_source": finding.severity_source,
        "exploited": finding.exploited,
        "likelihood": finding.likelihood,
        "location": finding.location,
        "version": shown.version,
        "fix": finding.fix,
        "action": finding.action,
        "remediation": shown.remediation,
        "evidence": dict(shown.evidence),
        "first_seen": stored.first_seen,
        "exempt_until": stored.exempt_until,
        "owner": stored.owner,
    }


def decision_json(item: Decision) -> dict[str, Any]:
    """A decision as the API shows it."""
    verdict = item.verdict
    return {
        "id": item.id,
        "state": verdict.state.value,
        "class": verdict.kind.value,
        "summary": verdict.summary,
        "remedy": verdict.remedy,
        "reasons": [reason.as_json() for reason in verdict.reasons],
        "policy": item.policy,
        "policy_revision": item.policy_revision,
        "facts_revision": item.facts_revision,
        "decided_at": item.decided_at,
        "valid_until": verdict.valid_until,
        "superseded_at": item.superseded_at,
    }
