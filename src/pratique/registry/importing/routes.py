"""Imports in the management API."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.http.plane import caller_of, threads_of
from pratique.registry.importing.service import Imports, NewImport

_Platform = Annotated[str, Field(max_length=60)]


class ImportBody(BaseModel):
    """An import to be made; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(max_length=600, description="HOST/REPOSITORY:TAG or @DIGEST; without a host: this registry.")
    target: str = Field(max_length=400, description="REPOSITORY:TAG, or REPOSITORY for no tag.")
    user: str = Field("", max_length=200)
    secret: str = Field("", max_length=8192, repr=False)
    platforms: tuple[_Platform, ...] = Field((), max_length=50, description="OS/ARCHITECTURE; none takes all.")
    referrers: bool = Field(True, description="Bring signatures and attestations too.")
    force: bool = Field(False, description="Move the tag if it is there already.")


def router(imports: Imports) -> APIRouter:
    """Routes below /api/v1; each asks for the right to import at the target."""
    routes = APIRouter(tags=["registry"])

    @routes.post("/registry/imports", status_code=202)
    async def create_import(request: Request, body: ImportBody) -> dict[str, Any]:
        """Copy an image with all its platforms and referrers into a repository, in the background."""
        new = NewImport(**body.model_dump())
        return await threads_of(request.scope).run(imports.create, caller_of(request.scope), new)

    @routes.get("/registry/imports/{identity}")
    async def show_import(request: Request, identity: str) -> dict[str, Any]:
        """Show how far an import is."""
        return await threads_of(request.scope).run(imports.show, caller_of(request.scope), identity)

    @routes.post("/registry/imports/{identity}/cancel")
    async def cancel_import(request: Request, identity: str) -> dict[str, Any]:
        """Ask an import to stop."""
        return await threads_of(request.scope).run(imports.cancel, caller_of(request.scope), identity)

    return routes
