"""Attributes and deletion in the management API: of a repository, or of what a tag or digest in it stands for."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Authorizer, Caller
from pratique.registry.attributes import mark_of
from pratique.registry.errors import ManifestUnknown
from pratique.registry.lifecycle import Lifecycle
from pratique.registry.locks import Attributes
from pratique.registry.repositories import require_repository
from pratique.registry.rights import CHANGE, DELETE, MARK, PULL, SEE, Rights
from pratique.registry.tables import manifests, repositories, tags
from pratique.registry.types import Reference, RepositoryName

Which = Annotated[str, Query(max_length=200, description="A tag or digest; none is the repository itself.")]


class AttributeChange(BaseModel):
    """What is to be allowed or not; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    delete_enabled: bool | None = None
    write_enabled: bool | None = None
    list_enabled: bool | None = None
    read_enabled: bool | None = None
    quarantine_state: str | None = Field(None, description="Passed or Failed; of a digest only.")
    quarantine_details: Any = None

    def wanted(self) -> dict[str, bool | None]:
        return {
            "deleteEnabled": self.delete_enabled,
            "writeEnabled": self.write_enabled,
            "listEnabled": self.list_enabled,
            "readEnabled": self.read_enabled,
        }


def router(database: Database, lifecycle: Lifecycle, authorizer: Authorizer) -> APIRouter:
    """Routes below /api/v1."""
    routes = APIRouter(tags=["registry"])
    rights = Rights(authorizer)

    @routes.get("/repositories/{name:path}/attributes")
    async def show_attributes(request: Request, name: str, reference: Which = "") -> dict[str, Any]:
        """Show what is locked, and what a scanner has said."""
        repository = RepositoryName.parse(name)
        rights.require(caller_of(request.scope), repository, SEE, PULL)
        return await database.read_async(lambda tx: _shown(tx, repository, reference))

    @routes.patch("/repositories/{name:path}/attributes")
    async def change_attributes(
        request: Request, name: str, change: AttributeChange, reference: Which = ""
    ) -> dict[str, Any]:
        """Lock or unlock; or record that a scanner has passed or failed a manifest."""
        caller, repository = caller_of(request.scope), RepositoryName.parse(name)
        if any(value is not None for value in change.wanted().values()) or change.quarantine_state is None:
            rights.require(caller, repository, CHANGE)
        if change.quarantine_state is not None:
            rights.require(caller, repository, MARK)
        await database.write_async(lambda tx: _change(tx, lifecycle, caller, repository, reference, change))
        return await database.read_async(lambda tx: _shown(tx, repository, reference))

    @routes.delete("/repositories/{name:path}/content")
    async def delete_content(request: Request, name: str, reference: Which = "") -> dict[str, Any]:
        """Delete a tag, a manifest with its tags, or the whole repository; nothing is done where a lock forbids it."""
        caller, repository = caller_of(request.scope), RepositoryName.parse(name)
        rights.require(caller, repository, DELETE)
        if reference:
            wanted = Reference.parse(reference)
            await database.write_async(lambda tx: lifecycle.deletions.delete(tx, caller, repository, wanted))
            return {"manifests": [reference] if wanted.digest else [], "tags": [] if wanted.digest else [reference]}
        deleted = await run_in_threadpool(lifecycle.repositories.delete, caller, repository)
        return {"manifests": deleted.manifests, "tags": deleted.tags}

    return routes


def _change(  # noqa: PLR0917  who changes what, where
    tx: Transaction, lifecycle: Lifecycle, caller: Caller, name: RepositoryName, reference: str, change: AttributeChange
) -> None:
    service, wanted = lifecycle.attributes, change.wanted()
    if change.quarantine_state is not None and ":" not in reference:
        raise Invalid("only a digest can be passed or failed", remedy="name the manifest by its digest")
    if not reference:
        service.lock_repository(tx, caller, name, wanted)
        return
    found = Reference.parse(reference)
    if found.digest is None:
        service.lock_tag(tx, caller, name, reference, wanted)
        return
    service.lock_manifest(tx, caller, name, reference, wanted)
    if change.quarantine_state is not None:
        details = change.quarantine_details
        service.mark(tx, caller, name, reference, state=change.quarantine_state, details=details)


def _shown(tx: Transaction, name: RepositoryName, reference: str) -> dict[str, Any]:
    repository_id = require_repository(tx, name)
    if not reference:
        query = sa.select(repositories.c.locks).where(repositories.c.id == repository_id)
    elif Reference.parse(reference).digest is not None:
        query = sa.select(manifests.c.locks).where(
            manifests.c.repository_id == repository_id, manifests.c.digest == reference
        )
    else:
        query = sa.select(tags.c.locks).where(tags.c.repository_id == repository_id, tags.c.name == reference)
    mask = tx.execute(query).scalar_one_or_none()
    if mask is None:
        raise ManifestUnknown(f"there is no {reference} in {name}", remedy="check the tag or digest")
    allowed = Attributes.of(mask)
    mark = mark_of(tx, repository_id, reference) if ":" in reference else None
    return {
        "repository": name.value,
        "reference": reference or None,
        "delete_enabled": allowed.delete_enabled,
        "write_enabled": allowed.write_enabled,
        "list_enabled": allowed.list_enabled,
        "read_enabled": allowed.read_enabled,
        "quarantine": None
        if mark is None
        else {"state": mark.state, "details": mark.details, "marked_at": mark.marked_at, "marked_by": mark.marked_by},
    }
