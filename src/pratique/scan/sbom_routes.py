"""The management API of an image's SBOM: made on request out of stored facts, the same bytes each time."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from pratique.core.database import Database, Transaction
from pratique.core.errors import NotFound
from pratique.core.http.plane import caller_of, threads_of
from pratique.core.permissions import Authorizer, Permission, Scope
from pratique.registry.service import RegistryService
from pratique.registry.types import RepositoryName
from pratique.scan.stored import sbom, stored_inventory

_Form = Literal["cyclonedx", "spdx-json", "spdx3-json"]
_Asked = Annotated[_Form, Query(alias="format", description="Form of the document.")]


def router(database: Database, registry: RegistryService, authorizer: Authorizer) -> APIRouter:
    """Routes below /api/v1 for the SBOMs of images."""
    routes = APIRouter(tags=["scan"])

    @routes.get("/images/{name:path}/manifests/{reference}/sbom")
    async def show_sbom(request: Request, name: str, reference: str, form: _Asked = "cyclonedx") -> Response:
        """Show what an image holds as CycloneDX 1.6, SPDX 2.3 or SPDX 3.0; for an index, name one of its images."""
        repository = str(RepositoryName.parse(name))
        authorizer.require(caller_of(request.scope), Permission.SCAN_FINDINGS_READ, Scope.for_repository(repository))

        def read(tx: Transaction) -> tuple[str, bytes]:
            found = registry.resolve(tx, repository, reference)
            if found is None:
                raise NotFound(f"there is no {reference} in {repository}", remedy="see `pratique registry list`")
            stored = stored_inventory(tx, found.digest)
            if stored is None:
                remedy = "wait for `pratique status`; of an index, name one of its images by digest"
                raise NotFound(f"{reference} in {repository} has not been read", remedy=remedy)
            return sbom(stored, repository, found.digest, form)

        media_type, content = await threads_of(request.scope).run(database.read, read)
        return Response(content, media_type=media_type)

    return routes
