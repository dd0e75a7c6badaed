"""The management API of recommendations: what to do, the findings behind it, and the score."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.errors import Denied
from pratique.core.findings.types import Severity
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.permissions import Authorizer, Caller, Permission
from pratique.recommendations.actions import KIND_NAMES
from pratique.recommendations.assigning import LONGEST, Assignment, Assignments
from pratique.recommendations.service import RecommendationService
from pratique.recommendations.types import (
    Evidence,
    FindingFilter,
    Kind,
    Recommendation,
    RecommendationFilter,
    Sort,
    State,
    Visibility,
)
from pratique.scan.service import BaseUpgrade

Limit = Annotated[int, Query(ge=1, le=500)]
Text = Annotated[str, Query(max_length=255)]
Cursor = Annotated[str, Query(max_length=2048, description="`next` of the page before.")]
Severities = Annotated[list[Severity] | None, Query(max_length=6)]
Kinds = Annotated[list[Kind] | None, Query(max_length=8)]


def router(service: RecommendationService, assignments: Assignments, authorizer: Authorizer) -> APIRouter:
    """Routes below /api/v1; every list holds only what the caller may see."""
    routes = APIRouter(tags=["recommendations"])
    reads = _Reads(service, authorizer)
    _recommendations(routes, reads)
    _assignments(routes, assignments, authorizer)
    _findings(routes, reads)
    return routes


def _recommendations(routes: APIRouter, reads: "_Reads") -> None:
    @routes.get("/recommendations")
    async def list_recommendations(
        request: Request,
        *,
        severity: Severities = None,
        exploited: bool | None = None,
        fixable: bool | None = None,
        kind: Kinds = None,
        state: State | None = None,
        owner: Text = "",
        repository: Text = "",
        q: Text = "",
        sort: Sort = Sort.RISK,
        cursor: Cursor = "",
        limit: Limit = 50,
    ) -> dict[str, Any]:
        """List what to do, worst first."""
        wanted = RecommendationFilter(
            severity=tuple(severity or ()),
            exploited=exploited,
            fixable=fixable,
            kind=tuple(kind or ()),
            state=state,
            owner=owner,
            repository=repository,
            search=q,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        return await reads.list(request, wanted)

    @routes.get("/recommendations/summary")
    async def show_summary(request: Request) -> dict[str, Any]:
        """Show the score and open findings by severity."""
        return await reads.summary(request)

    @routes.get("/recommendations/{recommendation_id}")
    async def show_recommendation(request: Request, recommendation_id: str) -> dict[str, Any]:
        """Show one recommendation with its steps and the images that it would repair."""
        return await reads.one(request, recommendation_id)


class AssignmentBody(BaseModel):
    """What to set; what is left out stays as it is, and null takes it away."""

    model_config = ConfigDict(extra="forbid")

    owner: str | None = Field(default=None, max_length=LONGEST, description="Name of a person or a team.")
    due: int | None = Field(
        default=None, gt=0, lt=2**63, description="UTC microseconds; null: as the severity demands."
    )

    def assignment(self) -> Assignment:
        given = self.model_fields_set
        return Assignment((self.owner or "") if "owner" in given else None, (self.due or 0) if "due" in given else None)


def _assignments(routes: APIRouter, assignments: Assignments, authorizer: Authorizer) -> None:
    @routes.patch("/recommendations/{recommendation_id}")
    async def assign_recommendation(request: Request, recommendation_id: str, body: AssignmentBody) -> dict[str, Any]:
        """Set owner and due date of the findings behind a recommendation that the caller may write."""
        caller = caller_of(request.scope)
        extent = authorizer.extent(caller, Permission.RECOMMENDATIONS_ITEMS_WRITE)
        if extent.is_empty:
            raise _lacks(caller, Permission.RECOMMENDATIONS_ITEMS_WRITE, "SecurityAdmin")
        count = await threads_of(request.scope).run(
            assignments.assign, caller, recommendation_id, body.assignment(), Visibility.of(extent)
        )
        return {"id": recommendation_id, "findings": count}


def _findings(routes: APIRouter, reads: "_Reads") -> None:
    @routes.get("/findings")
    async def list_findings(
        request: Request,
        *,
        recommendation: Text = "",
        repository: Text = "",
        digest: Text = "",
        severity: Severities = None,
        exploited: bool | None = None,
        assessed: bool | None = None,
        q: Text = "",
        cursor: Cursor = "",
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """List findings in images with their evidence, worst first."""
        wanted = FindingFilter(
            recommendation=recommendation,
            repository=repository,
            subject=digest,
            severity=tuple(severity or ()),
            exploited=exploited,
            assessed=assessed,
            search=q,
            cursor=cursor,
            limit=limit,
        )
        return await reads.findings(request, wanted)


class _Reads:
    """Asks for the right, reads in a thread, and words the answer."""

    def __init__(self, service: RecommendationService, authorizer: Authorizer) -> None:
        self._service = service
        self._authorizer = authorizer

    async def list(self, request: Request, wanted: RecommendationFilter) -> dict[str, Any]:
        visibility = self._visibility(request, Permission.RECOMMENDATIONS_ITEMS_READ)
        page = await threads_of(request.scope).run(self._service.page, wanted, visibility)
        return {"items": [_item(item) for item in page.items], "total": page.total, "next": page.next_cursor or None}

    async def one(self, request: Request, recommendation_id: str) -> dict[str, Any]:
        visibility = self._visibility(request, Permission.RECOMMENDATIONS_ITEMS_READ)

        def read() -> dict[str, Any]:
            item = self._service.get(recommendation_id, visibility)
            images, more = self._service.images(item, visibility, 500)
            return {
                **_item(item),
                "steps": [{"text": step.text, "code": step.code} for step in self._service.steps(item)],
                "affected": [
                    {"lineage": line.lineage, "digest": line.subject, "counts": asdict(line.counts)} for line in images
                ],
                "affected_more": more,
            }

        return await threads_of(request.scope).run(read)

    async def summary(self, request: Request) -> dict[str, Any]:
        visibility = self._visibility(request, Permission.RECOMMENDATIONS_ITEMS_READ)
        return asdict(await threads_of(request.scope).run(self._service.summary, visibility))

    async def findings(self, request: Request, wanted: FindingFilter) -> dict[str, Any]:
        visibility = self._visibility(request, Permission.SCAN_FINDINGS_READ)
        page = await threads_of(request.scope).run(self._service.findings, wanted, visibility)
        return {"items": [_finding(found) for found in page.items], "next": page.next_cursor or None}

    def _visibility(self, request: Request, permission: Permission) -> Visibility:
        caller = caller_of(request.scope)
        extent = self._authorizer.extent(caller, permission)
        if extent.is_empty:
            raise _lacks(caller, permission, "SecurityReader")
        return Visibility.of(extent)


def _lacks(caller: Caller, permission: Permission, role: str) -> Denied:
    return Denied(f"{caller.name} lacks {permission.value}.", remedy=f"Ask for a role that has it, such as {role}.")


def _item(item: Recommendation) -> dict[str, Any]:
    return {
        "id": item.id,
        "action": item.action.text,
        "kind": item.kind.value,
        "kind_name": KIND_NAMES[item.kind],
        "title": item.title,
        "state": item.state.value,
        "severity": item.severity.value if item.severity else None,
        "counts": asdict(item.counts),
        "likelihood": item.likelihood,
        "fix": item.fix,
        "risk": item.risk,
        "images": item.images,
        "repositories": item.repositories,
        "first_seen": item.first_seen,
        "due": item.due,
        "gain": item.gain,
        "owner": item.owner,
        "owners": item.owners,
        "base": _base(item.base),
    }


def _base(base: BaseUpgrade | None) -> dict[str, Any] | None:
    """Word a base image; None where the action is about none, or the caller may not see its repository."""
    if base is None:
        return None
    return {
        "repository": base.repository,
        "tag": base.tag,
        "digest": base.digest,
        "named": base.named,
        "target_tag": base.target_tag,
        "target_digest": base.target,
        "rebuilt": base.rebuilt,
        **asdict(base.compared),
    }


def _finding(found: Evidence) -> dict[str, Any]:
    return {
        "key": found.key,
        "rule": found.rule,
        "aliases": list(found.aliases),
        "title": found.title,
        "severity": found.severity.value,
        "severity_source": found.severity_source,
        "state": "affected" if found.assessed else "not-assessed",
        "exempted": found.exempted,
        "exploited": found.exploited,
        "likelihood": found.likelihood,
        "risk": asdict(found.risk) if found.assessed else None,
        "fix": found.fix,
        "lineage": found.lineage,
        "location": found.location,
        "digest": found.subject,
        "version": found.version,
        "remediation": found.remediation,
        "first_seen": found.first_seen,
        "due": found.due,
        "owner": found.owner,
        "recommendation": found.action,
        "evidence": dict(found.proof),
    }
